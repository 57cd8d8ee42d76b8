"""Which part of an agent that sees does what? Changes one thing at a time, in mazes that it has never seen.

--study planners (the default): how a trained agent plans. A* over codes at the top against MCTS, MPPI, CEM, gradient
descent and random shooting at about equally many predictions per plan, an HWM-style two-level MPPI (learned
macro-actions in the data's 2-98 % box, no edge classifier) and level 1 alone; no edge classifier; settings of A*.

--study levels, losses, encoders: what is learned, by small agents that are trained here: 1 to 4 levels, a latent that
is shared or one per level; VICReg, SIGReg, EMA, contrastive or nothing against collapse; level 1 spatial or factorised.

python scripts/ablate.py --study losses --seeds 0 1 2 --out runs/ablate

Results are kept batch by batch: what is there is not measured again, and --episodes can be raised later.
"""

from __future__ import annotations

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from scripts._ablate_rows import Row, Small, rows_of
from scripts._ablate_study import Cells, Options
from scripts._ablate_tables import measured, print_study
from scripts._cli import Flat, run
from scripts._machine import use_device
from scripts._mazes_seen import TASK
from viz.ablations import ablations_figure
from viz.figures import save

SMALL = Small()


def main(options: Flat[Options], small: Small = SMALL) -> None:
    """Measures what is missing, prints the table and draws the figure."""
    rows = _chosen(rows_of(options.study, small), options.only)
    use_device("cpu")
    options.out.mkdir(parents=True, exist_ok=True)
    cells = Cells(options, small)
    found = [measured(cells.of(row)) for row in rows]
    print(f"{TASK}, {options.study}: {cells.protocol}")
    print_study(found)
    print(save(ablations_figure(found), options.out / f"{options.study}.png"))


def _chosen(rows: list[Row], only: tuple[str, ...]) -> list[Row]:
    """The rows that were asked for."""
    found = [row for row in rows if not only or any(part in row.name for part in only)]
    if not found:
        names = "; ".join(row.name for row in rows)
        raise ValueError(f"--only {' '.join(only)}: expected parts of these names: {names}")
    return found


if __name__ == "__main__":
    run(main, description=__doc__)
