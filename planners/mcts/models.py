"""What :class:`planners.mcts.planner.MCTSPlanner` searches: action sequences for any cost, states for a goal.

Both are a :data:`planners.mcts.Model`. A node's state is a record of numbers: what it stands for, its depth, and what
its branches carry. The branches of a new node are all tried at once, in one batch of the dynamics: the best of them is
the node's value, and how much worse the others are makes the prior that MuZero learns.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import final

import torch
from torch import Tensor

from planners.astar import SearchGoal
from planners.base import Meter, Recorder
from planners.candidates import Evaluator
from planners.edges import StateFunction
from planners.mcts.branches import Branches
from planners.mcts.forest import Prediction
from planners.mcts.trees import Root

Predict = Callable[[Tensor, Tensor, Tensor], tuple[Tensor, Tensor | None]]
"""[M, D] states, actions and [M] problems to the next states, and what is added to the cost of the steps."""


@final
class SequenceModel:
    """Nodes are action sequences of full length, whose first ``depth`` actions are settled; any cost will do.

    An edge settles the next action; those after it are taken over from the best sequence found so far. A search needs
    no critic, and all that it tries are complete plans.

    Attributes:
        evaluate: scores sequences and remembers the best.
        branches: the edges.
        base: [B, F, A] the sequence to begin with.
        contrast: of the priors, see :func:`prior_logits`.
    """

    def __init__(self, evaluate: Evaluator, branches: Branches, base: Tensor, contrast: float) -> None:
        self.evaluate, self.branches, self.base, self.contrast = evaluate, branches, base, contrast
        self._positions = torch.arange(base.shape[1], device=base.device)[:, None]
        self._problems = torch.arange(len(base), device=base.device)
        self._tame = _Tame(base)

    def root(self) -> Root:
        """The sequence to begin with, nothing of it settled; before that, all branches are tried as if held."""
        held = self.branches.all(self.branches.offer(self.base[:, 0]))[:, :, None].expand(
            -1, -1, self.base.shape[1], -1
        )
        self.evaluate(torch.cat([self.base[:, None], held], 1))
        return Root(*self._node(self.base, torch.zeros_like(self.base[:, 0, :1])))

    def __call__(self, records: Tensor, edges: Tensor) -> Prediction:
        """[B, R] sequences and [B] edges to the sequences with one more action settled."""
        sequence, depth, carried = self.split(records)
        action = self.branches.take(carried, edges)[:, None]
        sequence = torch.where(self._positions == depth[:, None], action, sequence)
        records, logits, values = self._node(sequence, (depth + 1).clamp(max=self.base.shape[1]))
        self.evaluate.meter.iterations += 1
        return Prediction(records, torch.zeros_like(values), torch.ones_like(values), logits, values)

    def split(self, records: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """[M, R] records to sequences [M, F, A], depths [M, 1] and what branches carry."""
        size = self.base[0].numel()
        sequence, depth, carried = records.tensor_split((size, size + 1), 1)
        return sequence.unflatten(1, self.base.shape[1:]), depth, carried

    def actions(self, records: Tensor) -> Tensor:
        """[M, A] the actions that lead to [M, R] nodes; without meaning at the root."""
        sequence, depth, _ = self.split(records)
        return _action_at(sequence, (depth - 1).clamp(min=0))

    def _node(self, sequence: Tensor, depth: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """The records, prior logits and values of [B, F, A] sequences whose first [B, 1] actions are settled."""
        best = self._best()
        carried = self.branches.offer(_action_at(best, depth))
        here, actions = depth[:, None, None], self.branches.all(carried)[:, :, None]
        tried = torch.where(self._positions < here, sequence[:, None], best[:, None])
        scores = self._tame(self.evaluate(torch.where(self._positions == here, actions, tried)), self._problems)
        records = torch.cat([sequence.flatten(1), depth, carried], 1)
        return records, prior_logits(scores, self.contrast), -scores.amin(1)

    def _best(self) -> Tensor:
        """[B, F, A] the best sequences found so far."""
        best = self.evaluate.best
        assert best is not None
        return best.actions[:, 0, :: self.evaluate.hold]


@final
class GoalModel:
    """Nodes are states; values are minus the estimated costs to go, and an arrival ends the episode.

    Attributes:
        predict: the world model.
        outcomes: model calls that a prediction takes.
        goal: where to go.
        start: [B, D] start states.
        branches: the edges.
        base: [B, H, A] what is offered at each depth, beside other actions.
        steps: [B] how many of these actions are a warm start: at their nodes the prior holds them to be the best.
        stride: cost of a step, unless there is an edge cost.
        edge_cost: [M, D] states and [M, D] next states to [M] costs.
        horizon: most steps; a node at this depth is worth its estimate, whatever is below.
        contrast: of the priors, see :func:`prior_logits`.
        meter: counts model calls.
        recorder: receives every expansion.
    """

    def __init__(
        self,
        predict: Predict,
        outcomes: int,
        goal: SearchGoal,
        start: Tensor,
        branches: Branches,
        base: Tensor,
        steps: Tensor,
        *,
        stride: float,
        edge_cost: StateFunction | None = None,
        horizon: int,
        contrast: float,
        meter: Meter,
        recorder: Recorder | None = None,
    ) -> None:
        self.predict, self.outcomes, self.goal, self.start, self.branches = predict, outcomes, goal, start, branches
        self.base, self.steps, self.stride, self.horizon, self.contrast = base, steps, stride, horizon, contrast
        self.edge_cost, self.meter, self.recorder = edge_cost, meter, recorder
        self._problems = torch.arange(len(start), device=start.device)
        self._tame = _Tame(start)

    def root(self) -> Root:
        """The start states; the root of every tree is on the path of the warm start."""
        zero = torch.zeros_like(self.start[:, :1])
        return Root(*self._node(self.start, zero, zero == 0, zero, self.base[:, 0], self._problems)[:3])

    def __call__(self, records: Tensor, edges: Tensor) -> Prediction:
        """[B, R] states and [B] edges to the states reached."""
        states, action = self.taken(records, edges)
        reached, costs = self._step(states, action[:, None], self._problems)
        return self.arrive(records, edges, reached[:, 0], costs, self._problems)

    def taken(self, records: Tensor, edges: Tensor) -> tuple[Tensor, Tensor]:
        """[M, R] nodes and the [M] edges taken there to states [M, D] and actions [M, A]."""
        states, *_, carried = self.split(records)
        return states, self.branches.take(carried, edges)

    def arrive(self, records: Tensor, edges: Tensor, reached: Tensor, costs: Tensor, problems: Tensor) -> Prediction:
        """[M, R] nodes, the [M] edges taken, the [M, D] states reached and the [M, 1] costs to what the search is told.

        ``problems`` are the [M] numbers of the rows' problems.
        """
        _, depth, followed, spent, _, carried = self.split(records)
        follows = (followed > 0) & (edges == self.branches.base_edges(self._offered(depth, problems)))[:, None]
        node = (depth + 1, follows, spent + costs, self.branches.take(carried, edges))
        records, logits, values, arrived = self._node(reached, *node, problems)
        ends = arrived | (depth[:, 0] + 1 >= self.horizon)
        rewards = torch.where(ends, values, 0.0) - costs[:, 0]
        return Prediction(records, rewards, torch.ones_like(values).masked_fill(ends, 0.0), logits, values)

    def scores(self, states: Tensor, actions: Tensor, problems: Tensor) -> tuple[Tensor, Tensor]:
        """[M, D] states and [M, N, A] actions to the costs of going by them, [M, N]; and the states' [M] arrivals."""
        reached, costs = self._step(states, actions, problems)
        count = 1 + actions.shape[1]
        measured = self.goal.measure(
            torch.cat([states[:, None], reached], 1).flatten(0, 1), problems.repeat_interleave(count)
        )
        estimates, arrived = (part.view(-1, count) for part in measured)
        beyond = estimates.masked_fill(arrived, 0.0)[:, 1:]
        return self._tame(costs + beyond, problems), arrived[:, 0]

    def costs(self, before: Tensor, reached: Tensor) -> Tensor:
        """[M, D] states and the [M, D] states reached from them to the [M] costs of these steps."""
        if self.edge_cost is None:
            return torch.full_like(reached[:, 0], self.stride)
        return self.edge_cost(before, reached)

    def split(self, records: Tensor) -> tuple[Tensor, ...]:
        """[M, R] records to what they hold.

        These are states [M, D]; depths, whether the warm start led there and costs so far, [M, 1] each; [M, A] actions
        that led there; and what the branches carry.
        """
        size, dim = self.start.shape[1], self.branches.dim
        return records.tensor_split((size, size + 1, size + 2, size + 3, size + 3 + dim), 1)

    def actions(self, records: Tensor) -> Tensor:
        """[M, A] the actions that lead to [M, R] nodes; without meaning at the root."""
        return self.split(records)[4]

    def _offered(self, depth: Tensor, problems: Tensor) -> Tensor:
        """[M, A] the base's actions at [M, 1] depths."""
        return _action_at(self.base[problems], depth)

    def _node(
        self, states: Tensor, depth: Tensor, follows: Tensor, spent: Tensor, action: Tensor, problems: Tensor
    ) -> tuple[Tensor, ...]:
        """The records, prior logits and values of [M, D] states, and whether they have arrived."""
        base = self._offered(depth, problems)
        carried = self.branches.offer(base)
        scores, arrived = self.scores(states, self.branches.all(carried), problems)
        logits = prior_logits(scores, self.contrast)
        warm = follows & (depth < self.steps[problems, None])
        edges = self.branches.base_edges(base)[:, None]
        logits = torch.where(warm, logits.scatter(1, edges, self.contrast), logits)
        records = torch.cat([states, depth, follows.to(states), spent, action, carried], 1)
        return records, logits, -scores.amin(1).masked_fill(arrived, 0.0), arrived

    def _step(self, states: Tensor, numbers: Tensor, problems: Tensor) -> tuple[Tensor, Tensor]:
        """[M, D] states and the [M, N, A] actions tried there to the [M, N, D] next states and [M, N] costs."""
        batch, count = numbers.shape[:2]
        actions = self.branches.decode(numbers.flatten(0, 1))
        before, problems = states.repeat_interleave(count, 0), problems.repeat_interleave(count)
        reached, surcharge = self.predict(before, actions, problems)
        self.meter.model_calls += self.outcomes * len(before)
        if self.recorder is not None:
            made = {"actions": actions, "new": torch.full_like(problems, count == 1, dtype=torch.bool)}
            self.recorder.record("expansion", problems=problems, states=before, next_states=reached, **made)
        costs = self.costs(before, reached)
        if surcharge is not None:
            costs = costs + surcharge.to(costs)
        return reached.view(batch, count, -1), costs.view(batch, count)


