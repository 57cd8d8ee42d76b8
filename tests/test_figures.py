"""Figures: what they contain, what they leave alone, and what they refuse."""

from __future__ import annotations

import itertools
import pathlib
from dataclasses import replace

import matplotlib
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.colors import to_hex
from matplotlib.figure import Figure
from matplotlib.patches import ConnectionPatch
from matplotlib.path import Path
from matplotlib.transforms import Bbox

from planners.trace import Decision, Episode, LevelView
from viz.backdrop import Extent, FigureError, centers, floor_path, route_of
from viz.figures import comparison_figure, episode_figure, levels_figure, save, scaling_figure, training_figure
from viz.heat import sample_cost
from viz.theme import DARK, PAPER, THEMES, Theme, ThemeError, get_theme, rgb255
from worlds.compiled import RADIUS
from worlds.maps import CELL_SIZE, NAMED, WALL, Map, generate_maze

STRIDES = (1, 10, 60)
GIANT = Map.parse(NAMED["giant"].replace("|", "\n"), "giant")


DISTANCES = GIANT.distances_from((10, 14)).astype(float)


def shortest_path(start: tuple[int, int]) -> np.ndarray:
    """[n, 2] world positions, 20 steps a cell, along a shortest path."""
    cells = [start]
    while DISTANCES[cells[-1]] > 0:
        i, j = cells[-1]
        around = [cell for cell in ((i + 1, j), (i - 1, j), (i, j + 1), (i, j - 1)) if GIANT.cells[cell] != WALL]
        cells.append(min(around, key=lambda cell: DISTANCES[cell]))
    corners, at = centers(np.array(cells)), np.arange(0, len(cells) - 1 + 1e-9, 0.05)
    return np.stack([np.interp(at, np.arange(len(cells)), corners[:, axis]) for axis in (0, 1)], 1).astype(np.float32)


def level_view(path: np.ndarray, step: int, level: int, states: int) -> LevelView:
    indices = np.unique(np.minimum(step + STRIDES[level] * np.arange(states + 1), len(path) - 1))
    plan = path[indices] if len(indices) > 1 else path[[-1, -1]]
    return LevelView(plan, plan[1], 0, 100)


@pytest.fixture(scope="module")
def episode() -> Episode:
    path = shortest_path((1, 1))
    decisions = [
        Decision(step, tuple(level_view(path, step, level, n) for level, n in enumerate((8, 6, 20))), ("replan 3",))
        for step in range(0, len(path) - 1, 4)
    ]
    return Episode(path, path[-1], True, decisions, "a giant maze")


def cost_to_go(points: np.ndarray) -> np.ndarray:
    cells = np.rint(points[:, ::-1] / CELL_SIZE + 1).astype(int)
    return 20 * DISTANCES[cells[:, 0], cells[:, 1]]


def drawn_points(figure: Figure, color: str) -> np.ndarray:
    """[n, 2] all points of lines and markers of one colour on the map."""
    lines = [line for ax in figure.axes for line in ax.lines]
    shown = [line for line in lines if color in (to_hex(line.get_color()), marker_color(line))]
    return np.concatenate([line.get_xydata() for line in shown])


def marker_color(line: matplotlib.lines.Line2D) -> str:
    edge = line.get_markeredgecolor()
    return to_hex(edge) if line.get_markerfacecolor() == "none" else to_hex(line.get_markerfacecolor())


@pytest.mark.parametrize("theme", list(THEMES))
def test_every_levels_plan_is_drawn_in_its_colour(episode: Episode, theme: str) -> None:
    figure = episode_figure(GIANT, episode, cost_to_go, theme=theme)
    for level, view in enumerate(episode.decisions[0].levels, 1):
        points = drawn_points(figure, THEMES[theme].level(level).color)
        for state in view.plan:
            assert np.linalg.norm(points - state, axis=1).min() < 1e-5


