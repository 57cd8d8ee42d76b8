"""Monte Carlo tree search with the trees on the root's device: the search of :mod:`planners.mcts.puct`, for GPUs.

A GPU waits for kernels to be launched and for a host that asks for results, hardly ever for arithmetic. A simulation
here is a few dozen operations on the whole batch, however deep the trees have grown, and the host reads nothing of
what they compute. Two tables replace the loops up and down the trees:

- Every node keeps its path from the root, with the rewards and discounts on it: a backup is a gather and a scatter.
- Every node keeps its best action, and the leaf that best actions lead to from there. A simulation changes the scores
  on its own path only. From a node of the path the descent now follows the path up to some node, and turns there to
  a child off the path, whose leaf is known: one minimum over positions tells where.

The trees take ``3 * B * N * N`` numbers for the paths of N nodes, or less with a largest depth.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from dataclasses import dataclass
from typing import final

import numpy as np
import torch
from torch import Tensor

from planners.base import Budget
from planners.candidates import PlannerError, require_not_negative, require_positive
from planners.mcts.device_forest import DeviceForest, DeviceTree
from planners.mcts.forest import Model
from planners.mcts.puct import Puct
from planners.mcts.trees import Root, check_root

WARM_UPS = 2
"""Searches before one is recorded: libraries allocate their workspaces in the first ones."""


@dataclass(frozen=True)
class DeviceSearchResult:
    """What a search found; as :class:`planners.mcts.SearchResult`, all of it on the device.

    Attributes:
        action_weights: [B, A] share of the simulations that took each action first.
        action: [B] the action chosen.
        root_value: [B] mean return of all simulations.
        tree: the trees; nodes are numbered in the order of their expansion.
        states: [B, N, D] the states of their nodes.
    """

    action_weights: Tensor
    action: Tensor
    root_value: Tensor
    tree: DeviceTree
    states: Tensor


@final
@dataclass(frozen=True, kw_only=True)
class DeviceMCTS:
    """:class:`planners.mcts.MCTS` on the device of its root: same formulas, same fields, same trees.

    Values and priors are computed in the type of the root's values.

    Attributes:
        num_simulations: nodes added to each tree.
        pb_c_init: weight of the prior against the value.
        pb_c_base: visits at which the prior's weight has grown noticeably.
        dirichlet_fraction: share of noise in the root's priors, 0..1.
        dirichlet_alpha: concentration of that noise.
        temperature: 0 takes the most visited action; else actions are drawn by ``visits ** (1 / temperature)``.
        max_depth: of a node, to bound memory and work: simulations that would go deeper count the node there again, and
            leave a node without visits. Without a bound trees are those of the compiled search.
    """

    num_simulations: int
    pb_c_init: float = 1.25
    pb_c_base: float = 19652.0
    dirichlet_fraction: float = 0.0
    dirichlet_alpha: float = 0.3
    temperature: float = 0.0
    max_depth: int | None = None

    def __post_init__(self) -> None:
        depth = 1 if self.max_depth is None else self.max_depth
        numbers = {"num_simulations": self.num_simulations, "pb_c_base": self.pb_c_base, "max_depth": depth}
        require_positive("DeviceMCTS", **numbers, dirichlet_alpha=self.dirichlet_alpha)
        if not 0 <= self.dirichlet_fraction <= 1:
            raise PlannerError(f"DeviceMCTS.dirichlet_fraction must be in 0..1, not {self.dirichlet_fraction!r}")
        require_not_negative("DeviceMCTS", pb_c_init=self.pb_c_init, temperature=self.temperature)

    @torch.no_grad()
    def search(
        self,
        root: Root,
        model: Model,
        num_simulations: int | None = None,
        *,
        invalid_actions: Tensor | None = None,
        budget: Budget = Budget(),
        generator: np.random.Generator | None = None,
    ) -> DeviceSearchResult:
        """Searches from B roots at once; arguments and errors are those of :meth:`planners.mcts.MCTS.search`.

        The host waits for the device once, when the search is over, and between simulations only where the budget
        bounds the seconds.
        """
        forest = self._forest(root, num_simulations)
        forest.plant(root, self._root_priors(root.prior_logits, invalid_actions, generator))
        meter, waits = budget.meter(), budget.seconds is not None and root.values.is_cuda
        for node in range(1, forest.nodes):
            forest.simulate(model, node)
            meter.iterations += 1
            meter.model_calls += len(root.values)
            if waits:
                torch.cuda.current_stream(root.values.device).synchronize()
            if meter.exhausted():
                break
        result = self._result(forest, node + 1, generator)
        _check_values(result.root_value)
        return result

    @torch.no_grad()
    def capture(self, root: Root, model: Model, num_simulations: int | None = None) -> CapturedSearch:
        """Records a search as a CUDA graph, for roots like this one; on another device the search is run as it is.

        The model must be fit for capture: no reading of results by the host, no shapes that depend on them. It's called
        while recording only, so that changes of its weights count where they are made in place.
        """
        forest = self._forest(root, num_simulations)
        forest.plant(root, self._root_priors(root.prior_logits, None, np.random.default_rng(0)))
        grow = functools.partial(forest.grow, model)
        return CapturedSearch(self, forest, model, _record(grow, root.values.device) if root.values.is_cuda else grow)

    def _forest(self, root: Root, num_simulations: int | None) -> DeviceForest:
        simulations = self.num_simulations if num_simulations is None else num_simulations
        require_positive("DeviceMCTS.search", num_simulations=simulations)
        check_root(root)
        exploration = Puct.of(self.pb_c_init, self.pb_c_base, simulations + 1).exploration
        return DeviceForest(root, torch.from_numpy(exploration).to(root.values), simulations, self.max_depth)

    def _root_priors(self, logits: Tensor, invalid: Tensor | None, generator: np.random.Generator | None) -> Tensor:
        """[B, A] priors with noise, 0 for invalid actions; a root without a valid action gets priors of NaN."""
        if generator is None and (self.dirichlet_fraction > 0 or self.temperature > 0):
            raise PlannerError("DeviceMCTS with root noise or a temperature needs a generator")
        priors = logits.double().softmax(-1)
        if self.dirichlet_fraction > 0 and generator is not None:
            draws = generator.dirichlet(np.full(logits.shape[1], self.dirichlet_alpha), len(logits))
            noise = torch.from_numpy(draws).to(priors).masked_fill(priors == 0, 0.0)
            priors = (1 - self.dirichlet_fraction) * priors + self.dirichlet_fraction * noise
        if invalid is not None:
            if invalid.shape != logits.shape or invalid.dtype != torch.bool:
                shape, found = list(logits.shape), f"{list(invalid.shape)} of {invalid.dtype}"
                raise PlannerError(f"invalid_actions must be {shape} of bool, not {found}")
            priors = priors.masked_fill(invalid, 0.0)
        return priors / priors.sum(1, keepdim=True)

    def _result(self, forest: DeviceForest, size: int, generator: np.random.Generator | None) -> DeviceSearchResult:
        tree, states = forest.tree(size)
        counts = tree.edge_visits[:, 0].to(tree.values.dtype)
        weights = counts / counts.sum(1, keepdim=True)
        scores = weights
        if self.temperature > 0 and generator is not None:
            # Gumbel's trick: the largest of the noisy logits is a draw from their softmax.
            scores = weights.log() / self.temperature
            scores = scores + torch.from_numpy(generator.gumbel(size=weights.shape)).to(scores)
        return DeviceSearchResult(weights, scores.argmax(1), tree.values[:, 0].clone(), tree, states)


@final
@dataclass(frozen=True)
class CapturedSearch:
    """A search recorded by :meth:`DeviceMCTS.capture`, to be run again for other roots of the same shapes.

    Attributes:
        settings: the search.
        forest: the trees that it works on.
        model: kept alive, as the graph reads its weights from where they are.
        grow: runs all simulations on the planted forest.
    """

    settings: DeviceMCTS
    forest: DeviceForest
    model: Model
    grow: Callable[[], None]

    @torch.no_grad()
    def __call__(
        self,
        root: Root,
        *,
        invalid_actions: Tensor | None = None,
        generator: np.random.Generator | None = None,
    ) -> DeviceSearchResult:
        """Searches; the result's tree and states are overwritten by the next call.

        Nothing waits for the device, so that values which are not finite raise no error: they are in the result.
        """
        check_root(root)
        for name, given, kept in zip(Root._fields, root, self.forest.root, strict=True):
            if given.shape != kept.shape or given.device != kept.device:
                expected, found = f"{list(kept.shape)} on {kept.device}", f"{list(given.shape)} on {given.device}"
                raise PlannerError(f"root.{name} must be {expected}, as captured, not {found}")
        self.forest.plant(root, self.settings._root_priors(root.prior_logits, invalid_actions, generator))
        self.grow()
        return self.settings._result(self.forest, self.forest.nodes, generator)


def _record(grow: Callable[[], None], device: torch.device) -> Callable[[], None]:
    """The same work as a CUDA graph."""
    with torch.cuda.device(device):
        side = torch.cuda.Stream()
        side.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(side):
            for _ in range(WARM_UPS):
                grow()
        torch.cuda.current_stream().wait_stream(side)
        graph = torch.cuda.CUDAGraph()
        with torch.cuda.graph(graph):
            grow()
    return graph.replay


def _check_values(values: Tensor) -> None:
    """Raises a :class:`PlannerError` for the first of the roots' values that is not finite."""
    if values.is_meta or values.isfinite().all():
        return
    problem = int(values.isfinite().byte().argmin())
    raise PlannerError(
        f"problem {problem} has no valid action at its root, or the model's reward, discount, prior_logits or value "
        "for it is not finite"
    )
