"""Experiments: actions whose outcome tells apart models that disagree, and the evidence that refutes all but one.

Is this door open? Which way does the wind blow? Each hypothesis is a world model. The plan maximises how far their
predictions diverge, net of effort: sequential experimental design with the expected log-likelihood ratio as the reward
(Lindley, 1956; Chernoff, 1959). What then happens counts for or against each of them, until the odds decide, as in the
sequential probability ratio test (Wald, 1945).

A learned model is wrong in some places, and there it is wrong every time: to push against the same corner a hundred
times proves nothing about a door. So errors are not independent: they are a Gaussian process over places and actions,
beside the noise (the model discrepancy of Kennedy and O'Hagan, 2001). Evidence at one place saturates, and experiments
move on to places where nothing was tried yet.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from itertools import combinations
from typing import final

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from planners.base import ActionSpace, Dynamics
from planners.graph import reachable
from planners.landmarks import LandmarkGraph

Embed = Callable[[Tensor], Tensor]


class ExperimentError(ValueError):
    """An experiment that can't decide anything; the message is one line."""


@final
class JointDynamics:
    """Several world models under the same actions: its state is theirs, one after the other.

    Args:
        hypotheses: the models, of states of one size and with the same actions.

    Raises:
        ExperimentError: for fewer than two.
    """

    def __init__(self, hypotheses: Mapping[str, Dynamics]) -> None:
        if len(hypotheses) < 2:
            raise ExperimentError(f"an experiment needs at least two hypotheses, not {len(hypotheses)}")
        self.hypotheses = dict(hypotheses)

    @property
    def actions(self) -> ActionSpace:
        """Those of the first one."""
        return next(iter(self.hypotheses.values())).actions

    def start(self, state: Tensor) -> Tensor:
        """[..., D] a state that all agree on, to the [..., N * D] joint one."""
        return torch.cat([state] * len(self.hypotheses), -1)

    def step(self, state: Tensor, action: Tensor) -> Tensor:
        """[..., N * D] joint states and [..., A] actions to the [..., N * D] states that each model predicts."""
        parts = state.chunk(len(self.hypotheses), -1)
        models = self.hypotheses.values()
        return torch.cat([model.step(part, action) for model, part in zip(models, parts, strict=True)], -1)


@final
@dataclass(frozen=True)
class Disagreement:
    """What an experiment minimises (:class:`planners.base.Cost`): effort, less what the outcome is worth.

    The worth of a state is the logarithm of 1 + the expected log-likelihood ratio of each pair of hypotheses: it grows
    ever more slowly, so that two models that are already told apart don't hide a third.

    Attributes:
        count: N hypotheses.
        measure: [..., D] states to [..., E] what is observed of them.
        noise: standard deviation of what is observed around what is predicted.
        effort: price of a full action for one step.
        doubt: [..., D] states to [...] what is paid for predicting them, as far as no model knows them: planners seek
            out disagreement, and would find it where all hypotheses are wrong. None for nothing.
        tried: [n, E] what was observed of the places where something was tried before: there is less to learn at them.
            None where trying again tells as much as the first time.
        alike: distance over which places are alike, in units of what is observed.
    """

    count: int
    measure: Embed
    noise: float
    effort: float = 0.01
    doubt: Embed | None = None
    tried: Tensor | None = None
    alike: float = 1.0

    def __call__(self, states: Tensor, actions: Tensor) -> Tensor:
        """[B, ..., T+1, N * D] joint states and [B, ..., T, A] actions to [B, ..., T+1] costs."""
        spent = torch.nn.functional.pad(self.effort * actions.square().sum(-1), (1, 0))
        if self.doubt is not None:
            spent = spent + torch.stack([self.doubt(part) for part in states.chunk(self.count, -1)]).amax(0)
        return spent - self.worth(states)

    def worth(self, states: Tensor) -> Tensor:
        """[..., N * D] joint states to [...] what it tells to observe one of them."""
        points = [self.measure(part) for part in states.chunk(self.count, -1)]
        ratios = [(a - b).square().sum(-1) / (2 * self.noise**2) for a, b in combinations(points, 2)]
        return (torch.stack(ratios) * self.novelty(points[0])).log1p().sum(0)

    def novelty(self, points: Tensor) -> Tensor:
        """[..., E] what is observed of places to [...] how much is new about them, from 0 to 1."""
        if self.tried is None or not len(self.tried):
            return points.new_ones(points.shape[:-1])
        nearest = torch.cdist(points.reshape(-1, points.shape[-1]), self.tried).amin(-1) / self.alike
        return -torch.expm1(-0.5 * nearest.square()).view(points.shape[:-1])


@dataclass(frozen=True)
class Verdict:
    """What an experiment came to.

    Attributes:
        survivor: the hypothesis that was not refuted; None while more than one is left.
        refuted: those that were, in the order of the evidence against them, the worst first.
        log_odds: of the best hypothesis against each one, natural logarithm; 0 for the best itself.
        error: of each hypothesis, root mean square of its prediction errors so far.
        steps: observed.
    """

    survivor: str | None
    refuted: tuple[str, ...]
    log_odds: dict[str, float]
    error: dict[str, float]
    steps: int


