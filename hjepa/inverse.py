"""Learns a cost from demonstrations: the energy-based approach to inverse optimal control.

The learner sees what a demonstrator observed, nothing else. It asks the agent how it would have gone itself between the
same two places, and lowers the energy of what was observed against that of the agent's ways. A way's energy is its time
and what it pays, ``E(y) = time(y) + sum_t c(y_t)``, in world steps, and the loss of a demonstration ``y*`` among the
ways ``Y`` of its task is the negative log-likelihood (LeCun et al., "A Tutorial on Energy-Based Learning", 2006,
equation 12) ``E(y*) + T log sum_{y in Y} exp(-E(y) / T)``. That is maximum-entropy inverse reinforcement learning
(Ziebart et al., 2008, equation 2) with the partition function taken over planned trajectories (Finn et al., "Guided
Cost Learning", 2016, equation 1). As in maximum margin planning (Ratliff et al., 2006) the ways are looked for that are
cheap although they differ from the demonstration: the agent's best way alone would teach it to dodge, and no more. And
they have to be the worse the more they differ, where a margin is set.

A cost of places is simpler than one of motions. Whether it is enough is decided on demonstrations that are held out: by
how much of the agent's ways lies elsewhere.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from hjepa.agent import Agent
from hjepa.preference import Bumps, Preference, PreferenceError, embed, in_motion, paced
from hjepa.roads import LEVEL, Roads
from planners.neighbors import NeighborIndex

Floats = NDArray[np.float32]

SAME = 1.0
"""Two ways are the same at a bump where their occupancies differ by less than so many world steps."""
LEARNING_RATE = 0.3
LIKE, NEAR = 1 / 3, 1 / 2
"""Leeways (see :class:`hjepa.roads.Roads`): of ways that a demonstration is held against, and of held-out ones."""
ENOUGH = 0.15
"""Share of its time for which the agent may be elsewhere than held-out demonstrations pass."""
HELD_OUT = 4
"""Every how-manieth demonstration is held out."""


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
        contrary: world steps that a step where the demonstration passes counts more when ways are looked for.
        margin: world steps by which a way has to be worse than a demonstration, for each step that it spends elsewhere.
        observed: weight of the energy that observed trajectories are given, beside the contrast.
        sparsity: what each unit of a bump's height costs (an L1 penalty), world steps: without evidence there is none.
        strength: share of the learned heights that is planned with: a margin makes them higher than a plan needs.
        most: highest cost, world steps per world step.
    """

    spacing: float = 0.3
    reach: float = 10.0
    motions: bool = True
    part: int = 40
    rounds: int = 10
    steps: int = 60
    temperature: float = 5.0
    contrary: float = 3.0
    margin: float = 3.0
    observed: float = 0.5
    sparsity: float = 0.0005
    strength: float = 0.5
    most: float = 30.0

    def __post_init__(self) -> None:
        for name in ("spacing", "reach", "part", "rounds", "steps", "temperature", "strength", "most"):
            if not getattr(self, name) > 0:
                raise PreferenceError(f"{name} must be positive, not {getattr(self, name)!r}")
        for name in ("sparsity", "observed", "contrary", "margin"):
            if not getattr(self, name) >= 0:
                raise PreferenceError(f"{name} must be 0 or more, not {getattr(self, name)!r}")


MOTIONS = PreferenceConfig()
"""For tastes about headings. A margin, since time tells little about which side of a corridor to take."""
PLACES = PreferenceConfig(spacing=0.4, motions=False, part=80, margin=0.0, strength=1.0)
"""For tastes about places, whichever way one goes: longer parts, since what is kept away from may be gone round."""


def learn_preference(
    agent: Agent, demonstrations: Sequence[Floats], settings: Sequence[PreferenceConfig] = (PLACES, MOTIONS)
) -> Preference:
    """Learns what a demonstrator keeps away from.

    Args:
        agent: who asks; its model and landmarks stay as they are.
        demonstrations: [T, O] what was observed on the way, one array per demonstration.
        settings: how; the simplest first. One with which the agent goes where held-out demonstrations pass, but for
            :data:`ENOUGH`, learns from all of them; the last one does where none is that good, or there are fewer than
            eight demonstrations.

    Raises:
        PreferenceError: for an agent without landmarks, and for demonstrations that are none.
    """
    _check(agent, demonstrations)
    shown = [paced(agent.stack, one) for one in demonstrations]
    simpler = settings[:-1] if len(shown) >= 2 * HELD_OUT else ()
    good = (config for config in simpler if held_out_error(agent, shown, config) < ENOUGH)
    return _learned(agent, shown, next(good, settings[-1])).preference()


