"""Search and optimisation over any dynamics: knows no world and no network.

| to plan | take |
|---|---|
| actions of a box, any cost | ``CEM``, ``ICEM``, ``MPPI``, ``RandomShooting``, ``GradientPlanner``, ``LiftedPlanner`` |
| discrete or continuous actions, any cost or a goal | ``MCTSPlanner`` |
| discrete actions towards a :class:`SearchGoal` | ``LatentAStar``, ``DynamicProgramming`` |
| on grids, networkx graphs, landmark graphs | ``GridPlanner``, ``NamedGraph``, ``LandmarkPlanner`` |
| top down through levels | ``HierarchicalPlanner`` |

All but the last two rows implement :class:`Planner`: ``plan(dynamics, cost, start, budget=..., ...)`` for a batch of
problems.
"""

from planners.astar import LatentAStar, SearchGoal
from planners.base import (
    Box,
    Budget,
    Categorical,
    Cost,
    Discrete,
    Dynamics,
    Gaussian,
    Plan,
    Planner,
    Recorder,
    StochasticDynamics,
    rollout,
)
from planners.candidates import PlannerError
from planners.dynamic_programming import DynamicProgramming
from planners.finite_model import Discretisation, FiniteModel
from planners.gradient import GradientPlanner
from planners.grid import GridPlanner
from planners.hierarchy import HierarchicalPlanner
from planners.landmarks import LandmarkPlanner
from planners.lifted import LiftedPlanner
from planners.mcts import MCTS, DeviceMCTS, GumbelMCTS, MCTSPlanner
from planners.named_graph import NamedGraph
from planners.outcomes import ConstrainedCost
from planners.risk import MEAN, WORST, Risk
from planners.sampling import CEM, ICEM, MPPI, RandomShooting, shift
from planners.value_iteration import value_iteration

__all__ = [
    "CEM",
    "ICEM",
    "MCTS",
    "MEAN",
    "MPPI",
    "WORST",
    "Box",
    "Budget",
    "Categorical",
    "ConstrainedCost",
    "Cost",
    "DeviceMCTS",
    "Discrete",
    "Discretisation",
    "DynamicProgramming",
    "Dynamics",
    "FiniteModel",
    "Gaussian",
    "GradientPlanner",
    "GridPlanner",
    "GumbelMCTS",
    "HierarchicalPlanner",
    "LandmarkPlanner",
    "LatentAStar",
    "LiftedPlanner",
    "MCTSPlanner",
    "NamedGraph",
    "Plan",
    "Planner",
    "PlannerError",
    "RandomShooting",
    "Recorder",
    "Risk",
    "SearchGoal",
    "StochasticDynamics",
    "rollout",
    "shift",
    "value_iteration",
]
