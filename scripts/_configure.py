"""Tasks that a configurator is to tell apart, and what comes of them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from hjepa.actor import Actor
from hjepa.agent import Agent
from hjepa.calibration import Calibration
from hjepa.configurator import ConfiguratorError, Configured, Task, configure
from hjepa.cost import IntrinsicCost
from hjepa.evaluate import Outcome, run_episodes
from hjepa.guardrails import KeepOut, Region, SpeedLimit
from hjepa.metrics import wilson_interval
from hjepa.pretrained import pretrained, shipped
from hjepa.rehearsal import rehearse
from hjepa.trajectories import Trajectories
from hjepa.ways import Ways
from hjepa.zones import Zones
from scripts._closures import draw_closures
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


@dataclass(frozen=True)
class Row:
    """What came of one kind of task.

    Attributes:
        why: the lines that the configurator gives, and how many of the episodes they are true of.
        success: [n] whether episodes arrived.
        steps: [n] world steps.
        milliseconds: of thinking per world step, one agent alone.
        nodes: expanded by searches above level 1, per episode.
        violations: of guardrails; None where there are none.
        refused: tasks that the configurator refused.
    """

    why: tuple[list[str], int]
    success: NDArray[np.bool_]
    steps: NDArray[np.int64]
    milliseconds: float
    nodes: float
    violations: int | None
    refused: int = 0

    def told(self) -> str:
        """In one line."""
        won, of = int(self.success.sum()), len(self.success)
        low, high = wilson_interval(won, of)
        line = f"{won} of {of} arrived [{low:.0%}, {high:.0%}], {self.steps.mean():.0f} steps, "
        line += f"{self.milliseconds:.2f} ms per step, {self.nodes:.0f} nodes searched"
        line += "" if self.violations is None else f", {self.violations} steps within guardrails"
        return f"{line}; {self.refused} refused" if self.refused else line


@dataclass(frozen=True)
class Done:
    """One episode: how the agent was configured, what came of it, and steps within guardrails, if there are any."""

    configured: Configured
    outcome: Outcome
    violations: int | None


def row_of(done: list[Done], refused: int) -> Row:
    """What came of some episodes."""
    outcomes, first = [each.outcome for each in done], done[0].configured
    steps, seconds = np.array([one.steps[0] for one in outcomes]), sum(sum(one.seconds) for one in outcomes)
    nodes = sum(count for one in outcomes for k, count in one.expanded.items() if k > 1)
    broken = [each.violations for each in done if each.violations is not None]
    return Row(
        why=(first.why(), sum(each.configured.modes == first.modes for each in done)),
        success=np.array([one.success[0] for one in outcomes]),
        steps=steps,
        milliseconds=1000 * seconds / steps.sum(),
        nodes=nodes / len(done),
        violations=sum(broken) if broken else None,
        refused=refused,
    )


class Judged:
    """One episode whose steps are judged by the world's hazards; the agent is not told.

    Args:
        world: the episode.
        hazards: what is dangerous.
    """

    def __init__(self, world: MazeTasks, hazards: Hazards | None) -> None:
        self.world, self.hazards, self.violations = world, hazards, 0
        self.num_envs, self.time_limit, self.task_names = world.num_envs, world.time_limit, world.task_names
        self.active, self.oracle_steps = world.active, world.oracle_steps

    def reset(self) -> tuple[Points, Points]:
        """Begins the episode."""
        self._seen, goals = self.world.reset()
        self._steps = 0
        return self._seen, goals

    def step(self, actions: NDArray[np.floating]) -> tuple[Points, NDArray[np.bool_]]:
        """One step, judged."""
        before, (self._seen, success) = self._seen, self.world.step(actions)
        self._steps += 1
        if self.hazards is not None:
            self.violations += int(np.any(list(self.hazards.broken(before, self._seen, self._steps).values())))
        return self._seen, success


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
        world = Judged(episode.world, episode.hazards)
        outcome, _ = run_episodes(configured.actor(number), world)
        return Done(configured, outcome, None if episode.hazards is None else world.violations)

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