def held_out_error(agent: Agent, shown: Sequence[Tensor], config: PreferenceConfig) -> float:
    """The share of its time that the agent, having learned from the others, is not where held-out demonstrations pass.

    Args:
        agent: who learns.
        shown: [T, O] demonstrations, paced.
        config: how; half of the rounds do, to compare.
    """
    rest = [one for number, one in enumerate(shown) if number % HELD_OUT]
    learner = _learned(agent, rest, replace(config, rounds=max(1, config.rounds // 2)))
    ways = Roads(agent, shown[::HELD_OUT], learner.bumps, NEAR).fresh(learner.weights)
    return 1.0 if ways is None else float(ways.elsewhere.sum() / ways.time.sum())


def _learned(agent: Agent, shown: Sequence[Tensor], config: PreferenceConfig) -> _Learner:
    """Asks and learns by turns, until there is nothing new to ask."""
    learner = _Learner(agent, shown, config)
    for _ in range(config.rounds):
        fresh = learner.compare()
        learner.fit()
        if not fresh:
            break
    return learner


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
        whole: number of demonstrations, without their parts.
        bumps: the [P] bumps over places and the [C - P] over motions, of height 1.
        roads: which ways there are.
        count: number D of demonstrations and their parts.
        ways: the D demonstrations and parts first, and then what was found in their place.
        weights: [C] heights of the bumps, the places first.
    """

    def __init__(self, agent: Agent, shown: Sequence[Tensor], config: PreferenceConfig) -> None:
        self.agent, self.config = agent, config
        # A part of a way that is the best is the best between its own ends, and tells more about fewer places.
        parts = [part for one in shown for part in one.split(config.part) if 2 <= len(part) < len(one)]
        self.whole, self.count = len(shown), len(shown) + len(parts)
        self.bumps = self._bumps(shown)
        self.roads = Roads(agent, [*shown, *parts], self.bumps, LIKE)
        self.ways = self.roads.demonstrated()
        self.weights = torch.zeros(self.ways.occupancy.shape[1])

    def compare(self) -> bool:
        """Asks the agent for its ways under the present cost; whether there was a new one among them."""
        fresh = self.roads.fresh(self.weights, self.config.contrary)
        if fresh is not None:
            self.ways = self.ways.joined(fresh)
        return fresh is not None

    def fit(self) -> None:
        """Lowers the loss over heights that are not negative: projected gradient descent on a convex function."""
        chosen = self._accused()
        occupancy, weights = self.ways.occupancy[:, chosen], self.weights[chosen].requires_grad_()
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
        longer = (self.ways.occupancy - self.ways.occupancy[self.ways.owner]).amax(0)
        return torch.nonzero(longer > SAME)[:, 0]

    def loss(self, occupancy: Tensor, weights: Tensor) -> Tensor:
        """Contrast with the agent's own ways, low energy of what was observed, and the L1 penalty; world steps.

        The contrast can't tell which part of a way was kept away from; the second term can: where demonstrators were
        seen themselves, they do not mind to be.
        """
        config, ways = self.config, self.ways
        paid = occupancy @ weights
        energy = ways.time + paid - config.margin * ways.elsewhere
        surprise = surprises(energy / config.temperature, ways.owner, self.count).sum() / self.whole
        observed = paid[: self.whole].mean()
        return config.temperature * surprise + config.observed * observed + config.sparsity * weights.sum()

    def preference(self) -> Preference:
        """What was learned."""
        heights = (self.config.strength * self.weights).split([len(bumps) for bumps in self.bumps])
        places, motions = (
            replace(bumps, weights=height).chosen(height > 1e-3)
            for bumps, height in zip(self.bumps, heights, strict=True)
        )
        size = self.config.reach * _units_per_step(self.agent)
        return Preference(self.agent.stack, places, motions, size, self.config.most)

    @torch.no_grad()
    def _bumps(self, shown: Sequence[Tensor]) -> tuple[Bumps, Bumps]:
        """Bumps of height 1 that cover what was shown, and where the agent might go."""
        stack, graph, reach = self.agent.stack, self.agent.graphs[LEVEL], self.config.reach
        landmarks = embed(stack, torch.from_numpy(graph.observations))
        walks = [embed(stack, one) for one in shown]
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


def _units_per_step(agent: Agent) -> float:
    """How far the agent comes in a world step, in the units of its observations."""
    landmarks = agent.graphs[LEVEL]
    graph, places = landmarks.graph, landmarks.observations
    apart = np.linalg.norm(places[graph.sources] - places[graph.targets], axis=-1)
    return float(np.median(apart / graph.costs))
