"""What a plan may lead to: fresh futures of it, how far they spread, and what they cost.

A planner that weighs scenarios has chosen actions that suit these very ones, so what it says of its plan is too good.
The futures here are drawn anew, after the choice.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import final

import torch
from torch import Tensor

from planners.base import AnyDynamics, Budget, Cost, Plan, Planner, Recorder, is_stochastic
from planners.imagination import Imagination
from planners.scenarios import draw_scenarios

QUANTILES = (0.025, 0.05, 0.1, 0.25, 0.5, 0.75, 0.9, 0.95, 0.975)
"""Those that a forecast tells by default."""


@final
@dataclass(frozen=True)
class Forecast:
    """Futures of one plan for each of B problems.

    Attributes:
        places: [B, S, H+1, E] predicted places (or states, where nothing reads them), the present first.
        costs: [B, S] what each future costs in all.
    """

    places: Tensor
    costs: Tensor

    @property
    def spread(self) -> Tensor:
        """[B, H+1, E] standard deviation of every component at every step."""
        return self.places.std(1)

    def place_quantiles(self, shares: tuple[float, ...] = QUANTILES) -> Tensor:
        """[Q, B, H+1, E] quantiles of every component at every step."""
        return torch.quantile(self.places, self.places.new_tensor(shares), dim=1)

    def cost_quantiles(self, shares: tuple[float, ...] = QUANTILES) -> Tensor:
        """[Q, B] quantiles of the cost."""
        return torch.quantile(self.costs, self.costs.new_tensor(shares), dim=1)


@torch.no_grad()
def forecast(
    dynamics: AnyDynamics,
    cost: Cost,
    start: Tensor,
    actions: Tensor,
    *,
    count: int = 200,
    read: Callable[[Tensor], Tensor] | None = None,
    generator: torch.Generator | None = None,
) -> Forecast:
    """Draws futures of given actions.

    Args:
        dynamics: the model; a deterministic one has a single future, which is all that is returned.
        cost: of a trajectory.
        start: [B, D] states.
        actions: [B, H, A] what is going to be done.
        count: S, futures.
        read: [..., D] states to [..., E] what people, or measurements, know of them; None for the states themselves.
        generator: of the draws.

    Raises:
        ValueError: where so many futures would be all that there are: those are no draws.
    """
    scenarios = draw_scenarios(dynamics, start, actions.shape[1], count, generator)
    if scenarios is not None and not scenarios.draws.is_floating_point():
        raise ValueError(f"forecast: {count} futures enumerate all modes; ask for fewer, so that they are drawn")
    states, _ = Imagination(dynamics, scenarios)(start, actions.unsqueeze(1))
    if not is_stochastic(dynamics):
        states = states.unsqueeze(2)
    states = states.squeeze(1).clone()
    doing = actions.unsqueeze(1).expand(-1, states.shape[1], -1, -1)
    total = cost(states, doing).sum(-1)
    return Forecast(states if read is None else read(states), total)


@final
@dataclass(frozen=True)
class ForecastPlanner:
    """A planner whose plans say how uncertain they are: ``extras["forecast"]`` is a :class:`Forecast`.

    Attributes:
        planner: plans.
        count: futures that are drawn of each plan.
        read: see :func:`forecast`.
    """

    planner: Planner
    count: int = 200
    read: Callable[[Tensor], Tensor] | None = None

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
        """Plans from [B, D] start states; see :class:`planners.base.Planner`."""
        plan = self.planner.plan(
            dynamics, cost, start, budget=budget, warm_start=warm_start, generator=generator, recorder=recorder
        )
        told = forecast(dynamics, cost, start, plan.actions, count=self.count, read=self.read, generator=generator)
        calls = plan.model_calls + told.costs.numel() * plan.actions.shape[1]
        return replace(plan, model_calls=calls, extras={**plan.extras, "forecast": told})