def test_a_plan_is_linked_to_the_parents_subgoal(episode: Episode) -> None:
    points = drawn_points(episode_figure(GIANT, episode), PAPER.level(1).color)
    assert np.linalg.norm(points - episode.decisions[0].levels[1].subgoal, axis=1).min() < 1e-5


def test_a_step_shows_the_newest_decision_before_it(episode: Episode) -> None:
    points = drawn_points(episode_figure(GIANT, episode, step=203), PAPER.level(2).color)
    newest = next(decision for decision in episode.decisions if decision.step == 200)
    assert all(np.linalg.norm(points - state, axis=1).min() < 1e-5 for state in newest.levels[1].plan[1:])
    assert np.linalg.norm(points - episode.observations[203], axis=1).min() < 1e-5


def test_caption_and_legend(episode: Episode) -> None:
    figure = episode_figure(GIANT, replace(episode, success=False), cost_to_go, step=8)
    texts = " ".join(text.get_text() for text in figure.texts)
    assert "a giant maze" in texts and "step 8 of" in texts and "not reached" in texts
    entries = [text.get_text() for text in figure.legends[0].get_texts()]
    assert entries == ["agent", "goal", "path taken", "level 3", "level 2", "level 1"]


def test_portals_are_explained(episode: Episode) -> None:
    portals = Map.parse(NAMED["teleport"].replace("|", "\n"))
    entries = [text.get_text() for text in episode_figure(portals, episode).legends[0].get_texts()]
    assert entries[-2:] == ["portal in", "portal out"]


def test_a_level_per_panel_zoomed_in(episode: Episode) -> None:
    figure = levels_figure(GIANT, episode, cost_to_go, strides=STRIDES)
    widths = [abs(np.subtract(*ax.get_xlim())) for ax in figure.axes]
    assert len(widths) == 3 and widths == sorted(widths, reverse=True)
    titles = [" ".join(text.get_text() for text in ax.texts) for ax in figure.axes]
    assert "level 3" in titles[0] and "60-step stride" in titles[0] and "1-step stride" in titles[2]
    rays = [artist for artist in figure.artists if isinstance(artist, ConnectionPatch)]
    assert len(rays) == 2 * 2
    for ax, view in zip(figure.axes, reversed(episode.decisions[0].levels), strict=True):
        low, high = sorted(ax.get_xlim())
        assert np.all((view.plan[:, 0] > low) & (view.plan[:, 0] < high))


@pytest.mark.parametrize("levels", [3, 4, 6])
def test_panel_titles_do_not_overlap(episode: Episode, levels: int) -> None:
    first = episode.decisions[0]
    views = (*first.levels, *[first.levels[2]] * (levels - 3))
    figure = levels_figure(GIANT, replace(episode, decisions=[Decision(0, views)]), strides=[300] * levels)
    renderer = FigureCanvasAgg(figure).get_renderer()
    boxes = [Bbox.union([text.get_window_extent(renderer) for text in ax.texts]) for ax in figure.axes]
    assert all(left.x1 < right.x0 for left, right in itertools.pairwise(boxes))
    assert boxes[0].x0 > 0 and boxes[-1].x1 < figure.bbox.width and boxes[0].y1 < figure.bbox.height


def test_an_upper_levels_route_begins_at_the_agent(episode: Episode) -> None:
    decision, agent = episode.decisions[0], np.array([5.0, 6.0], np.float32)
    for level in (2, 3):
        plan, route = decision.levels[level - 1].plan, route_of(decision, level, agent)
        assert np.array_equal(route, [agent, *plan[1:]])
    assert np.array_equal(route_of(decision, 1, agent), decision.levels[0].plan)
    alone = Decision(0, tuple(LevelView(agent[None] + level, agent) for level in range(3)))
    assert np.array_equal(route_of(alone, 3, agent), agent[None])
    episode_figure(GIANT, replace(episode, decisions=[alone]))


