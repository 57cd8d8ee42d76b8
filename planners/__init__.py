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

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
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
    from planners.bellman import value_iteration
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

_MODULES = {
    "astar": "LatentAStar SearchGoal",
    "base": "Box Budget Categorical Cost Discrete Dynamics Gaussian Plan Planner Recorder StochasticDynamics rollout",
    "candidates": "PlannerError",
    "dynamic_programming": "DynamicProgramming",
    "finite_model": "Discretisation FiniteModel",
    "gradient": "GradientPlanner",
    "grid": "GridPlanner",
    "hierarchy": "HierarchicalPlanner",
    "landmarks": "LandmarkPlanner",
    "lifted": "LiftedPlanner",
    "mcts": "MCTS DeviceMCTS GumbelMCTS MCTSPlanner",
    "named_graph": "NamedGraph",
    "outcomes": "ConstrainedCost",
    "risk": "MEAN WORST Risk",
    "sampling": "CEM ICEM MPPI RandomShooting shift",
    "bellman": "value_iteration",
}
_HOMES = {name: module for module, names in _MODULES.items() for name in names.split()}


def __getattr__(name: str) -> Any:
    """Imports a name when it is first asked for: who wants a map or a trace need not wait for torch."""
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)


def __dir__() -> list[str]:
    return sorted(__all__)
