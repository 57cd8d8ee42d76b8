"""A checkpoint survives crashes, notices damage, and restores every bit."""

from __future__ import annotations

import json
import math
import random
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from torch import nn

from hjepa.checkpoint import (
    CheckpointError,
    flatten_optimizer,
    has_checkpoint,
    load_checkpoint,
    restore_optimizer,
    save_checkpoint,
)

# Saves in a loop and is killed at random instants, again and again; every time, the checkpoint must be whole.
KILLED_SAVES = """
import os, random, signal, sys, time, torch
from hjepa.checkpoint import load_checkpoint, save_checkpoint

def save(step):
    save_checkpoint(sys.argv[1], {"model": {"w": torch.full((64, 1024), step)}, "optimizer": {}}, {"step": step})

torch.set_num_threads(1)  # a forked child waits for ever for threads that only its parent has
draw, step = random.Random(0), 0
began = time.perf_counter()
save(step)
patience = max(0.1, 6 * (time.perf_counter() - began))  # a busy disk is slow: some saves must come to their end
for _ in range(30):
    child = os.fork()
    while child == 0:
        step += 1
        save(step)
    time.sleep(draw.uniform(0, patience))
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)
    tensors, meta = load_checkpoint(sys.argv[1])
    assert meta["step"] >= step and torch.equal(tensors["model"]["w"], torch.full((64, 1024), meta["step"]))
    step = meta["step"]
print(step)
"""


def example() -> dict[str, dict[str, torch.Tensor]]:
    weight = torch.arange(12.0).reshape(3, 4)
    return {
        "model": {"weight": weight, "tied": weight, "transposed": weight.T, "flag": torch.tensor(True)},
        "rng": {"cpu": torch.Generator().manual_seed(1).get_state(), "empty": torch.zeros(0)},
    }


def test_what_was_saved_comes_back_exactly(tmp_path: Path) -> None:
    meta = {"step": 7, "config": {"name": "giant"}, "best": None, "lr": 0.1 + 0.2}
    save_checkpoint(tmp_path / "deep" / "last", example(), meta)
    tensors, loaded = load_checkpoint(tmp_path / "deep" / "last")
    assert loaded == meta
    assert {name: set(state) for name, state in tensors.items()} == {n: set(s) for n, s in example().items()}
    for name, state in example().items():
        for key, value in state.items():
            assert tensors[name][key].dtype == value.dtype and torch.equal(tensors[name][key], value)


def test_the_same_state_gives_the_same_bytes(tmp_path: Path) -> None:
    for name in ("a", "b"):
        save_checkpoint(tmp_path / name, example(), {"step": 1})
    files = sorted(path.name for path in (tmp_path / "a").iterdir())
    assert files == ["manifest.json", "meta.json", "model.safetensors", "rng.safetensors"]
    assert all((tmp_path / "a" / name).read_bytes() == (tmp_path / "b" / name).read_bytes() for name in files)


def test_saving_again_replaces_and_leaves_nothing_behind(tmp_path: Path) -> None:
    for step in range(3):
        save_checkpoint(tmp_path / "last", {f"model{step}": {}}, {"step": step})
    assert load_checkpoint(tmp_path / "last") == ({"model2": {}}, {"step": 2})
    assert [path.name for path in tmp_path.iterdir()] == ["last"]


