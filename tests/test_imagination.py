"""Roll-outs of many candidates: with gradients, without, and in scenarios, against one step after the other."""

from __future__ import annotations

from dataclasses import dataclass

import pytest
import torch
from torch import Tensor

from planners.base import Box, Categorical, rollout
from planners.imagination import Imagination
from planners.scenarios import draw_scenarios

STARTS = torch.tensor([[0.5, -1.0], [1.0, 2.0]])
ACTIONS = torch.rand(2, 5, 3, 2, generator=torch.Generator().manual_seed(0)) * 2 - 1


@dataclass(frozen=True)
class Spring:
    actions: Box = Box(-torch.ones(2), torch.ones(2))

    def step(self, state: Tensor, action: Tensor) -> Tensor:
        return 0.9 * state + action.sin()


@dataclass(frozen=True)
class Coin:
    """Moves by its action, or back by it."""

    latents: Categorical = Categorical(2)
    actions: Box = Box(-torch.ones(2), torch.ones(2))

    def log_prior(self, state: Tensor, action: Tensor) -> Tensor:
        return torch.stack([state[..., 0], action[..., 0]], -1).log_softmax(-1)

    def step(self, state: Tensor, action: Tensor, latent: Tensor) -> Tensor:
        return state + torch.where(latent[..., None] == 0, action, -action)


@pytest.mark.parametrize("gradients", [True, False])
def test_states_are_those_of_single_steps(gradients: bool) -> None:
    imagine = Imagination(Spring())
    with torch.set_grad_enabled(gradients):
        states, chances = imagine(STARTS, ACTIONS)
    torch.testing.assert_close(states, rollout(Spring(), STARTS[:, None].expand(-1, 5, -1), ACTIONS))
    assert chances is None


def test_passes_share_storage_where_there_are_no_gradients() -> None:
    imagine = Imagination(Spring())
    with torch.no_grad():
        first, _ = imagine(STARTS, ACTIONS)
        second, _ = imagine(STARTS, ACTIONS[:, :2] * 0.5)
    assert first.untyped_storage().data_ptr() == second.untyped_storage().data_ptr()
    torch.testing.assert_close(second, rollout(Spring(), STARTS[:, None].expand(-1, 2, -1), ACTIONS[:, :2] * 0.5))


def test_gradients_are_those_of_single_steps() -> None:
    found, expected = ACTIONS.clone().requires_grad_(), ACTIONS.clone().requires_grad_()
    Imagination(Spring())(STARTS, found)[0].square().sum().backward()
    rollout(Spring(), STARTS[:, None].expand(-1, 5, -1), expected).square().sum().backward()
    torch.testing.assert_close(found.grad, expected.grad)


@pytest.mark.parametrize("gradients", [True, False])
def test_enumerated_scenarios_have_all_probability(gradients: bool) -> None:
    imagine = Imagination(Coin(), draw_scenarios(Coin(), STARTS, 3, 8))
    with torch.set_grad_enabled(gradients):
        states, chances = imagine(STARTS, ACTIONS)
    assert states.shape == (2, 5, 8, 4, 2)
    assert chances is not None
    torch.testing.assert_close(chances.sum(-1), torch.ones(2, 5))
    torch.testing.assert_close(states[:, :, 0, -1], STARTS[:, None] + ACTIONS.sum(2))
    torch.testing.assert_close(states[:, :, 7, -1], STARTS[:, None] - ACTIONS.sum(2))


def test_drawn_scenarios_are_all_alike() -> None:
    scenarios = draw_scenarios(Coin(), STARTS, 3, 7, torch.Generator().manual_seed(0))
    states, chances = Imagination(Coin(), scenarios)(STARTS, ACTIONS)
    assert states.shape == (2, 5, 7, 4, 2)
    assert chances is None
