"""What a configurator has to go by: a task, as somebody states it, and what the agent knows of itself."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property
from typing import final

import numpy as np
import torch
from numpy.typing import NDArray

from hjepa.agent import Agent
from hjepa.calibration import Calibration
from hjepa.cost import CostWeights, IntrinsicCost
from hjepa.guardrails import Scene
from hjepa.planning import RISKS, Attitude
from hjepa.surprises import Surprises
from hjepa.ways import Way
from hjepa.zones import PlaceCost

Points = NDArray[np.float32]


class ConfiguratorError(ValueError):
    """A task that makes no sense, or that this agent can't do; the message is one line."""


@final
@dataclass(frozen=True, eq=False)
class Task:
    """What is wanted.

    Attributes:
        here: [O] what is seen now.
        goal: [O] what should be seen in the end.
        intrinsic: guardrails, which are never to be broken, and drives.
        weights: of the drives beside the task.
        preference: what places cost besides, such as a learned preference.
        risk: what the possible outcomes count as where chance decides.
        milliseconds: of processor time per world step that are allowed, on average; None for as many as it takes.
        changed: whether the world may have changed since the agent learned it.
    """

    here: Points
    goal: Points
    intrinsic: IntrinsicCost | None = None
    weights: CostWeights = field(default_factory=CostWeights)
    preference: PlaceCost | None = None
    risk: Attitude = "average"
    milliseconds: float | None = None
    changed: bool = False


@final
@dataclass(frozen=True, eq=False)
class Facts:
    """What an agent knows about itself and a task.

    Attributes:
        agent: who is to do it.
        task: what.
        calibration: how wrong the agent's predictions are; None if that is not known.
    """

    agent: Agent
    task: Task
    calibration: Calibration | None = None

    @cached_property
    @torch.no_grad()
    def ends(self) -> list[NDArray[np.float32]]:
        """[2, E_k] here and the goal in every level's critic space, finest first."""
        stack = self.agent.stack
        seen = torch.from_numpy(np.stack([self.task.here, self.task.goal])).to(stack.scale)
        return [stack.level(k).critic.embed(state).cpu().numpy() for k, state in enumerate(stack.encode_all(seen), 1)]

    @property
    def distances(self) -> tuple[float, ...]:
        """World steps to the goal, by every level's critic, finest first."""
        return tuple(float(np.linalg.norm(here - goal)) for here, goal in self.ends)

    @property
    def guarded(self) -> bool:
        """Whether there are guardrails or drives."""
        return self.task.intrinsic is not None

    @property
    def chances(self) -> int:
        """Landmarks of level 2 at which the agent believes that chance decides."""
        known = self.agent.graphs[2].chances if 2 in self.agent.graphs else None
        return 0 if known is None else len(np.unique(known.nodes))

    @cached_property
    def way(self) -> Way | None:
        """A way to the goal that worked, and still should; None where none is remembered."""
        ways = self.agent.ways
        return None if ways is None or self.needs_search else ways.way(*self.ends[0])

    def landmarks(self, k: int) -> int:
        """Landmarks of level ``k``."""
        return len(self.agent.graphs[k].states) if k in self.agent.graphs else 0

    @property
    def surprises(self) -> Surprises | None:
        """What is known of a world that may have changed, at least how wrong a surprise is."""
        if self.agent.surprises is None and self.calibration is not None:
            return self.calibration.surprises
        return self.agent.surprises

    @property
    def needs_search(self) -> str | None:
        """Why no policy will do, if so."""
        if self.guarded or self.task.preference is not None:
            return "policies were distilled where nothing was dear or forbidden: they know no zones"
        if self.task.changed:
            return "policies were distilled from the world as it was"
        return None

    def check(self) -> None:
        """Raises a ConfiguratorError for what makes no sense."""
        task, size = self.task, self.agent.stack.config.observation_dim
        for name, place in (("here", task.here), ("goal", task.goal)):
            if place.shape != (size,) or not np.isfinite(place).all():
                raise ConfiguratorError(f"{name} must be {size} finite numbers, not {short(place)}")
        if task.milliseconds is not None and not task.milliseconds > 0:
            raise ConfiguratorError(f"milliseconds must be positive, not {task.milliseconds!r}")
        if task.risk not in RISKS:
            raise ConfiguratorError(f"risk must be one of {', '.join(RISKS)}, not {task.risk!r}")
        if self.calibration is None and (self.guarded or (task.changed and self.agent.surprises is None)):
            asks = "guardrails ask" if self.guarded else "a world that may have changed asks"
            raise ConfiguratorError(f"{asks} how wrong predictions are: give a Calibration, made of recorded walks")
        there = Scene(torch.from_numpy(task.goal).expand(1, 2, -1))  # at rest: one state has no speed
        for rail in task.intrinsic.guardrails if task.intrinsic is not None else ():
            clearance = float(rail.clearance(there)[0, -1])
            if clearance < 0:
                raise ConfiguratorError(
                    f"the goal {short(task.goal)} is within the guardrail {rail.name!r}, by {-clearance:.1f}"
                )


def short(place: Points) -> str:
    """A place as it is told in one line."""
    return np.array2string(np.asarray(place), precision=1, separator=", ", threshold=4)
