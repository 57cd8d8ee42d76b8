"""A preference learned from demonstrations: a cost of places that explains why the demonstrator did not go straight.

The learner sees what a demonstrator observed, nothing else. It asks the agent how it would have gone itself between the
same two places, and learns extra costs under which the observed trajectories have the lower energy: energy-based
learning with a contrastive loss (LeCun et al., "A Tutorial on Energy-Based Learning", 2006), which is maximum-entropy
inverse reinforcement learning (Ziebart et al., 2008) with the partition function taken over planned trajectories (Finn
et al., "Guided Cost Learning", 2016). The cost is a :class:`hjepa.zones.PlaceCost`: every level plans with it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import final

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from hjepa.agent import Agent
from hjepa.world_model import WorldModel
from hjepa.zones import PlaceCost, priced
from planners.landmarks import LandmarkPlanner, Query, Target
from planners.neighbors import NeighborIndex

Floats = NDArray[np.float32]

LEVEL = 2
"""The level whose landmarks say how the agent would have gone: the finest that knows a way round a wall."""
STRIDE = 8
"""World steps of a demonstration that are looked at as one straight way: its noise is no preference."""
SAME = 1.0
"""Two ways whose occupancies differ by less than so many world steps are one."""
LEARNING_RATE = 0.3
BLOCK = 16_384
"""Places embedded at once."""


class PreferenceError(ValueError):
    """Demonstrations from which nothing can be learned; the message is one line."""


@dataclass(frozen=True)
class PreferenceConfig:
    """How a preference is learned.

    Attributes:
        spacing: between the bumps that the cost is made of, world steps.
        reach: of a bump, world steps; beyond it, it is exactly zero.
        part: world steps of the parts of each demonstration that are looked at one by one, beside the whole.
        rounds: times that the agent is asked for its ways, each time with what was learned so far.
        steps: of gradient descent per round.
        temperature: world steps by which a demonstrator may be worse than the best, give or take.
        observed: weight of the energy that observed trajectories are given, beside the contrast.
        sparsity: what each unit of a bump's height costs (an L1 penalty), world steps: without evidence there is none.
        most: highest cost of a place, world steps per world step.
    """

    spacing: float = 3.0
    reach: float = 10.0
    part: int = 80
    rounds: int = 10
    steps: int = 100
    temperature: float = 20.0
    observed: float = 0.5
    sparsity: float = 0.003
    most: float = 30.0

    def __post_init__(self) -> None:
        for name in ("spacing", "reach", "part", "rounds", "steps", "temperature", "most"):
            if not getattr(self, name) > 0:
                raise PreferenceError(f"{name} must be positive, not {getattr(self, name)!r}")
        if not self.sparsity >= 0:
            raise PreferenceError(f"sparsity must be 0 or more, not {self.sparsity!r}")


@final
@dataclass(frozen=True, eq=False)
class Preference:
    """A sum of bumps in level 1's critic space, where distances are world steps; see :class:`hjepa.zones.PlaceCost`.

    The bumps are compactly supported (Wendland, 1995): where nothing was learned, the cost is exactly zero.

    Attributes:
        stack: whose level 1 embeds places.
        centres: [C, E] of the bumps, in level 1's critic space.
        weights: [C] their heights, 0 or more; world steps per world step.
        reach: of a bump, world steps.
        size: the same in the units of observations: the distance over which the cost changes.
        most: bound of the cost.
    """

    stack: WorldModel
    centres: Tensor
    weights: Tensor
    reach: float
    size: float
    most: float = np.inf

    @property
    def empty(self) -> bool:
        """Whether nothing was learned."""
        return not len(self.weights)

    @property
    def guarded(self) -> bool:
        """A preference forbids nothing."""
        return False

    @cached_property
    def dearest(self) -> float:
        """The cost of the dearest centre; world steps per world step."""
        return 0.0 if self.empty else float(self._cost(self.centres).amax())

    def capped(self, most: float) -> Preference:
        """The same with no cost above a bound."""
        return replace(self, most=min(most, self.most))

    def toll(self, observations: Tensor) -> Tensor:
        """[..., O] places to the [...] extra world steps per world step spent there; differentiable."""
        return self._cost(embed(self.stack, observations))

    def along(self, ways: Tensor) -> Tensor:
        """[..., T, O] places one after the other to their [..., T] tolls."""
        return self.toll(ways)

    def clean(self, observations: Tensor) -> Tensor:
        """[..., O] places to [...] true: a preference forbids nothing."""
        return torch.ones(observations.shape[:-1], dtype=torch.bool, device=observations.device)

    @torch.no_grad()
    def energy(self, trajectory: Floats) -> float:
        """Of a [T, O] observed or planned trajectory: its time and what it pays on the way, world steps."""
        points = embed(self.stack, _paced(self.stack, trajectory))
        return len(points) + float(self._cost(points).sum())

    def _cost(self, points: Tensor) -> Tensor:
        return (bumps(points, self.centres, self.reach) @ self.weights).clamp(max=self.most)


def bumps(points: Tensor, centres: Tensor, reach: float) -> Tensor:
    """[..., E] points to the [..., C] heights of Wendland's C2 bumps there: 1 at a centre, 0 from ``reach`` on."""
    squared = points.square().sum(-1, keepdim=True) + centres.square().sum(-1) - 2 * points @ centres.T
    near = squared.clamp(min=1e-9).sqrt() / reach
    return (1 - near).clamp(min=0) ** 4 * (4 * near + 1)


