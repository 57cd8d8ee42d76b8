"""Which part of an agent that sees does what? Changes one thing at a time, in mazes that it has never seen.

--study planners: how a trained agent plans. A* over codes at the top of two levels against MCTS, CEM, MPPI, gradient
descent and random shooting at about equally many predictions per plan; A* and MPPI without level 2's edge classifier
and its memory of refused ways (with MPPI over learned macro-actions in the data's 2-98 % box, that is how HWM plans);
level 1 alone, and three levels.

--study levels, losses, encoders: what is learned, by small agents that are trained here: 1 to 4 levels, a latent that
is shared or one per level; VICReg, SIGReg, EMA, contrastive or nothing against collapse; level 1 spatial or factorised,
its encoder taught by masking first.

python scripts/ablate.py
python scripts/ablate.py --study losses --seeds 0 1 2 --out runs/ablate

Results are kept batch by batch: what is there is not measured again, and --episodes and --seeds can be raised later.
Columns: predictions of the topmost level per plan, and of all levels per world step; the error of seen places in cells
of the maze; standard deviation and effective rank of level 2's layouts, and how well walls are read from them linearly
(R^2).
"""

from __future__ import annotations

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from scripts._ablate_rows import Row, Small, Study, rows_of
from scripts._ablate_study import Cells, Options
from scripts._ablate_tables import measured, panel, print_study
from scripts._cli import Flat, run
from scripts._machine import use_device
from scripts._mazes_seen import TASK
from viz.ablations import ablations_figure
from viz.figures import save

SMALL = Small()


def main(options: Flat[Options], small: Small = SMALL) -> None:
    """Measures what is missing, prints the tables and draws the figure."""
    chosen = _chosen(options, small)
    use_device("cpu")
    options.out.mkdir(parents=True, exist_ok=True)
    cells, panels = Cells(options, small), []
    for study, rows in chosen.items():
        found = [measured(row, cells.of(row)) for row in rows]
        print(f"{TASK}, {study}: {cells.protocol(study)}")
        print_study(found)
        panels.append(panel(study, found))
    print(save(ablations_figure(panels), options.out / f"{options.study}.png"))


def _chosen(options: Options, small: Small) -> dict[Study, list[Row]]:
    """The rows that were asked for, by study."""
    rows = {study: rows_of(study, small) for study in options.studies}
    only = options.only
    chosen = {
        study: [row for row in some if not only or any(part in row.name for part in only)]
        for study, some in rows.items()
    }
    found = {study: some for study, some in chosen.items() if some}
    if not found:
        names = "; ".join(row.name for some in rows.values() for row in some)
        raise ValueError(f"--only {' '.join(only)}: expected parts of these names: {names}")
    return found


if __name__ == "__main__":
    run(main, description=__doc__)