@final
class Trial:
    """Weighs hypotheses by how well each predicts what is observed, one world step at a time.

    Args:
        hypotheses: the models by name.
        measure: [..., D] states to [..., E] what is observed of them.
        noise: standard deviation of an observation around its prediction; Gaussian, anew at every step.
        odds: against a hypothesis at which it is refuted.
        doubt: see :class:`Disagreement`.
        bias: standard deviation of what even the right hypothesis gets wrong whenever the same is tried at the same
            place; 0 for a model that has only noise.
        alike: distance over which places are the same, in units of what is observed.

    Raises:
        ExperimentError: for fewer than two hypotheses, and settings out of range.
    """

    def __init__(
        self,
        hypotheses: Mapping[str, Dynamics],
        measure: Embed,
        noise: float,
        odds: float = 1000.0,
        doubt: Embed | None = None,
        bias: float = 0.0,
        alike: float = 1.0,
    ) -> None:
        if not noise > 0 or not odds > 1:
            raise ExperimentError(f"noise must be positive and odds above 1, not {noise!r} and {odds!r}")
        if not bias >= 0 or not alike > 0:
            raise ExperimentError(f"bias must be 0 or more and alike positive, not {bias!r} and {alike!r}")
        self.joint, self.measure, self.noise, self.odds = JointDynamics(hypotheses), measure, noise, odds
        self.doubt, self.bias, self.alike = doubt, bias, alike
        self.squared, self.distance = torch.zeros(len(hypotheses)), torch.zeros(len(hypotheses))
        self._errors = _Whitener(noise, bias)
        self._tried: list[Tensor] = []

    @property
    def steps(self) -> int:
        """Observed so far."""
        return len(self._tried)

    @property
    def cost(self) -> Disagreement:
        """What the next actions should minimise."""
        tried = torch.stack(self._tried) if self.bias and self._tried else None
        noise = (self.noise**2 + self.bias**2) ** 0.5
        return Disagreement(len(self.squared), self.measure, noise, doubt=self.doubt, tried=tried, alike=self.alike)

    @torch.no_grad()
    def observe(self, state: Tensor, action: Tensor, following: Tensor) -> None:
        """One world step: the [D] state before, the [A] action, and the [D] state that came of it."""
        predicted = self.joint.step(self.joint.start(state), action).chunk(len(self.squared), -1)
        seen, place = self.measure(following), self.measure(state)
        errors = torch.stack([self.measure(one) - seen for one in predicted]).cpu()
        white = self._errors(torch.cat([place / self.alike, action], -1).cpu(), errors)
        self.squared = self.squared + errors.square().sum(-1)
        self.distance = self.distance + white.square().sum(-1)
        self._tried.append(place)

    def verdict(self) -> Verdict:
        """What is known by now."""
        log_odds = (self.distance - self.distance.min()) / 2
        names = list(self.joint.hypotheses)
        worst_first = log_odds.argsort(descending=True).tolist()
        refuted = tuple(names[i] for i in worst_first if log_odds[i] > np.log(self.odds))
        left = [name for name in names if name not in refuted]
        error = (self.squared / max(1, self.steps)).sqrt().tolist()
        return Verdict(
            left[0] if len(left) == 1 else None,
            refuted,
            dict(zip(names, log_odds.tolist(), strict=True)),
            dict(zip(names, error, strict=True)),
            self.steps,
        )


class _Whitener:
    """Makes errors independent that are alike where the same was tried: a Cholesky factor, one row after the other.

    Args:
        noise: standard deviation of what differs every time.
        bias: standard deviation of what does not.
    """

    def __init__(self, noise: float, bias: float) -> None:
        self.noise, self.bias = noise, bias
        self.points, self.factor, self.white = torch.zeros(0), torch.zeros(0, 0), torch.zeros(0)

    def __call__(self, point: Tensor, errors: Tensor) -> Tensor:
        """[P] what was tried, in lengths over which it is alike, and [N, E] errors to [N, E] of unit variance."""
        count = len(self.factor)
        self.points = torch.cat([self.points.view(count, len(point)), point[None]])
        apart = (self.points[:-1] - point).square().sum(-1)
        shared = self.bias**2 * torch.exp(-0.5 * apart)
        row = torch.linalg.solve_triangular(self.factor, shared[:, None], upper=False)[:, 0]
        rest = (self.noise**2 + self.bias**2 - row.square().sum()).clamp(min=self.noise**2).sqrt()
        before = self.white.view(count, *errors.shape)
        white = (errors - torch.tensordot(row, before, 1)) / rest
        self.factor = torch.nn.functional.pad(self.factor, (0, 1, 0, 1))
        self.factor[-1] = torch.cat([row, rest[None]])
        self.white = torch.cat([before, white[None]])
        return white


def telling_place(
    first: LandmarkGraph, second: LandmarkGraph, begins: NDArray[np.int64], costs: NDArray[np.float32]
) -> int:
    """The nearest landmark at which two graphs of the same landmarks disagree, by ways that both know.

    There, an edge begins that only one of them has. Going anywhere else tells nothing: their shortest paths differ only
    where one of them leads along such an edge.

    Args:
        first: one hypothesis.
        second: another one.
        begins: [n] landmarks around the present place.
        costs: [n] world steps to them.

    Raises:
        ExperimentError: where the graphs agree, or no such place can be reached.
    """
    size = first.graph.num_nodes
    edges, others = (one.graph.sources.astype(np.int64) * size + one.graph.targets for one in (first, second))
    disputed = np.unique(np.setxor1d(edges, others) // size)
    if not len(disputed):
        raise ExperimentError("the two graphs have the same edges: no way tells them apart")
    agreed = first.graph.without(~np.isin(edges, others))
    nodes, arrival = reachable(agreed, begins, costs, float(agreed.costs.sum()) + float(costs.max()))
    here = np.isin(nodes, disputed)
    if not here.any():
        raise ExperimentError("no place where the two graphs differ can be reached by ways that both know")
    return int(nodes[here][arrival[here].argmin()])
