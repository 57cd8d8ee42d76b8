"""The trees of :mod:`planners.mcts.device`, and one simulation of them as operations on the whole batch.

Nothing here reads a number from the device, or takes a shape or a branch from one, so that all of it can be recorded
in a CUDA graph; numbers are written in place, to buffers made once.
"""

from __future__ import annotations

import functools
from typing import NamedTuple, final

import torch
from torch import Tensor

from planners.candidates import PlannerError
from planners.mcts.forest import Model, Prediction
from planners.mcts.kernels import SMALLEST_SPAN, Tree
from planners.mcts.trees import Root


class DeviceTree(NamedTuple):
    """The fields of :class:`planners.mcts.kernels.Tree`, as tensors on the device; shapes and meanings are the same."""

    visits: Tensor
    values: Tensor
    parents: Tensor
    actions: Tensor
    rewards: Tensor
    discounts: Tensor
    children: Tensor
    edge_visits: Tensor
    priors: Tensor
    q: Tensor

    def numpy(self) -> Tree:
        """A copy on the host."""
        return Tree(*(field.numpy(force=True) for field in self))


@final
class DeviceForest:
    """The trees of one search, in buffers that are written in place.

    A node is known by its slot among those of all trees: problem b's nodes begin at slot ``roots[b]``, and its last
    slot is spare: that is where paths shorter than the longest possible end, so that everything they write is lost.
    An edge is known by its slot too: that of its node times A, plus the action.

    Attributes:
        root: the root that the buffers were made for.
        nodes: nodes of a full tree, N.
        exploration: [N + 1] weight of the priors at a node with that many visits.
        max_depth: of a node; None where only the number of nodes bounds it.
        roots: [B] slots of the roots.
        spare: [B, 1] the spare slots.
    """

    def __init__(self, root: Root, exploration: Tensor, simulations: int, max_depth: int | None) -> None:
        self.root, self.nodes, self.exploration, self.max_depth = root, simulations + 1, exploration, max_depth
        batch, self._actions = root.prior_logits.shape
        slots = simulations + 2
        floats = functools.partial(torch.zeros, dtype=root.values.dtype, device=root.values.device)
        longs = functools.partial(torch.zeros, dtype=torch.long, device=root.values.device)
        self.roots = torch.arange(batch, device=root.values.device) * slots
        self.spare = (self.roots + slots - 1)[:, None]
        # A path has no more nodes than its tree.
        longest = self.nodes if max_depth is None else min(self.nodes, max_depth + 1)
        self._positions = torch.arange(longest, device=root.values.device)
        self._depths, self._edges, self._best, self._leaves = (longs(batch, slots) for _ in range(4))
        self._children, self._paths = longs(batch, slots, self._actions), longs(batch, slots, longest)
        # What is read together lies together: one gather fetches it. Counts of visits are exact as floats.
        self._reach = floats(batch, slots, 2, longest)
        self._of_nodes, self._of_edges = floats(batch, slots, 4), floats(batch, slots, self._actions, 3)
        self._values, self._visits, self._rewards, self._discounts = self._of_nodes.unbind(-1)
        self._q, self._edge_visits, self._priors = self._of_edges.unbind(-1)
        self._states = root.states.new_zeros((batch, slots, root.states.shape[1]))

    def plant(self, root: Root, priors: Tensor) -> None:
        """Starts all trees afresh, each with its root alone, whose [B, A] priors are given."""
        for buffer in (self._depths, self._reach, self._of_nodes, self._of_edges):
            buffer.zero_()
        # As no edge leads to a root, its slot says that an edge was never taken.
        self._children.copy_(self.roots[:, None, None].expand_as(self._children))
        self._paths.copy_(self.spare[:, None].expand_as(self._paths))
        self._edges.copy_((self.spare * self._actions).expand_as(self._edges))
        self._discounts.fill_(1.0)
        self._states[:, 0], self._priors[:, 0] = root.states, priors
        path = self.roots[:, None]
        self._paths[:, 0, :1], self._reach[:, 0, 1, 0] = path, 1.0
        self._backup(path, _unless_none(root.values, self._priors[:, 0])[:, None])

    def grow(self, model: Model) -> None:
        """Runs all simulations."""
        for node in range(1, self.nodes):
            self.simulate(model, node)

    def simulate(self, model: Model, node: int) -> None:
        """Adds one node to every tree."""
        leaf, edge, new = self._select(node)
        prediction = Prediction(*model(self._states.flatten(0, 1)[leaf], edge % self._actions))
        if node == 1:
            self._check(prediction)
        priors = _priors(prediction.prior_logits)
        self._states[:, node], self._priors[:, node] = prediction.states, priors
        self._rewards[:, node], self._discounts[:, node] = prediction.rewards, prediction.discounts
        self._edges[:, node], self._children.view(-1)[edge] = edge, new
        path, sums, gains = self._extend_path(leaf, new, node)
        value = _unless_none(prediction.values, priors).to(sums)
        self._backup(path[:, : node + 1], torch.addcmul(sums, gains, value[:, None])[:, : node + 1])

    def _select(self, node: int) -> tuple[Tensor, Tensor, Tensor]:
        """[B] leaves, the edges to take there, and the slots of what is below.

        From a leaf at the largest depth nothing is added: the edge that led there is taken again, and the new node's
        own slot stays without a visit.
        """
        leaf, new = self._leaves[:, 0], self.roots + node
        edge = self._best.view(-1)[leaf]
        if self.max_depth is None:
            return leaf, edge, new
        deepest = self._depths.view(-1)[leaf] >= self.max_depth
        edge = torch.where(deepest, self._edges.view(-1)[leaf], edge)
        return torch.where(deepest, edge // self._actions, leaf), edge, torch.where(deepest, leaf, new)

    def _extend_path(self, leaf: Tensor, new: Tensor, node: int) -> tuple[Tensor, Tensor, Tensor]:
        """Writes the path from the root to a new node below a leaf; returns it with its sums and gains, [B, N] each.

        ``gains`` are the products of the discounts from each node of the path to its end, and ``sums`` the discounted
        rewards on the way, so that a return seen from there is the sum plus the gain times the value at the end.
        """
        depth = (self._depths.view(-1)[leaf] + 1)[:, None]
        path = self._paths.flatten(0, 1)[leaf].scatter_(1, depth, new[:, None])
        reach = self._reach.flatten(0, 1)[leaf]
        sums, gains = reach.unbind(1)
        sums.addcmul_(gains, self._rewards[:, node, None])
        gains.mul_(self._discounts[:, node, None]).scatter_(1, depth, 1.0)
        self._depths[:, node], self._paths[:, node], self._reach[:, node] = depth[:, 0], path, reach
        return path, sums, gains

    def _backup(self, path: Tensor, returns: Tensor) -> None:
        """Adds [B, W] returns to the means of the nodes on the [B, W] paths."""
        values, visits, rewards, discounts = self._of_nodes.view(-1, 4)[path].unbind(-1)
        count = visits + 1
        values = (values * visits + returns) / count
        self._of_nodes.view(-1, 4)[:, :2][path] = torch.stack([values, count], -1)
        # A simulation ends at a node or passes through it, either way by the edge that leads there.
        known = torch.stack([rewards + discounts * values, count], -1)
        self._of_edges.view(-1, 3)[:, :2][self._edges.view(-1)[path]] = known
        self._redirect(path, path * self._actions + self._choose(path, count, values))

    def _choose(self, path: Tensor, visits: Tensor, values: Tensor) -> Tensor:
        """[B, W] slots to the actions with the largest PUCT score; values scaled by parent and siblings."""
        q, counts, priors = self._of_edges.flatten(0, 1)[path].unbind(-1)
        taken, own = counts > 0, values[..., None]
        low, high = torch.where(taken, q, own).aminmax(dim=-1, keepdim=True)
        low, high = torch.minimum(low, own), torch.maximum(high, own)
        scale = 1.0 / (high - low).clamp(min=SMALLEST_SPAN)
        scores = self.exploration[visits.long()][..., None] * priors / (counts + 1)
        scores = scores + taken * ((q - low) * scale)
        return scores.masked_fill(priors <= 0, -torch.inf).argmax(-1)

    def _redirect(self, path: Tensor, best: Tensor) -> None:
        """Notes the [B, W] best edges of the nodes on the path, and the leaves that best edges lead to from there.

        Of all children, only that on the path has a leaf that is out of date.
        """
        child = self._children.view(-1)[best]
        elsewhere = torch.where(child == self.roots[:, None], path, self._leaves.view(-1)[child])
        follows = child == torch.cat([path[:, 1:], self.spare], 1)
        turns = self._positions[: path.shape[1]].masked_fill(follows, path.shape[1])
        turns = turns.flip(1).cummin(1).values.flip(1)
        self._best.view(-1)[path], self._leaves.view(-1)[path] = best, elsewhere.gather(1, turns)

    def tree(self, size: int) -> tuple[DeviceTree, Tensor]:
        """The first nodes of every tree, numbered from 0, and their [B, N, D] states."""
        first, edges = self.roots[:, None], self._edges[:, :size]
        parents, actions = edges // self._actions - first, edges % self._actions
        parents[:, 0], actions[:, 0] = -1, -1
        tree = DeviceTree(
            visits=self._visits[:, :size].long(),
            values=self._values[:, :size],
            parents=parents,
            actions=actions,
            rewards=self._rewards[:, :size],
            discounts=self._discounts[:, :size],
            children=self._children[:, :size] - first[..., None],
            edge_visits=self._edge_visits[:, :size].long(),
            priors=self._priors[:, :size],
            q=self._q[:, :size],
        )
        return tree, self._states[:, :size]

    def _check(self, prediction: Prediction) -> None:
        batch = len(self.roots)
        shapes = (self.root.states.shape, (batch,), (batch,), self.root.prior_logits.shape, (batch,))
        for name, given, shape in zip(Prediction._fields, prediction, shapes, strict=True):
            if given.shape != shape:
                raise PlannerError(f"the model's {name} must be {list(shape)}, not {list(given.shape)}")


def _priors(logits: Tensor) -> Tensor:
    """[B, A] logits to probabilities; uniform where every action is invalid."""
    return logits.clamp(min=torch.finfo(logits.dtype).min).softmax(1)


def _unless_none(values: Tensor, priors: Tensor) -> Tensor:
    """[B] values, turned into NaN where the [B, A] priors are no numbers: that is seen at the root."""
    return torch.add(values, priors.sum(1), alpha=0)