def test_a_whole_episode_shows_how_the_level_below_the_top_went_on(episode: Episode) -> None:
    later = [replace(d, events=("replan 2",)) if d.step == 200 else d for d in episode.decisions]
    states = later[50].levels[1].plan[1:]
    assert later[50].step == 200
    for step, shown in ((None, True), (0, False)):
        points = drawn_points(episode_figure(GIANT, replace(episode, decisions=later), step=step), PAPER.level(2).color)
        assert all((np.linalg.norm(points - state, axis=1).min() < 1e-5) == shown for state in states)


def test_an_episode_without_decisions_is_a_path(episode: Episode) -> None:
    bare = replace(episode, decisions=[])
    entries = [text.get_text() for text in episode_figure(GIANT, bare).legends[0].get_texts()]
    assert entries == ["agent", "goal", "path taken"]
    with pytest.raises(FigureError, match="decision at or before step 0"):
        levels_figure(GIANT, bare)


def test_global_settings_are_left_alone(episode: Episode) -> None:
    before = dict(matplotlib.rcParams)
    episode_figure(GIANT, episode, cost_to_go, theme="dark")
    assert dict(matplotlib.rcParams) == before


@pytest.mark.parametrize("suffix", [".png", ".svg", ".pdf"])
def test_saving_is_reproducible(episode: Episode, tmp_path: pathlib.Path, suffix: str) -> None:
    first, second = (
        save(episode_figure(GIANT, episode, cost_to_go), tmp_path / folder / f"figure{suffix}") for folder in "ab"
    )
    assert first.read_bytes() == second.read_bytes()
    assert first.read_bytes().startswith({".png": b"\x89PNG", ".svg": b"<?xml", ".pdf": b"%PDF"}[suffix])


def test_errors_are_one_line(episode: Episode, tmp_path: pathlib.Path) -> None:
    figure = episode_figure(GIANT, episode)
    attempts = {
        r"figure\.bmp: expected a file ending in \.png, \.svg, \.pdf": lambda: save(figure, tmp_path / "figure.bmp"),
        r"step: expected 0\.\.\d+": lambda: episode_figure(GIANT, episode, step=10_000),
        r"cost_to_go: expected \[\d+\] steps": lambda: episode_figure(GIANT, episode, lambda xy: xy),
        r"strides: expected one per level \(3\), got 1": lambda: levels_figure(GIANT, episode, strides=[1]),
    }
    for message, attempt in attempts.items():
        with pytest.raises(FigureError, match=message) as caught:
            attempt()
        assert "\n" not in str(caught.value)


def test_themes() -> None:
    assert get_theme("dark") is DARK and get_theme(PAPER) is PAPER
    with pytest.raises(ThemeError, match="expected one of dark, paper, not 'neon'"):
        get_theme("neon")
    assert len({(style.sides, style.rotation) for style in map(PAPER.level, range(1, 7))}) == 6
    assert PAPER.level(3).width > PAPER.level(2).width > PAPER.level(1).width


@pytest.mark.parametrize("theme", list(THEMES.values()), ids=str)
def test_levels_stand_out_from_the_heat_map(theme: Theme) -> None:
    """WCAG's contrast for graphics, 3:1, on average over the heat map; and a heat map that is monotone in grey."""
    heat = np.array([luminance(color) for color in theme.heat])
    assert np.all(np.diff(heat) < 0)
    for hue in theme.hues[:4]:
        pairs = np.sort(np.stack(np.broadcast_arrays(heat, luminance(hue))) + 0.05, axis=0)
        assert np.mean(pairs[1] / pairs[0]) > 3


def luminance(color: str) -> float:
    channels = np.array(rgb255(color)) / 255
    linear = np.where(channels <= 0.04045, channels / 12.92, ((channels + 0.055) / 1.055) ** 2.4)
    return float(linear @ [0.2126, 0.7152, 0.0722])


