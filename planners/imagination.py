"""Rolling out many candidates at once, fast: what the model predicts for every action sequence in every scenario.

States are stored time first, so that the model reads and writes contiguous memory, and are seen as
``[..., T+1, D]``. Where no gradients are asked for, the same storage serves every pass: on a CPU, memory that was just
allocated costs more than the arithmetic done in it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, cast, final

import torch
from torch import Tensor

from planners.base import AnyDynamics, Dynamics
from planners.scenarios import Scenarios

Precision = Literal["full", "bfloat16"]
"""The type in which a model multiplies its matrices: that of its weights, or half of it by autocast."""


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

    def __call__(self, start: Tensor, actions: Tensor) -> tuple[Tensor, Tensor | None]:
        """[B, D] starts and [B, N, H, A] actions to [B, N, H+1, D] states, and None.

        With scenarios, to [B, N, S, H+1, D] states and the scenarios' probabilities [B, N, S] (None where all are
        alike). Unless gradients are on, the states are valid until the next call.
        """
        shape = (*actions.shape[:2], *self._fan)
        actions = actions.view(*actions.shape[:2], *[1] * len(self._fan), *actions.shape[2:])
        start = start.view(len(start), *[1] * (len(shape) - 1), -1).expand(*shape, -1)
        states, chances = self._space(actions.shape[-2] + 1, start), None
        states[0] = start
        with torch.autocast(start.device.type, torch.bfloat16, enabled=self.precision == "bfloat16"):
            for time, action in enumerate(actions.unbind(-2)):
                states[time + 1], chance = self._step(states[time], action.expand(*shape, -1), time)
                chances = chance if chances is None or chance is None else chances * chance
        whole = torch.stack(states) if isinstance(states, list) else states
        return whole.movedim(0, -2), chances

    @property
    def _fan(self) -> tuple[int, ...]:
        """The axis of the scenarios, where there are any."""
        return () if self.scenarios is None else (self.scenarios.count,)

    def _step(self, state: Tensor, action: Tensor, time: int) -> tuple[Tensor, Tensor | None]:
        """The next states, and the probabilities of what happened."""
        if self.scenarios is None:
            return cast(Dynamics, self.dynamics).step(state, action), None
        latent = self.scenarios.latents(state, action, time)
        return self.scenarios.dynamics.step(state, action, latent), self.scenarios.chances(state, action, latent)

    def _space(self, times: int, state: Tensor) -> list[Tensor] | Tensor:
        """Where to put the states of all times: a list where they are to be differentiated, otherwise [T+1, ..., D]."""
        if torch.is_grad_enabled():
            return [state] * times
        size = times * state.numel()
        if self._storage is None or len(self._storage) < size:
            self._storage = state.new_empty(size)
        return self._storage[:size].view(times, *state.shape)
