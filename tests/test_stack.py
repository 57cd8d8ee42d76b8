"""Stacks of any number of levels: shapes, consistency, and configurations that make no sense."""

from __future__ import annotations

import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from hjepa.config import ConfigError, from_dict, to_dict
from hjepa.dynamics import CodeDynamics, LevelDynamics
from hjepa.level import Critic, LevelConfig
from hjepa.stack import Stack, StackConfig
from planners.base import Box, Discrete

STRIDES = (1, 2, 6, 12, 60)


def config_of(levels: int) -> StackConfig:
    """Levels that differ in every size."""
    shapes = tuple(
        LevelConfig(
            stride=STRIDES[k], state_dim=3 + k, macro_dim=2 + k, rollout=1 + k, hidden=(8 + k,), predictor_hidden=(9,),
            critic_dim=5 + k, codes=6 + k,
        )
        for k in range(levels)
    )  # fmt: skip
    return StackConfig(observation_dim=3, action_dim=2, levels=shapes)


def stack_of(levels: int, seed: int = 0) -> Stack:
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        stack = Stack(config_of(levels))
    for weight in stack.parameters():  # fresh networks are all but linear
        torch.nn.init.normal_(weight, std=0.5, generator=torch.Generator().manual_seed(seed))
    return stack.requires_grad_(False)


