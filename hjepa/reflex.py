"""Mode-1 of a whole stack as one reactive pass: perception, signposts, policy, compiled.

Where every level is in Mode-1, nothing is left to optimise, and what a decision costs is the bookkeeping around
networks that take a microsecond each. A reflex does the same at native speed: it gives the actions that
:class:`planners.hierarchy.HierarchicalPlanner` gives with the same parts, to rounding. It predicts nothing (LeCun 2022,
section 3.1.3: Mode-1 makes no use of the world model), so that there is no plan to look at.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple, final

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from hjepa.layers import SkipMLP
from hjepa.level import Critic
from hjepa.nerves import SETTINGS, TRACK, Nerves, Walks
from hjepa.policy import PolicyPlanner
from hjepa.reflex_kernels import decide
from hjepa.signpost import SignpostGuide
from hjepa.stack import Stack
from hjepa.world_model import WorldModel
from planners.base import Box, is_stochastic
from planners.graph import SearchGraph
from planners.hierarchy import HierarchicalPlanner, PlanningLevel
from planners.landmarks import LandmarkPlanner
from planners.session import Session

Floats = NDArray[np.float32]
Flags = NDArray[np.bool_]


@final
class Reflex:
    """Decides for a batch of problems, each of which it remembers; made by :func:`reflex_of`.

    Args:
        nerves: what it knows.
        steps: world steps for which an action is held.

    Attributes:
        newest: what was seen at the newest decision, and which problems mattered; None before the first.
    """

    def __init__(self, nerves: Nerves, steps: int) -> None:
        self.nerves, self.steps = nerves, steps

    def begin(self, session: Session) -> None:
        """Starts anew, with a session's goals; what is spent on them is counted there."""
        self.session, goals = session, np.stack(session.goal_points[1:], 1)
        self.walks = _walks(self.nerves, goals)
        self.spent = np.zeros((goals.shape[1], 2), np.int64)
        # Compiles, the first time on a machine: nobody shall have to wait for that when it is time to act.
        nothing = np.zeros((len(goals), len(self.nerves.centre)), np.float32)
        decide(self.nerves, self.walks, nothing, np.zeros(len(goals), bool), 0.0, self.spent)
        self.newest: tuple[Floats, Flags] | None = None

    def act(self, observations: Floats, active: Flags | None = None) -> list[Floats]:
        """[B, O] observations to the [B, A] actions of all steps until the next decision.

        Args:
            observations: what is seen now.
            active: [B] problems that still matter; the others get zero actions.

        Raises:
            ValueError: for arrays of other shapes, and for observations that are not finite.
        """
        seen = np.array(observations, np.float32, order="C")
        acting = np.ones(len(seen), bool) if active is None else np.array(active, bool)
        self._check(seen, acting)
        elapsed = 0.0 if self.newest is None else float(self.steps)
        actions = decide(self.nerves, self.walks, seen, acting, elapsed, self.spent)
        self._count(int(np.count_nonzero(acting)))
        self.newest = (seen, acting)
        return list(np.repeat(actions[None], self.steps, axis=0))

    def expected(self) -> dict[str, Floats]:
        """See :attr:`hjepa.actor.Actor.recent`; level 1 expects nothing, because it predicts nothing."""
        rest = self.walks.tracks["rest"].T.astype(np.float32)
        levels = {f"level {k}": left for k, left in enumerate(rest, 2)}
        return {"plan": np.full(rest.shape[1], np.nan, np.float32), **levels}

    def _check(self, seen: Floats, acting: Flags) -> None:
        """The compiled loops trust their input."""
        size = len(self.walks.tracks)
        if seen.shape != (size, len(self.nerves.centre)) or acting.shape != (size,):
            expected = f"[{size}, {len(self.nerves.centre)}] and [{size}]"
            raise ValueError(f"observations and active must be {expected}, not {[*seen.shape]} and {[*acting.shape]}")
        if not np.isfinite(seen).all() and not np.isfinite(seen[acting]).all():
            raise ValueError("observations must be finite")

    def _count(self, problems: int) -> None:
        spent = self.session.spent
        spent.add(1, problems, 0, problems)
        for k, (expanded, plans) in enumerate(self.spent.tolist(), 2):
            spent.expanded[k], spent.calls[k], spent.plans[k] = expanded, 0, plans


class _Ground(NamedTuple):
    """One level above the first, in Mode-1."""

    level: PlanningLevel
    planner: LandmarkPlanner
    guide: SignpostGuide

    @property
    def shape(self) -> tuple[int, int]:
        """Components of a landmark's description, and of its point."""
        return self.guide.described.shape[1], self.planner.landmarks.embedding.shape[1]


def reflex_of(stack: WorldModel, hierarchy: HierarchicalPlanner, steps: int) -> Reflex | None:
    """The reflex that acts like a hierarchy; None where the hierarchy does more than react.

    It reacts where a learned stack runs on the CPU, every level is in Mode-1, and nothing is dear or forbidden. (Levels
    whose critics differ in shape are left to the hierarchy, too.)

    Args:
        stack: the world model.
        hierarchy: what plans with it.
        steps: world steps that are taken of each plan: the policy must answer once for all of them.
    """
    control, policy = hierarchy.controller, hierarchy.controller.planner
    if not isinstance(policy, PolicyPlanner) or policy.refine is not None or min(policy.hold, policy.horizon) < steps:
        return None
    if not isinstance(stack, Stack) or stack.scale.device.type != "cpu":
        return None
    if is_stochastic(control.dynamics) or control.surcharge is not None:
        return None
    grounds = [ground for level in hierarchy.levels if (ground := _reactive(level)) is not None]
    if not grounds or len(grounds) < len(hierarchy.levels) or len({ground.shape for ground in grounds}) > 1:
        return None
    return Reflex(_nerves(stack, hierarchy, policy, grounds), steps)


