"""Recordings: the frame renderer and the GIFs made with it."""

from __future__ import annotations

import time
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from planners.trace import Decision, Episode, LevelView
from viz.backdrop import FigureError
from viz.frames import FrameRenderer, news
from viz.record import chosen_steps, write_gif
from viz.theme import PAPER, rgb255
from worlds.compiled import RADIUS
from worlds.maps import NAMED, Map

GIANT = Map.parse(NAMED["giant"].replace("|", "\n"), "giant")
CORRIDOR = Map.parse("########\n#......#\n########")


def straight(last: int, decisions: bool = True) -> Episode:
    """Along the corridor from x = 0 to x = 20, two levels planning ahead."""
    path = np.stack([np.linspace(0, 20, last + 1), np.zeros(last + 1)], 1).astype(np.float32)
    plans = [
        Decision(
            step,
            tuple(LevelView(path[step::stride][:3], path[min(step + stride, last)]) for stride in (2, 5)),
            ("replan 1", "replan 2") if step % 10 == 0 else ("replan 1",),
        )
        for step in range(0, last, 2)
    ]
    return Episode(path, path[-1], True, plans if decisions else [], "straight on")


def cost_to_go(points: np.ndarray) -> np.ndarray:
    return 5 * np.linalg.norm(points - [20, 0], axis=1)


def pixels(image: Image.Image) -> np.ndarray:
    return np.asarray(image.convert("RGB"), dtype=int)


def pixel_of(renderer: FrameRenderer, xy: tuple[float, float]) -> tuple[int, int]:
    """(row, column) of a world position."""
    column, row = renderer._canvas(Image.new("RGB", (1, 1))).pixels(np.array(xy)) / 3
    return int(row), int(column)


def near(image: Image.Image, color: str, tolerance: int = 24) -> np.ndarray:
    """[h, w] true where a pixel is about of a colour."""
    return np.abs(pixels(image) - rgb255(color)).max(-1) <= tolerance


def test_a_frame_has_the_size_asked_for_and_is_pure() -> None:
    renderer, episode = FrameRenderer(CORRIDOR, 400, "paper", cost_to_go), straight(40)
    first = renderer.frame(episode, 12)
    renderer.frame(episode, 30)
    assert first.mode == "RGB" and first.size == renderer.size and first.width == 400
    assert np.array_equal(pixels(first), pixels(renderer.frame(episode, 12)))


def test_the_agent_is_where_it_was_and_as_large_as_it_is() -> None:
    renderer, episode = FrameRenderer(CORRIDOR, 1000), straight(40, decisions=False)
    for step in (10, 30):
        ink = near(renderer.frame(episode, step), PAPER.ink)
        row, column = pixel_of(renderer, tuple(episode.observations[step]))
        assert ink[row, column]
        diameter = ink[:, column].nonzero()[0]
        inside = diameter[np.abs(diameter - row) < 3 * RADIUS * renderer._zoom]
        assert abs(len(inside) / renderer._zoom - 2 * RADIUS) < 0.15


def test_the_trail_is_the_past_and_plans_are_the_future() -> None:
    renderer, episode = FrameRenderer(CORRIDOR, 800), straight(40)
    frame = renderer.frame(episode, 20)
    row, behind = pixel_of(renderer, (5.0, 0.0))
    assert near(frame, PAPER.ink)[row - 2 : row + 3, behind].any()
    for level in (1, 2):
        color = near(frame, PAPER.level(level).color)
        bar = renderer.bar
        columns = color[bar:-bar].any(0).nonzero()[0]
        assert columns.size and columns.min() >= pixel_of(renderer, tuple(episode.observations[20]))[1] - 12


def test_the_legend_names_the_levels_and_the_counter_moves() -> None:
    renderer, episode = FrameRenderer(CORRIDOR, 400), straight(40)
    footer = slice(-renderer.bar, None)
    assert near(renderer.frame(episode, 0), PAPER.level(2).color)[footer].any()
    assert not near(renderer.frame(straight(40, decisions=False), 0), PAPER.level(2).color)[footer].any()
    top = [pixels(renderer.frame(episode, step))[: renderer.bar] for step in (3, 4)]
    assert not np.array_equal(*top)


