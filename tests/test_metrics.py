"""Metrics survive interruptions unchanged; diagnostics agree with what is known by construction."""

from __future__ import annotations

import csv
import json
import math
import sys
import types
from pathlib import Path

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from hjepa.metrics import (
    MetricsError,
    MetricsWriter,
    collapse_report,
    effective_rank,
    linear_probe,
    wilson_interval,
)


def write_rows(folder: Path, steps: range, resume_step: int | None = None) -> None:
    with MetricsWriter(folder, resume_step) as writer:
        for step in steps:
            extra = {"rank": 2.5} if step % 3 == 2 else {}
            writer.write(step, {"loss": 1 / (step + 1), "note, quoted": math.nan} | extra)


def contents(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def test_both_files_hold_every_row(tmp_path: Path) -> None:
    write_rows(tmp_path, range(4))
    rows = [json.loads(line) for line in (tmp_path / "metrics.jsonl").read_text().splitlines()]
    assert rows[2] == {"step": 2, "loss": 1 / 3, "note, quoted": None, "rank": 2.5}
    with open(tmp_path / "metrics.csv", newline="") as file:
        table = list(csv.DictReader(file))
    assert [row["step"] for row in table] == ["0", "1", "2", "3"]
    assert table[2] == {"step": "2", "loss": repr(1 / 3), "note, quoted": "", "rank": "2.5"}
    assert table[3]["rank"] == ""


@pytest.mark.parametrize("resume_step", [0, 1, 2, 3, 5, 8])
def test_a_resumed_run_ends_with_the_files_of_an_uninterrupted_one(tmp_path: Path, resume_step: int) -> None:
    write_rows(tmp_path / "whole", range(8))
    write_rows(tmp_path / "cut", range(min(8, resume_step + 2)))
    with open(tmp_path / "cut" / "metrics.jsonl", "a") as file:
        file.write('{"step": 9, "lo')  # the crash came in the middle of a line
    write_rows(tmp_path / "cut", range(resume_step, 8), resume_step)
    assert contents(tmp_path / "cut") == contents(tmp_path / "whole")


def test_a_fresh_run_drops_the_old_rows(tmp_path: Path) -> None:
    write_rows(tmp_path, range(5))
    write_rows(tmp_path, range(2))
    assert len((tmp_path / "metrics.jsonl").read_text().splitlines()) == 2
    assert len((tmp_path / "metrics.csv").read_text().splitlines()) == 3


def test_rows_are_on_the_disk_at_once(tmp_path: Path) -> None:
    writer = MetricsWriter(tmp_path)
    writer.write(0, {"loss": torch.tensor(0.5)})
    assert (tmp_path / "metrics.csv").read_text() == "step,loss\n0,0.5\n"
    assert (tmp_path / "metrics.jsonl").read_text() == '{"step": 0, "loss": 0.5}\n'
    writer.close()


def test_tensorboard_gets_the_same_values(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    calls: list[object] = []

    class SummaryWriter:
        def __init__(self, folder: str, purge_step: int | None) -> None:
            calls.append(purge_step)

        def add_scalar(self, name: str, value: float, step: int) -> None:
            calls.append((name, value, step))

        def close(self) -> None:
            calls.append("closed")

    module = types.SimpleNamespace(SummaryWriter=SummaryWriter)
    monkeypatch.setitem(sys.modules, "torch.utils.tensorboard", module)
    with MetricsWriter(tmp_path, resume_step=3, tensorboard=True) as writer:
        writer.write(3, {"loss": 0.5})
    assert calls == [3, ("loss", 0.5, 3), "closed"]


def test_a_missing_tensorboard_is_one_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "torch.utils.tensorboard", None)
    with pytest.raises(MetricsError, match=r"pip install 'hjepa\[tensorboard\]'"):
        MetricsWriter(tmp_path, tensorboard=True)


def gaussian(rows: int, dims: int, seed: int = 0) -> torch.Tensor:
    return torch.randn(rows, dims, generator=torch.Generator().manual_seed(seed))


@given(st.integers(1, 8), st.integers(0, 100))
def test_the_rank_of_an_even_spread_is_its_dimension(dims: int, seed: int) -> None:
    rotation, _ = torch.linalg.qr(gaussian(8, 8, seed))
    corners = torch.cat([torch.eye(8)[:dims], -torch.eye(8)[:dims]])  # equal singular values by construction
    assert effective_rank(corners @ rotation * 3 + 7) == pytest.approx(dims, rel=1e-4)


def test_the_rank_follows_the_definition_and_is_one_after_a_collapse() -> None:
    states = gaussian(100, 5) * torch.tensor([5.0, 3.0, 1.0, 0.1, 0.0])
    singular = torch.linalg.svdvals(states - states.mean(0)).double()
    p = singular[:4] / singular.sum()
    assert effective_rank(states) == pytest.approx(float(torch.exp(-(p * p.log()).sum())), rel=1e-4)
    assert effective_rank(torch.ones(10, 4)) == 1.0
    assert effective_rank(gaussian(50, 1) @ torch.ones(1, 6)) == pytest.approx(1, abs=1e-4)


def test_the_collapse_report_names_the_dead_dimension() -> None:
    states = gaussian(2000, 3) * torch.tensor([1.0, 2.0, 0.0]) + 5
    report = collapse_report(states.requires_grad_())
    assert report["std_min"] == 0 and report["std_mean"] == pytest.approx(1, abs=0.05)
    assert 1 < report["rank"] < 2


def test_a_probe_reads_what_is_linear_and_nothing_else() -> None:
    states = gaussian(4000, 6) * torch.tensor([1e-3, 1.0, 1e3, 1.0, 1.0, 1.0]) + 4
    targets = states[:, :3] @ torch.tensor([[1e3, 0.0], [0.0, 1.0], [1e-3, -1e-3]]) - 9
    assert linear_probe(states, targets) > 0.999
    assert linear_probe(states, targets[:, 0]) > 0.999
    assert abs(linear_probe(states, gaussian(4000, 1, seed=1))) < 0.02
    half = linear_probe(states, states[:, 1] + gaussian(4000, 1, seed=2)[:, 0])
    assert half == pytest.approx(0.5, abs=0.06)
    assert linear_probe(torch.zeros(100, 4), gaussian(100, 2)) < 0.05
    assert linear_probe(states, targets) == linear_probe(states, targets)


def test_wilson_intervals_match_published_values() -> None:
    # Newcombe, Statistics in Medicine 17, 1998, table I: method 3, to four decimals.
    assert wilson_interval(81, 263) == pytest.approx((0.2553, 0.3662), abs=5e-5)
    assert wilson_interval(15, 148) == pytest.approx((0.0624, 0.1605), abs=5e-5)
    assert wilson_interval(0, 20) == pytest.approx((0.0, 0.1611), abs=5e-5)
    assert wilson_interval(1, 29) == pytest.approx((0.0061, 0.1718), abs=5e-5)


@given(st.integers(1, 1000), st.data())
def test_a_wilson_interval_holds_the_rate_and_mirrors(trials: int, data: st.DataObject) -> None:
    successes = data.draw(st.integers(0, trials))
    low, high = wilson_interval(successes, trials)
    assert 0 <= low <= successes / trials <= high <= 1
    mirrored = wilson_interval(trials - successes, trials)
    assert (1 - high, 1 - low) == pytest.approx(mirrored)


@pytest.mark.parametrize(("successes", "trials"), [(0, 0), (3, 2), (-1, 2)])
def test_impossible_counts_are_refused(successes: int, trials: int) -> None:
    with pytest.raises(MetricsError, match=f"{successes} successes in {trials} trials"):
        wilson_interval(successes, trials)