@given(st.integers(0, 2**32 - 1), st.integers(3, 12), st.integers(3, 12))
def test_rounded_walls_keep_free_centres_free(seed: int, rows: int, cols: int) -> None:
    cells = (np.random.default_rng(seed).random((rows, cols)) < 0.4).astype(np.uint8)
    rings = [Path(ring) for ring in floor_path(cells).to_polygons()]
    crossings = sum(ring.contains_points(centers(np.argwhere(cells >= 0))).astype(int) for ring in rings)
    assert np.array_equal(np.reshape(crossings % 2 == 1, cells.shape), cells != WALL)


@pytest.mark.parametrize("side", [12, 64, 100])
def test_cost_is_only_asked_for_where_an_agent_can_be(side: int) -> None:
    maze = generate_maze(side, side, 0)
    asked: list[np.ndarray] = []
    heat = sample_cost(maze.cells, lambda xy: asked.append(xy) or xy[:, 0])
    reach = max(0.0, RADIUS - (heat.x[1] - heat.x[0]) / 2)
    for offset in itertools.product((-reach, 0, reach), repeat=2):
        cells = np.rint((asked[0] + offset)[:, ::-1] / CELL_SIZE + 1).astype(int)
        assert np.all(maze.cells[cells[:, 0], cells[:, 1]] != WALL)
    per_cell = len(heat.x) // maze.cells.shape[1]
    assert np.isfinite(heat.steps[np.kron(maze.cells != WALL, np.ones((per_cell, per_cell), bool))]).all()


def test_cost_reaches_the_walls_but_not_across_corners() -> None:
    corner = Map.parse("####\n#.##\n##.#\n####")
    heat = sample_cost(corner.cells, lambda xy: np.where(xy.sum(1) > CELL_SIZE, 1000.0, 0.0))
    free = np.kron(corner.cells != WALL, np.ones((10, 10), bool))
    assert np.isfinite(heat.steps[free]).all() and set(np.unique(heat.steps[free])) == {0.0, 1000.0}


def test_cost_is_only_asked_for_in_free_space() -> None:
    asked: list[np.ndarray] = []
    heat = sample_cost(GIANT.cells, lambda xy: asked.append(xy) or xy[:, 0])
    cells = np.rint(asked[0][:, ::-1] / CELL_SIZE + 1).astype(int)
    assert np.all(GIANT.cells[cells[:, 0], cells[:, 1]] != WALL)
    known = np.isfinite(heat.steps)
    assert np.abs(heat.steps - heat.x)[known].max() < 5 * (heat.x[1] - heat.x[0])
    assert 2 <= len(heat.isolines()) <= 12


def test_an_unknown_cost_draws_nothing_and_fails_nothing(episode: Episode) -> None:
    episode_figure(GIANT, episode, lambda xy: np.full(len(xy), np.inf))


@given(st.lists(st.tuples(st.floats(0, 40), st.floats(0, 30)), min_size=1, max_size=5), st.floats(0.5, 3))
def test_a_zoom_shows_its_points_within_the_map(points: list[tuple[float, float]], aspect: float) -> None:
    whole = Extent(-4, 60, -4, 44)
    zoom = Extent.around(np.array(points), aspect, margin=2.0).inside(whole)
    assert whole.left <= zoom.left and zoom.right <= whole.right + 1e-9
    assert whole.top <= zoom.top and zoom.bottom <= whole.bottom + 1e-9
    if zoom.width < whole.width and zoom.height < whole.height:
        assert all(zoom.left <= x <= zoom.right and zoom.top <= y <= zoom.bottom for x, y in points)


def scaling_rows() -> list[dict[str, object]]:
    return [
        {"size": size, "levels": levels, "success_rate": 1 - 0.1 * (levels == 1), "ci95": (0.85, 1.0)}
        | {"nodes_expanded_per_goal": size**2 / levels if levels > 1 else None, "ms_per_goal": size}
        for size in (32, 16)
        for levels in (1, 2, 3)
    ]