def test_tall_maps_and_long_titles_fit() -> None:
    tall = Map.parse("\n".join(["#####", *["#...#"] * 12, "#####"]))
    renderer = FrameRenderer(tall, 600)
    assert renderer.size[0] < 600 and renderer.size[1] < 1.5 * 600
    canvas = renderer._canvas(Image.new("RGB", renderer.size))
    assert canvas.shortened("short", 12, 200) == "short"
    cut = canvas.shortened("a title that is far too long", 12, 80)
    assert cut.endswith("…") and canvas.text_width(cut, 12) <= 80


def test_news_are_of_upper_levels_and_of_late() -> None:
    episode = straight(40)
    assert news(episode, 12) == "level 2 replans"
    assert news(straight(40, decisions=False), 12) == ""
    assert news(Episode(episode.observations, episode.goal, True, [Decision(0, (), ("trapped",))]), 1) == "trapped"
    assert news(Episode(episode.observations, episode.goal, True, [Decision(0, (), ("replan 3",))]), 20) == ""


def test_a_long_episode_becomes_a_small_gif_quickly(tmp_path: Path) -> None:
    angle = np.linspace(0, 20, 451)
    path = (np.stack([26 + 22 * np.cos(angle), 18 + 14 * np.sin(angle)], 1)).astype(np.float32)
    views = [tuple(LevelView(path[s::k][:6], path[min(s + k, 450)]) for k in (1, 10, 60)) for s in range(0, 450, 5)]
    decisions = [Decision(5 * index, levels) for index, levels in enumerate(views)]
    started = time.process_time()
    target = write_gif(GIANT, Episode(path, path[-1], True, decisions), tmp_path / "new" / "giant.gif", cost_to_go)
    assert time.process_time() - started < 8
    assert target.stat().st_size < 3e6
    with Image.open(target) as gif:
        assert gif.n_frames == 150 and gif.width == 640 and gif.info["loop"] == 0


def test_a_gifs_frames_are_the_renderers(tmp_path: Path) -> None:
    episode, renderer = straight(20), FrameRenderer(CORRIDOR, 320, "paper", cost_to_go)
    with Image.open(write_gif(CORRIDOR, episode, tmp_path / "a.gif", cost_to_go, fps=10, width=320)) as gif:
        assert gif.n_frames == 21 and gif.info["duration"] == 100
        for step in (0, 7, 20):
            gif.seek(step)
            error = np.abs(pixels(gif) - pixels(renderer.frame(episode, step)))
            assert error.mean() < 3 and np.quantile(error, 0.99) < 40
        assert gif.info["duration"] > 1000


@given(st.integers(1, 3000), st.integers(2, 400))
def test_chosen_steps_are_even_and_keep_both_ends(length: int, most: int) -> None:
    steps = chosen_steps(length, most)
    assert steps[0] == 0 and steps[-1] == length - 1 and len(steps) == min(length, most)
    gaps = np.diff(steps)
    assert gaps.size == 0 or gaps.max() - gaps.min() <= 1


def test_errors_are_one_line(tmp_path: Path) -> None:
    episode = straight(4)
    attempts = {
        r"a\.mp4: expected a file ending in \.gif": lambda: write_gif(CORRIDOR, episode, tmp_path / "a.mp4"),
        r"fps: expected 1\.\.50, not 0": lambda: write_gif(CORRIDOR, episode, tmp_path / "a.gif", fps=0),
        r"max_frames: expected at least 2": lambda: write_gif(CORRIDOR, episode, tmp_path / "a.gif", max_frames=1),
        r"width: expected 160\.\.4096 pixels, not 10": lambda: FrameRenderer(CORRIDOR, 10),
        r"step: expected 0\.\.4": lambda: FrameRenderer(CORRIDOR).frame(episode, 5),
    }
    for message, attempt in attempts.items():
        with pytest.raises(FigureError, match=message):
            attempt()
    assert not list(tmp_path.iterdir())
