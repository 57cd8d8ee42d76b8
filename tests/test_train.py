"""Training runs: resumed bit for bit, different by seed, and honest about collapse."""

from __future__ import annotations

import copy
import csv
import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor

from hjepa.checkpoint import CheckpointError, load_checkpoint
from hjepa.level import LevelConfig
from hjepa.stack import Stack, StackConfig
from hjepa.train import TrainConfig, Trainer, train
from hjepa.trajectories import Trajectories

TINY = TrainConfig(steps=12, batch=16, pairs=16, memory=200, log_every=2, save_every=5)
RUNS = {
    "joint": ("vicreg", "joint"),
    "level by level": ("vicreg", "level-by-level"),
    "ema": ("ema", "joint"),
    "ema, level by level": ("ema", "level-by-level"),
    "sigreg": ("sigreg", "joint"),
}


@pytest.fixture(scope="module")
def walks() -> Trajectories:
    """Twenty random walks whose steps are a fifth of the action."""
    rng = np.random.default_rng(0)
    headings = rng.uniform(0, 2 * np.pi, (20, 1, 1)) + 0.3 * rng.normal(size=(20, 80, 1)).cumsum(1)
    actions = np.concatenate([np.cos(headings), np.sin(headings)], -1)
    observations = 0.2 * (actions.cumsum(1) - actions)
    terminals = np.zeros((20, 80))
    terminals[:, -1] = 1
    return Trajectories.from_arrays(observations.reshape(-1, 2), actions.reshape(-1, 2), terminals.reshape(-1))


def stack_of(regularizer: str = "vicreg", seed: int = 0) -> Stack:
    sizes = dict(hidden=(8,), predictor_hidden=(8,), critic_dim=4, codes=8, regularizer=regularizer)
    levels = tuple(LevelConfig(stride=n, rollout=2, critic_horizon=4 * n, **sizes) for n in (1, 4, 8))
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        return Stack(StackConfig(levels=levels))


class Killed(Exception):
    """Stands for a power cut."""


def run(
    folder: Path, walks: Trajectories, kind: str = "joint", config: TrainConfig = TINY, die_at: int = 0, **options
) -> tuple[Stack, Tensor | None]:
    regularizer, schedule = RUNS[kind]
    stack = stack_of(regularizer, options.pop("init", 0))

    def progress(step: int, metrics: dict[str, float]) -> None:
        if step == die_at:
            raise Killed

    meta = options.pop("meta", {"experiment": {"kind": kind}})
    try:
        memory = train(stack, walks, replace(config, schedule=schedule), folder, meta, progress=progress, **options)
    except Killed:
        memory = None
    return stack, memory


def tensors_of(folder: Path) -> dict[str, Tensor]:
    groups, meta = load_checkpoint(folder / "checkpoint")
    assert meta["step"] == TINY.steps
    return {f"{group}.{name}": tensor for group, named in groups.items() for name, tensor in named.items()}


@pytest.mark.parametrize("kind", RUNS)
@pytest.mark.parametrize("die_at", [5, 9, 11])
def test_a_resumed_run_is_bit_identical(tmp_path: Path, walks: Trajectories, kind: str, die_at: int) -> None:
    whole, memory = run(tmp_path / "whole", walks, kind)
    _, none = run(tmp_path / "cut", walks, kind, die_at=die_at)
    assert none is None
    resumed, again = run(tmp_path / "cut", walks, kind, resume=True, init=99)
    assert memory is not None
    assert torch.equal(memory, again)
    left, right = tensors_of(tmp_path / "whole"), tensors_of(tmp_path / "cut")
    assert left.keys() == right.keys()
    assert any(name.startswith("optimizer") for name in left)
    assert [name for name in left if not torch.equal(left[name], right[name])] == []
    for name, tensor in whole.state_dict().items():  # codebooks and probes too
        assert torch.equal(tensor, resumed.state_dict()[name]), name
    for name in ("metrics.csv", "metrics.jsonl"):
        assert (tmp_path / "whole" / name).read_bytes() == (tmp_path / "cut" / name).read_bytes()


def test_the_same_run_twice_is_the_same_and_another_seed_is_not(tmp_path: Path, walks: Trajectories) -> None:
    stacks = [
        run(tmp_path / name, walks, config=replace(TINY, seed=seed))[0].state_dict()
        for name, seed in (("first", 0), ("second", 0), ("third", 1))
    ]
    assert all(torch.equal(stacks[0][name], stacks[1][name]) for name in stacks[0])
    different = [name for name in stacks[0] if not torch.equal(stacks[0][name], stacks[2][name])]
    assert sum("encoder" in name for name in different) == sum("encoder" in name for name in stacks[0])


def test_the_global_generator_is_neither_used_nor_touched(tmp_path: Path, walks: Trajectories) -> None:
    before = torch.random.get_rng_state()
    run(tmp_path, walks, "sigreg")
    assert torch.equal(before, torch.random.get_rng_state())


