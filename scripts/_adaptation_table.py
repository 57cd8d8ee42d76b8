"""What attempts on changed maps came to, as numbers and as a table."""

from __future__ import annotations

from typing import Any

import numpy as np

from hjepa.metrics import wilson_interval
from scripts._closures import Attempt
from scripts._local_error import Errors
from worlds.tasks import LEAST_TIME


def row(name: str, attempts: list[Attempt]) -> dict[str, Any]:
    """Success with its 95 % Wilson interval, success within OGBench's limit, and steps; failed attempts count."""
    success, steps = np.array([one.success for one in attempts]), np.array([one.steps for one in attempts])
    return {
        "name": name,
        "trials": len(attempts),
        "success_rate": float(success.mean()),
        "ci95": wilson_interval(int(success.sum()), len(attempts)),
        "within_1000": float((success & (steps <= LEAST_TIME)).mean()),
        "mean_steps": float(steps.mean()),
    }


def error_row(group: str, errors: list[Errors]) -> dict[str, Any]:
    """Mean errors of level 1, and the share of predictions that the correction changed."""
    every = np.concatenate([one[group] for one in errors])
    trained, corrected = every.mean(0) if len(every) else (0.0, 0.0)
    changed = float((every[:, 0] != every[:, 1]).mean()) if len(every) else 0.0
    return {
        "group": group,
        "steps": len(every),
        "trained": float(trained),
        "corrected": float(corrected),
        "changed": changed,
    }


def print_rows(rows: list[dict[str, Any]]) -> None:
    """The table of attempts."""
    print(f"{'':32} {'success':>8} {'95 % interval':>17} {'in 1000':>8} {'steps':>7} {'trials':>7}")
    for one in rows:
        low, high = one["ci95"]
        numbers = f"{one['success_rate']:>8.1%} {f'{low:.1%} to {high:.1%}':>17} {one['within_1000']:>8.1%}"
        print(f"{one['name']:32} {numbers} {one['mean_steps']:>7.1f} {one['trials']:>7}")


def print_errors(rows: list[dict[str, Any]]) -> None:
    """The table of level 1's errors."""
    print(f"{'error of level 1, world steps':32} {'trained':>8} {'corrected':>17} {'changed':>8} {'steps':>15}")
    for one in rows:
        numbers = f"{one['trained']:>8.3f} {one['corrected']:>17.3f} {one['changed']:>8.1%}"
        print(f"  {one['group']:30} {numbers} {one['steps']:>15,}")
