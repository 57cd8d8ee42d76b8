"""Which part of an agent that sees does what? Changes one thing at a time, in mazes that it has never seen.

Small agents are trained for it, at low resolution. --study planners: how they plan. A* over codes at the top of two
levels against MCTS, CEM, MPPI, gradient descent and random shooting at about equally many predictions per plan; A* and
MPPI without level 2's edge classifier and its memory of refused ways (MPPI over learned macro-actions in the data's
2-98 % box is how HWM plans). With --agent, that agent plans, at full resolution.

--study levels, losses, encoders: what they learn. 1 to 4 levels, a latent that is shared or one per level; VICReg,
SIGReg, EMA, contrastive or none against collapse; level 1 factorised or spatial, its encoder first taught by masking.

python scripts/ablate.py
python scripts/ablate.py --study losses --seeds 0 1 2
python scripts/ablate.py --study planners --agent hjepa/pretrained/diverse-maze --out runs/ablate-shipped

Results are kept batch by batch: what is there is not measured again, and --episodes and --seeds can be raised later.
Columns: predictions of the topmost level per plan, and of all levels per world step; the error of seen places in cells
of the maze; standard deviation and effective rank of level 2's layouts, and how well walls are read from them linearly
(R^2).
"""

from __future__ import annotations

import sys
from dataclasses import replace
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
        print(f"{TASK}, {study}: {cells.protocol(rows)}")
        print_study(study, found)
        panels.append(panel(study, found))
    print(save(ablations_figure(panels), options.out / f"{options.study}.png"))


def _chosen(options: Options, small: Small) -> dict[Study, list[Row]]:
    """The rows that were asked for, by study."""
    rows = {study: rows_of(study, small) for study in options.studies}
    if options.agent is not None and "planners" in rows:
        rows["planners"] = [replace(row, variant=None) for row in rows["planners"]]
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
