"""The ground: predictions stop where recorded walks did, slide along, and are pushed round corners."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from hjepa.ground import Ground, _nearest
from hjepa.guardrails import GuardrailError, Percept
from worlds import collect, named_map


def strip() -> Ground:
    """Walks went over x from 0 to 10, y from 0 to 2; there are holes, but no wide ones."""
    places = torch.rand(4000, 2, generator=torch.Generator().manual_seed(0)) * torch.tensor([10.0, 2.0])
    return Ground.of(places)


def test_what_leads_off_the_ground_stops_and_what_leads_along_slides() -> None:
    ways = torch.tensor([[[5.0, 1.8], [5.0, 2.3], [5.0, 2.8]], [[5.0, 1.8], [5.5, 2.1], [6.0, 2.4]]])
    held, doubt = strip().held(ways)
    assert held[0, 1:, 1].tolist() == pytest.approx([2, 2], abs=0.06)
    assert held[1, 2].tolist() == pytest.approx([6, 2], abs=0.1)
    assert doubt.tolist() == [[False, True, True], [False, True, True]]
    inside = torch.tensor([[[1.0, 1.0], [1.2, 1.1], [3.0, 0.5]]])
    held, doubt = strip().held(inside)
    assert torch.equal(held, inside) and not doubt.any()


def test_a_wall_takes_from_a_step_and_adds_nothing() -> None:
    generator = torch.Generator().manual_seed(1)
    ways = torch.rand(500, 8, 2, generator=generator) * torch.tensor([14.0, 6.0]) - 2
    steps, held = (torch.linalg.vector_norm(each.diff(dim=1), dim=-1) for each in (ways, strip().held(ways)[0]))
    assert (held <= steps + 1e-4).all()
    still = torch.tensor([[[-0.4, 1.0], [-0.4, 1.0]]])
    held, doubt = strip().held(still)
    assert torch.equal(held, still) and doubt.all(), "one who stands in a hole is not moved"
    aside, out = strip().held(torch.tensor([[[5.0, 2.3], [5.2, 2.3]], [[5.0, 2.3], [5.0, 2.5]]]))[0]
    assert aside[1].tolist() == pytest.approx([5.2, 2.3], abs=0.1)
    assert out[1].tolist() == pytest.approx([5, 2.3], abs=0.1)


def test_near_the_edge_there_is_doubt_and_so_there_is_afterwards() -> None:
    _, doubt = strip().held(torch.tensor([[[5.0, 1.0], [5.0, 1.8], [5.0, 1.94], [5.0, 1.8]], [[5.0, 1.93]] * 4]))
    assert doubt.tolist() == [[False, False, True, True], [True] * 4]


def test_far_from_the_ground_nothing_is_said() -> None:
    away = torch.tensor([[[50.0, 50.0], [51.0, 50.0]], [[-1.5, 1.0], [-1.4, 1.0]]])
    assert torch.allclose(strip().held(away)[0], away)


def test_what_moves_does_not_leave_the_ground_by_far() -> None:
    here, velocity = torch.tensor([[[5.0, 1.0], [5.0, 1.0]]]), torch.tensor([[[0.1, 0.0], [0.0, -0.3]]])
    percept = Percept(here, velocity, torch.ones(2))
    room = strip().bounded(percept).room
    assert room is not None
    assert room[0, 0].tolist() == pytest.approx([5.8, 5.8], abs=0.2), "back and forth"
    assert room[0, 1].tolist() == pytest.approx([1.8, 1.8], abs=0.2)


def test_it_knows_the_walls_of_a_maze_that_it_never_saw() -> None:
    maze = named_map("medium")
    ground = Ground.of(torch.from_numpy(collect(maze, rows=300_000, seed=5).observations))
    walks = collect(maze, rows=50_000, seed=6)
    within = np.flatnonzero(walks.terminals[:-1] == 0)
    begin, after = (torch.from_numpy(walks.observations[rows]) for rows in (within, within + 1))
    wanted = begin + 0.2 * torch.from_numpy(walks.actions[within])
    missed = torch.linalg.vector_norm(wanted - after, dim=-1)
    rows = missed > 0.05
    held = ground.held(torch.stack([begin[rows], wanted[rows]], 1))[0][:, 1]
    errors = torch.linalg.vector_norm(held - after[rows], dim=-1)
    assert rows.sum() > 100 and float(errors.mean()) < 0.6 * float(missed[rows].mean())


@pytest.mark.parametrize("places", [torch.zeros(3, 3), torch.zeros(0, 2), torch.zeros(2)])
def test_what_is_no_place_is_refused(places: torch.Tensor) -> None:
    with pytest.raises(GuardrailError, match=r"ground needs \[N, 2\] observed places, not"):
        Ground.of(places)


def test_the_nearest_cell_is_exact() -> None:
    marked = np.random.default_rng(0).random((40, 30)) < 0.02
    found = _nearest(marked, 9)
    cells = np.argwhere(marked)
    for i, j in np.ndindex(*marked.shape):
        gap = np.square(cells - [i, j]).sum(1).min()
        got = np.square(found[i, j] - [i, j]).sum()
        assert got == gap if gap <= 81 else got == 0
