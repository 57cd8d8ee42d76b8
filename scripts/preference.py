"""Learns what demonstrators like, without being told, and plans accordingly on tasks that nobody demonstrated.

Two tastes: to keep out of dark cells, and to keep to one wall of every corridor. The agent sees what the demonstrators
observed. A task counts as respected where the goal is reached and at most 5 % of the steps are spent in places that
demonstrators avoid. Beside the agent that learned, the same agent without the learned cost, and the same agent to which
the taste was told: painted on the ground by hand.

python scripts/preference.py --mazes medium large --tastes dark wall --episodes 100
"""

from __future__ import annotations

import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from hjepa.actor import Actor
from hjepa.agent import Agent
from hjepa.metrics import wilson_interval
from hjepa.preference import Preference, costs_of, learn_preference
from hjepa.pretrained import pretrained
from hjepa.zones import PlaceCost
from scripts._cli import Flat, run
from scripts._machine import use_one_thread
from scripts._tastes import (
    TASTES,
    Points,
    Tasks,
    Taste,
    Walks,
    demonstrations,
    painted,
    run_walks,
    share_disliked,
    tasks_of,
)
from viz.figures import save
from viz.preference import preference_figure
from worlds import named_map

RESPECTED = 0.05
"""Share of the steps that may be spent where the demonstrators would not be."""
DRAWN = 4
"""Unseen tasks in the picture."""


@dataclass(frozen=True)
class Options:
    """What is shown to whom."""

    mazes: tuple[Literal["medium", "large", "giant"], ...] = ("medium", "large")
    """Mazes whose shipped agents learn."""
    tastes: tuple[Literal["dark", "wall"], ...] = ("dark", "wall")
    """To keep out of dark cells, and to keep to the left and upper walls of corridors."""
    demonstrations: int = 120
    """How many are shown."""
    episodes: int = 100
    """Unseen tasks per row."""
    seed: int = 500
    """Of demonstrations and tasks."""
    out: Path = Path("out")
    """Folder for the pictures."""


def main(options: Flat[Options]) -> None:
    """Shows, learns, compares, prints a table, and draws."""
    use_one_thread()
    for maze in options.mazes:
        agent = Agent.load(pretrained(f"ogbench/pointmaze-{maze}-navigate"))
        for name in options.tastes:
            study(agent, TASTES[name](named_map(maze)), options, options.out / f"preference-{maze}-{name}.png")


def study(agent: Agent, taste: Taste, options: Options, picture: Path) -> Path:
    """One taste shown to one agent: prints its rows of the table, and draws."""
    begun = time.perf_counter()
    shown = demonstrations(taste, options.demonstrations, options.seed)
    learned = learn_preference(agent, shown)
    seconds = time.perf_counter() - begun
    unseen = tasks_of(taste, options.episodes, options.seed + 1)
    print(f"{taste.map.name} maze, {taste.name}: {len(shown)} demonstrations, learned in {seconds:.0f} s;")
    print(
        f"  {options.episodes} unseen tasks, of them {unseen.at_stake.sum()} where going straight does not respect it"
    )
    costs: dict[str, PlaceCost | None] = {"without": None, "learned": learned, "told": painted(taste)}
    walks = {who: run_walks(Actor(agent, zones=cost), unseen.tasks) for who, cost in costs.items()}
    print(f"  {'':8} {'respected, all':>24} {'respected, at stake':>24} {'goal':>6} {'steps':>7} {'demonstrator':>13}")
    for who, done in walks.items():
        print(f"  {who:8} {_row(done, taste, unseen)}")
    return draw(taste, learned, shown, walks, unseen, picture)


def respected(done: Walks, taste: Taste) -> NDArray[np.bool_]:
    """[B] which tasks were done as the demonstrators would have done them."""
    return done.success & (np.array([share_disliked(taste, trail) for trail in done.trails]) <= RESPECTED)


def _row(done: Walks, taste: Taste, unseen: Tasks) -> str:
    """One row of the table; steps are means over the same tasks."""
    kept = respected(done, taste)
    steps = np.mean([len(trail) - 1 for trail in done.trails])
    goal = f"{done.success.mean():.0%}"
    return f"{_rate(kept)} {_rate(kept[unseen.at_stake])} {goal:>6} {steps:7.1f} {unseen.demonstrator.mean():13.1f}"


def _rate(flags: NDArray[np.bool_]) -> str:
    if not len(flags):
        return f"{'-':>24}"
    low, high = wilson_interval(int(flags.sum()), len(flags))
    return f"{f'{flags.mean():.1%} [{low:.1%}, {high:.1%}]':>24}"


def draw(
    taste: Taste, learned: Preference, shown: list[Points], walks: dict[str, Walks], unseen: Tasks, picture: Path
) -> Path:
    """The picture: the first unseen tasks that the agent alone would not do as the demonstrators do."""
    chosen = np.flatnonzero(~respected(walks["without"], taste) & unseen.at_stake)[:DRAWN]
    before, after = ([walks[who].trails[one] for one in chosen] for who in ("without", "learned"))
    title = f"{taste.map.name} maze: {taste.name}, which nobody told the agent"
    figure = preference_figure(
        taste.map, taste.disliked, lambda places: costs_of(learned, places), shown, before, after, title
    )
    path = save(figure, picture)
    print(f"  {path}", flush=True)
    return path


def preference(out: Path) -> Path:
    """The demo's scenario: the medium maze and its dark cells."""
    options = Options(demonstrations=100, episodes=40, out=out)
    agent = Agent.load(pretrained("ogbench/pointmaze-medium-navigate"))
    return study(agent, TASTES["dark"](named_map("medium")), options, out / "preference.png")


if __name__ == "__main__":
    run(main, description=__doc__)
