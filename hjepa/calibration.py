"""How far an agent's predictions can be trusted, from recorded walks that it was not trained on."""

from __future__ import annotations

from dataclasses import dataclass
from typing import final

import torch

from hjepa.ground import Ground
from hjepa.guardrails import Margins
from hjepa.shield import calibrate
from hjepa.surprises import Surprises
from hjepa.trajectories import Trajectories
from hjepa.world_model import WorldModel

HORIZON = 6
"""World steps that a shield looks ahead."""
APART = 3
"""Rows between the windows by which margins are set."""


@final
@dataclass(frozen=True, eq=False)
class Calibration:
    """What recorded walks say of level 1's errors.

    Attributes:
        margins: that guardrails need on top; a prediction is farther off once in a thousand.
        surprises: none yet, with the error that counts as one: a recorded step exceeds it once in ten thousand.
        ground: where recorded walks went, if the shield is to know; see :mod:`hjepa.ground`.
    """

    margins: Margins
    surprises: Surprises
    ground: Ground | None = None

    @classmethod
    def of(cls, stack: WorldModel, walks: Trajectories, ground: Ground | None = None) -> Calibration:
        """From recorded walks; a few ten thousand steps will do (for the ground: all that the agent learned from).

        Raises:
            ValueError: for fewer than it takes.
        """
        last = walks.starts + walks.lengths
        inside = torch.ones(len(walks), dtype=torch.bool)
        inside[last - 1] = False
        before = torch.arange(len(walks))[inside]
        surprises = Surprises.calibrated(
            stack, walks.observations[before], walks.actions[before], walks.observations[before + 1]
        )
        pairs = zip(walks.starts.tolist(), (last - HORIZON).tolist(), strict=True)
        begins = [torch.arange(start, stop, APART) for start, stop in pairs if stop > start]
        first = torch.cat(begins or [torch.empty(0, dtype=torch.long)])[:, None]
        seen = walks.observations[first + torch.arange(HORIZON + 1)]
        margins = calibrate(stack, seen, walks.actions[first + torch.arange(HORIZON)], ground=ground)
        return cls(margins, surprises, ground)
