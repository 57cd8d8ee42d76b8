"""The protocol of closed corridors: what is closed, what counts, and that actors see nothing of it."""

from __future__ import annotations

import numpy as np
import pytest

from hjepa.actor import Actor
from hjepa.adaptation import Adaptation
from hjepa.agent import Agent
from hjepa.evaluate import run_episodes
from hjepa.known_map import map_agent
from hjepa.metrics import wilson_interval
from hjepa.surprises import Surprises
from scripts._adaptation_table import error_row, print_errors, print_rows, row
from scripts._closures import Attempt, Closure, Task, attempt, closed, draw_closures
from scripts._local_error import GROUPS, local_errors
from scripts.adapt import Options, main
from worlds.maps import CELL_SIZE, Map
from worlds.tasks import MazeTasks

RING = Map.parse("########\n#......#\n#.####.#\n#......#\n########", "ring")
TOP, BOTTOM = (1, 3), (3, 3)
TASK = Task(RING.center((1, 1)), RING.center((1, 6)))


@pytest.fixture(scope="module")
def agent() -> Agent:
    return map_agent(RING.walls, (-1.5 * CELL_SIZE, -1.5 * CELL_SIZE), CELL_SIZE)


def way(*cells: tuple[int, int]) -> np.ndarray:
    return RING.center(np.array(cells)).astype(np.float32)


def test_episodes_are_those_of_the_common_tasks(agent: Agent) -> None:
    common = MazeTasks(RING, 3, seed=4)
    outcome, _ = run_episodes(Actor(agent), common)
    tasks = [Task(start, goal) for start, goal in zip(common.starts, common.goals, strict=True)]
    attempts = attempt(Actor(agent), tasks, [RING] * 3)
    assert [one.steps for one in attempts] == outcome.steps.tolist()
    assert [one.success for one in attempts] == outcome.success.tolist()
    assert np.allclose(attempts[0].way[0], common.starts[0])


def test_only_cells_that_can_be_gone_round_are_closed() -> None:
    along = way((1, 1), (1, 2), (1, 3), (1, 4), (1, 5), (1, 6))
    assert TASK.avoidable(RING, along) == [(1, 3), (1, 4)]
    assert TASK.avoidable(closed(RING, BOTTOM), along) == []
    assert (TASK.cells(RING), TASK.cells(closed(RING, TOP)), TASK.cells(closed(RING, TOP, BOTTOM))) == (5, 9, -1)
    assert TASK.cells(closed(RING, (1, 1))) == -1
    assert TASK.limit(RING) == 1000


def test_what_opens_again_is_then_needed() -> None:
    before = Attempt(True, way((1, 1)))
    closure = Closure(RING, TOP, TASK, TASK, (before, before))
    swapped = closure.swapped(way((1, 1), (2, 1), (3, 1), (3, 2), (3, 3), (3, 6), (1, 6)))
    assert swapped is not None
    assert not swapped.walls[TOP]
    assert TASK.cells(closed(swapped, TOP)) == -1 < TASK.cells(swapped)
    assert closure.swapped(way((1, 1), (1, 2))) is None


def test_closures_lie_on_the_way_and_others_keep_clear_of_them(agent: Agent) -> None:
    wide = Map.parse("##########\n#........#\n#.######.#\n#.######.#\n#........#\n##########", "wide")
    actor = Actor(map_agent(wide.walls, (-1.5 * CELL_SIZE, -1.5 * CELL_SIZE), CELL_SIZE))
    closures = draw_closures(actor, wide, 2, seed=0)
    assert len(closures) == 2
    for closure in closures:
        before, elsewhere = (wide.cell_of(one.way) for one in closure.before)
        assert (before == closure.cell).all(1).any()
        assert closure.task.cells(closure.map) > 0
        assert np.abs(elsewhere - np.array(closure.cell)).sum(1).min() > 1
    with pytest.raises(ValueError, match="map dead-end: only 0 of 4 ways can be closed"):
        dead_end = Map.parse("##########\n#........#\n##########", "dead-end")
        draw_closures(Actor(map_agent(dead_end.walls, (-6.0, -6.0), CELL_SIZE)), dead_end, 1, seed=0)


def test_level_1_is_put_right_at_the_closed_cell_only(agent: Agent) -> None:
    adaptation = Adaptation(agent, Surprises.empty(agent.stack, 0.5))
    before = Attempt(True, way((1, 1)))
    closure = Closure(RING, TOP, TASK, TASK, (before, before))
    ignorant = local_errors(adaptation, closure, seed=0)
    assert not len(ignorant["blocked"]) and not len(ignorant["free"])  # nothing is believed yet
    attempt(Actor(agent, adaptation=adaptation), [TASK], [closure.map])
    errors = local_errors(adaptation, closure, seed=0)
    blocked, free, elsewhere = (error_row(group, [errors]) for group in GROUPS)
    assert blocked["steps"] > 5
    assert blocked["corrected"] < 0.5 * blocked["trained"]
    assert free["corrected"] < free["trained"] + 0.02
    assert elsewhere["changed"] == 0.0 and elsewhere["steps"] > 200


def test_rows_count_failures(capsys: pytest.CaptureFixture[str]) -> None:
    attempts = [
        Attempt(True, np.zeros((11, 2))),
        Attempt(False, np.zeros((1001, 2))),
        Attempt(True, np.zeros((1201, 2))),
    ]
    counted = row("after", attempts)
    assert counted["success_rate"] == pytest.approx(2 / 3) and counted["within_1000"] == pytest.approx(1 / 3)
    assert counted["mean_steps"] == pytest.approx((10 + 1000 + 1200) / 3)
    assert counted["ci95"] == wilson_interval(2, 3)
    print_rows([counted])
    print_errors([error_row("blocked", [{"blocked": np.float32([[1.0, 0.5], [0.5, 0.5]])}])])
    table = capsys.readouterr().out
    assert "66.7%" in table and "736.7" in table
    assert table.splitlines()[-1].split() == ["blocked", "0.750", "0.500", "50.0%", "2"]


def test_mistakes_are_found_before_anything_runs() -> None:
    with pytest.raises(ValueError, match="--pairs must be at least 1"):
        main(Options(pairs=0))
    with pytest.raises(ValueError, match="--mazes name one"):
        main(Options(mazes=()))
