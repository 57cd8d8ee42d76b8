"""Planning by sampling action sequences: random shooting, CEM, iCEM and MPPI.

All of them draw ``N`` candidates for each of ``B`` problems, roll them out in one batch, and move a normal
distribution over actions towards the cheap ones. Spreads are in half-widths of the action box, so that one setting
suits boxes of any size. Every planner returns the cheapest candidate that it has seen; the mean of the distribution
is always one of the candidates. A budget ends the loop after the round in which it is used up; where seconds run out,
it ends before a pass of the model that would take too long, even inside a round. At least one pass is always done.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass, replace
from typing import final, get_args

import torch
from torch import Tensor

from planners.base import AnyDynamics, Box, Budget, Cost, Plan, Recorder
from planners.candidates import Evaluator, PlannerError, free_actions, require_box, require_positive, white_noise
from planners.imagination import Precision
from planners.risk import MEAN, Risk
from planners.scenarios import draw_scenarios


@dataclass(frozen=True)
class Belief:
    """Where good actions are thought to be.

    Attributes:
        mean: [B, F, A] centre of the distribution.
        std: [B, F, A] its spread, action units.
        half_width: [A] half-width of the action box, the unit of all spreads.
        elites: [B, E, F, A] the best candidates of the last round, None before it.
    """

    mean: Tensor
    std: Tensor
    half_width: Tensor
    elites: Tensor | None = None


@dataclass(frozen=True, kw_only=True)
class SamplingPlanner(ABC):
    """The loop that all sampling planners share; a planner says how it proposes and how it refines.

    Attributes:
        horizon: steps to plan, H.
        samples: candidates per problem and round, N.
        iterations: rounds.
        init_std: spread of the first round, in half-widths of the action box.
        hold: steps for which each sampled action is held.
        chunk: most rows (problems x candidates x scenarios) in one pass of the model, to bound memory; never less than
            one candidate of every problem. None is what suits the device's caches. It changes no result.
        risk: what a candidate's many possible costs count as, where the dynamics has a latent variable.
        scenarios: draws of the latent variable under which every candidate is imagined, S; where there are no more
            sequences of modes than that, all of them are enumerated with their probabilities.
        precision: in which the model computes; ``bfloat16`` is faster where the processor has it. The plan that is
            returned is priced in full precision.
    """

    horizon: int
    samples: int = 256
    iterations: int = 3
    init_std: float = 0.5
    hold: int = 1
    chunk: int | None = None
    risk: Risk = MEAN
    scenarios: int = 16
    precision: Precision = "full"

    def __post_init__(self) -> None:
        numbers = {"horizon": self.horizon, "samples": self.samples, "iterations": self.iterations}
        chunk = 1 if self.chunk is None else self.chunk
        require_positive(type(self).__name__, **numbers, init_std=self.init_std, hold=self.hold, chunk=chunk)
        require_positive(type(self).__name__, scenarios=self.scenarios)
        if self.precision not in get_args(Precision):
            choices = " or ".join(map(repr, get_args(Precision)))
            raise PlannerError(f"{type(self).__name__}.precision must be {choices}, not {self.precision!r}")

    @final
    def plan(
        self,
        dynamics: AnyDynamics,
        cost: Cost,
        start: Tensor,
        *,
        budget: Budget = Budget(),
        warm_start: Tensor | None = None,
        generator: torch.Generator | None = None,
        recorder: Recorder | None = None,
    ) -> Plan:
        """Plans from [B, D] start states; see :class:`planners.base.Planner`.

        ``extras`` holds the final ``mean`` and ``std``, [B, F, A], and what :meth:`Evaluator.plan` adds.
        """
        box, meter = require_box(type(self).__name__, dynamics), budget.meter()
        with torch.inference_mode():
            scenarios = draw_scenarios(dynamics, start, self.horizon, self.scenarios, generator)
            evaluate = Evaluator(
                dynamics, cost, start, self.horizon, self.hold, meter, recorder,
                chunk=self.chunk, risk=self.risk, scenarios=scenarios, precision=self.precision,
            )  # fmt: skip
            plan = self._search(evaluate, box, self._first_belief(box, start, warm_start), generator)
        # Autograd refuses tensors that were made in inference mode, but not their copies.
        extras = {name: value.clone() for name, value in plan.extras.items()}
        copies = {name: getattr(plan, name).clone() for name in ("actions", "states", "cost", "complete")}
        return replace(plan, **copies, extras=extras)

    def _search(self, evaluate: Evaluator, box: Box, belief: Belief, generator: torch.Generator | None) -> Plan:
        meter = evaluate.meter
        # Bounds as long as a candidate, not as an action: many times faster in torch's elementwise loops.
        bounds = [bound.expand_as(belief.mean[0]).contiguous() for bound in (box.low, box.high)]
        for iteration in range(self.iterations):
            candidates = self._propose(belief, box, iteration, generator).clamp_(*bounds)
            candidates[:, 0] = belief.mean
            scored, totals = belief.mean, evaluate(candidates)
            if evaluate.cut:
                break
            belief = self._refine(belief, candidates, totals)
            meter.iterations += 1
            if meter.exhausted():
                break
        complete = meter.iterations == self.iterations
        if belief.mean is not scored and not meter.exhausted():
            evaluate(belief.mean[:, None])
        return evaluate.plan(complete, mean=belief.mean, std=belief.std)

    def _first_belief(self, box: Box, start: Tensor, warm_start: Tensor | None) -> Belief:
        free = -(-self.horizon // self.hold)
        half = (box.high - box.low) / 2
        mean = free_actions(warm_start, len(start), self.horizon, self.hold, box)
        if mean is None:
            mean = (box.low + half).expand(len(start), free, -1)
        return Belief(mean, (self.init_std * half).expand_as(mean), half)

    @abstractmethod
    def _propose(self, belief: Belief, box: Box, iteration: int, generator: torch.Generator | None) -> Tensor:
        """[B, N, F, A] candidates, not yet inside the box; the first is overwritten by the mean."""

    @abstractmethod
    def _refine(self, belief: Belief, candidates: Tensor, totals: Tensor) -> Belief:
        """The belief after [B, N, F, A] candidates turned out to cost [B, N]."""


@final
@dataclass(frozen=True, kw_only=True)
class RandomShooting(SamplingPlanner):
    """Draws uniformly from the box and keeps the best."""

    iterations: int = 1

    def _propose(self, belief: Belief, box: Box, iteration: int, generator: torch.Generator | None) -> Tensor:
        batch, free, _ = belief.mean.shape
        return box.sample((batch, self.samples, free), generator)

    def _refine(self, belief: Belief, candidates: Tensor, totals: Tensor) -> Belief:
        return belief


@final
@dataclass(frozen=True, kw_only=True)
class CEM(SamplingPlanner):
    """The cross-entropy method: refits the distribution to the best candidates (Rubinstein, 1999).

    Attributes:
        elites: candidates that the distribution is refitted to.
        momentum: share of the old mean and spread that is kept, in [0, 1).
        min_std: least spread, in half-widths of the box.
    """

    elites: int = 16
    momentum: float = 0.0
    min_std: float = 0.05

    def __post_init__(self) -> None:
        super().__post_init__()
        _check_elites(self, self.elites, self.momentum)

    def _propose(self, belief: Belief, box: Box, iteration: int, generator: torch.Generator | None) -> Tensor:
        batch, free, size = belief.mean.shape
        return _spread(belief, white_noise((batch, self.samples, free, size), belief.mean, generator))

    def _refine(self, belief: Belief, candidates: Tensor, totals: Tensor) -> Belief:
        return _refit(belief, _cheapest(candidates, totals, self.elites), self.momentum, self.min_std)


@final
@dataclass(frozen=True, kw_only=True)
class ICEM(SamplingPlanner):
    """CEM with noise that is correlated in time, elites carried over, and ever fewer samples (Pinneri et al., 2020).

    Attributes:
        elites: candidates that the distribution is refitted to.
        momentum: share of the old mean and spread that is kept, in [0, 1).
        min_std: least spread, in half-widths of the box.
        exponent: of the noise's spectrum: 0 is white, 2 a random walk; larger is smoother in time.
        keep: share of the elites that compete again in the next round.
        decay: factor by which the number of samples falls every round, down to twice the elites.
    """

    elites: int = 16
    momentum: float = 0.1
    min_std: float = 0.05
    exponent: float = 2.0
    keep: float = 0.3
    decay: float = 1.25

    def __post_init__(self) -> None:
        super().__post_init__()
        _check_elites(self, self.elites, self.momentum)
        require_positive("ICEM", decay=self.decay)

    def _propose(self, belief: Belief, box: Box, iteration: int, generator: torch.Generator | None) -> Tensor:
        batch, free, size = belief.mean.shape
        count = min(self.samples, max(int(self.samples / self.decay**iteration), 2 * self.elites))
        noise = coloured_noise((batch, count, size, free), self.exponent, belief.mean, generator)
        candidates = _spread(belief, noise.transpose(-1, -2))
        if belief.elites is None:
            return candidates
        return torch.cat([candidates, belief.elites[:, : int(self.keep * self.elites)]], dim=1)

    def _refine(self, belief: Belief, candidates: Tensor, totals: Tensor) -> Belief:
        return _refit(belief, _cheapest(candidates, totals, self.elites), self.momentum, self.min_std)


@final
@dataclass(frozen=True, kw_only=True)
class MPPI(SamplingPlanner):
    """Model-predictive path integral control: the mean of all candidates, weighted by cost (Williams et al., 2017).

    Attributes:
        temperature: of the weights ``exp(-excess / temperature)``; the excess over the cheapest candidate is
            measured in the candidates' mean excess, so that it suits costs of any scale. Lower is greedier.
    """

    temperature: float = 0.1

    def __post_init__(self) -> None:
        super().__post_init__()
        require_positive("MPPI", temperature=self.temperature)

    def _propose(self, belief: Belief, box: Box, iteration: int, generator: torch.Generator | None) -> Tensor:
        batch, free, size = belief.mean.shape
        return _spread(belief, white_noise((batch, self.samples, free, size), belief.mean, generator))

    def _refine(self, belief: Belief, candidates: Tensor, totals: Tensor) -> Belief:
        weights = path_integral_weights(totals, self.temperature)
        return replace(belief, mean=torch.einsum("bn,bnfa->bfa", weights, candidates))


def shift(actions: Tensor, steps: int) -> Tensor:
    """[B, H, A] planned actions to the warm start of a plan made ``steps`` later; the last action is repeated."""
    if not 0 <= steps <= actions.shape[1]:
        raise PlannerError(f"shift: steps must be 0 .. horizon ({actions.shape[1]}), not {steps}")
    last = actions[:, -1:].expand(-1, steps, *actions.shape[2:])
    return torch.cat([actions[:, steps:], last], 1)


def path_integral_weights(totals: Tensor, temperature: float) -> Tensor:
    """[B, N] costs to the [B, N] weights of MPPI, which sum to 1; an infinite cost weighs nothing."""
    excess = totals - totals.amin(1, keepdim=True)
    finite = excess.isfinite()
    # Where no candidate has a finite cost, none is better than another.
    excess = torch.where(finite, excess, torch.where(finite.any(1, keepdim=True), torch.inf, 0.0))
    scale = torch.where(finite, excess, 0.0).sum(1, keepdim=True) / finite.sum(1, keepdim=True).clamp(min=1)
    return torch.softmax(-excess / (temperature * scale).clamp(min=1e-12), dim=1)


def coloured_noise(
    shape: tuple[int, ...], exponent: float, like: Tensor, generator: torch.Generator | None = None
) -> Tensor:
    """[..., F] normal noise whose power falls with frequency as ``f ** -exponent``; unit variance over the draws.

    White noise through a circular filter with that response: one matrix product. Source of the spectrum: Timmer and
    Koenig, 1995, as used by iCEM.
    """
    steps = shape[-1]
    white = white_noise(shape, like, generator)
    if steps == 1:
        return white
    frequency = torch.fft.rfftfreq(steps, device=like.device, dtype=like.dtype)
    frequency[0] = frequency[1]
    impulse = torch.fft.irfft(frequency ** (-exponent / 2), n=steps)
    impulse = impulse / impulse.norm()
    return white @ torch.stack([impulse.roll(shift) for shift in range(steps)])


def _spread(belief: Belief, noise: Tensor) -> Tensor:
    return torch.addcmul(belief.mean[:, None], belief.std[:, None], noise, out=noise)


def _cheapest(candidates: Tensor, totals: Tensor, count: int) -> Tensor:
    """[B, E, F, A] the cheapest candidates of each problem, the best first."""
    index = totals.topk(count, dim=1, largest=False).indices
    return candidates[torch.arange(len(index), device=index.device)[:, None], index]


def _refit(belief: Belief, elites: Tensor, momentum: float, min_std: float) -> Belief:
    # Several times faster than std_mean, which goes through memory once, but slowly.
    mean = elites.mean(1)
    std = (elites - mean[:, None]).square_().mean(1).sqrt_()
    std = torch.maximum(torch.lerp(std, belief.std, momentum), min_std * belief.half_width)
    return Belief(torch.lerp(mean, belief.mean, momentum), std, belief.half_width, elites)


def _check_elites(planner: SamplingPlanner, elites: int, momentum: float) -> None:
    name = type(planner).__name__
    if not 1 <= elites <= planner.samples:
        raise PlannerError(f"{name}.elites must be 1 .. samples ({planner.samples}), not {elites}")
    if not 0 <= momentum < 1:
        raise PlannerError(f"{name}.momentum must be in [0, 1), not {momentum}")
