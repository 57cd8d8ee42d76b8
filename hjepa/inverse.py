"""Learns a cost from demonstrations: the energy-based approach to inverse optimal control.

The learner sees what a demonstrator observed, nothing else. It asks the agent how it would have gone itself between the
same two places, and lowers the energy of what was observed against that of the agent's ways. A way's energy is its time
and what it pays, ``E(y) = time(y) + sum_t c(y_t)``, in world steps, and the loss of a demonstration ``y*`` among the
ways ``Y`` of its task is the negative log-likelihood (LeCun et al., "A Tutorial on Energy-Based Learning", 2006,
equation 12) ``E(y*) + T log sum_{y in Y} exp(-E(y) / T)``. That is maximum-entropy inverse reinforcement learning
(Ziebart et al., 2008, equation 2) with the partition function taken over planned trajectories (Finn et al., "Guided
Cost Learning", 2016, equation 1). As in maximum margin planning (Ratliff et al., 2006) a way has to be the worse the
more it differs: its energy counts as lower by a margin for every step that it spends where the demonstration does not.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import final

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from hjepa.agent import Agent
from hjepa.preference import Bumps, Preference, PreferenceError, embed, in_motion, paced
from hjepa.zones import priced
from planners.landmarks import LandmarkPlanner, Query, Target
from planners.neighbors import NeighborIndex

Floats = NDArray[np.float32]

LEVEL = 2
"""The level whose landmarks say how the agent would have gone: the finest that knows a way round a wall."""
SAME = 1.0
"""Two ways whose occupancies differ by less than so many world steps are one."""
LEARNING_RATE = 0.3


@dataclass(frozen=True)
class PreferenceConfig:
    """How a preference is learned.

    Attributes:
        spacing: between the bumps that the cost is made of, in their reach.
        reach: of a bump, world steps; beyond it, it is exactly zero.
        motions: whether the cost may depend on the heading.
        part: world steps of the parts of each demonstration that are looked at one by one, beside the whole.
        rounds: times that the agent is asked for its ways, each time with what was learned so far.
        steps: of gradient descent per round.
        temperature: world steps by which a demonstrator may be worse than the best, give or take.
        margin: world steps by which a way has to be worse than a demonstration, for each step that it spends elsewhere.
        observed: weight of the energy that observed trajectories are given, beside the contrast.
        sparsity: what each unit of a bump's height costs (an L1 penalty), world steps: without evidence there is none.
        most: highest cost, world steps per world step.
    """

    spacing: float = 0.4
    reach: float = 10.0
    motions: bool = True
    part: int = 40
    rounds: int = 10
    steps: int = 60
    temperature: float = 5.0
    margin: float = 3.0
    observed: float = 0.5
    sparsity: float = 0.0005
    most: float = 30.0

    def __post_init__(self) -> None:
        for name in ("spacing", "reach", "part", "rounds", "steps", "temperature", "most"):
            if not getattr(self, name) > 0:
                raise PreferenceError(f"{name} must be positive, not {getattr(self, name)!r}")
        for name in ("sparsity", "observed", "margin"):
            if not getattr(self, name) >= 0:
                raise PreferenceError(f"{name} must be 0 or more, not {getattr(self, name)!r}")


PLACES = PreferenceConfig(spacing=0.3, motions=False, part=80, steps=100, temperature=20.0, margin=0.0, sparsity=0.003)
"""For tastes that are about places alone, whichever way one goes: fewer bumps to learn, and longer detours to compare.
The defaults are for tastes about headings."""


def learn_preference(
    agent: Agent, demonstrations: Sequence[Floats], config: PreferenceConfig = PreferenceConfig()
) -> Preference:
    """Learns what a demonstrator keeps away from.

    Args:
        agent: who asks; its model and landmarks stay as they are.
        demonstrations: [T, O] what was observed on the way, one array per demonstration.
        config: how.

    Raises:
        PreferenceError: for an agent without landmarks, and for demonstrations that are none.
    """
    _check(agent, demonstrations)
    with torch.no_grad():
        learner = _Learner(agent, demonstrations, config)
    for _ in range(config.rounds):
        fresh = learner.compare()
        learner.fit()
        if not fresh:
            break
    return learner.preference()


def _check(agent: Agent, demonstrations: Sequence[Floats]) -> None:
    """Refuses an agent without landmarks, and what is no trajectory."""
    if LEVEL not in agent.graphs:
        raise PreferenceError("an agent of one level has no landmarks, and so no ways of its own to compare with")
    if not demonstrations:
        raise PreferenceError("no demonstrations")
    size = agent.stack.config.observation_dim
    for number, one in enumerate(demonstrations):
        if one.ndim != 2 or one.shape[1] != size or len(one) < 2:
            raise PreferenceError(f"demonstrations[{number}] must be [T >= 2, {size}], not {list(one.shape)}")
        if not np.isfinite(one).all():
            raise PreferenceError(f"demonstrations[{number}] must be finite, found NaN or infinity")


class _Learner:
    """Holds the demonstrations, and the agent's own ways found so far.

    Attributes:
        occupancy: [M, C] world steps that each trajectory spends at each bump, the D demonstrations first.
        time: [M] world steps that each one takes.
        owner: [M] the demonstration, or part of one, that each belongs to.
        elsewhere: [M] world steps that each one spends where its demonstration does not.
        whole: number of demonstrations, without the parts.
        places: the [P] bumps over places, of height 1.
        motions: the [C - P] bumps over motions.
        weights: [C] heights of the bumps, the places first.
    """

    def __init__(self, agent: Agent, demonstrations: Sequence[Floats], config: PreferenceConfig) -> None:
        self.agent, self.config, self.stack = agent, config, agent.stack
        whole = [paced(self.stack, one) for one in demonstrations]
        # A part of a way that is the best is the best between its own ends, and tells more about fewer places.
        parts = [part for one in whole for part in one.split(config.part) if 2 <= len(part) < len(one)]
        shown, self.whole = whole + parts, len(whole)
        self.roads = Roads(agent, [(one[0].numpy(), one[-1].numpy()) for one in shown])
        self.places, self.motions = self._bumps(whole)
        self.weights = torch.zeros(len(self.places) + len(self.motions))
        self.occupancy = torch.stack([self._occupancy(one) for one in shown])
        self.time = torch.tensor([float(len(one)) for one in shown])
        self.owner = torch.arange(len(shown))
        self.elsewhere = torch.zeros(len(shown))

    def compare(self) -> bool:
        """Asks the agent for its ways under the present cost; whether there was a new one among them."""
        found = [(number, way, self._occupancy(way)) for number, way in self.roads.fresh(self.preference())]
        fresh = [(number, way, seen) for number, way, seen in found if self._is_new(number, seen)]
        if fresh:
            self.occupancy = torch.cat([self.occupancy, torch.stack([seen for _, _, seen in fresh])])
            self.time = torch.cat([self.time, torch.tensor([float(len(way)) for _, way, _ in fresh])])
            self.owner = torch.cat([self.owner, torch.tensor([number for number, _, _ in fresh])])
            self.elsewhere = torch.cat([self.elsewhere, torch.stack([self._elsewhere(*one) for one in fresh])])
        return bool(fresh)

    def fit(self) -> None:
        """Lowers the loss over heights that are not negative: projected gradient descent on a convex function."""
        chosen = self._accused()
        occupancy, weights = self.occupancy[:, chosen], self.weights[chosen].requires_grad_()
        optimizer = torch.optim.Adam([weights], LEARNING_RATE)
        for _ in range(self.config.steps):
            optimizer.zero_grad()
            self.loss(occupancy, weights).backward()
            optimizer.step()
            with torch.no_grad():
                weights.clamp_(min=0)
        self.weights = torch.zeros_like(self.weights).index_copy(0, chosen, weights.detach())

    def _accused(self) -> Tensor:
        """Numbers of the bumps at which the agent would be longer than a demonstrator: no others can pay."""
        longer = (self.occupancy - self.occupancy[self.owner]).amax(0)
        return torch.nonzero(longer > SAME)[:, 0]

    def loss(self, occupancy: Tensor, weights: Tensor) -> Tensor:
        """Contrast with the agent's own ways, low energy of what was observed, and the L1 penalty; world steps.

        The contrast can't tell which part of a way was kept away from; the second term can: where demonstrators were
        seen themselves, they do not mind to be.
        """
        config, count = self.config, int(self.owner.max()) + 1
        paid = occupancy @ weights
        energy = self.time + paid - config.margin * self.elsewhere
        surprise = surprises(energy / config.temperature, self.owner, count).sum() / self.whole
        observed = paid[: self.whole].mean()
        return config.temperature * surprise + config.observed * observed + config.sparsity * weights.sum()

    def preference(self) -> Preference:
        """What was learned."""
        heights = self.weights.split([len(self.places), len(self.motions)])
        places, motions = (
            replace(bumps, weights=height).chosen(height > 1e-3)
            for bumps, height in zip((self.places, self.motions), heights, strict=True)
        )
        size = self.config.reach * _units_per_step(self.agent)
        return Preference(self.stack, places, motions, size, self.config.most)

    @torch.no_grad()
    def _bumps(self, shown: list[Tensor]) -> tuple[Bumps, Bumps]:
        """Bumps of height 1 that cover what was shown, and where the agent might go."""
        graph, reach = self.agent.graphs[LEVEL], self.config.reach
        landmarks = embed(self.stack, torch.from_numpy(graph.observations))
        walks = [embed(self.stack, one) for one in shown]
        places = self._spread(torch.cat([*walks, landmarks]))
        if not self.config.motions:
            return places, Bumps(landmarks.new_zeros(0, 2 * landmarks.shape[1]), torch.zeros(0), reach)
        ends = torch.from_numpy(np.stack([graph.graph.sources, graph.graph.targets], 1).astype(np.int64))
        edges = in_motion(landmarks[ends], reach).flatten(0, 1)
        return places, self._spread(torch.cat([*(in_motion(one, reach) for one in walks), edges]))

    def _spread(self, points: Tensor) -> Bumps:
        """Bumps that cover [N, E] points."""
        index = NeighborIndex(points.numpy(), self.config.spacing * self.config.reach)
        net = torch.from_numpy(np.asarray(index.net(np.arange(len(points)))))
        return Bumps(points[net], torch.ones(len(net)), self.config.reach)

    @torch.no_grad()
    def _occupancy(self, trajectory: Tensor) -> Tensor:
        """[C] world steps that a [T, O] paced trajectory spends at each bump."""
        points = embed(self.stack, trajectory)
        heights = [self.places.heights(points)]
        if len(self.motions):
            heights.append(self.motions.heights(in_motion(points, self.config.reach)))
        return torch.cat([each.sum(0) for each in heights])

    def _elsewhere(self, number: int, way: Tensor, occupancy: Tensor) -> Tensor:
        """[] world steps that a way spends where its demonstration does not."""
        shown = self.occupancy[number]
        own = occupancy * (len(way) / occupancy.sum())
        return (own - shown * (self.time[number] / shown.sum())).clamp(min=0).sum()

    def _is_new(self, number: int, occupancy: Tensor) -> bool:
        known = self.occupancy[self.owner == number]
        return bool((known - occupancy).abs().amax(-1).amin() > SAME)


def surprises(energy: Tensor, owner: Tensor, count: int) -> Tensor:
    """[count] negative log-likelihoods of the first trajectory of each task among all trajectories of the task.

    Args:
        energy: [M] of trajectories, in units of the temperature; the first ``count`` are those observed.
        owner: [M] the task of each.
        count: tasks.
    """
    lowest = torch.zeros(count).scatter_reduce(0, owner, -energy.detach(), "amax", include_self=False)
    shares = torch.exp(-energy - lowest[owner])
    return energy[:count] + lowest + torch.zeros(count).index_add(0, owner, shares).log()


@final
class Roads:
    """The agent's own ways between pairs of places, through level 2's landmarks.

    Args:
        agent: whose.
        tasks: (start, goal), both [O].
    """

    def __init__(self, agent: Agent, tasks: Sequence[tuple[Floats, Floats]]) -> None:
        self.agent, self.stack, self.tasks = agent, agent.stack, list(tasks)
        self.queries = [self._query(*task) for task in self.tasks]
        self.gone: set[tuple[int, bytes]] = set()

    @torch.no_grad()
    def fresh(self, preference: Preference) -> list[tuple[int, Tensor]]:
        """The tasks whose way under a preference was not found before, and their [T, O] ways, paced."""
        graph = priced({LEVEL: self.agent.graphs[LEVEL]}, preference)[LEVEL]
        planner = LandmarkPlanner(replace(graph, measure=graph.embedding))
        ways = []
        for number, path in enumerate(planner.paths(self.queries)):
            landmarks = path.landmarks[path.landmarks >= 0]
            if path.found and (number, landmarks.tobytes()) not in self.gone:
                self.gone.add((number, landmarks.tobytes()))
                ways.append((number, self._way(number, graph.observations[landmarks])))
        return ways

    def _way(self, number: int, between: Floats) -> Tensor:
        start, goal = self.tasks[number]
        return paced(self.stack, np.concatenate([start[None], between, goal[None]]), stride=1)

    @torch.no_grad()
    def _query(self, start: Floats, goal: Floats) -> Query:
        here, there = self._points(start), self._points(goal)
        state = self.stack.encode(torch.from_numpy(start), LEVEL).numpy()
        return Query(state, here, Target(there[LEVEL - 1], goal=there))

    def _points(self, place: Floats) -> tuple[Floats, ...]:
        """[O] a place in the critic spaces of the levels up to :data:`LEVEL`."""
        states = self.stack.encode_all(torch.from_numpy(place))[:LEVEL]
        return tuple(self.stack.level(k).critic.embed(state).numpy() for k, state in enumerate(states, 1))


def _units_per_step(agent: Agent) -> float:
    """How far the agent comes in a world step, in the units of its observations."""
    landmarks = agent.graphs[LEVEL]
    graph, places = landmarks.graph, landmarks.observations
    apart = np.linalg.norm(places[graph.sources] - places[graph.targets], axis=-1)
    return float(np.median(apart / graph.costs))
