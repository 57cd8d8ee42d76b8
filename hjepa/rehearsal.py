"""Rehearsal: how long an agent thinks about a task on this machine, found out by acting in imagination."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import torch
from numpy.typing import NDArray

from hjepa.world_model import WorldModel

Points = NDArray[np.float32]


class Acting(Protocol):
    """Who acts; :class:`hjepa.actor.Actor` does, and :class:`hjepa.guarded.GuardedActor`."""

    def begin(self, goals: Points) -> None:
        """Starts new episodes with [B, O] goals."""
        ...

    def act(self, observations: Points, active: NDArray[np.bool_] | None = None) -> Points:
        """[B, O] observations to the [B, A] actions of one world step."""
        ...


@dataclass(frozen=True)
class Rehearsal:
    """Processor time of an imagined episode, in milliseconds: what else the machine does is not counted.

    Attributes:
        first: of the first decision, for which every level plans.
        next: of a decision later on, as a rule (the median).
        commit: world steps for which a decision is followed.
    """

    first: float
    next: float
    commit: int

    def per_step(self, steps: float) -> float:
        """Milliseconds per world step, on average over an episode of so many steps."""
        decisions = max(1.0, steps / self.commit)
        return (self.first + (decisions - 1) * self.next) / (decisions * self.commit)


@torch.no_grad()
def rehearse(
    actor: Acting, stack: WorldModel, here: Points, goal: Points, commit: int, decisions: int = 12
) -> Rehearsal:
    """Lets an actor imagine the beginning of an episode, and looks at the clock.

    What is seen is what level 1 predicts, decoded. The first decision is made twice: what an actor does once in its
    life (tables that it fills, code that is compiled) is no part of thinking.

    Args:
        actor: acts; its episodes, if it has any, are over.
        stack: imagines.
        here: [O] where it begins.
        goal: [O] where to go.
        commit: world steps for which the actor follows a decision.
        decisions: to imagine.
    """
    actor.begin(goal[None])
    actor.act(here[None])
    seconds = np.array(list(_episode(actor, stack, here[None], goal[None], commit * decisions)))
    first, *later = (1000 * seconds.reshape(decisions, commit).sum(1)).tolist()
    return Rehearsal(first, float(np.median(later)), commit)


def _episode(actor: Acting, stack: WorldModel, seen: Points, goal: Points, steps: int) -> Iterator[float]:
    """Seconds of thinking for each imagined world step."""
    actor.begin(goal)
    for _ in range(steps):
        begun = time.process_time()
        action = actor.act(seen)
        yield time.process_time() - begun
        state = stack.encode(torch.from_numpy(seen).to(stack.scale.device), 1)
        after = stack.level(1).predictor(state, torch.from_numpy(action).to(state))
        # The decoder's bias stays out of it: only the way from here is decoded.
        seen = seen + (stack.decode(after, 1) - stack.decode(state, 1)).cpu().numpy()