def test_scaling_has_a_line_per_number_of_levels() -> None:
    figure = scaling_figure(scaling_rows())
    success, nodes, milliseconds = figure.axes
    assert [line.get_label() for line in success.lines] == ["flat (1 level)", "2 levels", "3 levels"]
    assert list(success.lines[0].get_xdata()) == [16, 32] and list(success.lines[0].get_ydata()) == [90, 90]
    assert len(nodes.lines) == 2 and len(milliseconds.lines) == 3
    assert nodes.get_yscale() == "log" and nodes.get_xscale() == "log"


def test_scaling_refuses_what_it_cannot_draw() -> None:
    rows = scaling_rows()
    for message, bad, efforts in (
        ("at least one result", [], ["ms_per_goal"]),
        ("efforts: expected some of .* not 'watts'", rows, ["watts"]),
        (r"rows\[0\]: expected a value for size", [{**rows[0], "size": None}], ["ms_per_goal"]),
        (r"rows\[0\]\.success_rate: expected a fraction", [{**rows[0], "success_rate": 98}], ["ms_per_goal"]),
    ):
        with pytest.raises(FigureError, match=message):
            scaling_figure(bad, efforts)


def test_training_has_a_panel_per_kind_and_a_colour_per_level(tmp_path: pathlib.Path) -> None:
    log = tmp_path / "metrics.csv"
    names = "step,loss,prediction/1,prediction/2,rank/1,rank/2,seconds"
    log.write_text("\n".join([names, *(f"{s},{3 - s},{2 - s / 2},1,{'' if s else 3},4,{s}" for s in range(3))]))
    figure = training_figure(log)
    panels = [ax for ax in figure.axes if ax.axison]
    assert [ax.get_title(loc="left") for ax in panels] == ["loss", "prediction", "effective rank"]
    assert panels[1].get_yscale() == "log" and panels[2].get_yscale() == "linear"
    assert {to_hex(line.get_color()) for line in panels[1].lines} == {PAPER.level(1).color, PAPER.level(2).color}


@pytest.mark.parametrize("text", ["", "a,b\n1,2\n", "step,loss\nx,y\n"])
def test_training_refuses_other_tables(tmp_path: pathlib.Path, text: str) -> None:
    (tmp_path / "log.csv").write_text(text)
    with pytest.raises(FigureError, match="log.csv: expected columns 'step'"):
        training_figure(tmp_path / "log.csv")
    with pytest.raises(FigureError, match="none.csv: expected a readable CSV file"):
        training_figure(tmp_path / "none.csv")


def comparison_rows() -> list[dict[str, object]]:
    kinds = {"cem-landmarks-landmarks": None, "mppi-landmarks-landmarks": 1, "cem-mcts-landmarks": 2}
    return [
        {"planners": name, "swapped": level, "success_rate": 0.9, "ci95": (0.8, 0.95), "ms_per_decision": 2.0 * place}
        for place, (name, level) in enumerate(kinds.items(), start=1)
    ]


def test_a_comparison_has_a_line_per_combination() -> None:
    success, time = comparison_figure(comparison_rows()).axes
    assert [label.get_text() for label in success.get_yticklabels()][1] == "mppi, landmarks, landmarks"
    assert [line.get_xdata()[0] for line in success.lines if len(line.get_xdata()) == 1] == [90, 90, 90]
    assert [line.get_xdata()[0] for line in time.lines if len(line.get_xdata()) == 1] == [2, 4, 6]
    hues = [line.get_color() for line in time.lines if len(line.get_xdata()) == 1]
    assert hues == [PAPER.ink, PAPER.level(1).color, PAPER.level(2).color]


def test_a_comparison_refuses_what_it_cannot_draw() -> None:
    with pytest.raises(FigureError, match="at least one combination"):
        comparison_figure([])
    with pytest.raises(FigureError, match=r"rows\[0\]: expected a value for ci95"):
        comparison_figure([{**comparison_rows()[0], "ci95": None}])
