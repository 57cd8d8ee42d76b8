"""Episodes among hazards, and what an evaluation counts in them. What is judged here, the agent is never told."""

from __future__ import annotations

import time
from collections import Counter, deque
from dataclasses import dataclass, field
from typing import Literal

import numpy as np
import torch
from numpy.typing import NDArray

from hjepa.actor import Actor
from hjepa.agent import Agent
from hjepa.cost import IntrinsicCost
from hjepa.ground import Ground
from hjepa.guarded import GuardedActor
from hjepa.guardrails import KeepOut, Margins, MovingObstacles, Percept, Region, Scene, SpeedLimit
from hjepa.pretrained import pretrained
from hjepa.shield import REST, anchored, calibrate
from planners.landmarks import NONE
from planners.session import Track
from worlds import Map, MazeTasks, PointMaze, collect, named_map
from worlds.compiled import RADIUS
from worlds.hazards import KINDS, Hazards
from worlds.maps import CELL_SIZE

Points = NDArray[np.float32]
Way = Literal["guarded", "planned", "none"]
HORIZON = 16
"""World steps that the shield looks ahead."""
MISS = 0.0001
"""Share of predictions that may be farther off than the margins."""
PAST = 20
"""World steps before a violation from which an evasion is looked for."""
GRID = 21
"""Actions a side in the grid of held actions that is tried."""
JUDGED = 200
"""Violations of one tally that are judged; without guardrails there are thousands."""
CLEAR_START = 3.0
"""World units between an agent's start and the nearest obstacle."""


@dataclass(frozen=True)
class World:
    """A maze with its shipped agent.

    Attributes:
        map: the maze.
        agent: learned on it.
        ground: where the walks went that the agent learned from.
        margins: of the agent's level 1, calibrated on walks that were not trained on.
    """

    map: Map
    agent: Agent
    ground: Ground
    margins: Margins

    @classmethod
    def load(cls, name: str) -> World:
        """Loads the agent of one of OGBench's mazes and calibrates it."""
        map, agent = named_map(name), Agent.load(pretrained(f"ogbench/pointmaze-{name}-navigate"))
        walks = collect(map, "navigate", agent.card["data"]["rows"], seed=agent.card["seed"])
        ground = Ground.of(torch.from_numpy(walks.observations))
        return cls(map, agent, ground, calibrated(agent, map, ground))


def calibrated(agent: Agent, map: Map, ground: Ground) -> Margins:
    """Margins from 100,000 steps of the kind that the agent learned from, with a seed of their own."""
    walks = collect(map, "navigate", 100_000, seed=50_101)
    first = np.arange(0, len(walks) - HORIZON, 3)
    first = first[(walks.terminals[first[:, None] + np.arange(HORIZON)] == 0).all(1)]
    seen, done = walks.observations[first[:, None] + np.arange(HORIZON + 1)], walks.actions
    acted = torch.from_numpy(done[first[:, None] + np.arange(HORIZON)])
    return calibrate(agent.stack, torch.from_numpy(seen), acted, MISS, ground)


def guardrails(hazards: Hazards) -> IntrinsicCost:
    """The hazards of a maze as an agent's guardrails."""
    keep_out, slow = (Region(cells, hazards.corner, CELL_SIZE) for cells in (hazards.keep_out, hazards.slow))
    return IntrinsicCost((KeepOut(keep_out, RADIUS), SpeedLimit(slow, hazards.limit), MovingObstacles(RADIUS, REST)))


def tasks_among(hazards: Hazards, episodes: int, seed: int) -> MazeTasks:
    """Random tasks on what is open, begun away from obstacles, with twice the usual time."""
    drawn = MazeTasks(hazards.open_map, 3 * episodes, seed=seed, min_distance=3)
    obstacles, _ = hazards.patrols.at(0)
    gaps = np.linalg.norm(drawn.starts[:, None] - obstacles, axis=-1)
    kept = np.flatnonzero((gaps > CLEAR_START).all(1))[:episodes]
    tasks = MazeTasks(hazards.map, len(kept), seed=seed)
    tasks.starts, tasks.goals, tasks.limits = drawn.starts[kept], drawn.goals[kept], 2 * drawn.limits[kept]
    return tasks


