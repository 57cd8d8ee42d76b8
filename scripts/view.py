"""Opens the viewer: watch several levels plan, and take hold of the plan. F1 lists the keys.

python scripts/view.py
python scripts/view.py --maze large --planners cem landmarks mcts
python scripts/view.py --save out/view.png      (needs no display)
"""

from __future__ import annotations

import sys
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import numpy as np

from scripts._cli import Flat, run
from viz.viewer.actions import EXPORTS, Seek, TogglePlay
from viz.viewer.app import Replay, Viewer, show, why_no_display
from viz.viewer.document import Attitude, Document, Setup, Zones
from viz.viewer.events import Tick
from viz.viewer.messages import Advance
from viz.viewer.preferences import Preferences, preferences_file
from viz.viewer.state import initial
from viz.viewer.worker import Inline, Worker
from worlds.maps import Map, as_map, generate_maze
from worlds.places import official_task, random_task

LONGEST = 100_000
"""World steps after which a headless run ends, whatever happens."""


@dataclass(frozen=True)
class Options:
    """What to watch."""

    maze: Literal["medium", "large", "giant", "teleport"] = "giant"
    """One of OGBench's mazes."""
    map: Path | None = None
    """A map of your own (a text file), in the place of --maze."""
    size: int | None = None
    """Cells a side of a generated maze, in the place of --maze."""
    task: int = 1
    """1 to 5: OGBench's start and goal; in another map, the seed of random ones."""
    agent: str | None = None
    """`map`: sees the map. `medium`, `large`, `giant`: trained on that maze, sees no map. Or the folder of a run.
    By default the one trained on the maze, if there is one."""
    levels: int = 3
    """Levels that plan."""
    planners: tuple[str, ...] = ("cem", "landmarks")
    """What plans at each level, the finest first; the last one does so at all further levels."""
    compare: tuple[str, ...] | None = None
    """Planners of a second configuration, beside the first one."""
    risk: Attitude = "average"
    """What counts where a latent variable decides."""
    seed: int = 0
    """Of the world, the planners and a generated maze."""
    scene: Path | None = None
    """A saved scene to open, in the place of everything above."""
    save: Path | None = None
    """Runs without a display, and writes .png, .gif, .mp4, .html or .scene."""
    steps: int | None = None
    """World steps to run before --save; by default to the end (a picture: 150)."""
    seconds: float | None = None
    """Closes the window by itself after this time."""


def main(options: Flat[Options]) -> None:
    """Opens a window, or writes a file."""
    if options.save is not None:
        save(options, options.save)
        return
    obstacle = why_no_display()
    if obstacle is not None:
        raise ValueError(f"{obstacle}; without one, write a file: python scripts/view.py --save out/view.html")
    show(opened(options, headless=False), seconds=options.seconds, preferences=preferences_file())


def opened(options: Options, headless: bool) -> Viewer:
    """The viewer with its session, or with what a scene holds."""
    if options.scene is not None:
        from viz.viewer.storage import load_scene

        model, state = load_scene(options.scene)
        if state is None:
            raise ValueError(f"--scene {options.scene}: holds a recording, but no view of it")
        return Viewer(state, Replay(), model)
    document = document_of(options)
    layout = Preferences() if headless else Preferences.load(preferences_file())
    agents = tuple(dict.fromkeys(["map", *(setup.agent for setup in document.setups)]))
    state = layout.put_on(initial(document, layout.size, agents))
    return Viewer(state, Inline() if headless else Worker())


def document_of(options: Options) -> Document:
    """What is to be run."""
    map = maze_of(options)
    agent = options.agent or (map.name if map.name in ("medium", "large", "giant") else "map")
    if (Path(agent) / "agent").is_dir():  # the folder of a run stands for the agent in it
        agent = str(Path(agent) / "agent")
    planners = tuple(options.planners[min(k, len(options.planners) - 1)] for k in range(options.levels))
    setups = [Setup(agent, options.levels, planners, options.risk)]
    if options.compare:
        rivals = tuple(options.compare[min(k, len(options.compare) - 1)] for k in range(options.levels))
        setups.append(replace(setups[0], planners=rivals))
    if options.map is None and options.size is None:
        start, goal = (map.center(cell) for cell in official_task(map, options.task))
    else:
        far = int((len(map.free_cells()) / 2) ** 0.5)  # some two cells of a connected map are that far apart
        start, goal = (map.center(cell) for cell in random_task(map, np.random.default_rng(options.task), far)[:2])
    return Document(map, Zones.none(map.shape), _point(start), _point(goal), tuple(setups), seed=options.seed)


def maze_of(options: Options) -> Map:
    """The map: a file, a generated one, or one of OGBench's."""
    if options.map is not None:
        return as_map(options.map)
    if options.size is not None:
        return generate_maze(options.size, options.size, options.seed)
    return as_map(options.maze)


def save(options: Options, path: Path) -> None:
    """Runs without a window, and writes a file."""
    from viz.viewer.share import write

    kind = next((kind for kind in EXPORTS if path.suffix == f".{kind}"), None)
    if kind is None:
        raise ValueError(f"--save {path}: expected a file ending in one of {' '.join(f'.{kind}' for kind in EXPORTS)}")
    viewer = opened(options, headless=True)
    if options.scene is None:
        run_for(viewer, options.steps or (150 if kind == "png" else LONGEST))
    for line in write(kind, viewer.state, viewer.model, path):
        if line.startswith("saved") or sys.stdout.isatty():
            print(line, end="\n" if line.startswith("saved") else "\r", flush=True)


def run_for(viewer: Viewer, steps: int) -> None:
    """Lets the session go on for so many world steps, and looks at the last of them."""
    viewer.take(Tick(0))  # sends the document
    viewer.do(TogglePlay())
    viewer.source.send([Advance(steps)])
    viewer.take(Tick(0))  # takes in the steps
    viewer.do(Seek(viewer.model.last))
    for _ in range(2):  # asks for the heat map, and takes it in
        viewer.take(Tick(0))


def _point(place: np.ndarray) -> tuple[float, float]:
    return float(place[0]), float(place[1])


if __name__ == "__main__":
    run(main, description=__doc__)
