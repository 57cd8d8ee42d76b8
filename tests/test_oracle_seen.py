"""Oracles of a world that is seen: each part that is called true is true."""

from __future__ import annotations

from copy import deepcopy
from dataclasses import replace
from functools import cache

import numpy as np
import pytest
import torch
from torch import Tensor

from hjepa.vision.diagnostics import Affine
from hjepa.vision.planning import VisionPlanning
from planners.base import Box
from scripts._mazes_seen import held_out, lessons_layouts
from scripts._oracle_seen import Crossed, OracleActor, OracleWalks, Part, Simulator
from scripts._oracle_walls import TrueWalls
from scripts._probe_parts import VARIANTS, print_parts, tried
from scripts._probe_paths import costs_along_oracle_paths, judged_edges, watch
from scripts._seen import SeenTasks
from tests.seen_mazes import glancing
from worlds import DiverseMazeTasks, maze_raster
from worlds.force import D4RL

QUICK = VisionPlanning(samples=8, iterations=1, horizon=4, expansions=20)
CALIBRATION = Affine(torch.tensor([[0.5, 0.0], [0.0, 0.5]]), torch.tensor([-1.0, -1.0]))
"""From cells of 4 pixels to cells of 8, within a ring of one."""


@cache
def seen(time_limit: int = 60) -> SeenTasks:
    mazes = held_out("small", 2, 5, lessons_layouts(glancing().card))
    tasks = DiverseMazeTasks(mazes, 3, (2, 4), seed=1, time_limit=time_limit, physics=D4RL)
    return SeenTasks(tasks, maze_raster(mazes))


def actor(*parts: Part, levels: int = 2) -> OracleActor:
    return OracleActor(glancing(), seen(), CALIBRATION, frozenset(parts), levels, QUICK)


def across(cell_a: tuple[int, int], cell_b: tuple[int, int]) -> tuple[Tensor, Tensor]:
    return torch.tensor([[cell_a[1] + 0.5, cell_a[0] + 0.5]]), torch.tensor([[cell_b[1] + 0.5, cell_b[0] + 0.5]])


def test_walls_are_where_the_map_has_them() -> None:
    walls, tasks = TrueWalls.of(seen().raster), seen().tasks
    assert isinstance(tasks, DiverseMazeTasks)
    cells = tasks.layouts.maps[0].walls
    neighbours = [((i, j), (i, j + 1)) for i in range(1, 5) for j in range(1, 4)]
    for a, b in neighbours:
        assert bool(walls.crosses(torch.tensor([0]), *across(a, b))) == bool(cells[a] or cells[b])


def test_a_detour_is_longer_than_a_straight_way() -> None:
    walls, tasks = TrueWalls.of(seen().raster), seen().tasks
    assert isinstance(tasks, DiverseMazeTasks)
    free = [tuple(cell) for cell in tasks.layouts.maps[0].free_cells().tolist()]
    start, end = across(free[0], free[0])
    assert walls.detour(0, start[0], end[0] + 0.3) < 1.1
    found = []
    for cell in free[1:]:
        start, end = across(free[0], cell)
        crosses = bool(walls.crosses(torch.tensor([0]), start, end))
        found.append((crosses, walls.detour(0, start[0], end[0])))
    assert max(length for _, length in found) > 1.09 and all(length < 1.09 for crosses, length in found if not crosses)


def test_the_simulator_is_the_world() -> None:
    tasks = seen().tasks
    seen().reset()
    box = Box(-torch.ones(2), torch.ones(2))
    forces = torch.tensor([[1.0, 0.2], [-0.3, 0.9], [0.1, -0.5]])
    state, simulator = actor("dynamics")._true_state(), Simulator(tasks, CALIBRATION, box)
    for _ in range(5):
        state = simulator.step(state, forces)
        tasks.step(forces.numpy())
        torch.testing.assert_close(state[:, 3:], tasks.states())
        torch.testing.assert_close(CALIBRATION(state[:, :2]), tasks.states()[:, :2])


def test_edges_are_believed_where_no_wall_is() -> None:
    tasks = seen().tasks
    assert isinstance(tasks, DiverseMazeTasks)
    walls, cells = TrueWalls.of(seen().raster), tasks.layouts.maps[int(tasks.maps[1])].walls
    a, b = next(((i, j), (i, j + 1)) for i in range(1, 5) for j in range(1, 4) if cells[i, j] != cells[i, j + 1])
    start, end = (CALIBRATION.inverse()(place) for place in across(a, b))
    states = [torch.cat([place, torch.zeros(1, 2), torch.ones(1, 1)], 1) for place in (start, end)]
    crossed = Crossed(walls, tasks.maps, CALIBRATION)
    assert crossed(torch.empty(0), *states) < 0 < crossed(torch.empty(0), states[0], states[0] + 0.1)


def test_true_subgoals_lie_on_the_way_to_the_goal() -> None:
    tasks = seen().tasks
    seen().reset()
    walks = OracleWalks(tasks, CALIBRATION, 5, torch.tensor(0.4))
    places, reached = walks._walk()
    way, times = walks._of(places, reached, 1)
    np.testing.assert_allclose(CALIBRATION(torch.from_numpy(way[-1])).numpy(), tasks.goals[1].numpy(), atol=1e-5)
    assert times.tolist() == [*range(0, int(reached[1]), 5), reached[1]] and reached[1] == tasks.oracle_steps()[1]


@pytest.mark.parametrize("parts", [("places",), ("places", "dynamics", "subgoals")])
def test_an_oracle_with_every_part_arrives_and_one_with_eyes_alone_does_not(parts: tuple[Part, ...]) -> None:
    planning = VisionPlanning(samples=32, iterations=2, horizon=8, expansions=20)
    agent = replace(glancing(), stack=deepcopy(glancing().stack))
    agent.stack.pace.fill_(0.4)  # a world's truth, too
    success = watch(OracleActor(agent, seen(), CALIBRATION, frozenset(parts), 2, planning), seen()).success
    assert success.all() == ("subgoals" in parts)


def test_what_is_planned_is_written_down_and_judged() -> None:
    watched = watch(actor(), seen(12))
    assert len(watched.states) == len(watched.actions) + 1 and {t.level for t in watched.thoughts} == {2}
    judged = judged_edges(watched, seen(12), CALIBRATION, 2)
    assert judged is not None and judged.edges > 0 and 0 <= judged.crossing.value <= 1
    assert judged_edges(watched, seen(12), CALIBRATION, 3) is None


def test_costs_along_the_oracles_paths() -> None:
    found = costs_along_oracle_paths(actor(), seen(), CALIBRATION)
    assert list(found) == ["goal, straight line", "5 steps ahead", "goal, over 5 steps", "goal, level 2's search"]
    assert found["5 steps ahead"].value > 0.9


def test_every_variant_runs(capsys: pytest.CaptureFixture[str]) -> None:
    found = print_parts(tried(glancing(), seen(12), CALIBRATION, QUICK, 0))
    assert list(found) == [variant.name for variant in VARIANTS] and found["as it is"]["episodes"] == 3
    assert capsys.readouterr().out.count("[") >= 2 * len(VARIANTS) - 2
