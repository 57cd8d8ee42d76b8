"""Mode-1: a policy that answers at once with what Mode-2 would plan, alone or as the start of a plan.

Mode-2 plans: it searches for the actions whose predicted outcome costs least. What it finds can be compiled into a
policy (LeCun 2022, "A Path Towards Autonomous Machine Intelligence", section 3.1.3), as amortised inference compiles
an optimisation into a network: see :mod:`hjepa.distil`. Where all levels are in Mode-1, :mod:`hjepa.reflex` acts.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Protocol, final

import torch
from torch import Tensor, nn
from typing_extensions import TypeIs

from hjepa.layers import mlp
from hjepa.signpost import SignpostConfig
from planners.base import AnyDynamics, Budget, Cost, Dynamics, Plan, Planner, Recorder, is_stochastic
from planners.candidates import Evaluator, PlannerError, hold_actions, require_box, require_positive


@dataclass(frozen=True)
class PolicyConfig:
    """How Mode-1 is distilled.

    Attributes:
        hidden: widths of the policy's hidden layers.
        steps: gradient steps; 0 leaves an agent without a policy.
        batch: problems per step.
        learning_rate: at the start; it falls to zero along a cosine.
        reach: a target farther than this many strides of level 2 is approached as one at this distance.
        ways: how the levels above get theirs.
    """

    hidden: tuple[int, ...] = (64, 64)
    steps: int = 500
    batch: int = 256
    learning_rate: float = 6e-3
    reach: float = 2.0
    ways: SignpostConfig = SignpostConfig()

    def __post_init__(self) -> None:
        if self.steps < 0:
            raise ValueError(f"policy.steps must not be negative, not {self.steps}")
        for name in ("batch", "learning_rate", "reach"):
            if not getattr(self, name) > 0:
                raise ValueError(f"policy.{name} must be positive, not {getattr(self, name)}")


@final
class Policy(nn.Module):
    """Level 1's Mode-1: a state and a target to the action to be held now.

    It sees where the target lies from here, in the critic space that measures arrival, so that it does not have to
    learn that space; and the state, because which action leads there depends on the place.

    Args:
        state: D, size of the level's state.
        target: E, size of a target.
        action: A, size of an action.
        hidden: widths of the hidden layers.
        reach: world steps; see :class:`PolicyConfig`.
    """

    def __init__(self, state: int, target: int, action: int, hidden: tuple[int, ...], reach: float) -> None:
        super().__init__()
        self.reach = reach
        self.network = mlp(state + target, hidden, action)

    def forward(self, states: Tensor, points: Tensor, targets: Tensor) -> Tensor:
        """What to do.

        Args:
            states: [..., D] states of level 1.
            points: [..., E] the same in the targets' space.
            targets: [..., E] where to go; distances are world steps.

        Returns:
            [..., A] actions from -1 to 1: half-widths of the action box, from its centre.
        """
        way = targets - points
        distance = torch.linalg.vector_norm(way, dim=-1, keepdim=True)
        # In world steps, not scaled to one: the last few steps to a target must be told apart.
        way = way * (self.reach / distance.clamp(min=self.reach))
        return torch.tanh(self.network(torch.cat([states, way], -1)))


class Approach(Cost, Protocol):
    """A cost that says where it is least: what a policy can be asked to reach.

    :class:`planners.hierarchy.SubgoalCost` is one.
    """

    @property
    def measure(self) -> Callable[[Tensor], Tensor]:
        """[..., D] states to [..., E] points whose distances are world steps."""
        ...

    @property
    def target(self) -> Tensor:
        """[B, E] one target per problem."""
        ...


def is_approach(cost: Cost) -> TypeIs[Approach]:
    """Whether a cost has a target: that it says so decides, and nothing else."""
    return hasattr(cost, "measure") and hasattr(cost, "target")


@final
@dataclass(frozen=True)
class PolicyPlanner:
    """Plans by asking a policy: Mode-1, or Mode-2 that starts from Mode-1's answer.

    Alone, the policy's actions are rolled out once, so that one sees where they lead; nothing is compared. It knows
    the way to a target, not what else a cost may hold (a surcharge for risky places, say): only ``refine`` does.

    Attributes:
        policy: is asked anew whenever the model has carried out its last answer.
        horizon: steps to plan, H.
        hold: steps for which an answer is held.
        refine: plans on from the policy's actions; None takes them as they are.
    """

    policy: Policy
    horizon: int
    hold: int
    refine: Planner | None = None

    def __post_init__(self) -> None:
        require_positive("PolicyPlanner", horizon=self.horizon, hold=self.hold)

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

        A warm start takes the place of the policy's answer where there is something to refine, and is else ignored.

        Raises:
            PlannerError: for a cost without a target, and for a model with a latent variable.
        """
        if not is_approach(cost):
            raise PlannerError(f"PolicyPlanner needs a cost with a target, which {type(cost).__name__} has not")
        if is_stochastic(dynamics):
            raise PlannerError("PolicyPlanner needs a model without a latent variable")
        with torch.no_grad():
            if self.refine is None:
                evaluate = Evaluator(dynamics, cost, start, self.horizon, self.hold, budget.meter(), recorder)
                evaluate(self.answers(dynamics, cost, start).unsqueeze(1))
                return self._counted(evaluate.plan(complete=True))
            if warm_start is None:
                warm_start = hold_actions(self.answers(dynamics, cost, start), self.hold, self.horizon)
        plan = self.refine.plan(
            dynamics, cost, start, budget=budget, warm_start=warm_start, generator=generator, recorder=recorder
        )
        return self._counted(plan)

    def answers(self, dynamics: Dynamics, aim: Approach, state: Tensor) -> Tensor:
        """[B, F, A] the policy's answers, each given where the one before it is predicted to lead; differentiable."""
        box, answers = require_box("PolicyPlanner", dynamics), list[Tensor]()
        for step in range(0, self.horizon, self.hold):
            for _ in range(self.hold if step else 0):
                state = dynamics.step(state, answers[-1])
            share = self.policy(state, aim.measure(state), aim.target)
            answers.append(torch.lerp(box.low, box.high, (share + 1) / 2))
        return torch.stack(answers, 1)

    def _counted(self, plan: Plan) -> Plan:
        """The plan, with the states that were predicted to ask the policy about."""
        asked_about = (self.horizon - 1) // self.hold * self.hold
        return replace(plan, model_calls=plan.model_calls + len(plan.cost) * asked_about)
