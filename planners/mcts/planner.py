"""Monte Carlo tree search as a planner: over any dynamics, discrete or continuous, for any cost and for a goal."""

from __future__ import annotations

import time
from dataclasses import dataclass, replace
from typing import final

import torch
from torch import Tensor

from planners.astar import SearchGoal
from planners.base import (
    AnyDynamics,
    Budget,
    Categorical,
    Cost,
    Meter,
    Plan,
    Recorder,
    StochasticDynamics,
    is_stochastic,
)
from planners.candidates import Evaluator, PlannerError, require_not_negative, require_positive, white_noise
from planners.edges import StateFunction
from planners.mcts.branches import AllActions, Branches, branches_of
from planners.mcts.chance_goal import ChanceGoalModel, LikeliestOutcome, principal_variation
from planners.mcts.device import DeviceMCTS, DeviceSearchResult
from planners.mcts.forest import Model, SearchResult
from planners.mcts.indexed import with_indices
from planners.mcts.models import GoalModel, Predict, SequenceModel
from planners.mcts.paths import (
    SequenceListener,
    best_paths,
    chain_parents,
    device_tree,
    likely_chain,
    node_records,
    record_tree,
)
from planners.mcts.puct import MCTS
from planners.mcts.trees import Root
from planners.risk import MEAN, Risk
from planners.scenarios import Scenarios, draw_scenarios


@final
@dataclass(frozen=True, kw_only=True)
class MCTSPlanner:
    """Plans by :class:`planners.mcts.MCTS`, or by :class:`planners.mcts.device.DeviceMCTS` on a GPU.

    For a :class:`planners.astar.SearchGoal` nodes are states, valued by the goal's estimate. For any other cost nodes
    are action sequences, completed by the best one so far and rolled out over the horizon. Either way the plan is the
    best that was seen, so that in a deterministic world more simulations don't make it worse. At a node every discrete
    action is considered; of a box of actions some are drawn (Sampled MuZero). All of them are tried as soon as a node
    is made, in one batch, which gives the priors and values that MuZero learns.

    Where the dynamics has a latent variable, sequences are imagined in ``scenarios`` and weighed by ``risk``. Towards a
    goal, if the variable has modes, trees have chance nodes (Stochastic MuZero): the plan follows the actions taken
    most often over the likeliest outcomes, and its cost is that of its first action and a policy that reacts to what
    happens. Without modes, each action leads to its likeliest outcome (:class:`LikeliestOutcome`).

    Attributes:
        horizon: steps to plan, H; with a goal the most steps of a path.
        num_simulations: nodes added to each tree; a budget's iterations lower it.
        samples: actions per node where they are drawn from a box, K.
        spread: of these around the best action so far, in half-widths of the box.
        contrast: of the prior: logit of a node's best action less that of its worst, by the costs found for them.
        hold: steps for which each action is held; not used with a goal.
        stride: cost of a step where there is a goal, in the unit of its estimate; not used with an ``edge_cost``.
        edge_cost: [M, D] states and [M, D] next states to [M] costs of going there, where there is a goal.
        pb_c_init: weight of the prior against the value.
        pb_c_base: visits at which the prior's weight has grown noticeably.
        risk: what many possible costs count as.
        scenarios: draws of the latent variable; where there are no more sequences of modes than that, all of them are
            enumerated with their probabilities.
    """

    horizon: int
    num_simulations: int = 128
    samples: int = 8
    spread: float = 1.0
    contrast: float = 0.3
    hold: int = 1
    stride: float = 1.0
    edge_cost: StateFunction | None = None
    pb_c_init: float = 3.0
    pb_c_base: float = 19652.0
    risk: Risk = MEAN
    scenarios: int = 16

    def __post_init__(self) -> None:
        positive = (
            "horizon", "num_simulations", "samples", "spread", "contrast", "hold", "stride", "pb_c_base", "scenarios"
        )  # fmt: skip
        require_positive("MCTSPlanner", **{name: getattr(self, name) for name in positive})
        require_not_negative("MCTSPlanner", pb_c_init=self.pb_c_init)

    @torch.no_grad()
    def plan(
        self,
        dynamics: AnyDynamics,
        cost: Cost,
        start: Tensor,
        *,
        budget: Budget = Budget(),
        warm_start: Tensor | None = None,
        generator: torch.Generator | None = None,
        recorder: Recorder | None = None,
    ) -> Plan:
        """Plans from [B, D] start states; see :class:`planners.base.Planner`.

        Args:
            dynamics: the world model.
            cost: what to minimise, summed over the horizon; or a :class:`SearchGoal`, at which paths end.
            start: [B, D] start states.
            budget: bounds the search; one simulation is always done.
            warm_start: [B, H, A] actions ([B, H] where they are discrete) that are tried before any others, and
                favoured by the search. With a goal any number of them will do, and negative discrete ones end a path.
            generator: draws actions from a box, and scenarios; with neither the search is deterministic.
            recorder: receives ``candidates`` (with a goal ``expansion``) for every simulation, and a ``tree`` at the
                end: ``parents`` [B, N], the ``actions`` [B, N(, A)] that lead to the nodes, their ``visits``, ``q``
                (minus the mean cost by way of their edge), ``priors``, ``chance`` (true for chance nodes) and
                ``states`` [B, N, D].

        Returns:
            A plan with ``extras``: ``visits`` [B, K] of the root's edges, ``root_actions`` [B, K(, A)], ``root_value``
            [B], minus the mean cost of all simulations, and ``path_lengths`` [B]; those of sequences as
            :class:`planners.candidates.Evaluator` says. With a goal paths are padded with the last state (discrete
            actions with -1), and ``found`` [B] tells which arrive; the others lead to the state estimated to be
            nearest, whose estimate is added to their cost.
        """
        branches = branches_of("MCTSPlanner", dynamics, self.samples, self.spread, generator)
        task = _Task(self, start, branches, budget.meter(), recorder)
        if isinstance(cost, SearchGoal):
            if len(start) != len(cost.goal):
                shapes = f"start {list(start.shape)} and goal {list(cost.goal.shape)}"
                raise PlannerError(f"{shapes}: one goal per start is needed")
            return task.to_goal(dynamics, cost, warm_start, generator)
        dynamics, cost = with_indices(dynamics, cost, branches)
        scenarios = draw_scenarios(dynamics, start, self.horizon, self.scenarios, generator)
        return task.sequence(dynamics, cost, scenarios, warm_start)


