"""The cells of one study of ``scripts/ablate.py``: each is measured once, and kept in a file."""

from __future__ import annotations

import json
import sys
from dataclasses import dataclass
from pathlib import Path

from hjepa.config import to_dict
from hjepa.pretrained import pretrained
from hjepa.vision.agent import VisionAgent
from hjepa.vision.planning import VisionPlanning
from scripts._ablate_rows import Row, Small, Study
from scripts._ablate_training import perception, trained
from scripts._ablate_trials import Cell, Trial, measure
from scripts._mazes_seen import TASK
from scripts._tasks import agent_folder
from worlds.maze_view import LOW, PROTOCOL

BATCH = 25
"""Episodes side by side."""
Distance = tuple[int, int]


@dataclass(frozen=True)
class Options:
    """What is changed, and where it is tried."""

    study: Study = "planners"
    """What is changed: how a trained agent plans, or what small agents learn."""
    only: tuple[str, ...] = ()
    """Names of rows, or parts of them; all rows by default."""
    agent: Path | None = None
    """Folder of the run or agent whose planning is studied; the shipped one by default."""
    seeds: tuple[int, ...] = (0,)
    """Of what small agents are trained on, and of their weights."""
    distances: tuple[Distance, ...] | None = None
    """Least and largest cells between start and goal; by default 9 to 12 and 13 to 16 for planners, 5 to 8 and 9 to 12
    for what is learned."""
    episodes: int = 25
    """For every row, distance and seed; a multiple of 25."""
    time_limit: int = 250
    """World steps of an episode."""
    seed: int = 1000
    """Of mazes, starts, goals and planners. Nothing was tuned on the default one."""
    out: Path = Path("runs/ablate")
    """Folder for STUDY.jsonl, the agents that are trained, and STUDY.png."""

    def __post_init__(self) -> None:
        if self.episodes < 1 or self.episodes % BATCH:
            raise ValueError(f"--episodes must be a multiple of {BATCH}, not {self.episodes}")


class Cells:
    """What was measured, and measures what was not.

    Args:
        options: of the command.
        small: how agents are trained.
    """

    def __init__(self, options: Options, small: Small) -> None:
        self.options, self.small, self.trains = options, small, options.study != "planners"
        self.view = LOW if self.trains else PROTOCOL
        self.log = options.out / f"{options.study}.jsonl"
        lines = self.log.read_text(encoding="utf-8").splitlines() if self.log.exists() else []
        self.known: list[Cell] = [json.loads(line) for line in lines]
        self.agents: dict[tuple[str, int], VisionAgent] = {}

    @property
    def protocol(self) -> str:
        """Who, where, and how long."""
        options = self.options
        who = f"small agents of seeds {options.seeds}" if self.trains else f"agent: {options.agent or 'shipped'}"
        return f"{who}; mazes not learned from, seed {options.seed}, at most {options.time_limit} steps"

    def of(self, row: Row) -> list[Cell]:
        """All cells of a row: distances, training seeds and batches of episodes."""
        options = self.options
        default = ((5, 8), (9, 12)) if self.trains else ((9, 12), (13, 16))
        seeds = options.seeds if self.trains else (0,)
        firsts = range(0, options.episodes, BATCH)
        return [
            self._cell(row, distance, seed, first)
            for distance in options.distances or default
            for seed in seeds
            for first in firsts
        ]

    def _cell(self, row: Row, distance: Distance, seed: int, first: int) -> Cell:
        key = self._key(row) | {"training_seed": seed, "distance": list(distance), "first": first}
        known = next((cell for cell in self.known if key.items() <= cell.items()), None)
        if known is not None:
            return known
        agent = self._agent(row, seed)
        trial = Trial(self.view, distance, first, BATCH, self.options.time_limit, self.options.seed)
        cell = key | measure(agent, row.planning, row.levels, trial)
        if self.trains:
            cell |= perception(agent, self.view, self.options.seed)
        self.known.append(cell)
        with self.log.open("a", encoding="utf-8") as file:
            file.write(json.dumps(cell) + "\n")
        print(f"{row.name}, {distance[0]}..{distance[1]}: {cell['successes']} of {BATCH}", file=sys.stderr, flush=True)
        return cell

    def _key(self, row: Row) -> Cell:
        """What decides a row's results, beside the trial; plans by what differs from the default."""
        usual = VisionPlanning()
        changed = {name: repr(value) for name, value in vars(row.planning).items() if value != getattr(usual, name)}
        made: Cell = {"agent": str(self.options.agent)}
        if row.variant is not None:
            made = to_dict(self.small) | {"variant": row.variant.name, "train": row.variant.train}
        return {
            "row": row.name, "group": row.group, "made": made, "planning": changed, "levels": row.levels,
            "seed": self.options.seed, "time_limit": self.options.time_limit,
        }  # fmt: skip

    def _agent(self, row: Row, seed: int) -> VisionAgent:
        """Who plans in a row."""
        name = "" if row.variant is None else row.variant.name
        if (name, seed) not in self.agents:
            self.agents[name, seed] = self._make(row, seed)
        return self.agents[name, seed]

    def _make(self, row: Row, seed: int) -> VisionAgent:
        folder, variant = self.options.agent, row.variant
        if variant is None:
            return VisionAgent.load(pretrained(TASK) if folder is None else agent_folder(folder))
        return trained(variant, self.small, self.view, seed, self.options.out / f"{variant.name}-seed{seed}")
