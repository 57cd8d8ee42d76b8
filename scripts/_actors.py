"""What acting costs in each mode: success, predicted states and time of the same agent on the same tasks."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

from hjepa.actor import Actor
from hjepa.agent import Agent
from hjepa.evaluate import Outcome, run_episodes
from hjepa.metrics import wilson_interval
from hjepa.planning import LevelPlanner
from scripts._timing import Timing, take_turns
from worlds import Map, MazeTasks

Row = dict[str, Any]


@dataclass(frozen=True)
class Mode:
    """One way to act.

    Attributes:
        planners: what plans at each level, the finest first, the last at all further ones; the agent's own by default.
        reflex: whether a stack in Mode-1 acts by its reflex.
    """

    planners: tuple[LevelPlanner, ...] | None = None
    reflex: bool = True

    def actor(self, agent: Agent, seed: int) -> Actor:
        """An actor of this mode."""
        actor = Actor(agent, planners=self.planners, seed=seed)
        if not self.reflex:
            actor.reflex = None
        return actor


MODE_2 = "Mode-2 (CEM)"
MODES = {
    MODE_2: Mode(),
    "Mode-2 by gradients": Mode(("gradient", "landmarks")),
    "Mode-2 from Mode-1's answer": Mode(("guided", "landmarks")),
    "Mode-1 through the hierarchy": Mode(("mode1",), reflex=False),
    "Mode-1": Mode(("mode1",)),
}


@dataclass(frozen=True)
class Turn:
    """One measurement.

    Attributes:
        together: episodes in one batch.
        alone: others, one agent each.
    """

    together: Outcome
    alone: tuple[Outcome, ...]


@dataclass(frozen=True)
class Study:
    """What is measured.

    Attributes:
        batch: agents side by side.
        single: episodes of the agent alone.
        repeats: how often every mode has its turn, each time with tasks of its own.
        seed: of tasks and planners; that of each turn is one more than that of the turn before.
        steps: world steps of an episode at most; as the tasks have it by default.
    """

    batch: int
    single: int
    repeats: int
    seed: int
    steps: int | None = None

    def __post_init__(self) -> None:
        for name in ("batch", "single", "repeats"):
            if getattr(self, name) < 1:
                raise ValueError(f"--{name} must be at least 1, not {getattr(self, name)}")

    def rows(self, agent: Agent, map: Map, modes: Mapping[str, Mode] = MODES) -> list[Row]:
        """Measures all modes on the same tasks, in turns."""
        for mode in modes.values():
            run_episodes(mode.actor(agent, self.seed), MazeTasks(map, 2, self.seed, time_limit=12))  # compiles
        turns: dict[str, list[Turn]] = {name: [] for name in modes}
        for seed in range(self.seed, self.seed + self.repeats):
            measures: dict[str, Callable[[], Turn]] = {
                name: partial(self._turn, agent, map, mode, seed) for name, mode in modes.items()
            }
            for name, found in take_turns(measures, 1).items():
                turns[name] += found
        rows = {name: row(name, found) for name, found in turns.items()}
        return [compared(each, rows[MODE_2]) for each in rows.values()]

    def _turn(self, agent: Agent, map: Map, mode: Mode, seed: int) -> Turn:
        def run(count: int, seed: int) -> Outcome:
            return run_episodes(mode.actor(agent, seed), MazeTasks(map, count, seed, time_limit=self.steps))[0]

        # Seeds of the single episodes are far from those of all batches.
        return Turn(run(self.batch, seed), tuple(run(1, 10_000 + 100 * seed + i) for i in range(self.single)))


def row(name: str, turns: list[Turn]) -> Row:
    """``ms_*``: milliseconds per world step and agent, best and median over turns; success is of the batches."""
    batches = [turn.together for turn in turns]
    successes, episodes = sum(int(one.success.sum()) for one in batches), sum(len(one.success) for one in batches)
    steps = sum(int(one.steps.sum()) for one in batches)
    alone, batched = (
        Timing(tuple(1000 * _seconds_per_step(outcomes) for outcomes in timed))
        for timed in ([turn.alone for turn in turns], [(turn.together,) for turn in turns])
    )
    return {
        "mode": name,
        "success_rate": successes / episodes,
        "ci95": wilson_interval(successes, episodes),
        "episodes": episodes,
        "steps": steps / episodes,
        "states_per_step": sum(one.calls for one in batches) / steps,
        "ms_alone_best": alone.best,
        "ms_alone": alone.median,
        "ms_batched_best": batched.best,
        "ms_batched": batched.median,
    }


def compared(row: Row, reference: Row) -> Row:
    """With its shares of Mode-2: of success, of predicted states, and of time, the larger one of best and median."""
    shares = {name: row[name] / reference[name] for name in row if name.startswith("ms_")}
    return row | {
        "share_of_success": row["success_rate"] / reference["success_rate"] if reference["success_rate"] else None,
        "share_of_states": row["states_per_step"] / reference["states_per_step"],
        "share_of_time_alone": max(shares["ms_alone"], shares["ms_alone_best"]),
        "share_of_time_batched": max(shares["ms_batched"], shares["ms_batched_best"]),
    }


def _seconds_per_step(outcomes: tuple[Outcome, ...]) -> float:
    return sum(sum(one.seconds) for one in outcomes) / sum(int(one.steps.sum()) for one in outcomes)


def cells(row: Row) -> tuple[str, ...]:
    """One line of the table."""
    low, high = row["ci95"]
    times = [
        text
        for kind in ("alone", "batched")
        for text in (f"{row[f'ms_{kind}_best']:.4f} / {row[f'ms_{kind}']:.4f}", _share(row[f"share_of_time_{kind}"]))
    ]
    success = f"{row['success_rate']:.1%} [{100 * low:.1f}, {100 * high:.1f}]"
    return (row["mode"], success, f"{row['steps']:.0f}", f"{row['states_per_step']:.1f}", *times)


def _share(share: float) -> str:
    return f"1/{1 / share:.1f}" if share < 1 else f"{share:.1f}"
