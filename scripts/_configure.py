"""Tasks that a configurator is to tell apart, and what comes of them."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from hjepa.actor import Actor
from hjepa.agent import Agent
from hjepa.calibration import Calibration
from hjepa.configurator import ConfiguratorError, Task, configure
from hjepa.cost import IntrinsicCost
from hjepa.evaluate import run_episodes
from hjepa.guardrails import KeepOut, Region, SpeedLimit
from hjepa.pretrained import pretrained, shipped
from hjepa.rehearsal import rehearse
from hjepa.trajectories import Trajectories
from hjepa.ways import Ways
from hjepa.zones import Zones
from scripts._closures import draw_closures
from scripts._configure_row import Done, Judged, Row, row_of
from scripts._tastes import dark_cells
from worlds import Map, MazeTasks, collect, named_map
from worlds.compiled import RADIUS
from worlds.hazards import Hazards, Patrols
from worlds.maps import CELL_SIZE
from worlds.places import place_near

Points = NDArray[np.float32]
RECORDED = 50_000
"""Steps by which the agent is calibrated."""
PORTALS = "teleport"
LIMIT = 0.12
"""Of a step in a slow cell, world units; a usual one is 0.2."""
DEAR = np.float32(20.0)
"""World steps that a step in a dear cell costs extra."""
HASTE = 2 / 3
DRAWN = 40
"""Tasks drawn for each that is wanted, where only some will do."""


@dataclass(frozen=True)
class Episode:
    """One episode that is about to be configured.

    Attributes:
        world: in which it takes place; the agent sees what it observes, nothing else.
        task: as the agent is told it.
        agent: who is configured.
        hazards: by which what is done is judged.
    """

    world: MazeTasks
    task: Task
    agent: Agent
    hazards: Hazards | None = None


@dataclass(frozen=True, eq=False)
class Bench:
    """A shipped agent, its maze, and kinds of tasks.

    Attributes:
        maze: its name.
        episodes: of each kind.
        seed: of starts, goals, hazards and closures.
    """

    maze: str
    episodes: int
    seed: int

    @cached_property
    def map(self) -> Map:
        """The maze. The agent never sees it."""
        return named_map(self.maze)

    @cached_property
    def agent(self) -> Agent:
        """The shipped one."""
        return Agent.load(pretrained(f"ogbench/pointmaze-{self.maze}-navigate"))

    @cached_property
    def calibration(self) -> Calibration:
        """From steps of the kind that the agent learned from, with a seed of their own."""
        walks = collect(self.map, "navigate", RECORDED, seed=50_101)
        parts = walks.observations, walks.actions, walks.terminals
        return Calibration.of(self.agent.stack, Trajectories.from_arrays(*parts))

    @property
    def kinds(self) -> dict[str, Callable[[], Iterator[Episode]]]:
        """What the task says, in words, and the episodes."""
        return {
            "nothing is said": self.plain,
            "two thirds of the usual time": self.hasty,
            "0.1 ms per step": lambda: self.plain(milliseconds=0.1),
            "the goal is near": self.near,
            "guardrails": self.guarded,
            "dear places": self.dear,
            "done before": self.repeated,
            "done before, give or take half a cell": lambda: self.repeated(moved=True),
            "no risk": self.averse,
            "the world may have changed": self.changed,
        }

    def plain(self, **said: object) -> Iterator[Episode]:
        """Random tasks."""
        drawn = MazeTasks(self.map, self.episodes, self.seed, min_distance=4)
        for one in range(self.episodes):
            yield self._episode(drawn, one, **said)

    def hasty(self) -> Iterator[Episode]:
        """With two thirds of the processor time that the agent would take by itself, rehearsed on this machine."""
        drawn = next(self.plain()).task
        rehearsed = rehearse(
            Actor(self.agent), self.agent.stack, drawn.here, drawn.goal, Actor(self.agent).config.commit
        )
        yield from self.plain(milliseconds=round(HASTE * rehearsed.per_step(200), 2))

    def near(self) -> Iterator[Episode]:
        """In the next cell."""
        drawn = MazeTasks(self.map, DRAWN * self.episodes, self.seed)
        for one in np.flatnonzero(drawn.cell_distances == 1)[: self.episodes].tolist():
            yield self._episode(drawn, one)

    @cached_property
    def hazards(self) -> Hazards:
        """Busy cells to keep out of, each of which can be gone round, and others that are slow."""
        dark, free = dark_cells(self.map).walked.walls & ~self.map.walls, self.map.free_cells()
        slow, nobody = np.zeros_like(dark), np.empty((0, 2))
        slow[tuple(np.random.default_rng(self.seed).permutation(free)[: len(free) // 12].T)] = True
        return Hazards(self.map, dark, slow & ~dark, LIMIT, Patrols(nobody, nobody, nobody[:, 0]))

    @property
    def guardrails(self) -> IntrinsicCost:
        """The same, as the agent is told it."""
        dark, slow = (Region(c, self.hazards.corner, CELL_SIZE) for c in (self.hazards.keep_out, self.hazards.slow))
        return IntrinsicCost((KeepOut(dark, RADIUS), SpeedLimit(slow, LIMIT)))

    def guarded(self) -> Iterator[Episode]:
        """Among cells to keep out of and slow ones."""
        drawn = MazeTasks(self.hazards.open_map, self.episodes, self.seed, min_distance=4)
        for one in range(self.episodes):
            yield replace(self._episode(drawn, one, intrinsic=self.guardrails), hazards=self.hazards)

    def dear(self) -> Iterator[Episode]:
        """Where the same cells are dear: they should be gone round, if that is not too far."""
        drawn = MazeTasks(self.hazards.open_map, self.episodes, self.seed, min_distance=4)
        zones = Zones(DEAR * self.hazards.keep_out, self.hazards.corner, CELL_SIZE, RADIUS)
        for one in range(self.episodes):
            yield self._episode(drawn, one, preference=zones)

    def repeated(self, moved: bool = False) -> Iterator[Episode]:
        """The same as the first ones, or from and to other places in the same cells, remembered from doing those."""
        ways, generator = Ways(self.agent.stack), np.random.default_rng(self.seed)
        for number, episode in enumerate(self.plain()):
            actor = Actor(self.agent, seed=number, ways=ways)
            run_episodes(actor, episode.world)
            actor.end()
        for episode in self.plain():
            world = episode.world
            for places in (world.starts, world.goals) if moved else ():
                places[0] = place_near(self.map, tuple(self.map.cell_of(places[0])), generator)
            yield Episode(world, _told(world), replace(self.agent, ways=ways))

    def averse(self) -> Iterator[Episode]:
        """The worst case is to be planned for: in the maze with portals, if an agent is shipped for it."""
        maze = PORTALS if f"ogbench/pointmaze-{PORTALS}-navigate" in shipped() else self.maze
        return Bench(maze, self.episodes, self.seed).plain(risk="worst")

    def changed(self) -> Iterator[Episode]:
        """A corridor on the way that the agent would take has closed."""
        for closure in draw_closures(Actor(self.agent, seed=self.seed), self.map, self.episodes, self.seed):
            world = MazeTasks(closure.map, 1, self.seed, closure.task.limit(closure.map))
            world.starts[0], world.goals[0] = closure.task.start, closure.task.goal
            yield Episode(world, _told(world, changed=True), self.agent)

    def _episode(self, drawn: MazeTasks, one: int, **said: object) -> Episode:
        world = MazeTasks(self.map, 1, self.seed + one, int(drawn.limits[one]))
        world.starts[0], world.goals[0] = drawn.starts[one], drawn.goals[one]
        return Episode(world, _told(world, **said), self.agent)

    def run(self, episodes: Iterator[Episode]) -> Row:
        """Configures the agent for every episode by itself, and lets it act.

        Raises:
            ValueError: where every task was refused.
        """
        tried = [self._done(number, episode) for number, episode in enumerate(episodes)]
        done = [each for each in tried if isinstance(each, Done)]
        if not done:
            raise ValueError(f"every task was refused: {tried[0]}")
        return row_of(done, refused=len(tried) - len(done))

    def _done(self, number: int, episode: Episode) -> Done | ConfiguratorError:
        """One episode, or why it was refused."""
        try:
            configured = configure(episode.agent, episode.task, self.calibration)
        except ConfiguratorError as error:
            return error
        world, actor, begun = Judged(episode.world, episode.hazards), configured.actor(number), time.process_time()
        outcome, _ = run_episodes(actor, world)
        seconds = time.process_time() - begun - world.seconds
        return Done(configured, outcome, seconds, None if episode.hazards is None else world.violations)

    def refused(self) -> Iterator[tuple[str, str]]:
        """Tasks that contradict themselves, and what the configurator says."""
        drawn = next(self.plain()).task
        shut = self.map.center(np.argwhere(self.hazards.keep_out)[0]).astype(np.float32)
        tasks = {
            "0.001 ms per step": Task(drawn.here, drawn.goal, milliseconds=0.001),
            "a goal within a guardrail": Task(drawn.here, shut, self.guardrails),
        }
        for name, task in tasks.items():
            try:
                configure(self.agent, task, self.calibration)
            except ConfiguratorError as error:
                yield name, str(error)


def _told(world: MazeTasks, **said: object) -> Task:
    """What the agent sees at first, where it should go, and what else is said."""
    seen, goals = world.reset()
    return Task(seen[0], goals[0], **said)  # type: ignore[arg-type]
