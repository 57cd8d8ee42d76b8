"""Rolling out many candidates at once, fast: what the model predicts for every action sequence in every scenario.

States are stored time first, so that the model reads and writes contiguous memory, and are seen as
``[..., T+1, D]``. Where no gradients are asked for, the same storage serves every pass: on a CPU, memory that was just
allocated costs more than the arithmetic done in it.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from math import prod
from typing import Literal, cast, final

import torch
from torch import Tensor

from planners.base import AnyDynamics, Dynamics
from planners.scenarios import Scenarios

Precision = Literal["full", "bfloat16"]
"""The type in which a model multiplies its matrices: that of its weights, or half of it by autocast."""

KEPT_BYTES = 8 << 20
"""Size of the blocks that the memory allocator is asked to keep: that of what a pass works with, and no more."""


@final
@dataclass
class Imagination:
    """Predicts the states of candidates.

    Attributes:
        dynamics: the world model.
        scenarios: what its latent variable does; None for a deterministic model.
        precision: in which the model computes; states are kept in the precision of the start.
    """

    dynamics: AnyDynamics
    scenarios: Scenarios | None = None
    precision: Precision = "full"
    _storage: Tensor | None = None

    def __post_init__(self) -> None:
        # glibc hands freed memory back to the system, page by page to be zeroed anew, unless it has seen a large block
        # come and go: then it keeps blocks of up to that size. Asking for this one touches none of its pages.
        torch.empty(KEPT_BYTES, dtype=torch.uint8, device="cpu")

    def __call__(self, start: Tensor, actions: Tensor) -> tuple[Tensor, Tensor | None]:
        """[B, D] starts and [B, N, H, A] actions to [B, N, H+1, D] states, and None.

        With scenarios, to [B, N, S, H+1, D] states and the scenarios' probabilities [B, N, S] (None where all are
        alike). Unless gradients are on, the states are valid until the next call.
        """
        with self._autocast(start.device):
            if self.scenarios is None:
                step = cast(Dynamics, self.dynamics).step
                return self._unroll(start, actions, lambda state, action, time: step(state, action)), None
            return self._unroll_scenarios(self.scenarios, start, actions)

    def _unroll_scenarios(self, scenarios: Scenarios, start: Tensor, actions: Tensor) -> tuple[Tensor, Tensor | None]:
        """Repeats every candidate in all scenarios, and follows how probable they are."""
        chances: list[Tensor] = []

        def step(state: Tensor, action: Tensor, time: int) -> Tensor:
            latent = scenarios.latents(state, action, time)
            chance = scenarios.chances(state, action, latent)
            if chance is not None:
                chances.append(chance)
            return scenarios.dynamics.step(state, action, latent)

        fan = actions.unsqueeze(2).expand(-1, -1, scenarios.count, -1, -1)
        states = self._unroll(start, fan, step)
        return states, torch.stack(chances).prod(0) if chances else None

    def _unroll(self, start: Tensor, actions: Tensor, step: Callable[[Tensor, Tensor, int], Tensor]) -> Tensor:
        """[B, D] starts and [B, ..., H, A] actions to [B, ..., H+1, D] states."""
        axes = actions.shape[1:-2]
        first = start.view(len(start), *[1] * len(axes), -1).expand(-1, *axes, -1)
        if torch.is_grad_enabled():
            states = [first]
            for time, action in enumerate(actions.unbind(-2)):
                states.append(step(states[-1], action, time))
            return torch.stack(states).movedim(0, -2)
        storage = self._space((actions.shape[-2] + 1, *first.shape), start)
        now, *later = storage.unbind(0)
        now.copy_(first)
        for time, (action, following) in enumerate(zip(actions.unbind(-2), later, strict=True)):
            now = following.copy_(step(now, action, time))
        return storage.movedim(0, -2)

    def _space(self, shape: tuple[int, ...], like: Tensor) -> Tensor:
        """Storage of a shape, the same as last time if it is large enough."""
        size = prod(shape)
        if self._storage is None or len(self._storage) < size:
            self._storage = like.new_empty(size)
        return self._storage[:size].view(shape)

    def _autocast(self, device: torch.device) -> AbstractContextManager[object]:
        if self.precision == "full":
            return nullcontext()
        return torch.autocast(device.type, torch.bfloat16)
