"""Who plans: agents by name, what a viewer is told of them, and what they believe of portals."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import get_args

import numpy as np

from hjepa import known_map
from hjepa.agent import Agent
from hjepa.checkpoint import CheckpointError, has_checkpoint
from hjepa.forks import believed_forks
from hjepa.known_map import map_agent, portal_forks
from hjepa.optimizers import Optimizer
from hjepa.planning import Distilled, Search
from hjepa.pretrained import pretrained, shipped
from hjepa.telling import principal_plane
from hjepa.zones import Zones
from viz.viewer.document import Document, Setup
from viz.viewer.messages import Fork, LevelFacts
from viz.viewer.recording import SPEED
from worlds.compiled import RADIUS
from worlds.maps import CELL_SIZE, Map

MAP = "map"
"""Name of the agent that sees the map."""
MODE1 = "mode1"
"""Name of a level's distilled policy."""
MAP_LEVELS = 4
CORNER = (-1.5 * CELL_SIZE, -1.5 * CELL_SIZE)
"""The outer corner of cell (0, 0), which is centred at -CELL_SIZE; world units."""
TOLLS = (0.0, 3.0, np.inf)
"""World steps that a step costs beyond its own where nothing is painted, in a dear place, and in a guardrail."""
SHORT = "ogbench/pointmaze-{}-navigate"


class Library:
    """Trained agents by name, each read once: they know no map, so that no edit changes what they know."""

    def __init__(self) -> None:
        self._agents: dict[str, Agent] = {}

    def find(self, name: str) -> Agent:
        """The agent of a name (``giant``, ``ogbench/pointmaze-giant-navigate``), or in a folder.

        Raises:
            ValueError: where there is none, or it observes something else than a place.
        """
        if name not in self._agents:
            self._agents[name] = _seeing_places(name, Agent.load(_folder(name)))
        return self._agents[name]


def _folder(name: str) -> Path:
    """A run's folder stands for the agent in it."""
    for path in (Path(name) / "agent", Path(name)):
        if has_checkpoint(path):
            return path
    if name in shipped():
        return pretrained(name)
    short = SHORT.format(name)
    if short in shipped():
        return pretrained(short)
    raise CheckpointError(f"no agent {name!r}: expected {MAP}, a folder, or one of {', '.join(shipped())}")


def _seeing_places(name: str, agent: Agent) -> Agent:
    size = agent.stack.config.observation_dim
    if size != 2:
        raise ValueError(f"agent {name!r} observes {size} numbers, expected 2: a place on the map")
    return agent


def build(map: Map) -> Agent:
    """The agent that sees a map, with as many levels as it can have."""
    entrances = map.center(map.entrances())
    return map_agent(map.walls, CORNER, CELL_SIZE, MAP_LEVELS, speed=SPEED, radius=RADIUS, entrances=entrances)


def laid_over(document: Document) -> Zones | None:
    """What is painted on a document, as planners take it; None for nothing."""
    painted = document.zones.cells
    if not painted.any():
        return None
    return Zones(np.array(TOLLS, np.float32)[painted], CORNER, CELL_SIZE, margin=RADIUS)


def planners_at(agent: Agent, level: int) -> tuple[str, ...]:
    """Names of what can plan at a level of an agent."""
    if level > 1:
        learned = (MODE1,) if level in agent.signposts else ()
        return tuple(dict.fromkeys((*get_args(Search), *get_args(Optimizer), *learned)))
    return get_args(Optimizer) if agent.policy is None else (*get_args(Optimizer), *get_args(Distilled))


def unfit(agent: Agent, setup: Setup, levels: int) -> str | None:
    """One line that says which planner of a setup can't plan at its level; None where all can."""
    if not setup.planners:
        return "no planner is named, expected one for level 1 at least"
    for level in range(1, levels + 1):
        name, known = setup.planners[min(level, len(setup.planners)) - 1], planners_at(agent, level)
        if name not in known:
            return f"level {level} has no planner {name!r}, expected one of {', '.join(known)}"
    return None


def facts(agent: Agent) -> tuple[LevelFacts, ...]:
    """What is known of every level, finest first."""
    return tuple(_facts(agent, level) for level in range(1, len(agent.stack) + 1))


def _facts(agent: Agent, level: int) -> LevelFacts:
    stride, planners = agent.stack.level(level).config.stride, planners_at(agent, level)
    if level not in agent.graphs:
        nowhere = np.empty((0, 2), np.float32)
        return LevelFacts(stride, planners, nowhere, np.empty((0, 2), np.int32), nowhere)
    landmarks = agent.graphs[level]
    ends = np.sort(np.stack([landmarks.graph.sources, landmarks.graph.targets], 1), axis=1)
    return LevelFacts(
        stride=stride,
        planners=planners,
        places=landmarks.observations.astype(np.float32),
        edges=np.unique(ends, axis=0).astype(np.int32),
        latent=principal_plane(agent, level).project(landmarks.states),
    )


def believed(agent: Agent) -> tuple[Fork, ...]:
    """What a trained agent believes of portals, from what it met."""
    return _told(believed_forks(agent))


def forks(map: Map) -> tuple[Fork, ...]:
    """What whoever sees the map believes of its portals."""
    return _told(portal_forks(map.center(map.entrances()), map.center(map.exits())))


def _told(forks: Iterable[known_map.Fork]) -> tuple[Fork, ...]:
    return tuple(
        Fork((float(fork.place[0]), float(fork.place[1])), fork.outcomes, fork.probabilities) for fork in forks
    )