@dataclass
class Tally:
    """What was counted.

    Attributes:
        steps: executed, summed over episodes.
        episodes: in all.
        successes: episodes that reached their goal.
        broken: violations by kind, counted by step and episode.
        violations: steps with any.
        judged: of these, the ones of which the simulator was asked the next two; all of them up to :data:`JUDGED`.
        last_moment: those that another action at the last step would have avoided.
        avoidable: those that an action held from the last step, or one of :data:`PAST` before, would have avoided.
        interventions: steps whose action the shield replaced.
        unsure: steps at which the shield found no way on that keeps all margins for as long as it looks ahead.
        unsettled: steps at which it found none that also ends where the agent may stay.
        near: steps that ended within 2 world units of a hazard.
        cut: plans of the levels above the first that end early, because nothing clean leads on.
        plans: by level, trajectories planned.
        clean: by level, those that keep to all guardrails.
        acting: seconds of planning and shield.
        shielding: seconds of the shield.
        layouts: of hazards.
    """

    steps: int = 0
    episodes: int = 0
    successes: int = 0
    broken: Counter[str] = field(default_factory=Counter)
    violations: int = 0
    judged: int = 0
    last_moment: int = 0
    avoidable: int = 0
    interventions: int = 0
    unsure: int = 0
    unsettled: int = 0
    near: int = 0
    cut: int = 0
    plans: Counter[int] = field(default_factory=Counter)
    clean: Counter[int] = field(default_factory=Counter)
    acting: float = 0.0
    shielding: float = 0.0
    layouts: int = 0

    @property
    def unavoidable(self) -> int:
        """Violations judged that no action of those tried would have avoided."""
        return self.judged - self.avoidable

    @property
    def counted(self) -> int:
        """Violations that count: those where a safe action existed, and those that were not judged."""
        return self.violations - self.unavoidable

    def __add__(self, other: Tally) -> Tally:
        return Tally(**{name: mine + getattr(other, name) for name, mine in vars(self).items()})


