"""What planners are called on the screen."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

PLANNERS: Mapping[str, str] = MappingProxyType(
    {
        "random": "Random shooting",
        "cem": "CEM",
        "icem": "iCEM",
        "mppi": "MPPI",
        "gradient": "Gradient (Adam)",
        "lbfgs": "Gradient (L-BFGS)",
        "lifted": "Lifted (GRASP)",
        "mcts": "MCTS",
        "mode1": "Mode-1",
        "guided": "Guided CEM",
        "landmarks": "A*, landmarks",
        "supported": "A*, near seen",
        "latent": "A*, anywhere",
        "values": "Value iteration",
    }
)
"""By the names that ``planners`` of a configuration takes."""


def planner_label(name: str) -> str:
    """A planner as people call it; a name that is not known, as it is."""
    return PLANNERS.get(name, name)
