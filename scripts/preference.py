"""Learns what demonstrators like, without being told, and plans accordingly on tasks that nobody demonstrated.

Tastes: to keep left in corridors whichever way one goes, to keep out of dark cells, to keep to one wall. The agent sees
what the demonstrators observed. A task is respected where the goal is reached and at most 5 % of the steps are where
the taste would not be; the half cell around start and goal is nobody's choice, and does not count. The same is asked of
the demonstrators (noisy ones, on the same unseen tasks), of the agent without the learned cost, and of the agent to
which the taste was told: painted on the ground by hand. That one's steps are what the taste costs an agent that knows
it, and so what the steps of the agent that learned it are to be held against; those of the others are printed as well.

python scripts/preference.py --mazes medium large --tastes left dark --episodes 200
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
from hjepa.inverse import learn_preference
from hjepa.metrics import wilson_interval
from hjepa.preference import Preference, costs_of
from hjepa.pretrained import pretrained
from hjepa.zones import PlaceCost
from scripts._cli import Flat, run
from scripts._machine import use_one_thread
from scripts._tastes import TASTES, Taste, Walks, demonstrated, demonstrations, run_walks, share_disliked, tasks_of
from scripts._told import told
from viz.figures import save
from viz.preference import Shown, Trails, preference_figure
from worlds import MazeTasks, named_map

RESPECTED = 0.05
"""Share of the steps that may be spent where the demonstrators would not be."""
DRAWN = 4
"""Unseen tasks in the picture."""


@dataclass(frozen=True)
class Options:
    """What is shown to whom."""

    mazes: tuple[Literal["medium", "large", "giant"], ...] = ("medium", "large")
    """Mazes whose shipped agents learn."""
    tastes: tuple[Literal["left", "dark", "wall"], ...] = ("left", "dark")
    """To keep left, to keep out of dark cells, and to keep to the left and upper walls of corridors."""
    demonstrations: int = 240
    """How many are shown."""
    episodes: int = 100
    """Unseen tasks per row."""
    seed: int = 500
    """Of demonstrations; that of the tasks is one more."""
    out: Path = Path("out")
    """Folder for the pictures, and for what was learned."""


def main(options: Flat[Options]) -> None:
    """Shows, learns, compares, prints a table, and draws."""
    use_one_thread()
    for maze in options.mazes:
        agent = Agent.load(pretrained(f"ogbench/pointmaze-{maze}-navigate"))
        for name in options.tastes:
            study(agent, TASTES[name](named_map(maze)), options, f"preference-{maze}-{name}")


def study(agent: Agent, taste: Taste, options: Options, name: str) -> Path:
    """One taste shown to one agent: prints its rows of the table, draws, and saves what was learned."""
    begun = time.perf_counter()
    shown = demonstrations(taste, options.demonstrations, options.seed)
    learned = learn_preference(agent, shown)
    learned.save(options.out / name)
    seconds = time.perf_counter() - begun
    unseen = tasks_of(taste, options.episodes, options.seed + 1)
    what = "motions" if len(learned.motions) else "places"
    print(f"{taste.map.name} maze, {taste.name}: {len(shown)} demonstrations, a cost of {what}, in {seconds:.0f} s;")
    print(f"  {options.episodes} unseen tasks, at least three cells long; demonstrations' seed {options.seed}")
    walks = {"demonstrators": demonstrated(taste, unseen, options.seed + 1)}
    costs: dict[str, PlaceCost | None] = {"without": None, "learned": learned, "told": told(taste)}
    walks |= {who: run_walks(Actor(agent, zones=cost), unseen) for who, cost in costs.items()}
    alone = respected(walks["without"], taste, unseen)
    print(f"  {'':14} {'respected':>24} {'where it was not, alone':>24} {'goal':>6} {'steps':>7}")
    for who, done in walks.items():
        print(f"  {who:14} {_row(respected(done, taste, unseen), ~alone, done)}")
    steps = {who: np.mean([len(trail) - 1 for trail in done.trails]) for who, done in walks.items()}
    extra = ", ".join(
        f"{steps['learned'] / steps[who] - 1:+.1%} of {who}" for who in ("demonstrators", "told", "without")
    )
    print(f"  steps of the agent that learned, against those of the others: {extra}", flush=True)
    return draw(taste, learned, shown, walks, ~alone, options.out / f"{name}.png")


def respected(done: Walks, taste: Taste, unseen: MazeTasks) -> NDArray[np.bool_]:
    """[B] which tasks were done as the demonstrators would have done them."""
    shares = [share_disliked(taste, trail, goal) for trail, goal in zip(done.trails, unseen.goals, strict=True)]
    return done.success & (np.array(shares) <= RESPECTED)


def _row(kept: NDArray[np.bool_], hard: NDArray[np.bool_], done: Walks) -> str:
    """One row of the table; steps are means over the same tasks."""
    steps = np.mean([len(trail) - 1 for trail in done.trails])
    return f"{_rate(kept)} {_rate(kept[hard])} {f'{done.success.mean():.0%}':>6} {steps:7.1f}"


def _rate(flags: NDArray[np.bool_]) -> str:
    if not len(flags):
        return f"{'-':>24}"
    low, high = wilson_interval(int(flags.sum()), len(flags))
    return f"{f'{flags.mean():.1%} [{low:.1%}, {high:.1%}]':>24}"


def draw(
    taste: Taste, learned: Preference, shown: Trails, walks: dict[str, Walks], hard: NDArray[np.bool_], path: Path
) -> Path:
    """The picture: the first unseen tasks that the agent alone would not do as the demonstrators do."""
    before, after = ([walks[who].trails[one] for one in np.flatnonzero(hard)[:DRAWN]] for who in ("without", "learned"))
    found = Shown(lambda places, headings: costs_of(learned, places, headings), shown, before, after)
    title = f"{taste.map.name} maze: {taste.name}, which nobody told the agent"
    print(f"  {path}", flush=True)
    return save(preference_figure(taste.map, found, title), path)


def preference(out: Path) -> Path:
    """The demo's scenario: the medium maze, where one keeps left."""
    options = Options(demonstrations=60, episodes=40, out=out)
    agent = Agent.load(pretrained("ogbench/pointmaze-medium-navigate"))
    return study(agent, TASTES["left"](named_map("medium")), options, "preference")


if __name__ == "__main__":
    run(main, description=__doc__)