@pytest.mark.parametrize("levels", range(1, 6))
def test_shapes(levels: int) -> None:
    stack = stack_of(levels)
    observations, actions = torch.randn(7, 61, 3), torch.randn(7, 60, 2)
    pyramid = stack.encode_all(observations)
    assert len(stack) == len(pyramid) == levels
    for k in range(1, levels + 1):
        level, states = stack.level(k), pyramid[k - 1]
        assert states.shape == (7, 61, 2 + k)
        macro_actions = stack.macro_actions(actions, k)
        assert macro_actions.shape == (7, 60 // STRIDES[k - 1], 2 if k == 1 else 1 + k)
        assert level.action_dim == macro_actions.shape[-1]
        assert level.rollout(states[:, 0], macro_actions).shape == (7, macro_actions.shape[1], 2 + k)
        assert level.critic.embed(states).shape == (7, 61, 4 + k)
        assert level.critic(states[:, :1], states).shape == (7, 61)
        assert stack.decode(states, k).shape == observations.shape
        recovered = level.inverse(torch.cat([states, states], -1))
        assert recovered.shape == (7, 61, level.action_dim)
        assert level.codebook.shape == (5 + k, level.action_dim)
        assert level.support.shape == (2, level.action_dim)


@pytest.mark.parametrize("levels", range(1, 6))
def test_every_way_up_is_the_same(levels: int) -> None:
    stack = stack_of(levels)
    observations = 5 * torch.randn(20, 3) + 2
    stack.calibrate(observations)
    pyramid = stack.encode_all(observations)
    for to in range(1, levels + 1):
        assert torch.equal(stack.encode(observations, to), pyramid[to - 1])
        for k in range(1, to + 1):
            assert torch.equal(stack.raise_states(pyramid[k - 1], k, to), pyramid[to - 1])


def test_calibration_keeps_the_geometry() -> None:
    stack = stack_of(1)
    observations = torch.randn(1000, 3) * torch.tensor([10.0, 1.0, 0.1]) + torch.tensor([5.0, -7.0, 1.0])
    stack.calibrate(observations)
    torch.testing.assert_close(stack.centre, observations.mean(0))
    inputs = (observations - stack.centre) / stack.scale
    assert inputs.square().mean().sqrt() == pytest.approx(1.0, rel=1e-3)
    assert float(inputs[:, 0].std() / inputs[:, 1].std()) == pytest.approx(10, rel=0.1), "one scale for all axes"
    stack.calibrate(torch.ones(10, 3))
    assert stack.encode(torch.ones(1, 3)).isfinite().all(), "an agent that never moved"


@pytest.mark.parametrize("k", [2, 3, 4])
def test_a_macro_action_depends_on_its_own_chunk_only(k: int) -> None:
    stack = stack_of(4)
    actions = torch.randn(1, 24, 2)
    macro_actions = stack.macro_actions(actions, k)
    for time in range(24):
        changed = actions.clone()
        changed[:, time] += 1
        moved = (stack.macro_actions(changed, k) != macro_actions).any(-1)[0]
        assert moved.tolist() == [chunk == time // STRIDES[k - 1] for chunk in range(len(moved))]


def test_macro_actions_see_the_order_of_actions() -> None:
    stack = stack_of(2)
    actions = torch.randn(1, 2, 2)
    assert not torch.allclose(stack.macro_actions(actions, 2), stack.macro_actions(actions.flip(1), 2))


def test_rollout_is_the_predictor_again_and_again() -> None:
    level = stack_of(2).level(2)
    state, macro_actions = torch.randn(5, 4), torch.randn(5, 3, 3)
    states = level.rollout(state, macro_actions)
    for time in range(3):
        state = level.predictor(state, macro_actions[:, time])
        assert torch.equal(states[:, time], state)


def test_a_fresh_model_copies_and_keeps_directions() -> None:
    with torch.random.fork_rng():
        torch.manual_seed(3)
        stack = Stack(config_of(3))
    observations = torch.randn(200, 3)
    for k, states in enumerate(stack.encode_all(observations), start=1):
        assert torch.linalg.matrix_rank(states - states.mean(0), rtol=0.05) >= 3, "no direction is lost"
        macro_actions = torch.randn(200, stack.level(k).action_dim)
        predicted = stack.level(k).predictor(states, macro_actions)
        assert (predicted - states).norm() < 0.05 * states.norm()


@given(st.integers(0, 1000))
def test_the_critic_is_a_metric(seed: int) -> None:
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        critic = Critic(3, (8,), 4)
        a, b, c = torch.randn(3, 10, 3)
    assert torch.equal(critic(a, a), torch.zeros(10))
    torch.testing.assert_close(critic(a, b), critic(b, a))
    assert (critic(a, c) <= critic(a, b) + critic(b, c) + 1e-3).all()
    assert torch.allclose(critic(a, b), (critic.embed(a) - critic.embed(b)).norm(dim=-1))


@pytest.mark.parametrize(
    ("strides", "message"),
    [
        ((), "the first stride must be 1"),
        ((2, 4), "the first stride must be 1"),
        ((1, 1), "stride 1 must be a larger multiple of the stride 1"),
        ((1, 10, 15), "stride 15 must be a larger multiple of the stride 10"),
        ((1, 10, 5), "stride 5 must be a larger multiple of the stride 10"),
        ((1, -1), "stride -1 must be a larger multiple"),
    ],
)
def test_bad_strides_get_one_clear_line(strides: tuple[int, ...], message: str) -> None:
    with pytest.raises(ValueError, match=message) as caught:
        StackConfig(levels=tuple(LevelConfig(stride=stride) for stride in strides))
    assert "\n" not in str(caught.value)
    with pytest.raises(ConfigError, match="run.toml: levels: .*stride") as caught:
        from_dict(StackConfig, {"levels": [{"stride": stride} for stride in strides]}, "run.toml")
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("levels", range(1, 6))
def test_the_window_spans_every_rollout(levels: int) -> None:
    config = config_of(levels)
    assert config.window == max(STRIDES[k] * (1 + k) for k in range(levels))
    assert from_dict(StackConfig, to_dict(config)) == config


def test_dynamics_step_the_predictor() -> None:
    stack = stack_of(2)
    level = stack.level(2)
    level.codebook.copy_(torch.randn(level.codebook.shape))
    states, macro_actions, codes = torch.randn(4, 6, 4), torch.randn(4, 6, 3), torch.randint(7, (4, 6))
    continuous, discrete = LevelDynamics(level), CodeDynamics(level)
    assert torch.equal(continuous.step(states, macro_actions), level.predictor(states, macro_actions))
    assert torch.equal(discrete.step(states, codes), level.predictor(states, level.codebook[codes]))
    assert isinstance(continuous.actions, Box)
    assert torch.equal(continuous.actions.high, level.support[1])
    own = Box(-2 * torch.ones(3), torch.ones(3))
    assert LevelDynamics(level, own).actions is own
    assert discrete.actions == Discrete(7)


def test_decoding_is_affine() -> None:
    stack = stack_of(2)
    level = stack.level(2)
    level.probe.copy_(torch.arange(15.0).reshape(5, 3))
    assert stack.decode(torch.zeros(4), 2).tolist() == [12, 13, 14]
    assert stack.decode(torch.tensor([1.0, 0, 0, 0]), 2).tolist() == [12, 14, 16]
    assert math.isclose(float(stack.decode(torch.ones(4), 2)[0]), 0 + 3 + 6 + 9 + 12)