def test_a_save_killed_at_a_random_instant_leaves_a_whole_checkpoint(tmp_path: Path) -> None:
    command = [sys.executable, "-c", KILLED_SAVES, str(tmp_path / "last")]
    done = subprocess.run(command, cwd=Path(__file__).parents[1], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert int(done.stdout) > 0


def test_a_save_that_dies_between_its_renames_leaves_the_old_checkpoint(tmp_path: Path) -> None:
    directory = tmp_path / "last"
    save_checkpoint(directory, {}, {"step": 1})
    directory.rename(tmp_path / ".last.old")
    assert has_checkpoint(directory) and load_checkpoint(directory)[1] == {"step": 1}
    save_checkpoint(directory, {}, {"step": 2})
    assert load_checkpoint(directory)[1] == {"step": 2}
    assert [path.name for path in tmp_path.iterdir()] == ["last"]


@pytest.mark.parametrize("name", ["model.safetensors", "meta.json", "rng.safetensors"])
def test_any_flipped_bit_or_cut_is_noticed(tmp_path: Path, name: str) -> None:
    directory = tmp_path / "last"
    save_checkpoint(directory, example(), {"step": 1})
    path, draw = directory / name, random.Random(name)
    whole = path.read_bytes()
    damaged = [whole[: draw.randrange(len(whole))] for _ in range(5)]
    for _ in range(40):
        flipped = bytearray(whole)
        flipped[draw.randrange(len(whole))] ^= 1 << draw.randrange(8)
        damaged.append(bytes(flipped))
    for content in damaged:
        path.write_bytes(content)
        with pytest.raises(CheckpointError, match=rf"{name}: damaged"):
            load_checkpoint(directory)


def test_a_damaged_manifest_never_passes_for_another_checkpoint(tmp_path: Path) -> None:
    directory = tmp_path / "last"
    save_checkpoint(directory, example(), {"step": 1})
    path, draw = directory / "manifest.json", random.Random(1)
    whole = path.read_bytes()
    for _ in range(100):
        flipped = bytearray(whole)
        flipped[draw.randrange(len(whole))] ^= 1 << draw.randrange(8)
        path.write_bytes(flipped)
        try:
            assert load_checkpoint(directory)[1] == {"step": 1}  # a flip in white space
        except CheckpointError as error:
            assert "\n" not in str(error)


def test_what_is_missing_is_named(tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match="nothing: no checkpoint here"):
        load_checkpoint(tmp_path / "nothing")
    assert not has_checkpoint(tmp_path / "nothing")
    save_checkpoint(tmp_path / "last", example(), {})
    (tmp_path / "last" / "rng.safetensors").unlink()
    with pytest.raises(CheckpointError, match="rng.safetensors: cannot be read, but the manifest lists it"):
        load_checkpoint(tmp_path / "last")
    (tmp_path / "last" / "manifest.json").write_text(json.dumps({"format": 2, "sha256": {}}))
    with pytest.raises(CheckpointError, match="format 2 is not 1"):
        load_checkpoint(tmp_path / "last")


def test_what_cannot_be_saved_is_refused_before_anything_is_touched(tmp_path: Path) -> None:
    save_checkpoint(tmp_path / "last", {}, {"step": 1})
    with pytest.raises(CheckpointError, match="'../model' cannot name"):
        save_checkpoint(tmp_path / "last", {"../model": {}}, {})
    for value in (math.nan, object()):
        with pytest.raises(CheckpointError, match="must be JSON"):
            save_checkpoint(tmp_path / "last", {}, {"value": value})
    assert load_checkpoint(tmp_path / "last")[1] == {"step": 1}


OPTIMIZERS = {
    "adamw": lambda p: torch.optim.AdamW([{"params": p[:2]}, {"params": p[2:], "lr": 1e-2}], lr=1e-3, amsgrad=True),
    "sgd": lambda p: torch.optim.SGD(p, lr=0.1, momentum=0.9),
    "tensor rate": lambda p: torch.optim.Adam(p, lr=torch.tensor(1e-3)),
}


def train(network: nn.Module, optimizer: torch.optim.Optimizer, steps: range) -> None:
    for step in steps:
        for group in optimizer.param_groups:
            group["lr"] *= 0.9
        optimizer.zero_grad()
        x = torch.randn(8, 3, generator=torch.Generator().manual_seed(step))
        network(x).square().mean().backward()
        optimizer.step()


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_a_resumed_optimizer_continues_bit_for_bit(tmp_path: Path, name: str) -> None:
    def fresh() -> tuple[nn.Module, torch.optim.Optimizer]:
        torch.manual_seed(0)
        network = nn.Sequential(nn.Linear(3, 4), nn.Linear(4, 2))
        return network, OPTIMIZERS[name](list(network.parameters()))

    network, optimizer = fresh()
    train(network, optimizer, range(5))
    save_checkpoint(tmp_path / "last", {"m": network.state_dict(), "o": flatten_optimizer(optimizer)}, {})
    train(network, optimizer, range(5, 10))

    resumed, other = fresh()
    tensors, _ = load_checkpoint(tmp_path / "last")
    resumed.load_state_dict(tensors["m"])
    restore_optimizer(other, tensors["o"])
    train(resumed, other, range(5, 10))
    for key, value in network.state_dict().items():
        assert torch.equal(resumed.state_dict()[key], value)
    assert other.param_groups[-1]["lr"] == optimizer.param_groups[-1]["lr"]


def test_an_optimizer_of_another_network_is_refused() -> None:
    big, small = (torch.optim.AdamW(nn.Linear(n, n).parameters()) for n in (4, 2))
    big.param_groups[0]["params"][0].grad = torch.ones(4, 4)
    big.step()
    with pytest.raises(CheckpointError, match=r"'state.0.exp_avg' \[4, 4\] fits no parameter"):
        restore_optimizer(small, flatten_optimizer(big))


def test_a_copied_checkpoint_loads_from_anywhere(tmp_path: Path) -> None:
    save_checkpoint(tmp_path / "last", example(), {"step": 1})
    shutil.copytree(tmp_path / "last", tmp_path / "elsewhere" / "renamed")
    assert load_checkpoint(tmp_path / "elsewhere" / "renamed")[1] == {"step": 1}