def test_metrics_are_written_for_every_level(tmp_path: Path, walks: Trajectories) -> None:
    run(tmp_path, walks)
    rows = list(csv.DictReader((tmp_path / "metrics.csv").read_text().splitlines()))
    assert [int(row["step"]) for row in rows] == [0, 2, 4, 6, 8, 10, 11]
    kinds = ("prediction", "collapse", "inverse", "critic", "rank", "std_min", "probe_r2")
    expected = {f"{kind}/{k}" for kind in kinds for k in (1, 2, 3)} | {"macro/2", "macro/3", "loss", "step"}
    assert set(rows[0]) == expected
    lines = [json.loads(line) for line in (tmp_path / "metrics.jsonl").read_text().splitlines()]
    assert [line["prediction/2"] for line in lines] == [float(row["prediction/2"]) for row in rows]
    losses = [name for name in expected if name.split("/")[0] in (*kinds[:4], "macro")]
    assert lines[0]["loss"] == pytest.approx(sum(lines[0][name] for name in losses), rel=1e-4)


def test_progress_hears_every_step(tmp_path: Path, walks: Trajectories) -> None:
    heard = []
    train(stack_of(), walks, TINY, tmp_path, {}, progress=lambda step, metrics: heard.append((step, metrics["loss"])))
    assert [step for step, _ in heard] == list(range(1, 13))
    assert all(np.isfinite(loss) for _, loss in heard)


def test_level_by_level_leaves_the_other_levels_alone(walks: Trajectories) -> None:
    stack = stack_of()
    trainer = Trainer(stack, walks, replace(TINY, schedule="level-by-level"))
    for step in range(12):
        before = copy.deepcopy(stack)
        metrics = trainer.update()
        trained = {k for k in (1, 2, 3) if f"prediction/{k}" in metrics}
        assert trained == {1 + step // 4}
        for k in (1, 2, 3):
            pairs = zip(before.level(k).parameters(), stack.level(k).parameters(), strict=True)
            moved = any(not torch.equal(old, new) for old, new in pairs)
            assert moved == (k in trained)


def test_the_learning_rate_falls_once_per_phase() -> None:
    config = TrainConfig(steps=300, learning_rate=2.0)
    assert config.learning_rate_at(0, 3) == 2.0
    assert config.learning_rate_at(150, 3) == pytest.approx(1.0)
    assert config.learning_rate_at(299, 3) < 1e-3
    phases = replace(config, schedule="level-by-level")
    for start in (0, 100, 200):
        assert phases.learning_rate_at(start, 3) == 2.0
        assert phases.learning_rate_at(start + 50, 3) == pytest.approx(1.0)
        assert phases.learning_rate_at(start + 99, 3) < 1e-2


def test_ema_targets_follow_slowly_and_others_not_at_all(walks: Trajectories) -> None:
    for regularizer, follows in (("ema", True), ("vicreg", False)):
        stack = stack_of(regularizer)
        trainer = Trainer(stack, walks, TINY)
        start = copy.deepcopy(stack.state_dict())
        expected = {name: tensor.clone() for name, tensor in start.items()}
        for _ in range(3):
            trainer.update()
            for name, tensor in stack.state_dict().items():
                if ".encoder." in name and follows:
                    expected[name] = 0.99 * expected[name] + 0.01 * tensor
        for name, tensor in trainer.target.state_dict().items():
            torch.testing.assert_close(tensor, expected[name], msg=name)
        assert not any(weight.requires_grad for weight in trainer.target.parameters())


def test_another_experiment_cannot_be_resumed(tmp_path: Path, walks: Trajectories) -> None:
    run(tmp_path, walks, die_at=7)
    with pytest.raises(CheckpointError, match="cannot resume: its experiment differs") as caught:
        run(tmp_path, walks, resume=True, meta={"experiment": {"kind": "another"}})
    assert "\n" not in str(caught.value)
    assert str(tmp_path) in str(caught.value)


def test_nothing_to_resume_gets_one_clear_line(tmp_path: Path, walks: Trajectories) -> None:
    with pytest.raises(CheckpointError) as caught:
        run(tmp_path / "empty", walks, resume=True)
    assert "\n" not in str(caught.value)


def test_a_finished_run_resumes_to_itself(tmp_path: Path, walks: Trajectories) -> None:
    whole, _ = run(tmp_path, walks)
    again, _ = run(tmp_path, walks, resume=True, init=7)
    assert all(torch.equal(tensor, again.state_dict()[name]) for name, tensor in whole.state_dict().items())


def test_diagnostics_show_a_collapse(tmp_path: Path, small_data: Trajectories) -> None:
    """Without a regulariser the prediction loss looks fine; the spread and the rank tell."""
    last = {}
    sizes = dict(rollout=2, hidden=(32,), predictor_hidden=(32,), inverse_weight=0.0, macro_weight=0.0, codes=8)
    config = TrainConfig(steps=200, batch=64, pairs=64, learning_rate=3e-3, memory=2000, log_every=199)
    for regularizer in ("none", "vicreg"):
        levels = tuple(LevelConfig(stride=n, regularizer=regularizer, **sizes) for n in (1, 10))
        with torch.random.fork_rng():
            torch.manual_seed(0)
            stack = Stack(StackConfig(levels=levels))
        train(stack, small_data, config, tmp_path / regularizer, {})
        last[regularizer] = json.loads((tmp_path / regularizer / "metrics.jsonl").read_text().splitlines()[-1])
    collapsed, sound = last["none"], last["vicreg"]
    assert collapsed["prediction/2"] < sound["prediction/2"] < 0.1
    assert sound["std_min/2"] > 5 * collapsed["std_min/2"]
    assert sound["rank/2"] > 1.2 * collapsed["rank/2"]
    for k in (1, 2):
        assert sound[f"std_min/{k}"] > 0.8
        assert sound[f"probe_r2/{k}"] > 0.95
