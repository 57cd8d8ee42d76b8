"""Records trajectories in a point maze and writes them as an OGBench npz file.

python scripts/collect.py --map giant --protocol navigate --rows 1000000 --out out/giant-navigate.npz
"""

from __future__ import annotations

import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from scripts._cli import Flat, run  # noqa: E402
from scripts._machine import use_one_thread  # noqa: E402
from worlds import as_map, collect  # noqa: E402


@dataclass(frozen=True)
class Options:
    """What to record."""

    map: str = "medium"
    """arena, medium, large, giant or teleport, or a text file with a map (# wall, . free, I and O portals)."""
    protocol: Literal["navigate", "stitch"] = "navigate"
    """navigate: long walks from goal to goal; stitch: short walks to goals four cells away."""
    rows: int = 1_000_000
    """How many rows at least; rounded up to whole episodes."""
    episode_rows: int | None = None
    """Rows per episode; OGBench's by default (navigate 1001, from giant on 2001; stitch 201)."""
    seed: int = 0
    """Of the random streams."""
    out: Path | None = None
    """File to write; out/MAP-PROTOCOL.npz by default."""


def main(options: Flat[Options]) -> None:
    """Records, writes and says how fast."""
    use_one_thread()
    map = as_map(options.map).require_connected()
    out = options.out or Path("out") / f"{map.name}-{options.protocol}.npz"
    begun = time.perf_counter()
    data = collect(
        map,
        options.protocol,
        options.rows,
        episode_rows=options.episode_rows,
        seed=options.seed,
        progress=sys.stderr.isatty(),
    )
    seconds = time.perf_counter() - begun
    data.save(out)
    print(f"{out}: {len(data):,} rows in {data.num_episodes:,} episodes, {len(data) / seconds:,.0f} rows/s")


if __name__ == "__main__":
    run(main, description=__doc__)
