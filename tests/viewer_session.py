"""A session that plans nothing: it answers at once and always the same, for tests of the view state."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field, replace

import numpy as np

from planners.trace import Decision, Expansion, LevelView, Round, Tree
from viz.viewer.actions import Save
from viz.viewer.document import Document, Point, Setup, Zones
from viz.viewer.events import Event, Tick
from viz.viewer.messages import (
    Advance,
    Apply,
    AskField,
    AskProbe,
    Began,
    Edited,
    Field,
    LevelFacts,
    Loaded,
    Notice,
    PinReached,
    Probed,
    Replan,
    Report,
    Request,
    Stepped,
)
from viz.viewer.model import Model
from viz.viewer.state import ViewState, initial
from viz.viewer.update import Outgoing, reported, update
from worlds.maps import Map

MAZE = Map.parse("#########\n#.......#\n#.###.#.#\n#...#.#.#\n###.#.#.#\n#.....#.#\n#########", "small")
PLANNERS = (("cem", "mppi"), ("landmarks", "mcts", "cem"), ("mcts", "landmarks"), ("landmarks",))
SOMEWHERE = np.array([[0.0, 0.0], [4.0, 0.0], [8.0, 0.0]], np.float32)


def a_document(runs: int = 1, levels: int = 3) -> Document:
    """A small maze, with one or two configurations."""
    setups = (
        Setup("map", levels, ("cem", "landmarks", "mcts", "landmarks")[:levels]),
        Setup("demo", 2, ("mppi", "mcts")),
    )
    return Document(MAZE, Zones.none(MAZE.shape), (0.0, 0.0), (24.0, 16.0), setups[:runs])


def a_decision(step: int, levels: int) -> Decision:
    """Three rounds at level 1, a search of five places at level 2, a tree of seven nodes above."""
    round_ = Round(np.zeros((4, 3, 2), np.float32), np.arange(4, dtype=np.float32), 2)
    search = Expansion(np.arange(10, dtype=np.float32).reshape(5, 2), np.arange(-1, 4, dtype=np.int32))
    tree = Tree(
        np.array([-1, 0, 0, 1, 1, 2, 2], np.int32), np.array([9, 5, 3, 3, 1, 2, 0], np.int32),
        -np.arange(7, dtype=np.float32), np.zeros((7, 2), np.float32), np.zeros(7, bool),
    )  # fmt: skip
    work = ((round_, round_, round_), (search,), (tree,), (tree,))
    arrival = np.array([0, 4, 8], np.float32)
    views = [
        LevelView(SOMEWHERE, SOMEWHERE[1] + 4 * level, arrival=arrival, terms={"goal": 9.0}, work=work[level])
        for level in range(levels)
    ]
    return Decision(step, tuple(views), ("replan 2",) if step % 20 == 0 else ())


@dataclass
class Scripted:
    """Answers requests; every run arrives after ``length`` world steps.

    Attributes:
        length: of an episode; world steps.
        asked: world steps that it was asked for so far.
        requests: all that it was asked.
    """

    length: int = 60
    asked: int = 0
    requests: list[Request] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.document: Document | None = None
        self.steps: list[int] = []
        self.status: list[str] = []

    def handle(self, requests: Iterable[Outgoing]) -> list[Report]:
        """What it reports when it is asked."""
        reports: list[Report] = []
        for request in requests:
            if not isinstance(request, Save):
                self.requests.append(request)
                reports += self._answer(request)
        return reports

    def _answer(self, request: Request) -> list[Report]:
        document = self.document
        match request:
            case Apply():
                return self._apply(request.document)
            case Advance():
                self.asked += request.steps
                return [report for run in range(len(self.steps)) for report in self._advance(run, request.steps)]
            case AskField() if document is not None and request.run < len(self.steps):
                x, heat = np.arange(3, dtype=np.float32), np.zeros((3, 3), np.float32)
                run, name, level = request.run, request.name, request.level
                return [Field(run, name, level, document.version, document.goal, x, x, heat)]
            case AskProbe() if document is not None:
                return [Probed(request.run, request.place, document.version, a_decision(0, 2))]
            case _:
                assert isinstance(request, AskField | AskProbe | Replan)
                return []

    def _apply(self, document: Document) -> list[Report]:
        before, self.document = self.document, document
        if before == document:
            return []
        if before is None or len(before.setups) < len(document.setups) or before.episode != document.episode:
            runs = range(len(document.setups))
            self.steps, self.status = [0 for _ in runs], ["running" for _ in runs]
            return [report for run in runs for report in self._begun(run, document)]
        del self.steps[len(document.setups) :]
        reports: list[Report] = [Edited(run, step, document) for run, step in enumerate(self.steps)]
        reports += [Loaded(run, True, _facts(len(PLANNERS))) for run in range(len(self.steps))]
        return reports + [report for run in range(len(self.steps)) for report in self._resumed(run, document)]

    @staticmethod
    def _begun(run: int, document: Document) -> list[Report]:
        return [Loaded(run, run == 0, _facts(len(PLANNERS))), Began(run, document, document.start)]

    def _resumed(self, run: int, document: Document) -> list[Report]:
        """Nothing moves while the goal is in a wall."""
        row, column = document.map.cell_of(document.goal)
        stuck = bool(document.map.walls[row, column])
        self.status[run] = "waiting: the goal is in a wall" if stuck else "running"
        nowhere = np.empty((0, 2), np.float32)
        told: list[Report] = [Stepped(run, self.steps[run], nowhere, (), 0.0, 0, self.status[run])]
        return [*told, Notice("the goal is in a wall", urgent=True)] if stuck else told

    def _advance(self, run: int, steps: int) -> list[Report]:
        assert self.document is not None
        step = self.steps[run]
        steps = min(steps, self.length - step) if self.status[run] == "running" else 0
        self.steps[run] += max(0, steps)
        if self.status[run] == "running" and self.steps[run] >= self.length:
            self.status[run] = "arrived"
        when = np.arange(step + 1, step + 1 + max(0, steps))
        seen = np.stack([0.2 * when, 0 * when], 1).astype(np.float32)
        levels = self.document.setups[run].levels
        decisions = tuple(a_decision(at, levels) for at in range(step, self.steps[run]) if at % 4 == 0)
        reached = [PinReached(run, pin.level) for pin in self.document.pins if step // 40 != self.steps[run] // 40]
        return [Stepped(run, step, seen, decisions, 0.01, 10, self.status[run]), *reached]


def _facts(levels: int) -> tuple[LevelFacts, ...]:
    places, edges = np.array([[0, 0], [8, 0], [16, 8]], np.float32), np.array([[0, 1], [1, 2]], np.int32)
    nowhere, unjoined = np.empty((0, 2), np.float32), np.empty((0, 2), np.int32)
    first = LevelFacts(1, PLANNERS[0], nowhere, unjoined, nowhere)
    return (first, *(LevelFacts(4**k, PLANNERS[k], places, edges, places[::-1]) for k in range(1, levels)))


@dataclass
class Table:
    """A viewer without a window: state, model and session, as the application joins them."""

    state: ViewState
    session: Scripted = field(default_factory=Scripted)
    model: Model = field(default_factory=Model)

    def take(self, *events: Event) -> list[Outgoing]:
        """Lets things happen; reports come in after every tick. Returns what was sent."""
        sent: list[Outgoing] = []
        for event in events:
            self.state, outgoing = update(self.state, event, self.model)
            sent += outgoing
            self.hear(self.session.handle(outgoing))
        return sent

    def hear(self, reports: list[Report]) -> None:
        """Takes reports in."""
        if reports:
            self.model.absorb(reports)
            self.model.forget(len(self.state.document.setups))
            self.state, outgoing = reported(self.state, reports, self.model)
            self.hear(self.session.handle(outgoing))


def a_table(ticks: int = 0, document: Document | None = None, length: int = 60, agents: tuple[str, ...] = ()) -> Table:
    """A viewer that has been open for some frames."""
    table = Table(initial(document or a_document(), agents=agents or ("map", "demo")), Scripted(length))
    table.take(*[Tick(16)] * ticks)
    return table


def a_paused_table(step: int = 41, runs: int = 1) -> Table:
    """A viewer that was paused at a world step; 61 of them are recorded."""
    table = a_table(1, a_document(runs), length=200)
    table.hear(table.session.handle([Advance(61)]))
    table.state = replace(table.state, playing=False, following=False, step=step)
    return table


def centre(place: tuple[int, int], maze: Map = MAZE) -> Point:
    """The middle of a cell."""
    x, y = maze.center(place).tolist()
    return x, y
