"""Curiosity: an agent that begins with no data, goes and looks at what it does not know, and learns from that.

It remembers all that it has seen, and learns its stack anew whenever its past has grown by a share. In between it does
one of three things. Where its own model promises new ground nearby, it probes: holds the action that promises most.
Where there is none, it travels, by its own hierarchical planner, to the landmark from which most new ground is to be
had per world step (return first, then explore: Ecoffet et al., "First return, then explore", 2021; the objective is
:class:`hjepa.interest.Interest`). Once nothing new is left, it looks more closely, then trusts its model less, and at
last it practises: it travels to the landmarks that it has seen least.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from hjepa.actor import Actor
from hjepa.agent import Agent, Experiment
from hjepa.data import Trajectories, WindowSampler
from hjepa.interest import Attempt, Interest, headings
from hjepa.macro_action import fit_probes, fit_support
from hjepa.memory import MemoryConfig, build_landmarks
from hjepa.policy import PolicyConfig
from hjepa.stack import LEVELS, Stack, StackConfig
from hjepa.train import TrainConfig, Trainer
from hjepa.world_model import WorldModel
from planners.graph import SearchGraph, reachable
from planners.landmarks import LandmarkGraph
from planners.neighbors import NeighborIndex

Points = NDArray[np.float32]
Step = Callable[[Points], Points]
"""A world: the [A] action of one step to the [O] observation after it."""

LIGHT = Experiment(
    stack=StackConfig(levels=LEVELS[:2]),
    train=TrainConfig(steps=200, batch=128, pairs=256),
    memory=MemoryConfig(min_visits=1, min_component=0.0),
    policy=PolicyConfig(steps=0),
)
"""What learns during exploration: two levels, trained for seconds. No place is too rare to be remembered."""
BACK = 2.0
"""What a way costs in the direction in which it was not walked, in that of the other one."""


@dataclass(frozen=True)
class View:
    """One way to look for new ground.

    Attributes:
        radius: what is within so many world steps of a place that was seen is known ground.
        free: whether actions are imagined to do what they do on average (see :class:`hjepa.interest.Interest`).
    """

    radius: float
    free: bool = False


@dataclass(frozen=True)
class CuriosityConfig:
    """How to explore. Times are world steps.

    Attributes:
        babble: random steps before the first model.
        round: steps between two models at least.
        growth: share by which the past grows between two models.
        hold: steps for which an action is held, and imagined to be held.
        headings: actions that may be held.
        noise: standard deviation added to a held action, so that the data vary.
        views: how to look for new ground; the next way once the last one finds nothing worth while.
        worthwhile: share of the largest possible gain below which a probe is not worth while.
        discount: of a place's gain for each refuted one around it.
        stuck: share of full speed below which a probe, or a journey, is given up.
        steady: extra weight of going on in the same direction.
        patience: a journey is given up after so many times the time that it should take.
    """

    babble: int = 400
    round: int = 300
    growth: float = 0.3
    hold: int = 20
    headings: int = 16
    noise: float = 0.3
    views: tuple[View, ...] = (View(10.0), View(5.0), View(10.0, free=True), View(5.0, free=True))
    worthwhile: float = 0.4
    discount: float = 0.3
    stuck: float = 0.35
    steady: float = 0.3
    patience: float = 2.0

    def __post_init__(self) -> None:
        for view in self.views:
            if view.radius >= self.hold:
                raise ValueError(f"views: a radius of {view.radius:g} must be less than hold, {self.hold}")


def learn(trajectories: Trajectories, experiment: Experiment) -> Agent:
    """Trains a fresh stack on recorded transitions, and remembers landmarks; nothing is written to disk."""
    config, memory = experiment.train, trajectories.observations
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(config.seed)
        stack = Stack(experiment.stack)
    stack.calibrate(memory)
    trainer = Trainer(stack, trajectories, config)
    for _ in range(config.steps):
        trainer.update()
    windows = WindowSampler(trajectories, max(level.stride for level in stack.config.levels), 4096, config.seed)
    fit_support(stack, windows.batch(config.steps).actions, config.seed)
    fit_probes(stack, memory)
    return Agent.remember(stack, memory, experiment, {"rows": len(memory), "steps": config.steps})


@torch.no_grad()
def with_walked_ways(landmarks: LandmarkGraph, stack: WorldModel, observations: Tensor) -> LandmarkGraph:
    """Level 2's landmarks joined, too, where [N, O] consecutive observations went from one's surroundings to another's.

    A young predictor leaves holes in the graph, and what lies behind a hole would never be gone to again. The way back
    is a guess: it costs :data:`BACK` times as much, and is rejected where it leads nowhere.
    """
    points = stack.level(2).critic.embed(stack.encode(observations, 2))
    nearest = torch.cdist(points, torch.from_numpy(landmarks.embedding)).argmin(1).numpy()
    walked = np.unique(np.stack([nearest[:-1], nearest[1:]], 1)[nearest[:-1] != nearest[1:]], axis=0)
    length = np.linalg.norm(landmarks.embedding[walked[:, 0]] - landmarks.embedding[walked[:, 1]], axis=1)
    known = landmarks.graph
    graph = SearchGraph.from_edges(
        known.num_nodes,
        np.concatenate([known.sources, walked[:, 0], walked[:, 1]]),
        np.concatenate([known.targets, walked[:, 1], walked[:, 0]]),
        np.concatenate([known.costs, length, BACK * length]).astype(known.costs.dtype),
    )
    return replace(landmarks, graph=graph)


@dataclass
class Diary:
    """What an explorer has lived through.

    Attributes:
        observations: [O] each, one more than actions.
        actions: [A] each.
        doing: what each action was for: ``babble``, ``probe``, ``travel`` or ``practise``.
        rounds: numbers of the steps at which a model was learned.
    """

    observations: list[Points]
    actions: list[Points] = field(default_factory=list)
    doing: list[str] = field(default_factory=list)
    rounds: list[int] = field(default_factory=list)

    def __len__(self) -> int:
        return len(self.actions)

    def since(self, step: int) -> Tensor:
        """[N, O] observations from the one after ``step`` actions on."""
        return torch.from_numpy(np.array(self.observations[step:], np.float32).reshape(-1, len(self.observations[0])))

    def trajectories(self) -> Trajectories:
        """All of it as one episode, for training."""
        actions = np.stack([*self.actions, np.zeros_like(self.actions[-1])])
        terminals = np.zeros(len(self.observations))
        terminals[-1] = 1
        return Trajectories.from_arrays(np.stack(self.observations), actions, terminals, "exploration")


class Explorer:
    """One agent in one world, from its first step on; it is never reset.

    Args:
        step: the world.
        first: [O] what is seen before the first step.
        actions: A, components of an action; each goes from -1 to 1.
        config: how to explore.
        experiment: what learns meanwhile.
        seed: of all randomness.

    Attributes:
        diary: what was seen and done.
        agent: the newest model; None before the first.
    """

    ARRIVED = 5.0
    """World steps from its aim at which a journey is over."""
    WINDOW = 5
    """World steps over which progress is judged."""
    HANDFUL = 8
    """Landmarks of which practice seeks the least seen: always the very least would be an endless tour of corners."""

    def __init__(
        self,
        step: Step,
        first: Points,
        actions: int,
        config: CuriosityConfig = CuriosityConfig(),
        experiment: Experiment = LIGHT,
        seed: int = 0,
    ) -> None:
        self.config, self.seed = config, seed
        shape = replace(experiment.stack, observation_dim=len(first), action_dim=actions)
        self.experiment = replace(experiment, stack=shape)
        self.diary = Diary([np.asarray(first, np.float32)])
        self.agent: Agent | None = None
        self._step, self._limit, self._due = step, 0, config.babble
        self._random = np.random.default_rng(seed)
        self._headings = headings(actions, config.headings, torch.Generator().manual_seed(seed))
        self._attempts: list[Attempt] = []
        self._look = 0
        self._towards: Tensor | None = None

    @property
    def view(self) -> View:
        """How the agent looks for new ground at present."""
        return self.config.views[self._look]

    def run(self, steps: int) -> Diary:
        """Explores for so many world steps."""
        self._limit = len(self.diary) + steps
        self._babble(self.config.babble - len(self.diary))
        while self._left:
            if len(self.diary) >= self._due:
                self._learn()
            self._explore()
        return self.diary

    @property
    def _left(self) -> bool:
        return len(self.diary) < self._limit

    @property
    def _here(self) -> Tensor:
        """[1, O] the present observation."""
        return self.diary.since(len(self.diary))

    def _act(self, action: Points, doing: str) -> None:
        action = np.clip(action, -1, 1).astype(np.float32)
        self.diary.observations.append(np.asarray(self._step(action), np.float32))
        self.diary.actions.append(action)
        self.diary.doing.append(doing)

    def _noisy(self, action: Points) -> Points:
        return action + self._random.normal(0, self.config.noise, action.shape).astype(np.float32)

    def _babble(self, steps: int) -> None:
        """Random actions, each held for a while: before there is a model, or where its graph leads nowhere."""
        end = min(self._limit, len(self.diary) + steps)
        while len(self.diary) < end:
            held = self._headings[self._random.integers(len(self._headings))].numpy()
            for _ in range(min(self.config.hold, end - len(self.diary))):
                self._act(self._noisy(held), "babble")

    def _learn(self) -> None:
        """A new model of all that was seen, and all that was seen through its eyes."""
        rows = len(self.diary)
        self.diary.rounds.append(rows)
        self._due = rows + max(self.config.round, int(self.config.growth * rows))
        experiment = replace(self.experiment, train=replace(self.experiment.train, seed=self.seed))
        self.agent = learn(self.diary.trajectories(), experiment)
        self._interest = Interest(self.agent.stack, self._headings, self.config.hold, self.config.discount)
        self._interest.recall(self.diary.since(0), torch.from_numpy(np.stack(self.diary.actions)))
        self._told = rows + 1
        self._look_at(0)

    def _look_at(self, view: int) -> None:
        """Changes the view."""
        self._look = view
        self._interest.free = self.view.free
        self._interest.doubt(self._attempts)
        self._survey()

    def _survey(self) -> None:
        """Chooses landmarks from all that was seen so far, and imagines what lies around each of them."""
        assert self.agent is not None
        seen = self.diary.since(0)
        graphs, verified = build_landmarks(self.agent.stack, seen, self.experiment.memory)
        graphs[2] = with_walked_ways(graphs[2], self.agent.stack, seen)
        self.agent = replace(self.agent, graphs=graphs, verified=verified)
        self._surveyed = len(self.diary)
        self._places = torch.from_numpy(self.agent.graphs[2].observations)
        self._landings = self._interest.imagine(self._places)

    def _explore(self) -> None:
        """One thing: a probe from here, or else a journey."""
        self._interest.see(self.diary.since(self._told))
        self._told = len(self.diary.observations)
        landings = self._interest.imagine(self._here)[0]
        gains = self._worthwhile(self._interest.gains(landings, self.view.radius))
        if gains.any():
            weights = gains if self._towards is None else gains * (1 + self.config.steady * self._straight())
            best = int(weights.argmax())
            self._probe(self._headings[best], landings[best])
        else:
            self._towards = None
            self._depart()

    def _straight(self) -> Tensor:
        """[K] the cosine between each heading and the present one."""
        assert self._towards is not None
        return torch.nn.functional.cosine_similarity(self._headings, self._towards[None])

    def _worthwhile(self, gains: Tensor) -> Tensor:
        """The same gains, and nothing for those that are too small."""
        return gains * (gains >= self.config.worthwhile * (self.config.hold - self.view.radius))

    def _probe(self, heading: Tensor, landing: Tensor) -> None:
        """Holds an action until the time is over, or nothing moves; what was not reached is refuted."""
        origin, begun = self._here[0], len(self.diary)
        while self._left and len(self.diary) < begun + self.config.hold and not self._stuck(begun, self.WINDOW):
            self._act(self._noisy(heading.numpy()), "probe")
        self._interest.see(self.diary.since(begun + 1))
        self._told = len(self.diary.observations)
        self._towards = heading
        if self._left and self._interest.gains(landing[None], self.view.radius)[0] > 0:
            self._doubt(origin, heading, landing)

    def _doubt(self, origin: Tensor, heading: Tensor, landing: Tensor) -> None:
        self._attempts.append((origin, heading))
        self._interest.refute(landing)

    def _stuck(self, begun: int, window: int) -> bool:
        """Whether the last ``window`` steps have led nowhere."""
        if len(self.diary) < begun + window:
            return False
        before, now = self._interest.place(self.diary.since(len(self.diary) - window)[[0, -1]])
        return float(torch.linalg.vector_norm(now - before)) < self.config.stuck * window

    def _depart(self) -> None:
        """Travels to where most new ground is to be had per world step; without any, looks otherwise, or practises."""
        if len(self.diary) > self._surveyed:
            self._survey()
        gains = self._worthwhile(self._interest.gains(self._landings, self.view.radius))
        times = self._times()
        gains[~torch.isfinite(times)] = 0
        if gains.any():
            best, heading = divmod(int((gains / (times[:, None] + self.config.hold)).argmax()), gains.shape[1])
            if self._travel(best, float(times[best]), "travel"):
                self._probe(self._headings[heading], self._landings[best, heading])
            else:
                self._doubt(self._places[best], self._headings[heading], self._landings[best, heading])
        elif self._look + 1 < len(self.config.views):
            self._look_at(self._look + 1)
        else:
            self._practise(times)

    def _times(self) -> Tensor:
        """[L] world steps to each landmark, by the agent's own graph; infinite where there is no way."""
        assert self.agent is not None
        landmarks, level = self.agent.graphs[2], self.agent.stack.level(2)
        here = level.critic.embed(self.agent.stack.encode(self._here, 2)).detach().numpy()[0]
        apart = np.linalg.norm(landmarks.embedding - here, axis=1)
        nearest = apart.argsort()[:3]
        nodes, costs = reachable(landmarks.graph, nearest, apart[nearest], np.inf)
        times = torch.full((len(apart),), torch.inf)
        times[torch.from_numpy(nodes.astype(np.int64))] = torch.from_numpy(costs).float()
        return times

    def _practise(self, times: Tensor) -> None:
        """Travels to the least seen of a handful of landmarks."""
        points = self._interest.place(self.diary.since(0)).numpy()
        aims = np.flatnonzero(torch.isfinite(times).numpy() & (times.numpy() > self.config.hold))
        if not len(aims):
            return self._babble(5 * self.config.hold)
        handful = self._random.choice(aims, min(self.HANDFUL, len(aims)), replace=False)
        visits = NeighborIndex(points, self.view.radius).count(self._interest.place(self._places[handful]).numpy())
        aim = int(handful[visits.argmin()])
        self._travel(aim, float(times[aim]), "practise")

    def _travel(self, aim: int, time: float, doing: str) -> bool:
        """Goes to a landmark by the hierarchical planner; returns whether it arrived."""
        assert self.agent is not None
        actor = Actor(self.agent, seed=self.seed + len(self.diary))
        goal = self._places[aim]
        actor.begin(goal[None].numpy())
        begun = len(self.diary)
        end = min(self._limit, begun + int(self.config.patience * time) + self.config.hold)
        there = self._interest.place(goal)
        while len(self.diary) < end and not self._stuck(begun, 2 * self.config.hold):
            if float(torch.linalg.vector_norm(self._interest.place(self._here)[0] - there)) <= self.ARRIVED:
                return True
            self._act(actor.act(self._here.numpy())[0], doing)
        return not self._left
