"""Recordings: the frames of a film, and the GIFs made of them."""

from __future__ import annotations

import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pygame
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from planners.trace import Decision, Episode, LevelView, Round
from viz.film import Film, news
from viz.heat import FigureError
from viz.record import GifWriter, accents_of, chosen_steps, write_gif
from viz.theme import DARK, PAPER, rgb255
from viz.viewer.document import Document, Setup, Zones
from viz.viewer.layers import draw_map
from viz.viewer.layout import MARGIN
from viz.viewer.state import ViewState
from viz.viewer.storage import from_episode
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


def pixel_of(film: Film, xy: tuple[float, float]) -> tuple[int, int]:
    """(row, column) of a world position."""
    column, row = film.projection.pixels(xy).round().astype(int).tolist()
    return row, column


def near(image: Image.Image, color: str, tolerance: int = 24) -> np.ndarray:
    """[h, w] true where a pixel is about of a colour."""
    return np.abs(pixels(image) - rgb255(color)).max(-1) <= tolerance


def test_a_frame_has_the_size_asked_for_and_is_pure() -> None:
    film = Film(CORRIDOR, straight(40), 400, "paper", cost_to_go)
    first = film.frame(12)
    film.frame(30)
    assert first.mode == "RGB" and first.size == film.size and first.width == 400
    assert np.array_equal(pixels(first), pixels(film.frame(12)))


def test_the_map_is_drawn_as_in_the_viewer() -> None:
    episode = straight(40)
    film, setup = Film(CORRIDOR, episode, 400, "dark"), Setup("map", 2, ())
    document = Document(CORRIDOR, Zones.none(CORRIDOR.shape), (0.0, 0.0), (20.0, 0.0), (setup,))
    surface = pygame.Surface(film.size, 0, 32)
    draw_map(surface, ViewState(document, step=20), from_episode(episode, document), 0, film.projection)
    shown, map_only = pygame.surfarray.array3d(surface).transpose(1, 0, 2), slice(film.bar, -film.bar)
    assert np.array_equal(pixels(film.frame(20))[map_only], shown[map_only])


def test_how_plans_were_found_is_left_out() -> None:
    episode, tried = straight(40), np.array([[[4, 0], [8, 1.5]], [[4, 0], [8, -1.5]]], np.float32)
    work = (Round(tried, np.array([1, 2], np.float32), 1),)
    decisions = [replace(d, levels=tuple(replace(v, work=work) for v in d.levels)) for d in episode.decisions]
    searched = replace(episode, decisions=decisions)
    assert np.array_equal(*(pixels(Film(CORRIDOR, one, 400).frame(12)) for one in (episode, searched)))


def test_the_heat_map_leads_to_the_goal() -> None:
    for theme in (PAPER, DARK):
        film = Film(CORRIDOR, straight(40, decisions=False), 800, theme, cost_to_go)
        frame = pixels(film.frame(0))
        for x, color in ((18.0, theme.heat[0]), (2.0, theme.heat[-1])):
            assert np.abs(frame[pixel_of(film, (x, 1.2))] - rgb255(color)).max() < 30


def test_a_theme_of_ones_own_colours_everything() -> None:
    own = replace(PAPER, name="own", page="#102030", ink="#00ff00")
    frame = Film(CORRIDOR, straight(40), 400, own).frame(20)
    assert near(frame, own.page, 0)[0].all() and near(frame, own.ink).any()


def test_the_agent_is_where_it_was_and_as_large_as_it_is() -> None:
    episode = straight(40, decisions=False)
    film = Film(CORRIDOR, episode, 1000)
    for step in (10, 30):
        ink = near(film.frame(step), PAPER.ink)
        row, column = pixel_of(film, tuple(episode.observations[step]))
        assert ink[row, column]
        diameter = ink[:, column].nonzero()[0]
        inside = diameter[np.abs(diameter - row) < 3 * RADIUS * film.projection.scale]
        assert abs(len(inside) / film.projection.scale - 2 * RADIUS) < 0.15