def _reactive(level: PlanningLevel) -> _Ground | None:
    """A level as a reflex needs it, if it does not search, and nothing is dear."""
    planner = level.planner
    if not isinstance(planner, LandmarkPlanner) or not isinstance(planner.guide, SignpostGuide) or level.guarded:
        return None
    dear = planner.landmarks.tolls is not None or planner.landmarks.sealed is not None
    return None if dear else _Ground(level, planner, planner.guide)


def _nerves(stack: Stack, hierarchy: HierarchicalPlanner, policy: PolicyPlanner, grounds: list[_Ground]) -> Nerves:
    levels, box = [stack.level(k) for k in range(1, len(hierarchy) + 1)], hierarchy.controller.dynamics.actions
    assert isinstance(box, Box)
    landmarks = [ground.planner.landmarks for ground in grounds]
    graph, first = _joined([each.graph for each in landmarks])
    back, _ = _joined([each.graph.reversed() for each in landmarks])
    weights, networks = _packed(
        [(level.encoder, 1.0) for level in levels]
        + [(level.critic.embedding, Critic.STEPS_PER_UNIT) for level in levels[1:]]
        + [(policy.policy.network, 1.0)]
        + [(ground.guide.signpost.network, 1.0) for ground in grounds]
    )
    return Nerves(
        centre=_array(stack.centre),
        scale=_array(stack.scale).reshape(1),
        box=np.stack([_array(box.low), _array(box.high)]),
        reach=np.full(1, policy.policy.reach, np.float32),
        weights=weights,
        networks=networks,
        levels=np.array([_settings(*pair) for pair in zip(grounds, first, strict=True)], SETTINGS),
        indptr=graph.indptr, targets=graph.targets, costs=graph.costs,
        back_indptr=back.indptr, back_targets=back.targets, back_costs=back.costs,
        embedding=np.concatenate([each.embedding for each in landmarks]),
        described=np.concatenate([_array(ground.guide.described) for ground in grounds]),
        below=np.concatenate([each.below + begin for each, begin in zip(landmarks, [0, *first], strict=False)]),
        ways=np.concatenate([ground.guide.ways for ground in grounds]),
    )  # fmt: skip


def _settings(ground: _Ground, first: int) -> tuple[float, ...]:
    """One row of :data:`hjepa.nerves.SETTINGS`."""
    level, planner, landmarks = ground.level, ground.planner, ground.planner.landmarks
    return (
        first, first + landmarks.graph.num_nodes, landmarks.stride, planner.attach, planner.direct, planner.penalty,
        ground.guide.softness, level.lookahead, level.patience, level.off_path,
    )  # fmt: skip


def _joined(graphs: list[SearchGraph]) -> tuple[SearchGraph, list[int]]:
    """Graphs side by side as one, and the number that each one's first node has there."""
    nodes = np.cumsum([0, *(graph.num_nodes for graph in graphs)]).tolist()
    edges = np.cumsum([0, *(graph.num_edges for graph in graphs)])
    indptr = [graph.indptr[:-1] + begin for graph, begin in zip(graphs, edges, strict=False)]
    targets = [(graph.targets + begin).astype(np.int32) for graph, begin in zip(graphs, nodes, strict=False)]
    costs = np.concatenate([graph.costs for graph in graphs]).astype(np.float32)
    return SearchGraph(np.concatenate([*indptr, edges[-1:]]), np.concatenate(targets), costs), nodes[:-1]


def _packed(networks: Sequence[tuple[SkipMLP | nn.Sequential, float]]) -> tuple[Floats, NDArray[np.int64]]:
    """Networks, and what their outputs are multiplied by, as ``weights`` and ``networks`` of :class:`Nerves`."""
    weights, rows, end = list[Floats](), list[list[int]](), 0
    for network, unit in networks:
        bend = network.bend if isinstance(network, SkipMLP) else network
        layers = [layer for layer in bend if isinstance(layer, nn.Linear)]
        parts = [_affine(layer, unit if layer is layers[-1] else 1.0) for layer in layers]
        beside = [_affine(network.linear, unit)] if isinstance(network, SkipMLP) else []
        sizes = [layers[0].in_features, *(layer.out_features for layer in layers)]
        skip = end + sum(map(len, parts)) if beside else -1
        rows.append([end, skip, len(sizes), *sizes])
        weights += parts + beside
        end += sum(map(len, parts + beside))
    width = max(map(len, rows))
    return np.concatenate(weights), np.array([row + [0] * (width - len(row)) for row in rows], np.int64)


def _affine(layer: nn.Linear, unit: float) -> Floats:
    """[(inputs + 1) outputs] weights, and then biases."""
    return np.float32(unit) * np.concatenate([_array(layer.weight.T).reshape(-1), _array(layer.bias)])


def _array(values: Tensor) -> Floats:
    return np.ascontiguousarray(values.detach().to(torch.float32).numpy())


def _walks(nerves: Nerves, goals: Floats) -> Walks:
    """Short-term memory in which nothing but the [B, J, E] goals is known."""
    size, depth, _ = goals.shape
    states = int((nerves.levels["end"] - nerves.levels["first"]).max()) + 2
    tracks = np.zeros((size, depth), TRACK)
    tracks["above"] = -1
    return Walks(
        tracks=tracks,
        nodes=np.zeros((size, depth, states), np.int32),
        edges=np.zeros((size, depth, states), np.int64),
        arrival=np.zeros((size, depth, states), np.float32),
        origin=np.zeros_like(goals),
        here=np.zeros_like(goals),
        goal=goals,
        rejected=np.zeros((size, len(nerves.targets) + depth + len(nerves.below)), bool),
    )
