"""Memory of surprises: places where the world stopped the agent although level 1 had predicted a free way.

A surprise is found in what was executed, nothing else: an observation, an action, the next observation, and level 1's
prediction of it. It is kept as a *front*: a small disc across the heading that was blocked, in level 1's critic space,
where distances are world steps. Whatever leads through the disc is no longer believed. A front is believed after a few
bumps, shrinks where the agent passes beside its middle, and is forgotten where it passes through.

The error of a prediction is surprising where it exceeds nearly all errors on recorded transitions: the quantile of
split conformal prediction (Vovk et al. 2005), so that the share of false alarms on such recordings is known. A planner
that presses into corners has more of them; they cost it little.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor

from hjepa.world_model import WorldModel

BELIEF = 3.0
"""Bumps after which a front is believed: an agent that runs into a wall has them within as many steps."""
MOST = 5.0
"""Bumps that are counted; with :data:`PASSAGE`, a single walk through the front is enough to doubt it."""
PASSAGE = 3.0
"""Bumps that one passage outweighs."""
REACH = 7.5
"""Radius of a new front, world steps: about half the width of what an agent of this speed calls a corridor."""
SAME = 4.0
"""World steps within which surprises of one heading are one front, and a passage goes through its middle."""
ALIKE = 0.7
"""Least cosine between the headings of one front's surprises."""
BLOCK = 65_536
"""Recorded transitions judged at once."""


class SurpriseError(ValueError):
    """Surprises that make no sense; the message is one line."""


@dataclass(frozen=True, eq=False)
class Surprises:
    """An immutable memory of M fronts; every lesson makes a new one.

    Attributes:
        threshold: [] errors of level 1 above this are surprising, world steps.
        observations: [M, O] where the agent was when it was stopped; for pictures.
        places: [M, E] where it should have been next, in level 1's critic space.
        headings: [M, E] unit vectors from where it was to there, likewise.
        states: [M, D] level-1 states in which it found itself instead.
        errors: [M, D] what the prediction of that state was wrong by; 0 where there is nothing to correct.
        reach: [M] radius of the front, world steps.
        evidence: [M] bumps, less what passages outweigh.
        age: [M] sessions since the last bump.
    """

    threshold: Tensor
    observations: Tensor
    places: Tensor
    headings: Tensor
    states: Tensor
    errors: Tensor
    reach: Tensor
    evidence: Tensor
    age: Tensor

    @classmethod
    def empty(cls, stack: WorldModel, threshold: float) -> Surprises:
        """Nothing surprising so far.

        Raises:
            SurpriseError: for a threshold that is not positive.
        """
        if not threshold > 0:
            raise SurpriseError(f"threshold must be a positive number of world steps, not {threshold}")
        config, zeros = stack.config.levels[0], stack.scale.new_zeros
        observation, state, point = stack.config.observation_dim, config.state_dim, config.critic_dim
        sizes = {"observations": observation, "places": point, "headings": point, "states": state, "errors": state}
        rows = {name: zeros(0, size) for name, size in sizes.items()}
        return cls(stack.scale.new_tensor(threshold), **rows, reach=zeros(0), evidence=zeros(0), age=zeros(0))

    @classmethod
    def calibrated(
        cls, stack: WorldModel, before: Tensor, actions: Tensor, after: Tensor, quantile: float = 0.9999
    ) -> Surprises:
        """Nothing surprising so far, with the threshold that recorded transitions exceed ``1 - quantile`` of the time.

        Args:
            stack: whose level 1 predicts.
            before: [N, O] recorded observations.
            actions: [N, A] what was done there.
            after: [N, O] what was seen next.
            quantile: share of recorded errors that are no surprise.

        Raises:
            SurpriseError: for a quantile out of range, or no transitions.
        """
        if not 0 < quantile < 1 or not len(before):
            raise SurpriseError(
                f"calibration needs transitions and a quantile in 0..1, not {len(before)} and {quantile}"
            )
        blocks = zip(before.split(BLOCK), actions.split(BLOCK), after.split(BLOCK), strict=True)
        errors = torch.cat([Prediction.of(stack, *block).error for block in blocks])
        return cls.empty(stack, float(torch.quantile(errors, quantile)))

    def __len__(self) -> int:
        return len(self.evidence)

    @property
    def believed(self) -> Surprises:
        """The fronts with enough evidence."""
        return self.only(self.evidence >= BELIEF)

    def only(self, keep: Tensor) -> Surprises:
        """Some of the fronts, by an [M] mask or their numbers."""
        return replace(self, **{name: value[keep] for name, value in self._rows().items()})

    def stopped(self, prediction: Prediction) -> Tensor:
        """[n] which transitions were surprisingly short of their prediction; a jump elsewhere is no blocked way."""
        p = prediction
        ahead, away = p.predicted - p.begin, p.predicted - p.end
        short = (ahead * away).sum(-1) > 0
        near = (p.end - p.begin).norm(dim=-1) <= ahead.norm(dim=-1) + self.threshold
        return (p.error > self.threshold) & short & near

    def bumped(self, new: Surprises) -> Surprises:
        """With [m] surprises: each strengthens the front that it belongs to, or begins one."""
        memory = self
        for number in range(len(new)):
            one = new.only(torch.tensor([number], device=new.evidence.device))
            match = memory._like(one)
            if match is None:
                rows, more = memory._rows(), one._rows()
                memory = replace(memory, **{name: torch.cat([rows[name], more[name]]) for name in rows})
            else:
                evidence, age = memory.evidence.clone(), memory.age.clone()
                evidence[match] = (evidence[match] + one.evidence[0]).clamp(max=MOST)
                age[match] = 0.0
                memory = replace(memory, evidence=evidence, age=age)
        return memory

    def older(self) -> Surprises:
        """After a session."""
        return replace(self, age=self.age + 1)

    def passed(self, begin: Tensor, end: Tensor) -> Surprises:
        """After ways from [n, E] to [n, E] points were walked: a front that one led through is doubted, or shrinks."""
        if not len(self) or not len(begin):
            return self
        aside = self.crossings(begin, end).amin(0)  # [M] how far from its middle; infinite where none led through
        if not bool(torch.isfinite(aside).any()):
            return self
        through = torch.where(aside <= SAME, PASSAGE, 0.0)
        reach = torch.where(torch.isfinite(aside) & (aside > SAME), torch.minimum(self.reach, 0.9 * aside), self.reach)
        memory = replace(self, evidence=self.evidence - through, reach=reach)
        return memory.only(memory.evidence > 0)

    def crossings(self, begin: Tensor, end: Tensor) -> Tensor:
        """[n, E] and [n, E] ends of straight ways to [n, M] world steps from a front's middle to where they cross it.

        Infinite where a way does not, or not within the front's reach. Fronts block both ways through them.
        """
        first, last = (((point[:, None] - self.places) * self.headings).sum(-1) for point in (begin, end))
        share = first / torch.where(first == last, torch.ones_like(first), first - last)
        place = torch.lerp(begin[:, None], end[:, None], share[..., None])
        aside = (place - self.places).norm(dim=-1)
        across = ((first <= 0) & (last > 0)) | ((first > 0) & (last <= 0))
        return torch.where(across & (aside <= self.reach), aside, torch.inf)

    def behind(self, points: Tensor, depth: float) -> Tensor:
        """[n, E] points to the [n] flags of those at most ``depth`` world steps behind some front."""
        away = points[:, None] - self.places
        along = (away * self.headings).sum(-1)
        aside = (away.square().sum(-1) - along.square()).clamp(min=0).sqrt()
        return ((along > 0) & (along <= depth) & (aside <= self.reach)).any(-1)

    def state(self) -> dict[str, Tensor]:
        """Everything, to be saved."""
        return {"threshold": self.threshold.clone(), **{k: v.contiguous() for k, v in self._rows().items()}}

    @classmethod
    def from_state(cls, state: Mapping[str, Tensor], stack: WorldModel) -> Surprises:
        """What :meth:`state` gave.

        Raises:
            SurpriseError: where it does not fit the stack.
        """
        fresh = cls.empty(stack, 1.0)
        if state.keys() != fresh.state().keys():
            raise SurpriseError(f"surprises hold {', '.join(sorted(fresh.state()))}, not {', '.join(sorted(state))}")
        for name, rows in fresh._rows().items():
            if state[name].shape != (len(state["evidence"]), *rows.shape[1:]):
                raise SurpriseError(f"surprises: {name} of shape {list(state[name].shape)} does not fit the stack")
        return cls(**{name: value.to(stack.scale.device) for name, value in state.items()})

    def _rows(self) -> dict[str, Any]:
        return {name: value for name, value in vars(self).items() if name != "threshold"}

    def _like(self, one: Surprises) -> int | None:
        """The nearest front of the same heading."""
        apart = (self.places - one.places).norm(dim=-1)
        alike = (apart <= SAME) & ((self.headings * one.headings).sum(-1) >= ALIKE)
        return int(torch.where(alike, apart, torch.inf).argmin()) if bool(alike.any()) else None


