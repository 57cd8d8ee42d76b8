"""Does the agent know what it cannot know? A maze with wind in one half, and a continuous latent variable per level.

On top of a shipped agent, which learned in calm air, every level learns from recordings in the wind what may happen.
Tables: how reliable its predictions are, for recordings and for plans that were not trained on; what attitudes to risk
are worth beside a dear place; and how well its energies tell what belongs together. One figure.

python scripts/uncertainty.py --maze medium --seed 0
"""

from __future__ import annotations

import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from hjepa.drift import DriftDynamics
from hjepa.trajectories import Trajectories
from scripts._cli import Flat, run
from scripts._ledge import ATTITUDES, HEADER, PRICE, Ledges, Reach, Walked, on_plans, walk
from scripts._machine import use_one_thread
from scripts._wind import Told, Wind, energies, nats, on_recordings, with_a_cell_closed
from viz.figures import save
from viz.reliability import reliability_figure


@dataclass(frozen=True)
class Options:
    """How much of everything."""

    maze: Literal["medium", "large"] = "medium"
    """Whose shipped agent learns of the wind."""
    rows: int = 800_000
    """Recorded in the wind, to learn from."""
    effort: float = 1.0
    """Share of the gradient steps."""
    windows: int = 1000
    """Held-out predictions per level."""
    plans: int = 300
    """Plans of level 1 that are carried out."""
    walks: int = 60
    """Walks per attitude."""
    seed: int = 0
    """Of everything; recordings and tasks of other seeds were looked at while this was made."""
    out: Path = Path("out")
    """Folder for the figure."""


def main(options: Flat[Options]) -> None:
    """Fits, measures and draws."""
    use_one_thread()
    wind, seed = Wind.in_maze(options.maze), 1000 * options.seed + 500
    training, tuning, held_out = (wind.record(rows, seed + n) for n, rows in enumerate((options.rows, 60_000, 240_000)))
    levels = _fit(wind, training, tuning, held_out, options)
    told = [row for k, one in levels.items() for row in on_recordings(wind, k, one, held_out, options.windows)]
    planned, reach = on_plans(wind, levels[1], options.plans, seed + 3)
    _print_reliability(told + planned)
    walked = _attitudes(wind, levels[1], options.walks, seed + 4)
    _print_energies(wind, levels, held_out, seed)
    print(_draw(wind, told, reach, walked, options.out))


def _fit(
    wind: Wind, training: Trajectories, tuning: Trajectories, held_out: Trajectories, options: Options
) -> dict[int, DriftDynamics]:
    """Every level's latent variable."""
    levels = {}
    for k in range(1, len(wind.stack) + 1):
        began = time.perf_counter()
        levels[k] = wind.fit(k, training, tuning, options.seed, options.effort)
        known, heat = nats(wind, k, levels[k], held_out), float(levels[k].drift.temperature)
        seconds = time.perf_counter() - began
        print(
            f"level {k}: z knows {known:.1f} nats per prediction; temperature {heat:.2f}; {seconds:.0f} s", flush=True
        )
    return levels


def _print_reliability(rows: list[Told]) -> None:
    print(
        "\nshare of outcomes in the predicted region, 95 % interval; spread and error in world units (steps for cost)"
    )
    print(
        "  level  ahead  what            of 50 %        of 80 %        of 90 %        of 95 %      worst  spread  error"
    )
    for row in rows:
        found = row.reliability
        shares = "  ".join(
            f"{100 * share:4.1f} [{100 * low:.0f}, {100 * high:.0f}]"
            for share, (low, high) in zip(found.coverage, found.intervals, strict=True)
        )
        name = f"{row.level:5}  {row.steps:5}  {row.source:13}"
        print(f"  {name}  {shares}  {100 * found.worst:5.1f}  {row.spread:6.2f}  {row.error:5.2f}")
    print(flush=True)


def _attitudes(wind: Wind, level: DriftDynamics, walks: int, seed: int) -> list[Walked]:
    print(f"{walks} walks beside a strip where a step costs {PRICE:g} more; 95 % intervals\n{HEADER}")
    ledges, walked = Ledges.draw(wind, walks, seed), []
    for attitude in ATTITUDES:
        walked.append(walk(wind, ledges, level, attitude, seed))
        print(walked[-1].row(), flush=True)
    return walked


def _print_energies(wind: Wind, levels: dict[int, DriftDynamics], held_out: Trajectories, seed: int) -> None:
    print("\nAUROC of the free energy: others against observed pairs (95 % interval)")
    changed = wind.record(len(held_out), seed + 2, with_a_cell_closed(wind.map, seed))
    for k, level in levels.items():
        for row in energies(wind, k, level, held_out, changed):
            shown = [f"{area:.3f} [{low:.3f}, {high:.3f}]" for area, (low, high) in (row.latent, row.plain)]
            print(f"  level {k}, {row.what:22} {row.pairs:5} pairs: with z {shown[0]}, without {shown[1]}", flush=True)


def _draw(wind: Wind, told: list[Told], reach: Reach, walked: list[Walked], out: Path) -> Path:
    counted = {k: {f"{row.steps} steps": row.reliability for row in told if row.level == k} for k in (1, 2, 3)}
    shown = [(futures, outcome) for futures, outcome in zip(reach.futures[:14], reach.outcome[:14], strict=True)]
    return save(reliability_figure(counted, wind.map, shown, walked), out / "uncertainty.png")


if __name__ == "__main__":
    run(main, description=__doc__)
