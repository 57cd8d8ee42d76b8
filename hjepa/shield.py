"""A safety layer for executed actions: the last word belongs to the guardrails.

Whatever was planned, an action is executed only if the agent's own predictor sees a way on from it that keeps to all
guardrails for some steps, by a margin for the predictor's errors: a control-barrier condition in discrete time,
enforced by prediction. Else the nearest action of a set that has such a way takes its place; where none has, the one
that keeps clear the longest.

Sources: Agrawal and Sreenath 2017, "Discrete control barrier functions for safety-critical control"; Wabersich and
Zeilinger 2021, "A predictive safety filter for learning-based control" (the way on is its backup trajectory); Alshiekh
et al. 2018, "Safe reinforcement learning via shielding". The margins are split-conformal quantiles: Lindemann et al.
2023, "Safe planning in dynamic environments using conformal prediction".
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import final

import torch
from torch import Tensor

from hjepa.contact import Touch
from hjepa.cost import IntrinsicCost, Read
from hjepa.dynamics import LevelDynamics
from hjepa.guardrails import GuardrailError, Margins, Percept, Scene
from hjepa.world_model import WorldModel
from planners.base import rollout

DIRECTIONS = 16
PACES = (1.0, 0.5, 0.25)
SHARES = (0.7, 0.5, 0.35, 0.2)
"""Of the wanted action: the same way, slower."""


def anchored(stack: WorldModel, observations: Tensor, starts: Tensor) -> Read:
    """Reads places from level 1's predictions.

    Only the way from the present state is decoded: where the agent is now, it sees. That rids the decoder of its bias.

    Args:
        stack: to which level 1 belongs.
        observations: [B, O] what is seen now.
        starts: [B, D] the same as states.
    """
    offset = observations - stack.decode(starts, 1)

    def read(states: Tensor) -> Tensor:
        return stack.decode(states, 1) + offset.reshape(len(offset), *[1] * (states.dim() - 2), -1)

    return read


@torch.no_grad()
def calibrate(stack: WorldModel, observations: Tensor, actions: Tensor, miss: float = 0.001) -> Margins:
    """Margins for level 1's predictions, from recorded steps that it was not trained on.

    Args:
        stack: whose level 1.
        observations: [N, H+1, O] windows.
        actions: [N, H, A] what was done.
        miss: share of predictions, at each number of steps ahead, that may be farther off than the margin.

    Raises:
        GuardrailError: for fewer windows than the share needs.
    """
    if len(observations) * miss < 1:
        raise GuardrailError(f"margins that {miss:g} may miss need {math.ceil(1 / miss)} windows, not {len(actions)}")
    start = stack.encode(observations[:, 0], 1)
    states = rollout(LevelDynamics(stack.level(1)), start, actions)
    places = anchored(stack, observations[:, 0], start)(states)
    errors = torch.linalg.vector_norm(places - observations, dim=-1)
    lengths = (torch.linalg.vector_norm(each[:, 1] - each[:, 0], dim=-1) for each in (observations, places))
    longer = next(lengths) - next(lengths)
    steps = torch.linalg.vector_norm(observations.diff(dim=1), dim=-1)
    speed = max(0.0, _conformal(longer, miss))
    return Margins(tuple(_conformal(error, miss) for error in errors.unbind(1)), speed, float(steps.median()))


def _conformal(errors: Tensor, miss: float) -> float:
    """The split-conformal bound of [N] errors: a new one is larger with probability ``miss`` at most."""
    rank = min(len(errors), math.ceil((len(errors) + 1) * (1 - miss)))
    return float(errors.sort().values[rank - 1])


@final
@dataclass(frozen=True, eq=False)
class Verdict:
    """What a shield lets through.

    Attributes:
        actions: [B, A] to execute.
        intervened: [B] whether they are not the ones that were wanted.
        safe: [B] whether a way on from them was found that keeps to all guardrails, margins included.
        places: [B, H+1, 2] that way, world units.
    """

    actions: Tensor
    intervened: Tensor
    safe: Tensor
    places: Tensor


@final
class Shield:
    """Checks actions before they are executed, for a batch of episodes.

    Args:
        stack: whose level 1 predicts.
        intrinsic: the guardrails.
        margins: of the predictions; as many steps are looked ahead as it knows.

    Raises:
        GuardrailError: for actions that are not in a plane, and for margins of the present only.
    """

    def __init__(self, stack: WorldModel, intrinsic: IntrinsicCost, margins: Margins) -> None:
        if stack.config.action_dim != 2:
            raise GuardrailError(f"a shield knows actions of 2 components, not {stack.config.action_dim}")
        if len(margins.place) < 2:
            raise GuardrailError("a shield needs margins for the present and at least one step ahead")
        self.stack, self.intrinsic, self.margins = stack, intrinsic, margins
        self.horizon = len(margins.place) - 1
        self._dynamics = LevelDynamics(stack.level(1))
        self._compass = compass(stack.scale)

    @torch.no_grad()
    def __call__(
        self, observations: Tensor, actions: Tensor, percept: Percept | None = None, touch: Touch | None = None
    ) -> Verdict:
        """What may be executed in the place of the actions that are wanted.

        Args:
            observations: [B, O] what is seen now.
            actions: [B, A] what is wanted.
            percept: things that are seen to move.
            touch: what the agents have run into.
        """
        now = _Now(observations, percept, Touch.nothing(observations) if touch is None else touch)
        wanted = actions.clamp(-1, 1)
        places, clear = self._foresee(now, self._stop(wanted))
        verdict = Verdict(wanted.clone(), wanted.new_zeros(len(wanted)).bool(), (clear[:, 0] > 0).all(-1), places[:, 0])
        for ways in (self._go_on, self._all):
            rows = (~verdict.safe).nonzero().squeeze(1)
            if len(rows):
                self._improve(verdict, rows, now.of(rows), ways(wanted[rows]), wanted[rows])
        return replace(verdict, intervened=(verdict.actions != wanted).any(-1))

    def _improve(self, verdict: Verdict, rows: Tensor, now: _Now, ways: Tensor, wanted: Tensor) -> None:
        """Puts the best of [M, C, H, A] ways in the place of what a verdict says of M rows."""
        places, clear = self._foresee(now, ways)
        best = _choose(ways[:, :, 0], wanted, clear)
        at = torch.arange(len(rows), device=rows.device)
        verdict.actions[rows], verdict.places[rows] = ways[at, best, 0], places[at, best]
        verdict.safe[rows] = (clear[at, best] > 0).all(-1)

    def _foresee(self, now: _Now, ways: Tensor) -> tuple[Tensor, Tensor]:
        """[B, C, H, A] ways to the [B, C, H+1, 2] places on them and their [B, C, H] clearances."""
        start = self.stack.encode(now.observations, 1)
        states = rollout(self._dynamics, start[:, None].expand(-1, ways.shape[1], -1), ways)
        places = anchored(self.stack, now.observations, start)(states)
        clear = self._clearance(places, now.percept)
        rows = now.touch.felt.nonzero().squeeze(1)
        if len(rows):
            # Whether what was touched goes on or not: clear both ways.
            stopped = self._clearance(now.touch.of(rows).corrected(places[rows]), now.of(rows).percept)
            clear[rows] = torch.minimum(clear[rows], stopped)
        return places, clear

    def _clearance(self, places: Tensor, percept: Percept | None) -> Tensor:
        """[B, C, H+1, 2] places to [B, C, H] clearances, those of the present left out."""
        return self.intrinsic.clearance(Scene(places, percept=percept, margins=self.margins))[..., 1:]

    def _stop(self, wanted: Tensor) -> Tensor:
        """[B, 1, H, A] what is wanted, and then to stop."""
        return self._way(wanted[:, None], torch.zeros_like(wanted)[:, None])

    def _go_on(self, wanted: Tensor) -> Tensor:
        """[B, C, H, A] what is wanted, and then to go on like that or in any direction."""
        then = torch.cat([wanted[:, None], self._compass[:DIRECTIONS].expand(len(wanted), -1, -1)], 1)
        return self._way(wanted[:, None].expand_as(then), then)

    def _all(self, wanted: Tensor) -> Tensor:
        """[B, C, H, A] the same, and all other first actions, which are held or followed by a stop."""
        slower = wanted[:, None] * wanted.new_tensor(SHARES)[:, None]
        first = torch.cat([slower, self._compass.expand(len(wanted), -1, -1)], 1)
        ways = [self._go_on(wanted), self._way(first, first), self._way(first, torch.zeros_like(first))]
        return torch.cat(ways, 1)

    def _way(self, first: Tensor, then: Tensor) -> Tensor:
        """[B, C, A] first actions and those that are held afterwards, as [B, C, H, A]."""
        return torch.cat([first[:, :, None], then[:, :, None].expand(-1, -1, self.horizon - 1, -1)], 2)


@dataclass(frozen=True, eq=False)
class _Now:
    """What B agents perceive; see :meth:`Shield.__call__`."""

    observations: Tensor
    percept: Percept | None
    touch: Touch

    def of(self, rows: Tensor) -> _Now:
        percept = None if self.percept is None else self.percept.of(rows)
        return _Now(self.observations[rows], percept, self.touch.of(rows))


def compass(like: Tensor) -> Tensor:
    """[D, 2] actions in all directions, at full pace first, then slower; the last one is to stop."""
    angle = 2 * math.pi * torch.arange(DIRECTIONS, device=like.device, dtype=like.dtype) / DIRECTIONS
    around = torch.stack([angle.cos(), angle.sin()], -1)
    around = around / around.abs().amax(-1, keepdim=True)
    return torch.cat([*(pace * around for pace in PACES), torch.zeros_like(around[:1])])


def _choose(first: Tensor, wanted: Tensor, clear: Tensor) -> Tensor:
    """[B] the number of the best of [B, C, A] first actions, given the [B, C, H] clearances of the ways on.

    Of the safe ones the nearest to what is wanted; else the one that keeps clear the longest, and then is the least
    far inside of what it must not touch.
    """
    kept = (clear > 0).long().cumprod(-1).sum(-1)
    steps = clear.shape[-1]
    breach = clear.gather(-1, kept.clamp(max=steps - 1).unsqueeze(-1)).squeeze(-1)
    deviation = (first - wanted[:, None]).square().sum(-1)
    score = torch.where(kept == steps, 2 * steps - deviation / 9, kept + 0.5 * torch.tanh(breach))
    return score.argmax(1)
