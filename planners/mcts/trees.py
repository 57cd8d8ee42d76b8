"""Search trees with the states of their nodes: planted at a root, or cut out of an older search below a step taken."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple, final

import numpy as np
import torch
from torch import Tensor

from planners.candidates import PlannerError
from planners.mcts.kernels import EDGE, NODE, Doubles, Longs, Memory, Records, compiled


class Root(NamedTuple):
    """Where a search begins: [B, D] states, [B, A] prior logits and [B] values of them."""

    states: Tensor
    prior_logits: Tensor
    values: Tensor


@final
@dataclass(frozen=True)
class Trees:
    """Search trees of B problems.

    Attributes:
        memory: N nodes and their edges, as the kernels hold them.
        states: [N, B, D] states of the nodes, nodes first so that a simulation writes to one place.
        num_actions: edges of a decision node, A; there is room for more (a chance node's outcomes) in the records.
        state_dim: components of a decision node's state, D; there is room for more (an afterstate's) in ``states``.
    """

    memory: Memory
    states: Tensor
    num_actions: int
    state_dim: int

    @classmethod
    def plant(cls, root: Root, least_edges: int = 0, least_width: int = 0) -> Trees:
        """Trees of which only the root, already evaluated once, is there.

        Args:
            root: what the model says of it.
            least_edges: edges that records must have room for.
            least_width: components that states must have room for.

        Raises:
            PlannerError: for shapes that don't fit.
        """
        check_root(root)
        (batch, actions), dim = root.prior_logits.shape, root.states.shape[1]
        memory = Memory(np.zeros((batch, 1), NODE), np.zeros((batch, 1, max(actions, least_edges)), EDGE))
        tree = memory.view(1)
        tree.visits[:], tree.parents[:], tree.actions[:], tree.discounts[:] = 1, -1, -1, 1.0
        memory.nodes["own_values"][:, 0] = tree.values[:, 0] = root.values.cpu().numpy()
        tree.priors[:, 0, :actions] = root.prior_logits.double().softmax(-1).cpu().numpy()
        states = torch.nn.functional.pad(root.states, (0, max(0, least_width - dim)))
        return cls(memory, states[None], actions, dim)

    @property
    def root_priors(self) -> Doubles:
        """[B, A] priors of the roots' actions, without a copy."""
        priors: Doubles = self.memory.edges["priors"][:, 0, : self.num_actions]
        return priors

    def below(self, actions: Tensor, outcomes: Tensor | None = None, *, fresh: Root | None = None) -> Trees:
        """What is known below one step of each problem, every statistic as it was, for the next search to begin with.

        Args:
            actions: [B] action taken at the root.
            outcomes: [B] outcome that followed, where the trees have chance nodes.
            fresh: what the model says of where the problems are now; taken for those whose step was never searched.

        Raises:
            PlannerError: for a step that was never searched if there is no ``fresh`` root.
        """
        start = self._children(np.zeros(len(self.memory.nodes), np.int64), actions, self.num_actions, "actions")
        if outcomes is not None:
            start = self._children(start, outcomes, self.memory.edges.shape[2], "outcomes")
        self._check_start(start, fresh)
        batch, size = self.memory.nodes.shape
        kept = Memory(np.zeros_like(self.memory.nodes), np.zeros_like(self.memory.edges))
        sources = np.zeros((batch, size), np.int64)
        count = _extract(self.memory, start, kept, sources, np.zeros(size, np.int64))
        kept = Memory(kept.nodes[:, :count], kept.edges[:, :count])
        rows = torch.from_numpy(sources[:, :count].T.copy()).to(self.states.device)
        states = self.states[rows, torch.arange(batch, device=rows.device)]
        return Trees(kept, states, self.num_actions, self.state_dim)._replant(start == 0, fresh)

    def _children(self, nodes: Longs, edges: Tensor, count: int, name: str) -> Longs:
        """[B] nodes and the edge taken at each to the [B] nodes below, 0 where there is none."""
        if edges.shape != nodes.shape or edges.is_floating_point():
            raise PlannerError(f"{name} must be {list(nodes.shape)} integers, not {list(edges.shape)} of {edges.dtype}")
        taken = edges.cpu().numpy()
        if ((taken < 0) | (taken >= count)).any():
            raise PlannerError(f"{name} must be in 0..{count - 1}, not {taken.tolist()}")
        problems = np.arange(len(nodes))
        below = self.memory.edges["children"][problems, nodes, taken].astype(np.int64)
        return np.where((nodes == 0) & (name == "outcomes"), 0, below)

    def _check_start(self, start: Longs, fresh: Root | None) -> None:
        missing = start == 0
        if missing.any() and fresh is None:
            raise PlannerError(f"problem {int(np.argmax(missing))} never searched the step taken: give a fresh root")
        if (self.memory.nodes["chance"][np.arange(len(start)), start] != 0).any():
            raise PlannerError("these trees have chance nodes: give the outcomes that followed the actions")
        if fresh is not None:
            check_root(fresh, (len(start), self.num_actions))

    def _replant(self, missing: np.ndarray, fresh: Root | None) -> Trees:
        """The same with a fresh root wherever a problem kept nothing."""
        if fresh is None or not missing.any():
            return self
        planted = Trees.plant(fresh, self.memory.edges.shape[2], self.states.shape[2])
        self.memory.nodes[missing, 0] = planted.memory.nodes[missing, 0]
        self.memory.edges[missing, 0] = planted.memory.edges[missing, 0]
        rows = torch.from_numpy(missing).to(self.states.device)
        self.states[0] = torch.where(rows[:, None], planted.states[0].to(self.states), self.states[0])
        return self


