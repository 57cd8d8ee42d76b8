"""A page that replays everything: one HTML file that needs no server, no network and no Python.

What a :class:`viz.viewer.model.Model` holds is packed as JSON and 16-bit points, compressed, and put into a template
that draws the same layers with the same colours.
"""

from __future__ import annotations

import base64
import gzip
import html
import json
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, cast

import numpy as np
from contourpy import contour_generator
from numpy.typing import ArrayLike

from planners.trace import Decision, Expansion, LevelView, Round, Tree, Work
from viz.heat import HeatMap
from viz.theme import get_theme
from viz.viewer.actions import LAYERS
from viz.viewer.document import Document
from viz.viewer.messages import Field
from viz.viewer.model import Model, Run
from viz.viewer.recording import SPEED, Recording
from viz.viewer.state import LayerState, ViewState
from worlds.compiled import PORTAL_RADIUS, RADIUS
from worlds.maps import CELL_SIZE

TEMPLATE = Path(__file__).with_name("replay.html")
CANDIDATES = 24  # of a round that are kept
NODES = 400  # of a search or a tree that are kept
LARGEST = 32_000  # of a 16-bit number
SHADES = 64  # of a heat map

Json = Any


def write_replay(path: str | Path, model: Model, state: ViewState, title: str = "") -> Path:
    """Writes the page.

    Args:
        path: where to; the folder is made if needed.
        model: what was recorded.
        state: how it is looked at to begin with: step, level, layers, theme.
        title: of the page.

    Raises:
        OSError: where the file can't be written.
    """
    target = Path(path)
    points = Points(_reach(model))
    content = {
        "title": title or _title(model),
        "runs": [_run(run, points) for run in model.runs if run.recording is not None],
        "view": _view(state),
        "theme": _theme(state.theme),
        "scale": points.scale,
        "cell": CELL_SIZE,
        "radius": RADIUS,
        "portal": PORTAL_RADIUS,
        "reach": SPEED * 2**0.5,
    }
    packed = {"points": points.packed(), "content": content}
    data = base64.b64encode(gzip.compress(json.dumps(packed, separators=(",", ":")).encode(), mtime=0)).decode()
    page = TEMPLATE.read_text(encoding="utf-8")
    page = page.replace("{{title}}", html.escape(str(content["title"]))).replace("{{data}}", data)
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_text(page, encoding="utf-8")
    return target


@dataclass
class Points:
    """World positions as 16-bit numbers, one after the other; what refers to them holds a first number and a count.

    Attributes:
        reach: the largest coordinate.
    """

    reach: float
    _blocks: list[np.ndarray] = field(default_factory=list)
    _count: int = 0

    @property
    def scale(self) -> float:
        """World units per 16-bit unit."""
        return max(self.reach, 1.0) / LARGEST

    def add(self, places: ArrayLike) -> list[int]:
        """[n, 2] places to where they are kept: [first, n]."""
        block = np.round(np.asarray(places, dtype=np.float64).reshape(-1, 2) / self.scale)
        self._blocks.append(np.clip(np.nan_to_num(block), -32_767, 32_767).astype("<i2"))
        first, self._count = self._count, self._count + len(block)
        return [first, len(block)]

    def packed(self) -> str:
        """All of them, in base64."""
        return base64.b64encode(np.concatenate([np.empty((0, 2), "<i2"), *self._blocks]).tobytes()).decode()


def _reach(model: Model) -> float:
    sides = [side for run in model.runs if run.recording for side in run.recording.document(0).map.shape]
    return CELL_SIZE * max(sides, default=1)


def _title(model: Model) -> str:
    recording = model.runs[0].recording
    return f"{recording.document(0).map.name} maze" if recording is not None else "nothing recorded"


def _run(run: Run, points: Points) -> Json:
    recording = run.recording
    assert recording is not None
    plans = _Once(points)
    return {
        "status": recording.status,
        "calls": recording.calls,
        "seconds": round(recording.seconds, 3),
        "documents": [[step, _document(document)] for step, document in _documents(recording)],
        "trail": points.add(recording.trail(recording.last)),
        "decisions": [_decision(decision, points, plans) for decision in recording.decisions],
        "marks": [[mark.step, mark.kind, mark.level] for mark in recording.marks],
        "levels": [
            {
                "stride": facts.stride,
                "places": points.add(facts.places),
                "edges": np.asarray(facts.edges).reshape(-1).tolist(),
            }
            for facts in run.levels
        ],
        "forks": [
            {"at": list(fork.place), "to": points.add(fork.outcomes), "p": _rounded(fork.probabilities)}
            for fork in run.forks
        ],
        "fields": [_field(found, points) for found in run.fields()],
    }


