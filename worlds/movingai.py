"""Reads the MovingAI benchmark's grid maps (``.map``) and their problems (``.scen``).

Source: N. Sturtevant, "Benchmarks for Grid-Based Pathfinding", 2012. The files count x from the left and y from the
top; here a cell is (row, column) = (y, x).
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

FREE = ".GS"
BLOCKED = "@OTW"
_FIELDS = ("bucket", "map", "width", "height", "start x", "start y", "goal x", "goal y", "length")


class MovingAIError(ValueError):
    """A file that is not in the benchmark's format; the message names the file and, counted from 1, the line."""


@dataclass(frozen=True, eq=False)
class Scenario:
    """The problems of one file, which may be of one map only.

    Attributes:
        map: the map's name, as the file gives it.
        shape: rows and columns of the map.
        starts: [P, 2] row and column.
        goals: [P, 2] row and column.
        lengths: [P] published length of a shortest path without cutting corners; 0 where start and goal are
            different cells means that there is no path.
    """

    map: str
    shape: tuple[int, int]
    starts: NDArray[np.int64]
    goals: NDArray[np.int64]
    lengths: NDArray[np.float64]

    def __len__(self) -> int:
        return len(self.lengths)

    @property
    def solvable(self) -> NDArray[np.bool_]:
        """[P] whether a path is published."""
        return (self.lengths > 0) | (self.starts == self.goals).all(axis=1)

    def head(self, count: int) -> Scenario:
        """The first problems only."""
        return Scenario(self.map, self.shape, self.starts[:count], self.goals[:count], self.lengths[:count])


def load_grid(path: str | Path) -> NDArray[np.bool_]:
    """[rows, columns] where one may walk: ``.``, ``G`` and ``S`` (swamp), but not ``@``, ``O``, ``T`` or ``W``.

    Raises:
        MovingAIError: where the file cannot be read, or is no such map.
    """
    lines = _lines(path)
    if len(lines) < 4 or lines[0].split() != ["type", "octile"]:
        raise MovingAIError(f"{path} line 1: expected 'type octile', then height, width and 'map'")
    height, width = _size(path, lines, 2, "height"), _size(path, lines, 3, "width")
    if lines[3].strip() != "map":
        raise MovingAIError(f"{path} line 4: expected 'map', not {lines[3][:20]!r}")
    rows = lines[4 : 4 + height]
    if len(rows) < height or any(line.strip() for line in lines[4 + height :]):
        raise MovingAIError(f"{path}: expected {height} rows after line 4, not {len(lines) - 4}")
    return np.array([_row(path, number, row, width) for number, row in enumerate(rows, 5)])


def load_scenario(path: str | Path) -> Scenario:
    """All problems of a file.

    Raises:
        MovingAIError: where the file cannot be read, is no such file, or mixes maps.
    """
    lines = _lines(path)
    if not lines or lines[0].split()[:1] != ["version"]:
        raise MovingAIError(f"{path} line 1: expected 'version 1'")
    rows = [_problem(path, number, line) for number, line in enumerate(lines[1:], 2) if line.strip()]
    if not rows:
        raise MovingAIError(f"{path}: expected at least one problem after line 1")
    maps = {(name, height, width) for name, (width, height, *_), _ in rows}
    if len(maps) > 1:
        raise MovingAIError(f"{path}: expected problems of one map, not of {len(maps)}")
    name, height, width = maps.pop()
    cells = np.array([numbers[2:] for _, numbers, _ in rows], np.int64)
    _require_inside(path, cells, width, height)
    lengths = np.array([length for _, _, length in rows])
    return Scenario(name, (height, width), cells[:, [1, 0]], cells[:, [3, 2]], lengths)


def _lines(path: str | Path) -> list[str]:
    try:
        return Path(path).read_text(encoding="ascii").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or "not a text file"
        raise MovingAIError(f"{path}: {reason}") from error


def _size(path: str | Path, lines: list[str], number: int, key: str) -> int:
    words = lines[number - 1].split()
    if len(words) != 2 or words[0] != key or not words[1].isdigit() or int(words[1]) == 0:
        raise MovingAIError(f"{path} line {number}: expected '{key}' and a number >= 1, not {lines[number - 1][:20]!r}")
    return int(words[1])


def _row(path: str | Path, number: int, row: str, width: int) -> list[bool]:
    row = row.rstrip()
    if len(row) != width:
        raise MovingAIError(f"{path} line {number}: expected {width} cells, not {len(row)}")
    unknown = [symbol for symbol in row if symbol not in FREE + BLOCKED]
    if unknown:
        raise MovingAIError(f"{path} line {number}: unknown cell {unknown[0]!r}, expected one of {FREE + BLOCKED}")
    return [symbol in FREE for symbol in row]


def _problem(path: str | Path, number: int, line: str) -> tuple[str, list[int], float]:
    """The map's name, the six integers, and the length of one line."""
    # Names may hold spaces, so a tab separates fields where there is one.
    words = line.strip().split("\t") if "\t" in line else line.split()
    if len(words) != len(_FIELDS):
        raise MovingAIError(f"{path} line {number}: expected {len(_FIELDS)} fields, not {len(words)}")
    numbers = []
    for name, word in zip(_FIELDS[2:8], words[2:8], strict=True):
        if not word.isdigit():
            raise MovingAIError(f"{path} line {number}: {name} must be an integer >= 0, not {word!r}")
        numbers.append(int(word))
    return words[1], numbers, _length(path, number, words[8])


def _length(path: str | Path, number: int, word: str) -> float:
    try:
        length = float(word)
    except ValueError:
        length = math.nan
    if not 0 <= length < math.inf:
        raise MovingAIError(f"{path} line {number}: length must be a number >= 0, not {word!r}")
    return length


def _require_inside(path: str | Path, cells: NDArray[np.int64], width: int, height: int) -> None:
    """Says which problem has a cell outside the map."""
    outside = (cells >= [width, height, width, height]).any(axis=1)
    if outside.any():
        index = int(outside.argmax())
        raise MovingAIError(f"{path}: problem {index + 1} has a cell outside its map of {width} x {height}")
