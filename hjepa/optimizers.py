"""The planners that optimise a trajectory, by name: they fit any level, with more or less effort."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from planners.base import Planner
from planners.gradient import GradientPlanner
from planners.lifted import LiftedPlanner
from planners.mcts import MCTSPlanner
from planners.risk import MEAN, Risk
from planners.sampling import CEM, ICEM, MPPI, RandomShooting

Optimizer = Literal["random", "cem", "icem", "mppi", "gradient", "lbfgs", "lifted", "mcts"]


@dataclass(frozen=True)
class Effort:
    """How hard an optimiser tries.

    Attributes:
        samples: candidates of a sampling planner in one round.
        rounds: its rounds.
        spread: of its first round, in half-widths of the action box.
        restarts: trajectories of a gradient planner.
        steps: its gradient steps.
    """

    samples: int
    rounds: int
    spread: float
    restarts: int
    steps: int


def make_optimizer(name: Optimizer, horizon: int, hold: int, effort: Effort, risk: Risk = MEAN) -> Planner:
    """The planner of a name, for so many steps, each action held for some of them."""
    samples, rounds, spread = effort.samples, effort.rounds, effort.spread
    restarts, steps = effort.restarts, effort.steps
    match name:
        case "random":
            return RandomShooting(horizon=horizon, hold=hold, samples=samples * rounds, risk=risk)
        case "cem":
            return CEM(horizon=horizon, hold=hold, samples=samples, iterations=rounds, init_std=spread, risk=risk)
        case "icem":
            return ICEM(horizon=horizon, hold=hold, samples=samples, iterations=rounds, init_std=spread, risk=risk)
        case "mppi":
            return MPPI(horizon=horizon, hold=hold, samples=samples, iterations=rounds, init_std=spread, risk=risk)
        case "gradient":
            return GradientPlanner(horizon=horizon, hold=hold, restarts=restarts, iterations=steps, risk=risk)
        case "lbfgs":
            return GradientPlanner(
                horizon=horizon, hold=hold, restarts=restarts, iterations=steps, optimizer="lbfgs", risk=risk
            )
        case "mcts":
            # Few simulations: each new node is rolled out with all actions drawn there.
            return MCTSPlanner(horizon=horizon, hold=hold, num_simulations=4 * rounds, samples=samples, risk=risk)
        case "lifted":
            # Half of the steps follow a full roll-out: the states begin where the actions really lead.
            return LiftedPlanner(
                horizon=horizon, hold=hold, restarts=restarts, iterations=steps, sync_every=steps // 2,
                sync_steps=max(1, steps // 8), risk=risk,
            )  # fmt: skip
