"""A small scene with something on every layer of the map, built by hand, without any randomness."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from planners.trace import Decision, Expansion, LevelView, Points, Round, Tree, Work
from viz.viewer.actions import LAYERS
from viz.viewer.document import COST, GUARDRAIL, Document, Pin, Setup, Zones
from viz.viewer.messages import Began, Field, Fork, LevelFacts, Loaded, Probed, Stepped
from viz.viewer.model import Model
from viz.viewer.state import LayerState, ViewState, initial
from worlds.maps import Map

MAZE = Map.parse("##########\n#...##.O.#\n#.#....#.#\n#.#.##...#\n#.I....#.#\n##########", "scene")
PROBED = (8.0, 12.0)
STEPS = 120
STRIDES = (1, 8, 24)


def way() -> Points:
    """[n, 2] where the agent goes, one place a world step: down, along the bottom, and up to the goal."""
    corners = np.array([[0, 0], [0, 12], [20, 12], [20, 8], [28, 8], [28, 0]], float)
    lengths = np.concatenate([[0], np.cumsum(np.hypot(*np.diff(corners, axis=0).T))])
    along = np.arange(0, lengths[-1], 0.2)
    return np.stack([np.interp(along, lengths, corners[:, axis]) for axis in (0, 1)], 1).astype(np.float32)


def candidates(plan: Points) -> Round:
    """Candidates that fan out from a plan."""
    turns = np.linspace(-1, 1, 24)[np.argsort(np.abs(np.linspace(-1, 1, 24)), kind="stable")]
    bent = np.linspace(0, 1.5, len(plan))[None, :] ** 2 * turns[:, None]
    lines = plan[None] + np.stack([bent, -bent], -1)
    return Round(lines.astype(np.float32), np.abs(turns).astype(np.float32), 5)


def expansion() -> Expansion:
    """A search along the way, every place reached from the one before."""
    places = way()[::6] + 0.4 * np.sin(np.arange(len(way()[::6])))[:, None]
    return Expansion(places.astype(np.float32), np.arange(-1, len(places) - 1, dtype=np.int32))


def tree() -> Tree:
    """A tree of 40 nodes, three children each."""
    parents = np.concatenate([[-1], (np.arange(1, 40) - 1) // 3]).astype(np.int32)
    depth = np.array([0] + [1] * 3 + [2] * 9 + [3] * 27)
    angle = np.arange(40) * 2.4
    places = way()[60] + 1.6 * depth[:, None] * np.stack([np.cos(angle), np.sin(angle)], 1)
    visits = np.array([40, 30, 6, 3, *[5] * 9, *[1] * 27], np.int32)
    return Tree(parents, visits, -np.arange(40, dtype=np.float32), places.astype(np.float32), depth == 1)


def decision(step: int) -> Decision:
    """What three levels have in mind; each imagined to be somewhat aside."""
    aside = np.array([0.0, 0.9])
    views = []
    for level, stride in enumerate(STRIDES, 1):
        reach = step + stride * np.arange(6)
        plan = (way()[np.minimum(reach, len(way()) - 1)] + (level - 1) * aside).astype(np.float32)
        work: tuple[Work, ...] = ((candidates(plan),), (expansion(),), (tree(),))[level - 1]
        arrival = (stride * np.arange(6)).astype(np.float32)
        views.append(LevelView(plan, plan[1], arrival=arrival, planner="any", terms={"way": 9.0}, work=work))
    return Decision(step, tuple(views))


def document(runs: int = 1) -> Document:
    """With a cost, a guardrail, and level 2 pinned."""
    zones = np.zeros(MAZE.shape, np.uint8)
    zones[1, 2:4], zones[3, 6:8] = COST, GUARDRAIL
    setup = Setup("demo", 3, ("cem", "landmarks", "mcts"))
    return Document(MAZE, Zones(zones), (0.0, 0.0), (28.0, 0.0), (setup,) * runs, (Pin(2, (8.0, 4.0)),))


def fields(run: int, of: Document) -> list[Field]:
    """Both fields of every level: how far it is as the crow flies; unknown on the left."""
    x, y = np.arange(-4, 34, dtype=np.float32), np.arange(-4, 18, dtype=np.float32)
    away = 5 * np.hypot(x - of.goal[0], (y - of.goal[1])[:, None]).astype(np.float32)
    away[:, :3] = np.nan
    return [Field(run, name, k, of.version, of.goal, x, y, away) for name in ("heat", "unfamiliar") for k in (1, 2, 3)]


def model(runs: int = 1) -> Model:
    """Some world steps of it, all told."""
    told, of = Model(), document(runs)
    places = (way()[::5] + 0.3).astype(np.float32)
    edges = np.stack([np.arange(len(places) - 1), np.arange(1, len(places))], 1).astype(np.int32)
    facts = tuple(LevelFacts(stride, ("any",), places, edges, places) for stride in STRIDES)
    forks = (Fork((4.0, 12.0), np.array([[24.0, 0.0], [12.0, 4.0]], np.float32), np.array([0.75, 0.25], np.float32)),)
    decisions = tuple(decision(step) for step in range(0, STEPS, 20))
    for run in range(runs):
        told.absorb([Loaded(run, False, facts, forks), Began(run, of, of.start)])
        told.absorb([Stepped(run, 0, way()[1 : STEPS + 1], decisions, 0.1, 100, "running"), *fields(run, of)])
        told.absorb([Probed(run, PROBED, of.version, decision(90))])
    return told


def view(level: int = 1, step: int = 55, theme: str = "dark", runs: int = 1) -> ViewState:
    """Everything is shown, and something is selected."""
    shown = {layer: LayerState() for layer in LAYERS}
    state = replace(initial(document(runs)), step=step, level=level, theme=theme, layers=shown, playing=False)
    return replace(state, probe=PROBED, node=17, hovered=7, landmark=11)
