"""What training minimises: its units, its minima, and where its gradients go."""

from __future__ import annotations

import copy
from collections.abc import Iterable

import pytest
import torch
from torch import Tensor

from hjepa.data import Pairs
from hjepa.level import LevelConfig
from hjepa.objective import Batch, CriticObjective, critic_loss, level_losses, relative_error
from hjepa.stack import Stack, StackConfig

LEVELS = 3


def seeded(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def stack_of(regularizer: str = "vicreg", levels: int = LEVELS) -> Stack:
    shapes = tuple(
        LevelConfig(stride=2**k, rollout=3 - k, hidden=(16,), predictor_hidden=(16,), regularizer=regularizer)
        for k in range(levels)
    )
    with torch.random.fork_rng():
        torch.manual_seed(0)
        return Stack(StackConfig(levels=shapes))


def walk(batch: int = 64, steps: int = 8, seed: int = 0) -> Batch:
    """A point that moves by a tenth of its action."""
    actions = 2 * torch.rand(batch, steps, 2, generator=seeded(seed)) - 1
    start = torch.randn(batch, 1, 2, generator=seeded(seed + 1))
    observations = torch.cat([start, start + 0.1 * actions.cumsum(1)], 1)
    gaps = torch.randint(1, steps, (batch,), generator=seeded(seed + 2))
    pairs = Pairs(observations[:, 0], observations[torch.arange(batch), gaps], gaps)
    return Batch(observations, actions, [pairs] * LEVELS)


def touched(parameters: Iterable[torch.nn.Parameter]) -> list[bool]:
    return [weight.grad is not None and bool(weight.grad.abs().sum() > 0) for weight in parameters]


def test_relative_error_of_a_copy_is_one() -> None:
    states = torch.randn(256, 2, 5, generator=seeded()).cumsum(1)
    change = (states[:, 1] - states[:, 0]).square().sum(-1).mean()
    assert float(relative_error(states[:, 0], states[:, 1], change)) == pytest.approx(1.0)
    assert float(relative_error(states[:, 1], states[:, 1], change)) == 0
    for scale in (1e-3, 1e3):  # whatever the unit of the state
        found = relative_error(scale * states[:, 0], scale * states[:, 1], scale**2 * change)
        assert float(found) == pytest.approx(1.0, rel=1e-3)
    half = (states[:, 0] + states[:, 1]) / 2
    assert float(relative_error(half, states[:, 1], change)) == pytest.approx(0.25)
    assert relative_error(states[:, 0], states[:, 1], torch.zeros(())).isfinite()


@pytest.mark.parametrize("k", [1, 2, 3])
def test_a_fresh_predictor_copies(k: int) -> None:
    """On a random walk a copy is wrong by 1, 2, ... r changes after so many steps: by (r + 1) / 2 on average."""
    stack = stack_of()
    loss = level_losses(stack, stack, k, walk(batch=2000), False, seeded())["prediction"].detach()
    assert float(loss) == pytest.approx((stack.level(k).config.rollout + 1) / 2, rel=0.05)


def test_change_is_the_first_batchs_and_then_a_running_mean() -> None:
    stack = stack_of()
    level = stack.level(1)
    changes = []
    for seed in (0, 5):
        batch = walk(seed=seed)
        scaled = Batch(batch.observations * (1 + seed), batch.actions, batch.pairs)
        states = stack.encode(scaled.observations[:, :4])
        changes.append(float((states[:, 1:] - states[:, :-1]).detach().square().sum(-1).mean()))
        level_losses(stack, stack, 1, scaled, False, seeded())
        if seed == 0:
            assert float(level.change) == pytest.approx(changes[0], rel=1e-5)
    assert changes[1] > 10 * changes[0]
    assert float(level.change) == pytest.approx(0.99 * changes[0] + 0.01 * changes[1], rel=1e-4)


@pytest.mark.parametrize("k", range(1, LEVELS + 1))
@pytest.mark.parametrize("fixed", [False, True])
def test_gradients_reach_the_levels_below_only_in_joint_training(k: int, fixed: bool) -> None:
    stack = stack_of()
    losses = level_losses(stack, stack, k, walk(), fixed, seeded())
    assert set(losses) == {"prediction", "collapse", "inverse"} | ({"macro"} if k > 1 else set())
    torch.stack(list(losses.values())).sum().backward()
    for j in range(1, LEVELS + 1):
        level = stack.level(j)
        learns = j == k or (j < k and not fixed)
        assert any(touched(level.encoder.parameters())) == learns, f"encoder {j}"
        assert any(touched(level.macro_action.parameters())) == (learns and j > 1), f"macro-actions {j}"
        assert any(touched(level.predictor.parameters())) == (j == k)
        assert any(touched(level.inverse.parameters())) == (j == k)
        assert not any(touched(level.critic.parameters()))


@pytest.mark.parametrize("k", range(1, LEVELS + 1))
def test_the_critic_teaches_nobody_but_itself(k: int) -> None:
    stack = stack_of()
    critic_loss(stack, k, walk().pairs[0], CriticObjective()).backward()
    for j in range(1, LEVELS + 1):
        assert any(touched(stack.level(j).critic.parameters())) == (j == k)
        assert not any(touched(stack.level(j).encoder.parameters()))


def test_an_ema_target_is_predicted_and_gets_no_gradient() -> None:
    stack = stack_of("ema")
    target = copy.deepcopy(stack)
    with torch.no_grad():
        for weight in target.parameters():
            weight.mul_(1.1)
    batch = walk()
    losses = level_losses(stack, target, 2, batch, False, seeded())
    losses["prediction"].backward()
    assert not any(touched(target.parameters()))
    assert any(touched(stack.level(2).encoder.parameters()))
    with torch.no_grad():
        level, span = stack.level(2), 4
        start = stack.encode(batch.observations[:, 0], 2)
        predicted = level.rollout(start, stack.macro_actions(batch.actions[:, :span], 2))
        goals = target.encode(batch.observations[:, 2 : span + 1 : 2], 2)
        expected = relative_error(predicted, goals, level.change)
    torch.testing.assert_close(losses["prediction"].detach(), expected)
    assert losses["collapse"] == 0
    other = level_losses(copy.deepcopy(stack), stack, 2, batch, False, seeded())["prediction"]
    assert not torch.isclose(other, losses["prediction"]), "the target matters"


def test_without_ema_the_target_is_ignored_and_gradients_flow_into_both_sides() -> None:
    stack = stack_of("vicreg")
    other = copy.deepcopy(stack)
    with torch.no_grad():
        for weight in other.parameters():
            weight.mul_(1.5)
    batch = walk()
    mine = level_losses(copy.deepcopy(stack), stack, 2, batch, False, seeded())
    theirs = level_losses(copy.deepcopy(stack), other, 2, batch, False, seeded())
    assert torch.equal(mine["prediction"], theirs["prediction"])


def test_windows_longer_than_a_level_needs_change_nothing() -> None:
    batch = walk(steps=8)
    shorter = Batch(batch.observations[:, :4], batch.actions[:, :3], batch.pairs)
    assert stack_of().level(1).config.rollout == 3
    long, short = (level_losses(s, s, 1, b, False, seeded()) for s, b in ((stack_of(), batch), (stack_of(), shorter)))
    for name, loss in long.items():
        assert torch.equal(loss, short[name]), name


def line_pairs(count: int, seed: int, slow: Tensor) -> Pairs:
    """Places on a line and the steps between them, at speed 1 over ``slow`` detours."""
    start = 20 * torch.rand(count, generator=seeded(seed))
    distance = 1 + 20 * torch.rand(count, generator=seeded(seed + 1))
    choice = torch.randint(len(slow), (count,), generator=seeded(seed + 2))
    gaps = (distance * slow[choice]).round().clamp_min(1).long()
    first, second = (torch.stack([x, torch.zeros_like(x)], 1) for x in (start, start + distance))
    return Pairs(first, second, gaps)


@pytest.mark.parametrize(("quantile", "pace"), [(0.15, 1.0), (0.5, 2.0), (0.85, 4.0)])
def test_the_critic_learns_the_quantile_of_travel_times(quantile: float, pace: float) -> None:
    """Three in ten walk straight, four in ten take twice as long, three in ten four times."""
    slow = torch.tensor([1.0] * 3 + [2.0] * 4 + [4.0] * 3)
    stack = stack_of(levels=1)
    stack.scale.fill_(10.0)
    how = CriticObjective(quantile=quantile, far_weight=0.0)
    optimizer = torch.optim.Adam(stack.level(1).critic.parameters(), lr=3e-3)
    for step in range(400):
        loss = critic_loss(stack, 1, line_pairs(256, 3 * step, slow), how)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    with torch.no_grad():
        test = line_pairs(500, 9999, torch.ones(1))
        distance = stack.level(1).critic(*(stack.encode(states) for states in (test.first, test.second)))
        ratio = distance / (test.second - test.first)[:, 0]
    assert float(ratio.median()) == pytest.approx(pace, rel=0.15)


def test_unrelated_states_are_pushed_apart_up_to_the_horizon() -> None:
    stack = stack_of(levels=1)
    critic = stack.level(1).critic
    pairs = Pairs(torch.randn(8, 2), torch.randn(8, 2), torch.ones(8, dtype=torch.int64))
    near, far = CriticObjective(far_weight=1.0), CriticObjective(far_weight=0.0)

    def push() -> float:
        with torch.no_grad():
            return float(critic_loss(stack, 1, pairs, near) - critic_loss(stack, 1, pairs, far))

    critic.embedding.linear.weight.data.mul_(1e-3)
    close = push()
    critic.embedding.linear.weight.data.mul_(1e6)
    assert close > 1
    assert push() == pytest.approx(0, abs=1e-4), "beyond the horizon nothing pushes"