def embed(stack: WorldModel, observations: Tensor) -> Tensor:
    """[..., O] observations to [..., E] places in level 1's critic space."""
    return stack.level(1).critic.embed(stack.encode(observations, 1))


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
    if LEVEL not in agent.graphs:
        raise PreferenceError("an agent of one level has no landmarks, and so no ways of its own to compare with")
    for number, one in enumerate(demonstrations):
        _check(number, one, agent.stack.config.observation_dim)
    if not demonstrations:
        raise PreferenceError("no demonstrations")
    with torch.no_grad():
        learner = _Learner(agent, demonstrations, config)
    for _ in range(config.rounds):
        fresh = learner.compare()
        learner.fit()
        if not fresh:
            break
    return learner.preference()


def _check(number: int, trajectory: Floats, size: int) -> None:
    """Refuses what is no trajectory."""
    if trajectory.ndim != 2 or trajectory.shape[1] != size or len(trajectory) < 2:
        raise PreferenceError(f"demonstrations[{number}] must be [T >= 2, {size}], not {list(trajectory.shape)}")
    if not np.isfinite(trajectory).all():
        raise PreferenceError(f"demonstrations[{number}] must be finite, found NaN or infinity")


class _Learner:
    """Holds the demonstrations, and the agent's own ways found so far.

    Attributes:
        occupancy: [M, C] world steps that each trajectory spends at each bump, the D demonstrations first.
        time: [M] world steps that each one takes.
        owner: [M] the demonstration, or part of one, that each belongs to.
        whole: number of demonstrations, without the parts.
        weights: [C] heights of the bumps.
    """

    def __init__(self, agent: Agent, demonstrations: Sequence[Floats], config: PreferenceConfig) -> None:
        self.agent, self.config, self.stack = agent, config, agent.stack
        whole = [_paced(self.stack, one) for one in demonstrations]
        # A part of a way that is the best is the best between its own ends, and tells more about fewer places.
        parts = [part for one in whole for part in one.split(config.part) if 2 <= len(part) < len(one)]
        paced, self.whole = whole + parts, len(whole)
        self.tasks = [(one[0].numpy(), one[-1].numpy()) for one in paced]
        self.centres = self._spread(torch.cat([*paced, torch.from_numpy(agent.graphs[LEVEL].observations)]))
        self.weights = torch.zeros(len(self.centres))
        self.occupancy = torch.stack([self._occupancy(one) for one in paced])
        self.time = torch.tensor([float(len(one)) for one in paced])
        self.owner = torch.arange(len(paced))

    def compare(self) -> bool:
        """Asks the agent for its ways under the present cost; whether there was a new one among them."""
        found = [(number, way) for number, way in enumerate(self._ways()) if way is not None]
        fresh = [(number, way, seen) for number, way in found if self._is_new(number, seen := self._occupancy(way))]
        if fresh:
            self.occupancy = torch.cat([self.occupancy, torch.stack([seen for _, _, seen in fresh])])
            self.time = torch.cat([self.time, torch.tensor([float(len(way)) for _, way, _ in fresh])])
            self.owner = torch.cat([self.owner, torch.tensor([number for number, _, _ in fresh])])
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
                weights.clamp_(0, self.config.most)
        self.weights = torch.zeros_like(self.weights).index_copy(0, chosen, weights.detach())

    def _accused(self) -> Tensor:
        """Numbers of the bumps at which the agent would be longer than a demonstrator: no others can pay."""
        longer = (self.occupancy - self.occupancy[self.owner]).amax(0)
        return torch.nonzero(longer > SAME)[:, 0]

    def loss(self, occupancy: Tensor, weights: Tensor) -> Tensor:
        """Contrast with the agent's own ways, low energy of what was observed, and the L1 penalty; world steps.

        The contrast is the negative log-likelihood of each demonstration among the trajectories of its task (LeCun et
        al. 2006, equation 12), times the temperature. It can't tell which part of a way was kept away from; the second
        term can: where demonstrators were seen themselves, they do not mind to be.
        """
        paid = occupancy @ weights
        energy = (self.time + paid) / self.config.temperature
        lowest = torch.zeros(len(self.tasks)).scatter_reduce(
            0, self.owner, -energy.detach(), "amax", include_self=False
        )
        shares = torch.exp(-energy - lowest[self.owner])
        partition = lowest + torch.zeros(len(self.tasks)).index_add(0, self.owner, shares).log()
        surprise = (energy[: len(self.tasks)] + partition).sum() / self.whole
        observed = paid[: self.whole].mean()
        return (
            self.config.temperature * surprise + self.config.observed * observed + self.config.sparsity * weights.sum()
        )

    def preference(self) -> Preference:
        """What was learned."""
        learned = self.weights > 1e-3
        return Preference(
            self.stack,
            self.centres[learned],
            self.weights[learned],
            self.config.reach,
            self.config.reach * _units_per_step(self.agent),
            self.config.most,
        )

    @torch.no_grad()
    def _ways(self) -> list[Tensor | None]:
        """[T, O] the agent's own way for every demonstration, paced; None where it knows none."""
        graph = priced({LEVEL: self.agent.graphs[LEVEL]}, self.preference())[LEVEL]
        planner = LandmarkPlanner(replace(graph, measure=graph.embedding))
        ways: list[Tensor | None] = []
        for path, (start, goal) in zip(planner.paths(self._queries()), self.tasks, strict=True):
            between = graph.observations[path.landmarks[path.landmarks >= 0]]
            way = np.concatenate([start[None], between, goal[None]])
            ways.append(_paced(self.stack, way, stride=1) if path.found else None)
        return ways

    def _queries(self) -> list[Query]:
        queries = []
        for start, goal in self.tasks:
            here, there = self._points(start), self._points(goal)
            state = self.stack.encode(torch.from_numpy(start), LEVEL).numpy()
            queries.append(Query(state, here, Target(there[LEVEL - 1], goal=there)))
        return queries

    def _points(self, place: Floats) -> tuple[Floats, ...]:
        """[O] a place in the critic spaces of the levels up to :data:`LEVEL`."""
        states = self.stack.encode_all(torch.from_numpy(place))[:LEVEL]
        return tuple(self.stack.level(k).critic.embed(state).numpy() for k, state in enumerate(states, 1))

    @torch.no_grad()
    def _spread(self, places: Tensor) -> Tensor:
        """[C, E] points that cover [N, O] places."""
        points = torch.cat([embed(self.stack, block) for block in places.split(BLOCK)])
        net = NeighborIndex(points.numpy(), self.config.spacing).net(np.arange(len(points)))
        return points[torch.from_numpy(np.asarray(net))]

    @torch.no_grad()
    def _occupancy(self, trajectory: Tensor) -> Tensor:
        """[C] world steps that a [T, O] paced trajectory spends at each bump."""
        return bumps(embed(self.stack, trajectory), self.centres, self.config.reach).sum(0)

    def _is_new(self, number: int, occupancy: Tensor) -> bool:
        known = self.occupancy[self.owner == number]
        return bool((known - occupancy).abs().amax(-1).amin() > SAME)


