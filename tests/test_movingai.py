"""The MovingAI benchmark's files are read, their lengths matched, and what isn't one is named in one line."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest

from planners.grid import GridPlanner
from worlds.movingai import MovingAIError, Scenario, load_grid, load_scenario

DATA = Path(__file__).parent / "data"
MOVINGAI = Path(os.environ.get("MOVINGAI", Path(__file__).parents[2] / "shared" / "movingai"))
"""The benchmark's own files, where they are: each .map with its .map.scen."""

GRID = "type octile\nheight 2\nwidth 5\nmap\n.GS.@\nOTW..\n"
PROBLEM = "0\tmaps/a b.map\t5\t2\t0\t0\t4\t1\t4.41421356\n"


def solve(free: np.ndarray, problems: Scenario) -> None:
    """Requires every length to be the published one."""
    paths = GridPlanner(free).plan_many(problems.starts, problems.goals)
    assert [path.found for path in paths] == problems.solvable.tolist()
    costs = np.array([path.cost if path.found else 0 for path in paths])
    assert (np.abs(costs - problems.lengths) <= 1e-3 + 1e-5 * problems.lengths).all()


def test_our_own_map() -> None:
    free, problems = load_grid(DATA / "rooms.map"), load_scenario(DATA / "rooms.map.scen")
    assert free.shape == problems.shape == (18, 20) and len(problems) == 42
    assert problems.map == "rooms.map" and not problems.solvable.all()
    solve(free, problems)
    assert len(problems.head(5)) == 5


@pytest.mark.parametrize("name", sorted(path.name for path in MOVINGAI.glob("*.map")) or ["none"])
def test_published_lengths(name: str) -> None:
    if name == "none":
        pytest.skip(f"no maps in {MOVINGAI}; the variable MOVINGAI may name their folder")
    problems = load_scenario(MOVINGAI / f"{name}.scen")
    chosen = np.arange(0, len(problems), max(1, len(problems) // 150))
    sample = (problems.starts[chosen], problems.goals[chosen], problems.lengths[chosen])
    solve(load_grid(MOVINGAI / name), Scenario(problems.map, problems.shape, *sample))


def test_cells_are_rows_and_columns(tmp_path: Path) -> None:
    (tmp_path / "a.map").write_text(GRID.replace("\n", "\r\n"))
    (tmp_path / "a.scen").write_text(f"version 1\n{PROBLEM}\n")
    assert load_grid(tmp_path / "a.map").tolist() == [[True, True, True, True, False], [False] * 3 + [True, True]]
    problems = load_scenario(tmp_path / "a.scen")
    assert (problems.map, problems.shape) == ("maps/a b.map", (2, 5))
    assert problems.starts.tolist() == [[0, 0]] and problems.goals.tolist() == [[1, 4]]
    assert problems.lengths.tolist() == [4.41421356]
    (tmp_path / "spaces.scen").write_text("version 1.0\n0 a.map 5 2 0 0 0 0 0\n")
    assert load_scenario(tmp_path / "spaces.scen").solvable.tolist() == [True]


@pytest.mark.parametrize(
    ("text", "hint"),
    [
        ("", "line 1: expected 'type octile'"),
        (GRID.replace("octile", "tile"), "line 1: expected 'type octile'"),
        (GRID.replace("height 2", "height x"), "line 2: expected 'height' and a number >= 1"),
        (GRID.replace("width 5", "width 0"), "line 3: expected 'width' and a number >= 1"),
        (GRID.replace("map", "mop"), "line 4: expected 'map', not 'mop'"),
        (GRID.replace("height 2", "height 3"), "expected 3 rows after line 4, not 2"),
        (GRID + ".....\n", "expected 2 rows after line 4, not 3"),
        (GRID.replace("OTW..", "OTW."), "line 6: expected 5 cells, not 4"),
        (GRID.replace("G", "#"), "line 5: unknown cell '#', expected one of .GS@OTW"),
    ],
)
def test_a_map_that_is_none(text: str, hint: str, tmp_path: Path) -> None:
    (tmp_path / "bad.map").write_text(text)
    require_line(lambda: load_grid(tmp_path / "bad.map"), "bad.map", hint)


@pytest.mark.parametrize(
    ("text", "hint"),
    [
        ("", "line 1: expected 'version 1'"),
        ("version 1\n\n", "expected at least one problem"),
        ("version 1\n0 a.map 5 2\n", "line 2: expected 9 fields, not 4"),
        (f"version 1\n{PROBLEM}{PROBLEM.replace('4.4', 'x')}", "line 3: length must be a number >= 0"),
        (f"version 1\n{PROBLEM.replace('4.41421356', 'nan')}", "line 2: length must be a number >= 0, not 'nan'"),
        (f"version 1\n{PROBLEM.replace('4.41421356', '-1')}", "line 2: length must be a number >= 0, not '-1'"),
        (f"version 1\n{PROBLEM}{PROBLEM.replace('a b', 'c')}", "expected problems of one map, not of 2"),
        ("version 1\n0 a 5 2 0 -1 4 1 4\n", "line 2: start y must be an integer >= 0, not '-1'"),
        ("version 1\n0 a 5 2 0 0 4 2 4\n", "problem 1 has a cell outside its map of 5 x 2"),
    ],
)
def test_problems_that_are_none(text: str, hint: str, tmp_path: Path) -> None:
    (tmp_path / "bad.scen").write_text(text)
    require_line(lambda: load_scenario(tmp_path / "bad.scen"), "bad.scen", hint)


def test_files_that_cannot_be_read(tmp_path: Path) -> None:
    (tmp_path / "picture.map").write_bytes(b"\x89PNG\xff")
    for load in (load_grid, load_scenario):
        require_line(lambda load=load: load(tmp_path / "none.map"), "none.map", "No such file")
        require_line(lambda load=load: load(tmp_path / "picture.map"), "picture.map", "not a text file")


def require_line(load: object, name: str, hint: str) -> None:
    """One line that names the file and says what is wrong with it."""
    assert callable(load)
    with pytest.raises(MovingAIError) as caught:
        load()
    message = str(caught.value)
    assert name in message and hint in message and "\n" not in message
