"""What a training run writes down, and the diagnostics that show a collapse before the planner does."""

from __future__ import annotations

import csv
import io
import json
import math
import os
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Any

import torch
from torch import Tensor

Row = dict[str, float | None]


class MetricsError(ValueError):
    """Metrics that cannot be written; the message is one line."""


class MetricsWriter:
    """Appends one row per call to ``metrics.jsonl`` and ``metrics.csv``, and to TensorBoard if asked.

    A run that is resumed ends with the same two files as one that was never interrupted: rows at and after the
    resumed step are dropped, and the CSV depends on the rows of the JSONL file alone. Its columns are the names in
    the order of their first appearance; a new one rewrites the file with the wider header.
    """

    def __init__(self, directory: str | Path, resume_step: int | None = None, tensorboard: bool = False) -> None:
        """Opens the files in a folder, afresh or to continue at ``resume_step``.

        Raises:
            MetricsError: if TensorBoard is asked for and not installed.
        """
        directory = Path(directory)
        directory.mkdir(parents=True, exist_ok=True)
        self._jsonl_path, self._csv_path = directory / "metrics.jsonl", directory / "metrics.csv"
        self._board = _open_tensorboard(directory, resume_step) if tensorboard else None
        self._rows = [] if resume_step is None else _read_rows(self._jsonl_path, resume_step)
        self._columns = _columns_of(self._rows)
        _replace(self._jsonl_path, "".join(map(_json_line, self._rows)))
        _replace(self._csv_path, _csv_text(self._columns, self._rows))
        self._jsonl = open(self._jsonl_path, "a", encoding="utf-8")  # noqa: SIM115 (closed by close)

    def write(self, step: int, values: Mapping[str, float]) -> None:
        """Appends one row; a value that is not finite becomes ``null`` (JSON has no NaN)."""
        row: Row = {"step": step} | {name: _finite(value) for name, value in values.items()}
        self._rows.append(row)
        self._jsonl.write(_json_line(row))
        self._jsonl.flush()
        self._write_csv(row)
        if self._board is not None:
            for name, value in values.items():
                self._board.add_scalar(name, float(value), step)

    def close(self) -> None:
        """Closes the files; writing afterwards is an error."""
        self._jsonl.close()
        if self._board is not None:
            self._board.close()

    def __enter__(self) -> MetricsWriter:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _write_csv(self, row: Row) -> None:
        new = [name for name in row if name not in self._columns]
        if new:
            self._columns += new
            _replace(self._csv_path, _csv_text(self._columns, self._rows))
        else:
            with open(self._csv_path, "a", encoding="utf-8", newline="") as file:
                file.write(_csv_text(self._columns, [row], header=False))


def _open_tensorboard(directory: Path, purge_step: int | None) -> Any:
    try:
        from torch.utils.tensorboard import SummaryWriter
    except ImportError:
        raise MetricsError("tensorboard is not installed; install it with: pip install 'hjepa[tensorboard]'") from None
    return SummaryWriter(str(directory), purge_step=purge_step)


def _finite(value: float) -> float | None:
    value = float(value)
    return value if math.isfinite(value) else None


def _json_line(row: Row) -> str:
    return json.dumps(row) + "\n"


def _csv_text(columns: list[str], rows: list[Row], header: bool = True) -> str:
    text = io.StringIO()
    table = csv.DictWriter(text, columns, lineterminator="\n")
    if header and columns:
        table.writeheader()
    table.writerows(rows)
    return text.getvalue()


def _columns_of(rows: list[Row]) -> list[str]:
    return list(dict.fromkeys(name for row in rows for name in row))


def _read_rows(path: Path, before: int) -> list[Row]:
    """The rows of earlier steps; a last line that a crash cut off is no row."""
    rows = []
    for line in path.read_text(encoding="utf-8").splitlines() if path.exists() else []:
        try:
            rows.append(json.loads(line))
        except ValueError:
            break
    return [row for row in rows if row["step"] < before]


def _replace(path: Path, text: str) -> None:
    """Writes a whole file or, if the program dies meanwhile, leaves the old one."""
    temporary = path.with_name(f".{path.name}.new")
    temporary.write_text(text, encoding="utf-8", newline="")
    os.replace(temporary, path)


# Diagnostics


def effective_rank(states: Tensor) -> float:
    """How many dimensions [N, D] states really use: exp of the entropy of their normalised singular values.

    1 for states on a line (or all equal), D for states that spread evenly. Roy and Vetterli, "The effective rank:
    a measure of effective dimensionality", 2007; the states are centred first.
    """
    centred = states.detach().double() - states.detach().double().mean(0)
    singular = torch.linalg.svdvals(centred)
    if singular[0] <= 0:
        return 1.0
    shares = singular / singular.sum()
    return float(torch.special.entr(shares).sum().exp())


def collapse_report(states: Tensor) -> dict[str, float]:
    """Signs of a collapsed encoder in [N, D] states: their rank and their dimensions' standard deviations."""
    deviation = states.detach().std(0)
    return {
        "rank": effective_rank(states),
        "std_min": float(deviation.min()),
        "std_mean": float(deviation.mean()),
    }


def linear_probe(states: Tensor, targets: Tensor, ridge: float = 1e-4, test_fraction: float = 0.25) -> float:
    """R^2, on held-out rows, of a ridge regression from [N, D] states to [N, T] (or [N]) targets.

    1 if the states tell the targets linearly, 0 (or less) if they tell nothing. States are standardised, so that
    ``ridge`` is relative to their variance. The split is random but always the same.
    """
    shuffled = torch.randperm(len(states), generator=torch.Generator().manual_seed(0)).to(states.device)
    test, train = shuffled.tensor_split([max(1, round(test_fraction * len(states)))])
    x = states.detach().double()
    y = targets.detach().double().reshape(len(targets), -1)
    x = (x - x[train].mean(0)) / x[train].std(0).clamp_min(1e-12)
    y = y - y[train].mean(0)
    gram = x[train].T @ x[train] + ridge * len(train) * torch.eye(x.shape[1], dtype=x.dtype, device=x.device)
    weights = torch.linalg.solve(gram, x[train].T @ y[train])
    residual = (y[test] - x[test] @ weights).square().sum()
    return float(1 - residual / (y[test] - y[test].mean(0)).square().sum().clamp_min(1e-12))


def wilson_interval(successes: int, trials: int) -> tuple[float, float]:
    """The 95 % score interval of a success rate (Wilson, 1927), within 0 .. 1.

    Raises:
        MetricsError: unless ``0 <= successes <= trials`` and there is a trial.
    """
    if not 0 <= successes <= trials or trials < 1:
        raise MetricsError(f"{successes} successes in {trials} trials; expected 0 <= successes <= trials >= 1")
    z = 1.959963984540054  # the normal distribution's 97.5 % quantile
    rate, scale = successes / trials, 1 + z**2 / trials
    centre = (rate + z**2 / (2 * trials)) / scale
    half = z / scale * math.sqrt(rate * (1 - rate) / trials + z**2 / (4 * trials**2))
    # The bounds at the ends are exactly 0 and 1; rounding must not say otherwise.
    return (0.0 if successes == 0 else centre - half, 1.0 if successes == trials else centre + half)
