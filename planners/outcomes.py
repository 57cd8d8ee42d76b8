"""What candidates lead to, which of them is the best, and constraints that come before cost."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import final

import torch
from torch import Tensor

from planners.base import Cost


@final
@dataclass(frozen=True)
class ConstrainedCost:
    """A cost, and a constraint that comes before it: any violation is worse than any cost.

    Attributes:
        cost: what is minimised among the plans that keep to the constraint.
        constraint: how far each state is outside of what is allowed, in any unit; 0 or less where it is allowed.
    """

    cost: Cost
    constraint: Cost

    def __call__(self, states: Tensor, actions: Tensor) -> Tensor:
        """[B, ..., T+1, D] states and [B, ..., T, A] actions to [B, ..., T+1] costs, without the constraint."""
        return self.cost(states, actions)

    def violation(self, states: Tensor, actions: Tensor) -> Tensor:
        """[B, ..., T+1, D] states and [B, ..., T, A] actions to [B, ..., T+1] violations, none of them negative."""
        return self.constraint(states, actions).clamp(min=0)


@final
@dataclass(frozen=True)
class Outcomes:
    """[B, N] candidates and what they are predicted to lead to.

    Attributes:
        totals: [B, N] their costs, summed over time and, where there are scenarios, weighed by risk.
        actions: [B, N, H, A] what they do.
        states: [B, N, H+1, D] the states predicted for them; [B, N, S, H+1, D] in S scenarios.
        violations: [B, N] by how much they break the constraint; None without one.
        costs: [B, N, S] their cost in every scenario; None without scenarios.
        chances: [B, N, S] the probabilities of the scenarios; None without scenarios, or where all are alike.
    """

    totals: Tensor
    actions: Tensor
    states: Tensor
    violations: Tensor | None = None
    costs: Tensor | None = None
    chances: Tensor | None = None

    @classmethod
    def combine(cls, merge: Callable[..., Tensor], *parts: Outcomes) -> Outcomes:
        """Merges the arrays of the parts, each with its like."""
        columns = zip(*(vars(part).values() for part in parts), strict=True)
        return cls(*(None if column[0] is None else merge(*column) for column in columns))  # type: ignore[arg-type]

    def detach(self) -> Outcomes:
        """The same without gradients."""
        return Outcomes.combine(Tensor.detach, self)

    def cheapest(self) -> Outcomes:
        """The best candidate of each problem, N = 1: of those that break the constraint least, the cheapest."""
        index = self._best()
        return self._pick(torch.arange(len(index), device=index.device), index)

    def take_better(self, other: Outcomes) -> None:
        """Puts the best candidates of others in the place of these single ones, in problems where they are better.

        In place, and for those problems only: after the first passes they are few, and states are large.
        """
        index = other._best()
        better = _at(other.totals, index) < self.totals[:, 0]
        if self.violations is not None and other.violations is not None:
            before, after = self.violations[:, 0], _at(other.violations, index)
            better = torch.where(after == before, better, after < before)
        rows = better.nonzero().squeeze(1)
        if len(rows):
            Outcomes.combine(lambda old, new: old.index_copy_(0, rows, new), self, other._pick(rows, index[rows]))

    def _best(self) -> Tensor:
        """[B] the number of each problem's best candidate."""
        if self.violations is None:
            return self.totals.argmin(1)
        least = self.violations == self.violations.amin(1, keepdim=True)
        # An infinite cost must still come before those that break the constraint more.
        costs = self.totals.clamp(max=torch.finfo(self.totals.dtype).max)
        return torch.where(least, costs, torch.inf).argmin(1)

    def _pick(self, rows: Tensor, index: Tensor) -> Outcomes:
        """[M, 1] one candidate each of M problems."""
        return Outcomes.combine(lambda values: values[rows, index].unsqueeze(1), self)

    def nearest_scenario(self) -> Tensor:
        """[B, N] the possible scenario whose cost is nearest to the total: the one that stands for the candidate."""
        if self.costs is None:
            return torch.zeros_like(self.totals, dtype=torch.long)
        gap = (self.costs - self.totals[..., None]).abs()
        # Infinite costs under an infinite total: nothing is nearer.
        gap = torch.where(gap.isnan(), 0.0, gap)
        return (gap if self.chances is None else torch.where(self.chances > 0, gap, torch.inf)).argmin(-1)


def _at(values: Tensor, index: Tensor) -> Tensor:
    """[B] one of each row of [B, N] values."""
    return values.gather(1, index[:, None]).squeeze(1)


def scores(totals: Tensor, violations: Tensor | None) -> Tensor:
    """[B, N] one number per candidate to minimise: its total, or what orders candidates under a constraint.

    Candidates that keep to the constraint count as their total, others as the worst such total of their problem plus
    their violation, so that a distribution or a gradient first moves to where the constraint holds. Source: Deb,
    2000, An efficient constraint handling method for genetic algorithms.
    """
    if violations is None:
        return totals
    kept = violations <= 0
    worst = torch.where(kept & totals.isfinite(), totals, -torch.inf).detach().amax(1, keepdim=True)
    return torch.where(kept, totals, torch.where(worst.isfinite(), worst, 0.0) + violations)