def _documents(recording: Recording) -> Iterable[tuple[int, Document]]:
    steps = sorted({0, *(mark.step for mark in recording.marks if mark.kind == "edit")})
    return ((step, recording.document(step)) for step in steps)


def _document(document: Document) -> Json:
    return {
        "version": document.version,
        "map": document.map.to_text().splitlines(),
        "zones": ["".join(map(str, row)) for row in document.zones.cells.tolist()],
        "start": list(document.start),
        "goal": list(document.goal),
        "setups": [[setup.agent, setup.levels, list(setup.planners), setup.risk] for setup in document.setups],
        "pins": [[pin.level, *pin.place] for pin in document.pins],
    }


class _Once:
    """Keeps a plan once, however many decisions repeat it."""

    def __init__(self, points: Points) -> None:
        self._points = points
        self._kept: dict[bytes, list[int]] = {}

    def add(self, plan: np.ndarray) -> list[int]:
        """Where a plan is kept."""
        key = plan.tobytes()
        if key not in self._kept:
            self._kept[key] = self._points.add(plan)
        return self._kept[key]


def _decision(decision: Decision, points: Points, plans: _Once) -> Json:
    return {"s": decision.step, "l": [_level(view, points, plans) for view in decision.levels]}


def _level(view: LevelView, points: Points, plans: _Once) -> Json:
    return {
        "p": plans.add(view.plan),
        "g": _rounded(view.subgoal),
        "a": view.age,
        "r": _rounded(view.arrival, 1),
        "n": view.planner,
        "x": view.expanded,
        "c": view.calls,
        "t": {name: round(float(value), 2) for name, value in view.terms.items()},
        "i": int(view.pinned),
        "w": [_work(work, points) for work in view.work],
    }


def _work(work: Work, points: Points) -> Json:
    match work:
        case Round():
            kept = work.candidates[:CANDIDATES]
            steps = kept.shape[1] if len(kept) else 0
            return ["round", points.add(kept), steps, min(work.elites, len(kept)), _rounded(work.costs[:CANDIDATES], 1)]
        case Expansion():
            return ["search", points.add(work.places[:NODES]), work.parents[:NODES].tolist()]
        case Tree():
            kinds = [work.parents[:NODES].tolist(), work.visits[:NODES].tolist(), _rounded(work.values[:NODES], 1)]
            return ["tree", points.add(work.places[:NODES]), *kinds]


def _field(found: Field, points: Points) -> Json:
    known = found.steps[np.isfinite(found.steps)]
    far = HeatMap(found.x, found.y, found.steps).far
    shades = np.where(np.isfinite(found.steps), np.clip(found.steps / far, 0, 1) * (SHADES - 1) + 1, 0)
    return {
        "name": found.name,
        "level": found.level,
        "version": found.version,
        "goal": list(found.goal),
        "far": round(far, 1),
        "size": [len(found.x), len(found.y)],
        "from": [float(found.x[0]), float(found.y[0])],
        "to": [float(found.x[-1]), float(found.y[-1])],
        "shades": base64.b64encode(np.round(np.nan_to_num(shades)).astype(np.uint8).tobytes()).decode(),
        "lines": [points.add(line) for line in _isolines(found)] if known.size and found.name == "heat" else [],
    }


def _isolines(found: Field) -> list[np.ndarray]:
    steps = np.ma.masked_invalid(found.steps)
    generator = contour_generator(found.x, found.y, steps)
    levels = HeatMap(found.x, found.y, found.steps).isolines()
    lines = (cast(list[np.ndarray], generator.lines(float(level))) for level in levels)
    return [line for at_level in lines for line in at_level if len(line) > 3]


def _view(state: ViewState) -> Json:
    shown = {name: state.layers.get(name, LayerState()) for name in LAYERS}
    return {
        "step": state.step,
        "level": state.level,
        "layers": {name: [int(layer.shown), round(layer.alpha, 2)] for name, layer in shown.items() if name != "probe"},
    }


def _theme(name: str) -> Json:
    theme = get_theme(name)
    colors = ("page", "wall", "rim", "floor", "ink", "muted", "halo", "goal", "entrance", "exit")
    shades = theme.heat_map(np.linspace(0, 1, SHADES))[:, :3]
    return {
        **{color: getattr(theme, color) for color in colors},
        "shades": np.round(255 * shades).astype(int).reshape(-1).tolist(),
        "levels": [vars(theme.level(level)) for level in range(1, 7)],
    }


def _rounded(values: ArrayLike, digits: int = 2) -> list[float]:
    return [round(float(value), digits) for value in np.nan_to_num(np.asarray(values, dtype=np.float64)).reshape(-1)]