def check_root(root: Root, shape: tuple[int, int] | None = None) -> None:
    """Raises a :class:`PlannerError` if a root's shapes don't fit each other, or B and A."""
    batch, actions = shape or (len(root.states), "A")
    if root.states.dim() != 2 or len(root.states) != batch:
        raise PlannerError(f"root.states must be [{batch if shape else 'B'}, D], not {list(root.states.shape)}")
    logits = root.prior_logits.shape
    if len(logits) != 2 or logits[0] != batch or (shape and logits[1] != actions):
        raise PlannerError(f"root.prior_logits must be [{batch}, {actions}], not {list(logits)}")
    if root.values.shape != (batch,):
        raise PlannerError(f"root.values must be [{batch}], not {list(root.values.shape)}")


@compiled
def _extract(
    memory: Memory, start: Longs, kept: Memory, sources: Longs, numbers: Longs
) -> int:  # pragma: no cover - compiled
    """Copies the nodes from ``start`` downwards, numbered anew in the old order; 0 keeps nothing of a problem.

    Writes their old numbers to the [B, N] sources; the [N] numbers are scratch. Returns the size of the largest tree.
    """
    largest = 1
    for b in range(len(start)):
        count = 0
        numbers[:] = -1
        for node in range(start[b] if start[b] > 0 else len(numbers), len(numbers)):
            if node == start[b] or (memory.nodes[b, node].visits > 0 and numbers[memory.nodes[b, node].parents] >= 0):
                numbers[node], sources[b, count] = count, node
                _copy(memory, kept, b, node, count)
                kept.nodes[b, count].parents = numbers[memory.nodes[b, node].parents]
                count += 1
        _number_children(kept.edges, numbers, b, count)
        for node in range(count, len(numbers)):
            kept.nodes[b, node].parents = kept.nodes[b, node].actions = -1
        if count > 0:
            _make_root(kept.nodes, b)
        largest = max(largest, count)
    return largest


@compiled
def _copy(memory: Memory, kept: Memory, b: int, old: int, new: int) -> None:  # pragma: no cover - compiled
    kept.nodes[b, new] = memory.nodes[b, old]
    for action in range(memory.edges.shape[2]):
        kept.edges[b, new, action] = memory.edges[b, old, action]


@compiled
def _number_children(edges: Records, numbers: Longs, b: int, count: int) -> None:  # pragma: no cover - compiled
    for node in range(count):
        for action in range(edges.shape[2]):
            below = edges[b, node, action].children
            edges[b, node, action].children = numbers[below] if below > 0 else 0


@compiled
def _make_root(nodes: Records, b: int) -> None:  # pragma: no cover - compiled
    root = nodes[b, 0]
    root.parents, root.actions, root.rewards, root.discounts = -1, -1, 0.0, 1.0
