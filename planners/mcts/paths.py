"""What :class:`planners.mcts.planner.MCTSPlanner` reads from its trees: the best path, and what a viewer draws."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, final

import numpy as np
import torch
from torch import Tensor

from planners.base import Plan, Recorder
from planners.mcts.branches import AllActions, Branches
from planners.mcts.device import DeviceSearchResult
from planners.mcts.device_forest import DeviceTree
from planners.mcts.forest import SearchResult
from planners.mcts.models import GoalModel, SequenceModel
from planners.mcts.trees import Root


@final
@dataclass(frozen=True)
class Path:
    """The best path of every problem.

    Attributes:
        states: [B, H+1, D] its states, then the last one again.
        actions: [B, H, A] its actions.
        lengths: [B] its steps.
        found: [B] whether it arrives.
        cost: [B] its cost, with the estimate at its end where it doesn't.
    """

    states: Tensor
    actions: Tensor
    lengths: Tensor
    found: Tensor
    cost: Tensor

    def plan(self, branches: Branches, complete: bool, model_calls: int, **extras: Tensor) -> Plan:
        """The paths as a plan; discrete actions are padded with -1, others with their last one."""
        actions = branches.decode(self.actions)
        if isinstance(branches, AllActions):
            over = torch.arange(actions.shape[1], device=actions.device) >= self.lengths[:, None]
            actions = actions.masked_fill(over, -1)
        done = torch.full_like(self.found, complete)
        more = {"path_lengths": self.lengths, "found": self.found} | extras
        return Plan(actions, self.states, self.cost, done, model_calls, more)


def best_paths(model: GoalModel, records: Tensor, parents: Tensor) -> Path:
    """The cheapest paths that arrive; where none does, that to the state estimated to be nearest.

    Args:
        model: what was searched.
        records: [B, M, R] all nodes that were seen, the root first.
        parents: [B, M] the nodes above; at the root any.
    """
    batch, count = records.shape[:2]
    problems = torch.arange(batch, device=records.device)
    states, depth, _, spent, actions, _ = (
        part.unflatten(0, (batch, count)) for part in model.split(records.flatten(0, 1))
    )
    depth, spent = depth[..., 0].long(), spent[..., 0]
    measured = model.goal.measure(states.flatten(0, 1), problems.repeat_interleave(count))
    estimates, arrived = (part.view(batch, count) for part in measured)
    usable = (depth <= model.horizon) & estimates.isfinite()
    costs = spent.masked_fill(~(usable & arrived), torch.inf)
    found = costs.isfinite().any(1)
    ends = torch.where(found, costs.argmin(1), estimates.masked_fill(~usable, torch.inf).argmin(1))
    lengths, rows = depth[problems, ends], problems[:, None]
    nodes = _ancestry(ends, lengths, parents)
    cost = spent[problems, ends] + torch.where(found, 0.0, estimates[problems, ends])
    return Path(states[rows, nodes], actions[rows, nodes[:, 1:]], lengths, found, cost)


def _ancestry(ends: Tensor, lengths: Tensor, parents: Tensor) -> Tensor:
    """[B, H+1] the nodes from the root to the [B] ends, which then repeat."""
    path = [ends]
    for step in range(int(lengths.max()), 0, -1):
        above = parents.gather(1, path[-1][:, None])[:, 0]
        path.append(torch.where(step <= lengths, above, path[-1]))
    return torch.stack(path[::-1], 1)


def likely_chain(model: GoalModel, root: Root) -> Tensor:
    """[B, W, R] the nodes that the likeliest edges lead to from the root: the warm start, and what looks best after it.

    It ends at the horizon, or sooner where all problems have arrived, or where the budget is used up by the end of
    the warm start.
    """
    chain: list[Tensor] = []
    records, logits, least = root.states, root.prior_logits, max(1, int(model.steps.max()))
    while len(chain) < least or not model.meter.exhausted():
        prediction = model(records, logits.argmax(1))
        records, logits = prediction.states, prediction.prior_logits
        chain.append(records)
        # Discounts are 0 where a problem has arrived, and at the horizon.
        if not prediction.discounts.any():
            break
    return torch.stack(chain, 1)


def chain_parents(chain: Tensor, size: int) -> Tensor:
    """[B, W] parents of a chain's nodes, which are numbered after those of a tree of so many."""
    parents = torch.arange(size - 1, size - 1 + chain.shape[1], device=chain.device)
    parents[0] = 0
    return parents.expand(len(chain), -1)


def device_tree(result: SearchResult | DeviceSearchResult) -> DeviceTree:
    """The trees of a search, as tensors on the device of its states."""
    if isinstance(result.tree, DeviceTree):
        return result.tree
    arrays = {name: np.ascontiguousarray(getattr(result.tree, name)) for name in DeviceTree._fields}
    fields = {name: torch.from_numpy(array).to(result.states.device) for name, array in arrays.items()}
    return DeviceTree(**{name: field if field.is_floating_point() else field.long() for name, field in fields.items()})


def node_records(result: SearchResult | DeviceSearchResult) -> Tensor:
    """[B, N, R] the records of a search's nodes; those of chance nodes are the records of the nodes above."""
    return result.states[..., : result.trees.state_dim] if isinstance(result, SearchResult) else result.states


def record_tree(
    recorder: Recorder, model: GoalModel | SequenceModel, result: SearchResult | DeviceSearchResult, states: Tensor
) -> None:
    """Passes on what a viewer needs to draw the trees, whose nodes have [B, N, D] states."""
    tree, records = device_tree(result), node_records(result).flatten(0, 1)
    rows = torch.arange(len(states), device=states.device)[:, None]
    priors = tree.priors[rows, tree.parents.clamp(min=0), tree.actions.clamp(min=0)]
    priors[:, 0] = 1.0
    actions, chance = model.actions(records), torch.zeros_like(tree.visits, dtype=torch.bool)
    if isinstance(result, SearchResult):
        chance = torch.from_numpy(result.trees.memory.nodes["chance"] != 0).to(states.device)
        taken = model.branches.take(model.split(records)[-1], tree.actions.clamp(0, model.branches.count - 1).flatten())
        actions = torch.where(chance.flatten()[:, None], taken, actions)
    recorder.record(
        "tree",
        parents=tree.parents,
        actions=model.branches.decode(actions).unflatten(0, states.shape[:2]),
        chance=chance,
        visits=tree.visits,
        q=tree.rewards + tree.discounts * tree.values,
        priors=priors,
        states=states,
    )


@final
class SequenceListener:
    """Passes records of sequences on, with actions as the dynamics takes them, and keeps the states for the tree."""

    def __init__(self, recorder: Recorder, branches: Branches) -> None:
        self.recorder, self._branches = recorder, branches
        self._states: list[Tensor] = []

    def record(self, kind: str, **data: Any) -> None:
        """Of several scenarios, the first is kept."""
        states = data["states"][:, 0]
        self._states.append(states if states.dim() == 3 else states[:, 0])
        self.recorder.record(kind, **data | {"actions": self._branches.decode(data["actions"])})

    def states_at(self, depth: Tensor) -> Tensor:
        """[B, N, D] the states that the sequences of [B, N] nodes reach after so many steps."""
        # The first call is that of the sequences to begin with, for no node.
        states = torch.stack(self._states[1:], 1)
        depth = depth.clamp(max=states.shape[2] - 1)[..., None, None].expand(-1, -1, 1, states.shape[3])
        return states.gather(2, depth)[:, :, 0]
