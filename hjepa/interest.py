"""An intrinsic objective: how much new ground an agent expects where it has not been.

The agent imagines that it holds an action for a while, and asks how far the place that its own model predicts lies
outside everything that it has seen (:class:`planners.support.Support`). Nothing but its observations enters. What it
imagined and could not reach is remembered as refuted, or it would push against the same wall for ever.

A model that has met one wall believes in its neighbours, too, and overlooks the doors in it. So there is a second way
to imagine: an action does everywhere what it does on average.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from hjepa.world_model import WorldModel
from planners.neighbors import NeighborIndex
from planners.support import Support

Attempt = tuple[Tensor, Tensor]
"""An [O] observation, and the [A] action that was held from there in vain."""


def headings(actions: int, count: int, generator: torch.Generator) -> Tensor:
    """[count, A] actions that point anywhere, each with one component at its bound of 1: nothing moves faster."""
    drawn = torch.randn(count, actions, generator=generator)
    return drawn / drawn.abs().amax(-1, keepdim=True)


class Interest:
    """What is new to an agent, judged by its present model.

    Distances are world steps, by the critic of level 1.

    Args:
        stack: the present model.
        actions: [K, A] actions that may be held.
        hold: world steps for which one is held.
        discount: factor on the gain of a place for each refuted one around it.

    Attributes:
        free: whether actions are imagined to do what they do on average, whatever the predictor says.
        seen: [M, E] places that were seen, thinned out.
        refuted: [R, E] places that were imagined and not reached.
    """

    SPACING = 1.0
    """World steps between places that are kept of a longer past."""

    def __init__(self, stack: WorldModel, actions: Tensor, hold: int, discount: float) -> None:
        self.stack, self.actions, self.hold, self.discount = stack, actions, hold, discount
        self.free = False
        self._effect = torch.zeros(stack.config.action_dim, stack.level(1).config.state_dim)
        self.seen = self.refuted = torch.empty(0, stack.level(1).config.critic_dim)

    def recall(self, observations: Tensor, actions: Tensor) -> None:
        """Sees a whole past with the present model: [N + 1, O] observations and the [N, A] actions between them."""
        points = self.place(observations).numpy()
        self.seen = torch.from_numpy(points[NeighborIndex(points, self.SPACING).net(np.arange(len(points)))])
        with torch.no_grad():
            states = self.stack.encode(observations)
        self._effect = torch.linalg.lstsq(actions, states[1:] - states[:-1]).solution

    def doubt(self, attempts: Sequence[Attempt]) -> None:
        """Takes as refuted what was attempted in vain, and nothing else.

        An attempt is imagined anew: a model that has learned of the wall no longer expects anything behind it.
        """
        self.refuted = self.refuted[:0]
        for observation, action in attempts:
            self.refute(self.imagine(observation[None], action[None])[0, 0])

    def see(self, observations: Tensor) -> None:
        """Adds [N, O] observations to what was seen."""
        self.seen = torch.cat([self.seen, self.place(observations)])

    def refute(self, landing: Tensor) -> None:
        """Remembers that an [E] imagined place could not be reached."""
        self.refuted = torch.cat([self.refuted, landing[None]])

    @torch.no_grad()
    def place(self, observations: Tensor) -> Tensor:
        """[..., O] observations to [..., E] places."""
        return self.stack.level(1).critic.embed(self.stack.encode(observations))

    @torch.no_grad()
    def imagine(self, observations: Tensor, actions: Tensor | None = None) -> Tensor:
        """[N, O] observations to the [N, K, E] places where holding each of [K, A] actions should lead."""
        actions = self.actions if actions is None else actions
        level, shape = self.stack.level(1), (len(observations), len(actions), -1)
        states = self.stack.encode(observations)[:, None].expand(shape)
        held = actions.expand(shape)
        if self.free:
            return level.critic.embed(states + self.hold * (held @ self._effect))
        for _ in range(self.hold):
            states = level.predictor(states, held)
        return level.critic.embed(states)

    def gains(self, landings: Tensor, radius: float) -> Tensor:
        """[..., E] imagined places to the [...] world steps of new ground expected there.

        Args:
            landings: the places.
            radius: what lies within so many world steps of a place that was seen counts as known.
        """
        excess = Support(self.seen, radius).excess(landings).clamp(max=self.hold)
        if not len(self.refuted):
            return excess
        near = torch.cdist(landings.flatten(0, -2), self.refuted) < radius
        return excess * self.discount ** near.sum(-1).view(excess.shape)
