"""The still part of a map: soft outlines, and that nothing of another map, field or theme is shown."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pygame
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.viewer_scene import MAZE, document, fields
from viz.theme import DARK, PAPER, Theme, rgb255
from viz.viewer import ground as module
from viz.viewer.document import COST, GUARDRAIL, Zones
from viz.viewer.ground import Ground, ground
from viz.viewer.layout import Camera, Projection, Rect, projection
from viz.viewer.messages import Field
from viz.viewer.soft import SAMPLES, in_bands, inside, resampled, smooth
from viz.viewer.state import LayerState
from worlds.maps import WALL, Map

WHERE = projection(Camera(), MAZE.shape, Rect(0, 0, 500, 330))
SHOWN, HIDDEN = LayerState(), LayerState(False)
HEAT, UNFAMILIAR = (
    next(field for field in fields(0, document()) if field.name == name) for name in ("heat", "unfamiliar")
)


def of(
    theme: Theme = DARK, zones: Zones | None = None, heat: Field | None = None, unfamiliar: Field | None = None
) -> Ground:
    none = Zones.none(MAZE.shape)
    return Ground(MAZE, zones or none, heat, unfamiliar, theme, WHERE, (SHOWN, SHOWN, SHOWN, HIDDEN, SHOWN))


def pixels(surface: pygame.Surface) -> np.ndarray:
    return pygame.surfarray.array3d(surface).transpose(1, 0, 2).astype(int)


def colours(surface: pygame.Surface, cells: np.ndarray) -> np.ndarray:
    """[n, 3] at the centres of [n, 2] cells."""
    x, y = WHERE.pixels(MAZE.center(cells)).round().astype(int).T
    return pixels(surface)[y, x]


# --- soft outlines --------------------------------------------------------------------------------------------------


def test_distances_are_pixels_near_straight_edges() -> None:
    cells = np.zeros((9, 9), bool)
    cells[2:7, 2:7] = True
    where = Projection(Rect(0, 0, 400, 400), (-6.0, -6.0), 400 / 36)  # 44 pixels a cell; the area is 89..311
    distance = inside(cells, where)
    edge = 2 * 400 / 9
    assert distance[200, round(edge) - 3 : round(edge) + 4] == pytest.approx(np.arange(-3, 4), abs=0.9)
    assert distance[200, 200] > 10 and distance[10, 10] < -10
    assert distance[round(edge) + 1, round(edge) + 1] < 0  # the corner is round


@given(st.integers(1, 60), st.floats(-20, 20), st.floats(0.5, 40))
def test_bands_make_no_seams(height: int, top: float, scale: float) -> None:
    where = Projection(Rect(0, 0, 30, 2 * height), (-3.0, top), scale)
    numbers = inside(~MAZE.walls, where)
    banded = in_bands(where, lambda band: (inside(~MAZE.walls, band) * 64 + 2**20).astype(np.uint32))
    assert np.abs(banded.astype(float) - 2**20 - numbers * 64).max() <= 1.5 + 1e-3 * np.abs(numbers).max() * 64


def test_resampling_is_linear_and_constant_beyond() -> None:
    x, y = np.arange(5.0), np.arange(4.0) * 2
    where = Projection(Rect(0, 0, 70, 70), (-1.0, -1.0), 10.0)
    values = resampled(x[None, :] + 10 * y[:, None], x, y, where)
    at = np.arange(70) / 10 - 1
    assert values == pytest.approx(np.clip(at, 0, 4)[None, :] + 10 * np.clip(at, 0, 6)[:, None], abs=1e-3)


def test_coverage() -> None:
    assert smooth(np.array([-2, -0.25, 0, 0.25, 3])).tolist() == [0, 0.25, 0.5, 0.75, 1]
    assert SAMPLES > 1


# --- what is shown --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("theme", [DARK, PAPER])
def test_every_cell_has_its_colour(theme: Theme) -> None:
    surface = ground(of(theme))
    assert np.all(colours(surface, np.argwhere(MAZE.cells == 0)) == rgb255(theme.floor))
    assert np.all(colours(surface, np.argwhere(MAZE.walls)[12:-12]) == rgb255(theme.wall))
    assert tuple(pixels(surface)[0, 0]) == rgb255(theme.page)


def test_entrances_are_filled_and_exits_are_open() -> None:
    surface = ground(of())
    assert np.abs(colours(surface, MAZE.entrances()) - rgb255(DARK.entrance)).max() < 30
    assert np.abs(colours(surface, MAZE.exits()) - rgb255(DARK.exit)).max() > 60


def test_the_heat_map_runs_from_the_goal_to_far_away() -> None:
    x, y = HEAT.x, HEAT.y
    field = replace(HEAT, steps=np.broadcast_to(x[None, :], (len(y), len(x))).astype(np.float32))
    row = np.array([[4, 3], [4, 5], [4, 6]])
    shades = colours(ground(of(heat=field)), row).sum(1)
    assert shades[0] > shades[1] > shades[2] > sum(rgb255(DARK.heat[-1])) - 9  # darker, the further


def test_what_is_unknown_is_left_as_it_is() -> None:
    field = replace(HEAT, steps=np.full_like(HEAT.steps, np.nan))
    assert np.array_equal(pixels(ground(of(heat=field, unfamiliar=field))), pixels(ground(of())))


def test_isolines_are_drawn_over_the_heat_map() -> None:
    plain = of(heat=HEAT)
    lined = replace(plain, layers=(*plain.layers[:3], SHOWN, SHOWN))
    assert np.abs(pixels(ground(lined)) - pixels(ground(plain))).max() > 20


@pytest.mark.parametrize(("kind", "color"), [(COST, DARK.cost), (GUARDRAIL, DARK.guardrail)])
def test_zones_are_hatched_and_have_a_border(kind: int, color: str) -> None:
    cells = np.zeros(MAZE.shape, np.uint8)
    cells[1, 2:4] = kind
    changed = np.abs(pixels(ground(of(zones=Zones(cells)))) - pixels(ground(of()))).max(-1)
    (left, top), (right, bottom) = WHERE.pixels(MAZE.center([[1, 2], [1, 3]]) + [[-2, -2], [2, 2]]).round().astype(int)
    inner = changed[top + 12 : bottom - 12, left + 12 : right - 12]
    assert inner.min() > 0 and inner.max() > 1.8 * inner.min()  # stripes
    outside = changed.copy()
    outside[top : bottom + 1, left : right + 1] = 0
    assert outside.max() == 0
    middle = (top + bottom) // 2
    assert np.abs(pixels(ground(of(zones=Zones(cells))))[middle, left : left + 8] - rgb255(color)).max(-1).min() < 60


def test_guardrails_do_not_look_like_costs_in_grey() -> None:
    """Hatched one way or both: told apart without any colour."""
    covered = []
    for kind in (COST, GUARDRAIL):
        cells = np.zeros(MAZE.shape, np.uint8)
        cells[1, 2:4] = kind
        alpha = pygame.surfarray.array_alpha(module.zone_surface(Zones(cells), kind, DARK, WHERE))
        x, y = WHERE.pixels(MAZE.center([1, 2])).round().astype(int)
        covered.append((alpha[x - 12 : x + 24, y - 12 : y + 12] > 100).mean())
    assert covered[1] > 1.6 * covered[0] > 0


def test_unfamiliar_places_are_dotted() -> None:
    changed = np.abs(pixels(ground(of(unfamiliar=UNFAMILIAR))) - pixels(ground(of()))).sum(-1)
    far, near = (WHERE.pixels(MAZE.center(cell)).round().astype(int) for cell in ([1, 2], [2, 8]))
    patches = [changed[y - 8 : y + 8, x - 8 : x + 8] for x, y in (far, near)]
    assert patches[0].mean() > 3 * patches[1].mean() and patches[0].std() > 5


# --- what is kept ---------------------------------------------------------------------------------------------------


def test_an_equal_ground_is_drawn_once() -> None:
    assert ground(of(heat=HEAT)) is ground(of(heat=HEAT))


def test_nothing_survives_an_edit() -> None:
    before = pixels(ground(of(heat=HEAT)))
    cells = np.array(MAZE.cells)
    cells[2, 4] = WALL
    edited = replace(of(heat=HEAT), map=Map(cells, "edited"))
    assert np.abs(pixels(ground(edited)) - before).max() > 20
    other = replace(HEAT, steps=HEAT.steps[::-1].copy())
    assert not np.array_equal(pixels(ground(of(heat=other))), before)
    assert not np.array_equal(pixels(ground(of(PAPER, heat=HEAT))), before)
    assert np.array_equal(pixels(ground(of(heat=HEAT))), before)