@torch.no_grad()
def _paced(stack: WorldModel, trajectory: Floats, stride: int = STRIDE) -> Tensor:
    """[T, O] a trajectory, however slowly it was gone, to [T', O] places one world step apart, as level 1 judges."""
    chosen = np.unique(np.append(np.arange(0, len(trajectory), stride), len(trajectory) - 1))
    corners = torch.from_numpy(np.ascontiguousarray(trajectory[chosen], np.float32))
    legs = torch.linalg.vector_norm(embed(stack, corners).diff(dim=0), dim=-1).numpy()
    arrival = np.concatenate([[0.0], legs.cumsum()])
    times = np.linspace(0, arrival[-1], max(2, round(float(arrival[-1]))))
    columns = [np.interp(times, arrival, column) for column in corners.numpy().T]
    return torch.from_numpy(np.stack(columns, -1).astype(np.float32))


def _units_per_step(agent: Agent) -> float:
    """How far the agent comes in a world step, in the units of its observations."""
    landmarks = agent.graphs[LEVEL]
    graph, places = landmarks.graph, landmarks.observations
    apart = np.linalg.norm(places[graph.sources] - places[graph.targets], axis=-1)
    return float(np.median(apart / graph.costs))


def costs_of(places: PlaceCost, observations: Floats) -> Floats:
    """[N, O] observations to the [N] extra world steps per world step there; for pictures."""
    with torch.no_grad():
        blocks = [places.toll(block) for block in torch.from_numpy(observations).split(BLOCK)]
    return torch.cat(blocks).numpy()
