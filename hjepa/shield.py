"""A safety layer for executed actions: the last word belongs to the guardrails.

Whatever was planned, an action is executed only if the agent's own predictor sees a way on from it that keeps to all
guardrails, by a margin for the predictor's errors, and ends in a haven: a place where to stand still is safe for as
long as what moves can be foreseen. From a haven there is nothing to fear, and what is left of a way that was safe is
safe at the next step; so one that was found once is kept until there is a better one, and there always is one. Else
the nearest action of a set that has such a way takes its place. Where none has, because more went wrong than the
margins allow for, one whose way leads into a haven if predictions are exact, with most to spare; else the one that
keeps clear the longest.

Sources: Wabersich and Zeilinger 2021, "A predictive safety filter for learning-based control" (backup trajectories
into a terminal safe set, which make the filter recursively feasible); Agrawal and Sreenath 2017, "Discrete control
barrier functions for safety-critical control"; Alshiekh et al. 2018, "Safe reinforcement learning via shielding". The
margins are split-conformal quantiles: Lindemann et al. 2023, "Safe planning in dynamic environments using conformal
prediction".
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
from hjepa.ground import Ground
from hjepa.guardrails import GuardrailError, Margins, Percept, Scene, SpeedLimit
from hjepa.world_model import WorldModel
from planners.base import rollout

DIRECTIONS = 16
PACES = (1.0, 0.5, 0.25)
SHARES = (0.7, 0.5, 0.35, 0.2)
"""Of the wanted action: the same way, slower."""
PAUSES = (0, 3, 6)
"""World steps at the pace of a slow zone after which a way goes on at full pace, or the other way round."""
STOPPED = 0.025
"""World units by which a step that is held to the ground falls short if something is in the way."""
REST = 100
"""World steps for which a haven must be safe: an obstacle seen at 0.1 units a step may go to and fro over 20."""


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
def calibrate(
    stack: WorldModel, observations: Tensor, actions: Tensor, miss: float = 0.001, ground: Ground | None = None
) -> Margins:
    """Margins for level 1's predictions, from recorded steps that it was not trained on.

    Args:
        stack: whose level 1.
        observations: [N, H+1, O] windows.
        actions: [N, H, A] what was done.
        miss: share of predictions, at each number of steps ahead, that may be farther off than the margin.
        ground: what the shield holds predictions to; the better of the two is judged, because it looks at both.

    Raises:
        GuardrailError: for fewer windows than the share needs.
    """
    if len(observations) * miss < 1:
        raise GuardrailError(f"margins that {miss:g} may miss need {math.ceil(1 / miss)} windows, not {len(actions)}")
    start = stack.encode(observations[:, 0], 1)
    states = rollout(LevelDynamics(stack.level(1)), start, actions)
    places = anchored(stack, observations[:, 0], start)(states)
    errors, doubt = torch.linalg.vector_norm(places - observations, dim=-1), torch.zeros_like(places[..., 0]).bool()
    if ground is not None:
        held, doubt = ground.held(places)
        errors = torch.minimum(errors, torch.linalg.vector_norm(held - observations, dim=-1))
    lengths = (torch.linalg.vector_norm(each[:, 1] - each[:, 0], dim=-1) for each in (observations, places))
    longer = next(lengths) - next(lengths)
    steps = torch.linalg.vector_norm(observations.diff(dim=1), dim=-1)
    speed = max(0.0, _conformal(longer, miss))
    usual = tuple(
        _conformal(error[~beside], miss) for error, beside in zip(errors.unbind(1), doubt.unbind(1), strict=True)
    )
    doubtful = tuple(
        _conformal(error[beside], miss) for error, beside in zip(errors.unbind(1), doubt.unbind(1), strict=True)
    )
    return Margins(usual, speed, float(steps.median()), () if ground is None else doubtful)


def _conformal(errors: Tensor, miss: float) -> float:
    """The split-conformal bound of [N] errors: a new one is larger with probability ``miss`` at most."""
    if not len(errors):
        return 0.0
    rank = min(len(errors), math.ceil((len(errors) + 1) * (1 - miss)))
    return float(errors.sort().values[rank - 1])


@final
@dataclass(frozen=True, eq=False)
class Verdict:
    """What a shield lets through.

    Attributes:
        actions: [B, A] to execute.
        intervened: [B] whether they are not the ones that were wanted.
        safe: [B] whether a way on from them was found that keeps to all guardrails, margins included, as far as the
            shield looks ahead.
        settled: [B] whether it ends in a haven.
        ways: [B, H, A] that way.
        expected: [B, 2] where its first step should lead, world units.
    """

    actions: Tensor
    intervened: Tensor
    safe: Tensor
    settled: Tensor
    ways: Tensor
    expected: Tensor

    def spread(self, rows: Tensor, size: int) -> Verdict:
        """The verdict of some agents as one of all of them; the others do nothing, and nothing is said of them."""
        parts = (part.new_zeros(size, *part.shape[1:]).index_copy_(0, rows, part) for part in vars(self).values())
        return Verdict(*parts)


@final
class Shield:
    """Checks actions before they are executed, for a batch of episodes.

    Args:
        stack: whose level 1 predicts.
        intrinsic: the guardrails.
        margins: of the predictions; as many steps are looked ahead as it knows.
        ground: where recorded walks went: what the predictions run into. None if the predictor knows that itself.

    Raises:
        GuardrailError: for actions that are not in a plane, and for margins of the present only.
    """

    def __init__(
        self, stack: WorldModel, intrinsic: IntrinsicCost, margins: Margins, ground: Ground | None = None
    ) -> None:
        if stack.config.action_dim != 2:
            raise GuardrailError(f"a shield knows actions of 2 components, not {stack.config.action_dim}")
        if len(margins.place) < 2:
            raise GuardrailError("a shield needs margins for the present and at least one step ahead")
        self.stack, self.intrinsic, self.margins, self.ground = stack, intrinsic, margins, ground
        self.horizon = len(margins.place) - 1
        self._exact = Margins((0.0,) * (self.horizon + 1), cruise=margins.cruise)
        self._dynamics = LevelDynamics(stack.level(1))
        self._compass = compass(stack.scale)
        limits = [rail.limit for rail in intrinsic.guardrails if isinstance(rail, SpeedLimit)]
        pace = min([1.0, *(0.95 * max(0.0, limit - margins.speed) / margins.cruise for limit in limits)])
        around = self._compass[:DIRECTIONS]
        self._slow = pace * around / torch.linalg.vector_norm(around, dim=-1, keepdim=True)

    @torch.no_grad()
    def __call__(
        self,
        observations: Tensor,
        actions: Tensor,
        percept: Percept | None = None,
        touch: Touch | None = None,
        kept: Tensor | None = None,
    ) -> Verdict:
        """What may be executed in the place of the actions that are wanted.

        Args:
            observations: [B, O] what is seen now.
            actions: [B, A] what is wanted.
            percept: things that are seen to move.
            touch: what the agents have run into.
            kept: [B, H, A] the ways of the verdict before this one.
        """
        wanted = actions.clamp(-1, 1)
        touch = Touch.nothing(observations) if touch is None else touch
        percept = percept if percept is None or self.ground is None else self.ground.bounded(percept)
        stop = self._held_on(wanted[:, None], torch.zeros_like(wanted)[:, None])
        now = _Now(observations, wanted, percept, touch, stop[:, 0] if kept is None else _later(kept))
        ways = self._foresee(now, stop[:, :, :1])
        verdict = Verdict(
            wanted.clone(), torch.zeros(len(wanted), dtype=torch.bool, device=wanted.device),
            ways.safe[:, 0], ways.settled[:, 0], stop[:, 0].clone(), ways.places[:, 0, 1].clone(),
        )  # fmt: skip
        for more in (self._go_on, self._all):
            rows = (~verdict.settled).nonzero().squeeze(1)
            if len(rows):
                self._improve(verdict, rows, now.of(rows), more(now.of(rows)))
        rows = (~verdict.settled).nonzero().squeeze(1)
        if len(rows):
            self._improve(verdict, rows, now.of(rows), self._all(now.of(rows)), hope=True)
        return replace(verdict, intervened=(verdict.actions != wanted).any(-1))

    def _improve(self, verdict: Verdict, rows: Tensor, now: _Now, actions: Tensor, hope: bool = False) -> None:
        """Puts the best of more ways in the place of what a verdict says of M rows.

        Args:
            verdict: to change.
            rows: [M] of it.
            now: of these.
            actions: [M, C, H, A] the ways.
            hope: where nothing is safe, trust ways that are if predictions are exact.
        """
        ways = self._foresee(now, actions)
        likely = self._foresee(now, actions, exact=True) if hope else ways
        near = ways.least > -self.margins.place[1]
        best = ways.best(actions[:, :, 0], now.wanted, likely.settled | near)
        at = torch.arange(len(rows), device=rows.device)
        verdict.actions[rows], verdict.expected[rows] = actions[at, best, 0], ways.places[at, best, 1]
        moving = torch.where(ways.settled[..., None], ways.moving, likely.moving)
        verdict.ways[rows] = actions[at, best] * moving[at, best, :, None]
        verdict.safe[rows], verdict.settled[rows] = ways.safe[at, best], ways.settled[at, best]

    def _foresee(self, now: _Now, actions: Tensor, exact: bool = False) -> _Ways:
        """What [B, C, T, A] actions come to.

        Clear is what is clear whether the ground ends where recorded walks did or not, and whether what was touched
        goes on or not. With ``exact`` predictions there are no margins, and no step comes to nothing.
        """
        start = self.stack.encode(now.observations, 1)
        states = rollout(self._dynamics, start[:, None].expand(-1, actions.shape[1], -1), actions)
        places = anchored(self.stack, now.observations, start)(states)
        guesses = [(torch.arange(len(places)), places)]
        doubt = None
        if self.ground is not None:
            held, doubt = self.ground.held(places)
            guesses.append((guesses[0][0], held))
            places = held
            if not exact:
                guesses.append(_delayed(free=guesses[0][1], held=held))
        felt = now.touch.felt.nonzero().squeeze(1)
        guesses.append((felt, now.touch.of(felt).corrected(places[felt])))
        clear, rest = (torch.full_like(places[:, :, 1:, 0], torch.inf) for _ in range(2))
        for rows, guess in guesses:
            if not len(rows):
                continue
            known = Scene(guess, 1, now.of(rows).percept, self._exact if exact else self.margins)
            found = self._clearances(known if doubt is None else replace(known, doubt=doubt[rows]))
            for least, also in zip((clear, rest), found, strict=True):
                least[rows] = torch.minimum(least[rows], also)
        return _Ways(places, clear, rest)

    def _clearances(self, scene: Scene) -> tuple[Tensor, Tensor]:
        """[B, C, T+1, 2] places to [B, C, T] clearances after each step, and those of resting there from then on."""
        after = scene.places[:, :, 1:]
        clear = self.intrinsic.clearance(scene)[..., 1:]
        resting = after[..., None, :].expand(*after.shape[:-1], 2, -1).flatten(1, 2)
        rest = self.intrinsic.clearance(Scene(resting, REST, scene.percept))[..., 1].reshape(clear.shape)
        return clear, scene.shrunk(torch.cat([rest[..., :1], rest], -1))[..., 1:]

    def _go_on(self, now: _Now) -> Tensor:
        """[B, C, H, A] what is wanted, and then to go on like that or in any direction; and what was safe before."""
        full, slow = (part.expand(len(now.wanted), -1, -1) for part in (self._compass[:DIRECTIONS], self._slow))
        first = now.wanted[:, None]
        ways = [self._held_on(first, first), *(self._way(first, slow, full, pause) for pause in PAUSES)]
        return torch.cat([*ways, now.kept[:, None]], 1)

    def _all(self, now: _Now) -> Tensor:
        """[B, C, H, A] the same, and all other actions, which are held, or begin or end at full pace."""
        full, slow = (part.expand(len(now.wanted), -1, -1) for part in (self._compass[:DIRECTIONS], self._slow))
        slower = now.wanted[:, None] * now.wanted.new_tensor(SHARES)[:, None]
        first = torch.cat([slower, self._compass.expand(len(slower), -1, -1), slow], 1)
        ways = [self._way(slow, slow, full, pause) for pause in PAUSES]
        ways += [self._way(full, full, slow, pause) for pause in PAUSES]
        return torch.cat([self._go_on(now), self._held_on(first, first), *ways], 1)

    def _held_on(self, first: Tensor, then: Tensor) -> Tensor:
        """[B, C, A] first actions and those that are held afterwards, as [B, C, H, A]."""
        return self._way(first, then, then, 0)

    def _way(self, first: Tensor, slow: Tensor, full: Tensor, pause: int) -> Tensor:
        """[B, C, A] first actions, slow ones for a while, and those that are held from then on, as [B, C, H, A]."""
        pause = min(pause, self.horizon - 1)
        count = full.shape[1]
        begin, middle, end = (part[:, :, None].expand(-1, count, -1, -1) for part in (first, slow, full))
        rest = self.horizon - 1 - pause
        return torch.cat([begin, middle.expand(-1, -1, pause, -1), end.expand(-1, -1, rest, -1)], 2)


@dataclass(frozen=True, eq=False)
class _Ways:
    """What C courses of action come to, for B agents. Each may stop after any step.

    Attributes:
        places: [B, C, T+1, 2] where they lead, world units.
        clear: [B, C, T] clearances after each step.
        rest: [B, C, T] clearances of standing still from then on.
    """

    places: Tensor
    clear: Tensor
    rest: Tensor

    @property
    def kept(self) -> Tensor:
        """[B, C] for how many steps all is clear."""
        return (self.clear > 0).long().cumprod(-1).sum(-1)

    @property
    def safe(self) -> Tensor:
        """[B, C] whether all of it is clear."""
        return (self.clear > 0).all(-1) | self.settled

    @property
    def stops(self) -> Tensor:
        """[B, C, T] whether a haven is reached after a step, and all is clear up to there."""
        return (self.clear > 0).cumprod(-1).bool() & (self.rest > 0)

    @property
    def settled(self) -> Tensor:
        """[B, C] whether there is a haven on the way."""
        return self.stops.any(-1)

    @property
    def moving(self) -> Tensor:
        """[B, C, T] the steps up to the first haven; all where there is none."""
        before = self.stops.long().cumsum(-1) - self.stops.long()
        return before == 0

    @property
    def least(self) -> Tensor:
        """[B, C] the smallest clearance up to where it is best to rest, and there."""
        return torch.minimum(self.clear.cummin(-1).values, self.rest).amax(-1)

    def best(self, first: Tensor, wanted: Tensor, likely: Tensor) -> Tensor:
        """[B] the number of the best.

        Of those with a haven the nearest to what is wanted. Else, of those that are likely to come to one, the one that
        does so with most of the margins. Else the one that keeps clear the longest, and then comes nearest to a haven,
        or is the least far inside of what it must not touch.

        Args:
            first: [B, C, A] actions.
            wanted: [B, A] action.
            likely: [B, C] ways that come to a haven if predictions are only a little off.
        """
        steps, kept = self.clear.shape[-1], self.kept
        breach = self.clear.gather(-1, kept.clamp(max=steps - 1).unsqueeze(-1)).squeeze(-1)
        left = torch.where(kept == steps, self.rest.amax(-1), breach)
        deviation = (first - wanted[:, None]).square().sum(-1)
        score = torch.where(likely, steps + 2 + torch.tanh(self.least), kept + 0.5 * torch.tanh(left))
        return torch.where(self.settled, 2 * steps + 2 - deviation / 9, score).argmax(1)


@dataclass(frozen=True, eq=False)
class _Now:
    """What B agents perceive and want, and their last safe ways; see :meth:`Shield.__call__`."""

    observations: Tensor
    wanted: Tensor
    percept: Percept | None
    touch: Touch
    kept: Tensor

    def of(self, rows: Tensor) -> _Now:
        percept = None if self.percept is None else self.percept.of(rows)
        return _Now(self.observations[rows], self.wanted[rows], percept, self.touch.of(rows), self.kept[rows])


def _delayed(free: Tensor, held: Tensor) -> tuple[Tensor, Tensor]:
    """Where the ground stops the first step, it may come to nothing, and all the others late.

    Args:
        free: [B, C, T+1, 2] predicted places.
        held: [B, C, T+1, 2] the same held to the ground.

    Returns:
        [M] the rows where it does for any way, and their [M, C, T+1, 2] places.
    """
    stopped = (free[:, :, 1] - held[:, :, 1]).abs().sum(-1) > STOPPED
    rows = stopped.any(1).nonzero().squeeze(1)
    late = torch.cat([held[rows, :, :1], held[rows, :, :-1]], 2)
    return rows, torch.where(stopped[rows, :, None, None], late, held[rows])


def _later(ways: Tensor) -> Tensor:
    """[B, H, A] what is left of ways after their first step, and then to stop."""
    return torch.cat([ways[:, 1:], torch.zeros_like(ways[:, :1])], 1)


def compass(like: Tensor) -> Tensor:
    """[D, 2] actions in all directions, at full pace first, then slower; the last one is to stop."""
    angle = 2 * math.pi * torch.arange(DIRECTIONS, device=like.device, dtype=like.dtype) / DIRECTIONS
    around = torch.stack([angle.cos(), angle.sin()], -1)
    around = around / around.abs().amax(-1, keepdim=True)
    return torch.cat([*(pace * around for pace in PACES), torch.zeros_like(around[:1])])
