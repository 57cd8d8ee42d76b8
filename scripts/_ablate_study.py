"""The cells of ``scripts/ablate.py``: each is measured once, and kept in a file, whatever rows it belongs to."""

from __future__ import annotations

import hashlib
import json
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, get_args

from hjepa.vision.agent import VisionAgent
from hjepa.vision.planning import VisionPlanning
from scripts._ablate_rows import Row, Small, Study, Variant
from scripts._ablate_training import perception, trained
from scripts._ablate_trials import Cell, Trial, measure
from scripts._tasks import agent_folder
from worlds.maze_view import LOW, PROTOCOL, MazeView

BATCH = 25
"""Most episodes side by side."""
Distance = tuple[int, int]


@dataclass(frozen=True)
class Options:
    """What is changed, and where it is tried."""

    study: Literal["all"] | Study = "all"
    """What is changed: how agents plan, or what they learn; or one after another."""
    only: tuple[str, ...] = ()
    """Names of rows, or parts of them; all rows by default."""
    agent: Path | None = None
    """Folder of a run or an agent whose planning is studied, at full resolution; small ones by default."""
    seeds: tuple[int, ...] = (0, 1)
    """Of what small agents learn from, and of their weights."""
    distances: tuple[Distance, ...] = ((9, 12), (13, 16))
    """Least and largest cells between start and goal."""
    episodes: int = 25
    """For every row, distance and training seed."""
    time_limit: int = 250
    """World steps of an episode."""
    seed: int = 1000
    """Of mazes, starts, goals and planners. Nothing was tuned on the default one."""
    out: Path = Path("runs/ablate")
    """Folder for the agents that are trained, cells.jsonl, and a picture."""

    def __post_init__(self) -> None:
        if self.episodes < 1:
            raise ValueError(f"--episodes must be at least 1, not {self.episodes}")

    @property
    def studies(self) -> tuple[Study, ...]:
        """Those that were asked for."""
        return get_args(Study) if self.study == "all" else (self.study,)


class Cells:
    """What was measured, and measures what was not.

    Args:
        options: of the command.
        small: how agents are trained.
    """

    def __init__(self, options: Options, small: Small) -> None:
        self.options, self.small = options, small
        self.log = options.out / "cells.jsonl"
        lines = self.log.read_text(encoding="utf-8").splitlines() if self.log.exists() else []
        self.known: list[Cell] = [json.loads(line) for line in lines]
        self.agents: dict[tuple[str, int], VisionAgent] = {}
        self.seen: dict[tuple[str, int], dict[str, float]] = {}

    def protocol(self, rows: Sequence[Row]) -> str:
        """Who, where, and how long."""
        options = self.options
        who = f"training seeds {', '.join(map(str, options.seeds))}"
        if rows[0].variant is None:
            who = f"{options.agent}, training seed {self._agent(None, 0).card['seed']}"
        return f"{who}; large mazes not learned from, seed {options.seed}, at most {options.time_limit} steps"

    def of(self, row: Row) -> list[Cell]:
        """All cells of a row: distances, training seeds and batches of episodes."""
        options = self.options
        return [
            self._cell(row, distance, seed, first, min(BATCH, options.episodes - first))
            for distance in options.distances
            for seed in (options.seeds if row.variant is not None else (0,))
            for first in range(0, options.episodes, BATCH)
        ]

    def _cell(self, row: Row, distance: Distance, seed: int, first: int, count: int) -> Cell:
        agent = self._agent(row.variant, seed)
        key = self._key(row, agent, seed) | {"distance": list(distance), "first": first, "episodes": count}
        known = next((cell for cell in self.known if key.items() <= cell.items()), None)
        if known is not None:
            return known
        view = PROTOCOL if row.variant is None else LOW
        cell = key | measure(agent, row.planning, row.levels, self._trial(distance, first, count, view))
        if row.variant is not None:
            cell |= self._perception(row.variant, seed)
        self.known.append(cell)
        with self.log.open("a", encoding="utf-8") as file:
            file.write(json.dumps(cell) + "\n")
        print(f"{row.name}, {distance[0]}..{distance[1]}: {cell['successes']} of {count}", file=sys.stderr, flush=True)
        return cell

    def _key(self, row: Row, agent: VisionAgent, seed: int) -> Cell:
        """What decides the results, beside the trial: who plans, and how, by what differs from the default."""
        usual = VisionPlanning()
        changed = {name: repr(value) for name, value in vars(row.planning).items() if value != getattr(usual, name)}
        return {
            "agent": _fingerprint(agent), "variant": "" if row.variant is None else row.variant.name,
            "training_seed": seed, "planning": changed, "levels": row.levels or len(agent.stack),
            "seed": self.options.seed, "time_limit": self.options.time_limit,
        }  # fmt: skip

    def _trial(self, distance: Distance, first: int, count: int, view: MazeView) -> Trial:
        return Trial(view, distance, first, count, self.options.time_limit, self.options.seed)

    def _perception(self, variant: Variant, seed: int) -> dict[str, float]:
        """What the agent of a variant sees."""
        if (variant.name, seed) not in self.seen:
            self.seen[variant.name, seed] = perception(self._agent(variant, seed), LOW, self.options.seed)
        return self.seen[variant.name, seed]

    def _agent(self, variant: Variant | None, seed: int) -> VisionAgent:
        """Who plans: an agent that is trained here, or the one that was given."""
        name = "" if variant is None else variant.name
        if (name, seed) not in self.agents:
            if variant is not None:
                agent = trained(variant, self.small, LOW, seed, self.options.out)
            else:
                assert self.options.agent is not None
                agent = VisionAgent.load(agent_folder(self.options.agent))
            self.agents[name, seed] = agent
        return self.agents[name, seed]


def _fingerprint(agent: VisionAgent) -> str:
    """Tells agents apart by their weights."""
    digest = hashlib.sha256()
    for part in (agent.stack, agent.edges):
        for tensor in part.state_dict().values():
            digest.update(tensor.contiguous().numpy().tobytes())
    return digest.hexdigest()[:16]
