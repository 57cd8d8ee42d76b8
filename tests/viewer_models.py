"""A model built by hand, as a session would report it: three levels, some hundred world steps, every kind of work."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from planners.trace import Decision, Expansion, LevelView, Points, Round, Tree, Work
from viz.viewer.document import COST, GUARDRAIL, Document, Pin, Setup, Zones
from viz.viewer.messages import Began, Edited, Field, LevelFacts, Loaded, Stepped
from viz.viewer.model import Model
from worlds.maps import NAMED, Map

PACE = 0.2
STRIDES, HORIZONS, PERIODS = (1, 8, 32), (12, 8, 5), (4, 16, 64)
PLANNERS = (("cem", "icem", "mppi", "gradient"), ("astar", "mcts"), ("astar", "mcts"))


def large_map() -> Map:
    """The maze that everything happens in."""
    return Map.parse(NAMED["large"].replace("|", "\n"), "large")


def a_document(runs: int = 1) -> Document:
    """A document with zones, a pin, and one or two configurations."""
    maze = large_map()
    cells = np.zeros(maze.shape, np.uint8)
    cells[1, 2:4], cells[7, 9:11] = COST, GUARDRAIL
    setups = (Setup("demo", 3, ("cem", "astar", "mcts")), Setup("map", 2, ("mppi", "astar")))
    return Document(maze, Zones(cells), (0.0, 0.0), (36.0, 24.0), setups[:runs], (Pin(2, (12.0, 12.0)),))


def shortest_path(maze: Map, start: tuple[int, int], goal: tuple[int, int]) -> list[tuple[int, int]]:
    """Free cells from start to goal, by breadth-first search."""
    queue, came = [start], {start: start}
    for cell in queue:
        for row, column in ((0, 1), (1, 0), (0, -1), (-1, 0)):
            nearby = (cell[0] + row, cell[1] + column)
            if nearby not in came and not maze.walls[nearby]:
                came[nearby] = cell
                queue.append(nearby)
    path = [goal]
    while path[-1] != start:
        path.append(came[path[-1]])
    return path[::-1]


@lru_cache(maxsize=2)
def a_route() -> NDArray[np.float64]:
    """[n, 2] the way from start to goal, one place per world step, corners rounded."""
    maze = large_map()
    corners = maze.center(shortest_path(maze, (1, 1), (7, 10)))
    lengths = np.concatenate([[0], np.cumsum(np.linalg.norm(np.diff(corners, axis=0), axis=1))])
    along = np.arange(0, lengths[-1], PACE)
    way = np.stack([np.interp(along, lengths, corners[:, axis]) for axis in (0, 1)], 1)
    kernel = np.ones(9) / 9
    return np.stack([np.convolve(np.pad(way[:, axis], 4, "edge"), kernel, "valid") for axis in (0, 1)], 1)


@dataclass
class Story:
    """Makes up an episode of some world steps that goes around the route and back again."""

    steps: int
    seed: int = 0

    def __post_init__(self) -> None:
        self.random = np.random.default_rng(self.seed)
        there = a_route()
        tour = np.concatenate([there, there[::-1]])
        self.way = np.resize(tour, (self.steps + 400, 2)) if self.steps + 400 > len(tour) else tour
        self.plans: dict[int, tuple[int, LevelView]] = {}

    def observations(self) -> Points:
        """[steps, 2] what was seen after each world step."""
        drift = 0.25 * np.sin(np.arange(self.steps) / 19)[:, None] * np.array([0.6, -0.8])
        return (self.way[1 : self.steps + 1] + drift).astype(np.float32)

    def decisions(self, levels: int = 3) -> list[Decision]:
        """One decision every four world steps."""
        return [self._decision(step, levels) for step in range(0, self.steps, PERIODS[0])]

    def _decision(self, step: int, levels: int) -> Decision:
        events = []
        for level in range(1, levels + 1):
            if step % PERIODS[level - 1] == 0:
                self.plans[level] = (step, self._made(level, step))
                events.append(f"replan {level}")
        events += [f"{kind} {level}" for kind, level, when in _INCIDENTS if step % 400 == when and level <= levels]
        return Decision(step, tuple(self._view(level, step) for level in range(1, levels + 1)), tuple(events))

    def _view(self, level: int, step: int) -> LevelView:
        made, view = self.plans[level]
        return view if made == step else _aged(view, step - made)

    def _made(self, level: int, step: int) -> LevelView:
        reach = STRIDES[level - 1] * np.arange(HORIZONS[level - 1] + 1)
        plan = self.way[np.minimum(step + reach, len(self.way) - 1)].astype(np.float32)
        left = 120.0 + 60 * np.cos(step / 70) + 8 * level * self.random.random()
        terms = {"to the goal": left, "zones": max(0.0, 12 * np.sin(step / 25 + level)), "unfamiliar": 4.0 + level}
        return LevelView(
            plan=plan, subgoal=plan[min(1, len(plan) - 1)], arrival=reach.astype(np.float32),
            planner=("cem", "astar", "mcts")[level - 1], calls=(2304, 310, 640)[level - 1],
            expanded=(2304, 57, 64)[level - 1], terms=terms, pinned=level == 2 and 100 < step < 180,
            work=self._work(level, plan), latent=warped(plan) if level > 1 else np.empty((0, 2), np.float32),
        )  # fmt: skip

    def _work(self, level: int, plan: Points) -> tuple[Work, ...]:
        if level == 1:
            return tuple(a_round(plan, number, self.random) for number in range(6))
        if level == 2:
            places = (plan[:1] + self.random.normal(0, 3, (40, 2))).astype(np.float32)
            return (Expansion(places, np.arange(-1, 39, dtype=np.int32) // 2),)
        return (a_tree(plan[0], self.random),)


_INCIDENTS = (
    ("rejected", 3, 64),
    ("guardrail", 1, 120),
    ("surprise", 2, 160),
    ("rejected", 2, 240),
    ("surprise", 1, 300),
)


def _aged(view: LevelView, age: int) -> LevelView:
    terms = {name: max(0.0, value - 0.3 * age) for name, value in view.terms.items()}
    return LevelView(
        view.plan, view.subgoal, age, view.expanded, view.arrival - age, view.planner, view.calls, terms,
        view.pinned, (), view.latent,
    )  # fmt: skip


def warped(places: NDArray[np.floating]) -> Points:
    """[n, 2] places of the map as a bent plane of latent states."""
    angle, middle = 0.5, places - np.array([18.0, 12.0])
    turned = middle @ np.array([[np.cos(angle), np.sin(angle)], [-np.sin(angle), np.cos(angle)]])
    return (np.stack([turned[:, 0], turned[:, 1] + 0.012 * turned[:, 0] ** 2], 1) / 6).astype(np.float32)


def a_round(plan: Points, number: int, random: np.random.Generator) -> Round:
    """One round of a sampling optimiser: candidates that close in on the plan."""
    spread = 2.0 * 0.6**number
    candidates = plan + np.cumsum(random.normal(0, spread / 3, (24, *plan.shape)), 1)
    costs = np.sort(40 + 90 * 0.6**number + spread * 20 * random.random(24))
    return Round(candidates.astype(np.float32), costs.astype(np.float32), 6)


def a_tree(root: Points, random: np.random.Generator, nodes: int = 60) -> Tree:
    """A Monte-Carlo tree of some nodes."""
    parents = np.array(
        [-1] + [int(random.integers(max(0, (i - 1) // 3 - 2), (i - 1) // 3 + 1)) for i in range(1, nodes)]
    )
    visits = np.ones(nodes, np.int32)
    for node in range(nodes - 1, 0, -1):
        visits[parents[node]] += visits[node]
    places = np.tile(root, (nodes, 1)) + np.cumsum(random.normal(0, 1.2, (nodes, 2)), 0) / 2
    chance = np.zeros(nodes, np.bool_)
    chance[[5, 9]] = True
    values = -(60 + 40 * random.random(nodes))
    return Tree(parents.astype(np.int32), visits, values.astype(np.float32), places.astype(np.float32), chance)


def facts(levels: int = 3) -> tuple[LevelFacts, ...]:
    """What is known of the levels: landmarks on the free cells, more of them on the finer levels."""
    random, maze = np.random.default_rng(3), large_map()
    found = []
    for level in range(1, levels + 1):
        cells = maze.center(maze.free_cells())[:: max(1, level - 1)] if level > 1 else np.empty((0, 2))
        places = (cells + random.normal(0, 0.5, cells.shape)).astype(np.float32)
        near = (
            np.argwhere(np.triu(np.linalg.norm(places[:, None] - places[None], axis=-1) < 5.5, 1)) if level > 1 else []
        )
        latent = warped(places) if level > 1 else np.empty((0, 2), np.float32)
        edges = np.array(near, np.int32).reshape(-1, 2)
        found.append(LevelFacts(STRIDES[level - 1], PLANNERS[level - 1], places, edges, latent))
    return tuple(found)


def fields(run: int, document: Document) -> list[Field]:
    """Heat and unfamiliarity for level 2 and 3: distances as the crow flies."""
    x, y = np.arange(-6, 42, 1, dtype=np.float32), np.arange(-6, 30, 1, dtype=np.float32)
    away = np.hypot(x[None, :] - document.goal[0], y[:, None] - document.goal[1]).astype(np.float32) / PACE
    return [
        Field(run, name, level, document.version, document.goal, x, y, away * share)
        for name, share in (("heat", 1.0), ("unfamiliar", 0.05))
        for level in (1, 2, 3)
    ]


def a_model(steps: int = 400, runs: int = 1) -> Model:
    """A model of one or two runs of an episode."""
    model, document = Model(), a_document(runs)
    for run in range(runs):
        levels = document.setups[run].levels
        story = Story(steps if run == 0 else int(steps * 0.8), run)
        status = "running" if run == 0 else "arrived"
        model.absorb([Loaded(run, bool(run), facts(levels)), Began(run, document, document.start)])
        observations, decisions = story.observations(), tuple(story.decisions(levels))
        model.absorb([Stepped(run, 0, observations, decisions, 0.9 + run, 250_000 // (1 + run), status)])
        model.absorb([Edited(run, steps // 3, document), *fields(run, document)])
    return model