def prior_logits(scores: Tensor, contrast: float) -> Tensor:
    """[B, K] costs of the edges to the logits of a prior: 0 for the best, and minus the contrast for the worst."""
    low, high = scores.aminmax(dim=1, keepdim=True)
    return contrast * (low - scores) / (high - low).clamp(min=torch.finfo(scores.dtype).tiny)


class _Tame:
    """Lets costs that are not finite count as the worst finite one that was seen, problem by problem."""

    def __init__(self, like: Tensor) -> None:
        self._worst = like.new_full((len(like), 1), -torch.inf)

    def __call__(self, costs: Tensor, problems: Tensor) -> Tensor:
        """[M, K] costs of the [M] problems, no problem twice."""
        finite = costs.isfinite()
        here = costs.masked_fill(~finite, -torch.inf).amax(1, keepdim=True)
        worst = torch.maximum(self._worst[problems], here)
        self._worst[problems] = worst
        return torch.where(finite, costs, worst.masked_fill(worst == -torch.inf, 0.0))


def _action_at(sequence: Tensor, depth: Tensor) -> Tensor:
    """[B, A] the actions of [B, F, A] sequences at [B, 1] depths, the last one beyond."""
    step = depth.long().clamp(max=sequence.shape[1] - 1)[..., None].expand(-1, -1, sequence.shape[2])
    return sequence.gather(1, step)[:, 0]
