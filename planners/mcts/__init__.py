"""Monte Carlo tree search over learned models: batched over problems, compiled on a CPU, all tensors on a GPU.

``MCTSPlanner`` is the planner; the rest is for whoever brings a model with priors and values of its own: ``MCTS``
(MuZero; Stochastic MuZero where it is given a ``StochasticModel``), ``GumbelMCTS`` and ``DeviceMCTS``.
"""

from planners.mcts.chance import StochasticCostToGoModel, StochasticModel
from planners.mcts.device import DeviceMCTS
from planners.mcts.forest import Model, Prediction, SearchResult
from planners.mcts.gumbel import GumbelMCTS
from planners.mcts.planner import MCTSPlanner
from planners.mcts.puct import MCTS, CostToGoModel
from planners.mcts.trees import Root, Trees

__all__ = [
    "MCTS",
    "CostToGoModel",
    "DeviceMCTS",
    "GumbelMCTS",
    "MCTSPlanner",
    "Model",
    "Prediction",
    "Root",
    "SearchResult",
    "StochasticCostToGoModel",
    "StochasticModel",
    "Trees",
]