@dataclass(frozen=True, eq=False)
class Prediction:
    """[n] executed transitions beside what level 1 predicted of them.

    Attributes:
        observations: [n, O] where they began.
        begin: [n, E] the same in level 1's critic space.
        predicted: [n, E] where they should have led, likewise.
        end: [n, E] where they led, likewise.
        state: [n, D] level-1 states where they led.
        residual: [n, D] by how much the predicted states are wrong.
    """

    observations: Tensor
    begin: Tensor
    predicted: Tensor
    end: Tensor
    state: Tensor
    residual: Tensor

    @classmethod
    @torch.no_grad()
    def of(cls, stack: WorldModel, before: Tensor, actions: Tensor, after: Tensor) -> Prediction:
        """[n, O] observations, [n, A] actions and [n, O] next observations."""
        level = stack.level(1)
        start, state = stack.encode(before), stack.encode(after)
        guess = level.predictor(start, actions.to(start))
        embed = level.critic.embed
        return cls(before, embed(start), embed(guess), embed(state), state, guess - state)

    @property
    def error(self) -> Tensor:
        """[n] world steps between what was predicted and what came."""
        return (self.predicted - self.end).norm(dim=-1)

    def fronts(self, threshold: Tensor, which: Tensor) -> Surprises:
        """Some of the transitions, by an [n] mask, as one bump each."""
        away = (self.predicted - self.end)[which]
        ones = torch.ones(len(away), device=away.device)
        return Surprises(
            threshold=threshold,
            observations=self.observations[which],
            places=self.predicted[which],
            headings=torch.nn.functional.normalize(away, dim=-1),
            states=self.state[which],
            errors=self.residual[which],
            reach=REACH * ones,
            evidence=ones,
            age=torch.zeros_like(ones),
        )