@dataclass
class Run:
    """A batch of episodes among hazards.

    Attributes:
        world: where.
        hazards: what is dangerous.
        way: ``guarded`` plans within guardrails and has a shield; ``planned`` has no shield; ``none`` knows nothing.
        seed: of the tasks and planners.
        tally: of what happens.
        goals: [B, 2] of the newest episodes, world units.
        trail: [B, 2] where all balls were, step by step.
        wrong: [B] who broke a guardrail in the step to there; nobody at the start.
        stepped_in: [B] whose action in the step from there was replaced by the shield.
    """

    world: World
    hazards: Hazards
    way: Way
    seed: int
    tally: Tally = field(default_factory=Tally)
    goals: Points = field(default_factory=lambda: np.empty((0, 2), np.float32))
    trail: list[Points] = field(default_factory=list)
    wrong: list[NDArray[np.bool_]] = field(default_factory=list)
    stepped_in: list[NDArray[np.bool_]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.intrinsic = guardrails(self.hazards)
        self.guarded: GuardedActor | None = None
        if self.way == "none":
            self.actor = Actor(self.world.agent, seed=self.seed)
            return
        self.guarded = GuardedActor(
            self.world.agent, self.intrinsic, self.world.margins,
            seed=self.seed, shielded=self.way == "guarded", ground=self.world.ground,
        )  # fmt: skip
        self.actor = self.guarded.actor

    def episodes(self, episodes: int) -> Tally:
        """Runs a batch of episodes to their ends."""
        tally, tasks = self.tally, tasks_among(self.hazards, episodes, self.seed)
        seen, goals = tasks.reset()
        (self.guarded or self.actor).begin(goals)
        self.goals, self.trail, self.wrong, self.stepped_in = goals, [seen], [np.zeros(len(goals), bool)], []
        past: deque[Points] = deque(maxlen=PAST)
        step, success = 0, np.zeros(len(goals), bool)
        while (active := tasks.active()).any():
            percept = percept_of(self.hazards, step, len(goals))
            begun = time.perf_counter()
            actions = self._act(seen, active, percept)
            tally.acting += time.perf_counter() - begun
            self._look_at_plans(seen, percept)
            past.append(seen)
            before, (seen, success) = seen, tasks.step(actions)
            step += 1
            self._judge(before, seen, active, step, past)
        tally.layouts += 1
        tally.episodes += len(goals)
        tally.successes += int(success.sum())
        return tally

    def _act(self, seen: Points, active: NDArray[np.bool_], percept: Percept) -> Points:
        self.tally.steps += int(active.sum())
        if self.guarded is None:
            return self.actor.act(seen, active)
        actions = self.guarded.act(seen, active, percept)
        if (verdict := self.guarded.verdict) is not None:
            running = torch.from_numpy(active)
            self.stepped_in.append((verdict.intervened & running).numpy())
            self.tally.shielding += self.guarded.shielding
            self.tally.interventions += int((verdict.intervened & running).sum())
            self.tally.unsure += int((~verdict.safe & running).sum())
            self.tally.unsettled += int((~verdict.settled & running).sum())
        return actions

    def _judge(self, before: Points, after: Points, active: NDArray[np.bool_], step: int, past: deque[Points]) -> None:
        """Counts what was broken, and asks the simulator whether it had to be."""
        broken = self.hazards.broken(before, after, step)
        self.tally.near += int((self.hazards.near(after, step) & active).sum())
        for kind in KINDS:
            self.tally.broken[kind] += int((broken[kind] & active).sum())
        any_broken = np.any([broken[kind] for kind in KINDS], 0) & active
        self.trail.append(after)
        self.wrong.append(any_broken)
        for b in np.flatnonzero(any_broken).tolist():
            self.tally.violations += 1
            if self.tally.judged == JUDGED:
                continue
            self.tally.judged += 1
            ways = (evadable(self.hazards, state[b], step - ago, step) for ago, state in enumerate(reversed(past), 1))
            self.tally.last_moment += (at_last := next(ways))
            self.tally.avoidable += at_last or any(ways)

    def _look_at_plans(self, seen: Points, percept: Percept) -> None:
        """Counts the new plans of all levels, and the clean ones."""
        if not self.actor.fresh:
            return
        session = self.actor.session
        assert session is not None and session.pursuit is not None
        states, problems = session.pursuit.states, session.pursuit.problems
        rows = torch.from_numpy(problems)
        places = anchored(self.actor.stack, torch.from_numpy(seen)[rows], states[:, 0])(states)
        clear = self.intrinsic.clearance(Scene(places, percept=percept.of(rows)))[:, 1:]
        self._count(1, (clear >= 0).all(1).tolist())
        for k in range(2, self.actor.levels + 1):
            fresh = [(b, track) for b in problems.tolist() if (track := session.tracks[k][b]) and track.age == 0]
            self._count(k, [self._keeps_out(k, b, track, seen) for b, track in fresh])
            self.tally.cut += sum(not track.path.found for _, track in fresh)

    def _keeps_out(self, k: int, b: int, track: Track, seen: Points) -> bool:
        """Whether an upper level's path, from where the agent is to the goal, keeps out, exactly, and to speed limits.

        Level 2's ways are straight, and are judged as a whole; of the levels above, the states.
        """
        path, hazards = track.path, self.hazards
        places = self.actor.stack.decode(torch.from_numpy(path.states), k).numpy().astype(np.float64)
        known = path.landmarks != NONE
        places[known] = self.actor.agent.graphs[k].observations[path.landmarks[known]]
        places[0] = seen[b]
        if path.final:
            places[-1] = self.goals[b]
        if k > 2:
            return not hazards.ways_touch(places[1:], places[1:]).any()
        begin, end = places[:-1], places[1:]
        touching, slow = hazards.ways_touch(begin, end), hazards.slow_length(begin, end)
        return not (touching | (slow > hazards.limit * np.diff(path.arrival) + 1e-3)).any()

    def _count(self, level: int, clean: list[bool]) -> None:
        self.tally.plans[level] += len(clean)
        self.tally.clean[level] += sum(clean)


def percept_of(hazards: Hazards, step: int, batch: int) -> Percept:
    """What all agents of a batch perceive of the obstacles."""
    position, velocity = (torch.from_numpy(part).expand(batch, -1, -1) for part in hazards.patrols.at(step))
    return Percept(position, velocity, torch.full((len(hazards.patrols),), hazards.patrols.radius))


def evadable(hazards: Hazards, start: Points, step: int, until: int) -> bool:
    """Whether some action, held from a [2] place at ``step`` until ``until``, breaks nothing: by trying a fine grid."""
    line = np.linspace(-1, 1, GRID)
    actions = np.stack(np.meshgrid(line, line), -1).reshape(-1, 2)
    maze = PointMaze(hazards.map, len(actions))
    maze.position = torch.from_numpy(np.tile(start.astype(np.float64), (len(actions), 1)))
    clean, before = np.ones(len(actions), bool), maze.observe().numpy()
    for now in range(step, until):
        after = maze.step(torch.from_numpy(actions))[0].numpy()
        clean &= ~np.any(list(hazards.broken(before, after, now + 1).values()), 0)
        before = after
    return bool(clean.any())