def test_the_trail_is_the_past_and_plans_are_the_future() -> None:
    episode = straight(40)
    film = Film(CORRIDOR, episode, 800)
    frame = film.frame(20)
    row, behind = pixel_of(film, (5.0, 0.0))
    assert near(frame, PAPER.ink)[row - 2 : row + 3, behind].any()
    for level in (1, 2):
        color = near(frame, PAPER.level(level).color)
        columns = color[film.bar : -film.bar].any(0).nonzero()[0]
        assert columns.size and columns.min() >= pixel_of(film, tuple(episode.observations[20]))[1] - 12


def test_the_legend_names_the_levels_and_the_counter_moves() -> None:
    film, without = Film(CORRIDOR, straight(40), 400), Film(CORRIDOR, straight(40, decisions=False), 400)
    footer = slice(-film.bar, None)
    assert near(film.frame(0), PAPER.level(2).color)[footer].any()
    assert not near(without.frame(0), PAPER.level(2).color)[footer].any()
    top = [pixels(film.frame(step))[: film.bar] for step in (3, 4)]
    assert not np.array_equal(*top)


def test_a_narrow_legend_is_complete() -> None:
    for width in (160, 220, 300):
        film = Film(CORRIDOR, straight(40), width)
        footer = pixels(film.frame(0))[-film.bar :]
        assert (footer[:, -MARGIN:] == rgb255(PAPER.page)).all()
        assert near(film.frame(0), PAPER.goal)[-film.bar :].any()


def test_the_end_tells_whether_the_goal_was_reached() -> None:
    reached, late = (Film(CORRIDOR, replace(straight(40), success=success), 400) for success in (True, False))
    header = slice(None, reached.bar)
    assert np.array_equal(pixels(reached.frame(39))[header], pixels(late.frame(39))[header])
    assert not np.array_equal(pixels(reached.frame(40))[header], pixels(late.frame(40))[header])


def test_tall_maps_and_long_titles_fit() -> None:
    tall = Film(Map.parse("\n".join(["#####", *["#...#"] * 12, "#####"])), straight(4), 600)
    assert tall.size[0] < 600 and tall.size[1] < 1.5 * 600
    short, long = (Film(CORRIDOR, replace(straight(40), title=title), 400) for title in ("", 20 * "long "))
    written = near(short.frame(3), PAPER.muted, 60)[: short.bar].any(0).nonzero()[0].min()
    assert np.array_equal(pixels(short.frame(3))[:, written - 4 :], pixels(long.frame(3))[:, written - 4 :])


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


def test_a_gifs_frames_are_the_films(tmp_path: Path) -> None:
    episode = straight(20)
    film = Film(CORRIDOR, episode, 320, "paper", cost_to_go)
    with Image.open(write_gif(CORRIDOR, episode, tmp_path / "a.gif", cost_to_go, fps=10, width=320)) as gif:
        assert gif.n_frames == 21 and gif.info["duration"] == 100
        for step in (0, 7, 20):
            gif.seek(step)
            error = np.abs(pixels(gif) - pixels(film.frame(step)))
            assert error.mean() < 1 and np.quantile(error, 0.99) < 20
        assert gif.info["duration"] > 1000


def test_a_gif_keeps_small_things_in_their_colours(tmp_path: Path) -> None:
    frames, accents = [Image.new("RGB", (64, 64), (255, 255, 255)) for _ in range(2)], accents_of(PAPER, 3)
    frames[1].paste((230, 230, 230), (0, 0, 30, 64))
    for number, color in enumerate(accents[:5].tolist()):
        frames[1].putpixel((40, 2 * number), tuple(color))
    writer = GifWriter(tmp_path / "a.gif", 50, accents, frames[:1])
    for frame in frames:
        writer.add(frame)
    writer.close()
    with Image.open(tmp_path / "a.gif") as gif:
        gif.seek(1)
        assert np.array_equal(pixels(gif)[:, 30:], pixels(frames[1])[:, 30:])


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
        r"width: expected 160\.\.4096 pixels, not 10": lambda: Film(CORRIDOR, episode, 10),
        r"step: expected 0\.\.4": lambda: Film(CORRIDOR, episode).frame(5),
    }
    for message, attempt in attempts.items():
        with pytest.raises(FigureError, match=message):
            attempt()
    assert not list(tmp_path.iterdir())