@dataclass(frozen=True)
class _Task:
    """One call of the planner.

    Attributes:
        settings: the planner.
        start: [B, D] start states.
        branches: the edges of a node.
        meter: what has been spent.
        recorder: listens.
    """

    settings: MCTSPlanner
    start: Tensor
    branches: Branches
    meter: Meter
    recorder: Recorder | None

    def sequence(
        self, dynamics: AnyDynamics, cost: Cost, scenarios: Scenarios | None, warm_start: Tensor | None
    ) -> Plan:
        """Plans [B, H, A] actions for any cost."""
        settings, listener = self.settings, None
        if self.recorder is not None:
            listener = SequenceListener(self.recorder, self.branches)
        evaluate = Evaluator(
            dynamics, cost, self.start, settings.horizon, settings.hold, self.meter, listener,
            risk=settings.risk, scenarios=scenarios,
        )  # fmt: skip
        model = SequenceModel(evaluate, self.branches, self._first_sequence(warm_start), settings.contrast)
        calls = settings.horizon * self.branches.count * (1 if scenarios is None else scenarios.count)
        result = self._search(model.root(), model, calls)
        lengths = torch.full((len(self.start),), settings.horizon, device=self.start.device)
        plan = evaluate.plan(self._complete(result), path_lengths=lengths, **self._root(result, model))
        if listener is not None:
            depth = model.split(result.states.flatten(0, 1))[1].view(result.states.shape[:2])
            record_tree(listener.recorder, model, result, listener.states_at(settings.hold * depth.long()))
        return replace(plan, actions=self.branches.decode(plan.actions))

    def to_goal(
        self, dynamics: AnyDynamics, goal: SearchGoal, warm_start: Tensor | None, generator: torch.Generator | None
    ) -> Plan:
        """Plans a path to a goal."""
        if not is_stochastic(dynamics):
            step = dynamics.step
            return self.path(lambda states, actions, _: (step(states, actions), None), 1, goal, warm_start)
        if isinstance(dynamics.latents, Categorical):
            return self.policy(dynamics, goal, warm_start)
        noise = white_noise((self.settings.scenarios, dynamics.latents.dim), self.start, generator)
        predict = LikeliestOutcome.of(dynamics, goal, self.settings.risk, noise)
        return self.path(predict, predict.outcomes, goal, warm_start)

    def path(self, predict: Predict, outcomes: int, goal: SearchGoal, warm_start: Tensor | None) -> Plan:
        """Plans the states on the way; ``outcomes`` are the model calls that a prediction takes."""
        model = self._goal_model(predict, outcomes, goal, *self._first_path(warm_start))
        root = model.root()
        chain = likely_chain(model, root)
        result = self._search(root, model, outcomes * (1 + self.branches.count))
        tree = device_tree(result)
        self._record(result, model)
        parents = torch.cat([tree.parents.clamp(min=0), chain_parents(chain, tree.parents.shape[1])], 1)
        best = best_paths(model, torch.cat([result.states, chain], 1), parents)
        return best.plan(self.branches, self._complete(result), self.meter.model_calls, **self._root(result, model))

    def policy(self, dynamics: StochasticDynamics, goal: SearchGoal, warm_start: Tensor | None) -> Plan:
        """Plans what to do after every outcome of a latent variable with modes, and follows the likeliest ones."""
        predict = LikeliestOutcome.of(dynamics, goal, self.settings.risk, self.start)
        model = self._goal_model(predict, predict.outcomes, goal, *self._first_path(warm_start))
        chances = ChanceGoalModel(model, dynamics, predict.outcomes)
        result = self._search_chances(model.root(), chances, 1 + predict.outcomes * self.branches.count)
        self._record(result, model)
        followed = self._goal_model(predict, predict.outcomes, goal, *principal_variation(model, result))
        root = followed.root()
        chain = likely_chain(followed, root)
        records = torch.cat([root.states[:, None], chain], 1)
        best = best_paths(followed, records, chain_parents(records, 0).clamp(min=0))
        rows = torch.arange(len(self.start), device=self.start.device)
        cost = -device_tree(result).q[rows, 0, result.action].to(best.cost)
        complete, extras = self._complete(result), self._root(result, model)
        return replace(best, cost=cost).plan(self.branches, complete, self.meter.model_calls, **extras)

    def _goal_model(self, predict: Predict, outcomes: int, goal: SearchGoal, base: Tensor, steps: Tensor) -> GoalModel:
        settings = self.settings
        return GoalModel(
            predict, outcomes, goal, self.start, self.branches, base, steps, stride=settings.stride,
            edge_cost=settings.edge_cost, horizon=settings.horizon, contrast=settings.contrast, meter=self.meter,
            recorder=self.recorder,
        )  # fmt: skip

    def _record(self, result: SearchResult | DeviceSearchResult, model: GoalModel) -> None:
        if self.recorder is not None:
            record_tree(self.recorder, model, result, node_records(result)[..., : self.start.shape[1]])

    def _search(self, root: Root, model: Model, calls: int) -> SearchResult | DeviceSearchResult:
        """Searches within what is left of the budget; a simulation takes so many model calls per problem."""
        settings, (simulations, rest) = self.settings, self._rest(calls)
        kind = DeviceMCTS if self.start.is_cuda else MCTS
        search = kind(num_simulations=simulations, pb_c_init=settings.pb_c_init, pb_c_base=settings.pb_c_base)
        return search.search(root, model, budget=rest)

    def _search_chances(self, root: Root, model: ChanceGoalModel, calls: int) -> SearchResult:
        """The same with chance nodes, whose trees are on the host."""
        settings, (simulations, rest) = self.settings, self._rest(calls)
        search = MCTS(
            num_simulations=simulations, pb_c_init=settings.pb_c_init, pb_c_base=settings.pb_c_base, risk=settings.risk
        )  # fmt: skip
        return search.search(root, model, budget=rest)

    def _rest(self, calls: int) -> tuple[int, Budget]:
        """Simulations that are within the budget, at so many model calls per problem, and the seconds left for them."""
        simulations, meter = self.settings.num_simulations, self.meter
        budget = meter.budget
        if budget.iterations is not None:
            simulations = min(simulations, budget.iterations)
        if budget.model_calls is not None:
            simulations = min(simulations, (budget.model_calls - meter.model_calls) // (calls * len(self.start)))
        seconds = budget.seconds
        if seconds is not None:
            seconds = max(1e-9, seconds - (time.perf_counter() - meter.started))
        return max(1, simulations), Budget(seconds=seconds)

    def _first_sequence(self, warm_start: Tensor | None) -> Tensor:
        """[B, F, A] free actions to begin with."""
        hold, horizon = self.settings.hold, self.settings.horizon
        if warm_start is None:
            return self.branches.guess(-(-horizon // hold), self.start)
        return self._encode(warm_start, [horizon])[:, ::hold]

    def _first_path(self, warm_start: Tensor | None) -> tuple[Tensor, Tensor]:
        """[B, H, A] actions to offer at each depth, and how many of them [B] are a warm start."""
        if warm_start is None or not warm_start.numel():
            return self.branches.guess(1, self.start), torch.zeros_like(self.start[:, 0]).long()
        actions, limit = self._encode(warm_start, list(warm_start.shape[1:2])), self.settings.horizon
        if not isinstance(self.branches, AllActions):
            return actions, torch.full_like(actions[:, 0, 0], min(limit, actions.shape[1])).long()
        steps = (actions[..., 0] >= 0).long().cumprod(1).sum(1)
        return actions.clamp(min=0), steps.clamp(max=limit)

    def _encode(self, warm_start: Tensor, steps: list[int]) -> Tensor:
        discrete = isinstance(self.branches, AllActions)
        shape = [len(self.start), *steps, *([] if discrete else [self.branches.dim])]
        if list(warm_start.shape) != shape:
            raise PlannerError(f"warm_start must be {shape}, not {list(warm_start.shape)}")
        return self.branches.encode(warm_start, self.start)

    def _complete(self, result: SearchResult | DeviceSearchResult) -> bool:
        return result.states.shape[1] > self.settings.num_simulations

    def _root(self, result: SearchResult | DeviceSearchResult, model: SequenceModel | GoalModel) -> dict[str, Tensor]:
        """What the root's edges are, how often they were taken, and what the search makes of the root."""
        records = node_records(result)[:, 0].repeat_interleave(self.branches.count, 0)
        edges = torch.arange(self.branches.count, device=records.device).repeat(len(self.start))
        actions = self.branches.take(model.split(records)[-1], edges).unflatten(0, (len(self.start), -1))
        visits = (result.action_weights * (result.states.shape[1] - 1)).round().long()
        return {"visits": visits, "root_actions": self.branches.decode(actions), "root_value": result.root_value}
