"""A* on grids: ours beside networkx, rustworkx, SciPy, pyastar2d and a plain C reference, on the same maps.

Grids are 8-connected with corner cutting allowed, straight moves cost 1 and diagonal ones sqrt 2. Making a library's
graph of a map isn't timed. Answers are mean path costs: all must agree, but for pyastar2d, whose diagonal moves cost 1.
"""

from __future__ import annotations

import ctypes
import itertools
import math
import shutil
import subprocess
import tempfile
from collections.abc import Callable, Iterator
from functools import partial
from importlib import import_module
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from planners.grid import GridPlanner, path_cost
from planners.named_graph import NamedGraph
from scripts._rivals import Case, Contender, Rival, faster, within

SOURCE = Path(__file__).with_name("astar_reference.c")
ROOT2 = math.sqrt(2.0)
NEIGHBOURS = tuple((i, j) for i in (-1, 0, 1) for j in (-1, 0, 1) if (i, j) != (0, 0))
QUERIES = 3

Cell = tuple[int, int]
Query = tuple[Cell, Cell]
Bools = NDArray[np.bool_]
Kind = Literal["random", "rooms"]


def cases(size: Literal["quick", "full"]) -> Iterator[Case]:
    """The maps of the published table, or small ones."""
    published: list[tuple[Kind, int]] = [("random", 256), ("random", 1024), ("rooms", 1024)]
    small: list[tuple[Kind, int]] = [("random", 96), ("rooms", 96)]
    for kind, side in published if size == "full" else small:
        yield case(kind, side)
    yield graph_case(256 if size == "full" else 48)


def make_map(kind: Kind, side: int, seed: int = 0) -> Bools:
    """[side, side] blocked cells: each with a chance of 20 %, or sixteen rooms across with a door in every wall."""
    rng = np.random.default_rng(seed)
    if kind == "random":
        return rng.random((side, side)) < 0.2
    room = max(8, side // 16)
    blocked = np.zeros((side, side), bool)
    blocked[room::room, :] = blocked[:, room::room] = True
    for wall in range(room, side, room):
        for corner in range(0, side, room):
            for map in (blocked, blocked.T):
                door = corner + int(rng.integers(1, room - 3))
                map[wall, door : door + 2] = False
    return blocked


def make_queries(blocked: Bools, count: int, seed: int = 1) -> list[Query]:
    """Starts and goals with a path: one pair in opposite corners, the others at random, at least a third apart."""
    planner, rng, side = GridPlanner(~blocked, moves="cut-corners"), np.random.default_rng(seed), len(blocked)
    cells = np.argwhere(~blocked)
    cells = cells[cells.sum(1).argsort(kind="stable")]
    corners = zip(cells, cells[::-1], strict=True)
    drawn = (cells[rng.integers(len(cells), size=2)] for _ in itertools.count())
    apart = (pair for pair in drawn if np.abs(pair[0] - pair[1]).max() > side // 3)
    first = next(pair for pair in corners if planner.plan(*pair).found)
    others = itertools.islice((pair for pair in apart if planner.plan(*pair).found), count - 1)
    return [((int(a[0]), int(a[1])), (int(b[0]), int(b[1]))) for a, b in (first, *others)]


def case(kind: Kind, side: int) -> Case:
    """All rivals on one map."""
    blocked = make_map(kind, side)
    queries = make_queries(blocked, QUERIES)
    contest = partial(_contender, queries)
    published, large = side >= 256, side >= 1024
    title = "random, 20 % blocked" if kind == "random" else "rooms"
    return Case(
        family="grid",
        name=f"A* on {side} x {side} cells, {title}",
        sizes={"B": len(queries), "side": side},
        unit="paths/s",
        work=len(queries),
        answer="path cost",
        ours=partial(contest, _ours, blocked),
        rivals=(
            Rival("C, binary heap", partial(contest, _c_reference, blocked), target=within(2) if published else None),
            Rival("pyastar2d", partial(contest, _pyastar2d, blocked), "pyastar2d"),
            Rival("scipy Dijkstra", partial(contest, _scipy, blocked), "scipy"),
            Rival("rustworkx A*", partial(contest, _rustworkx, blocked), "rustworkx", faster(10) if large else None),
            Rival("networkx A*", partial(contest, _networkx, blocked), "networkx", faster(20) if large else None),
        ),
    )


def graph_case(side: int) -> Case:
    """A networkx graph of one map, as one that knows nothing of grids would have it."""
    blocked = make_map("random", side)
    queries = make_queries(blocked, QUERIES)
    return Case(
        family="grid",
        name=f"A* on a networkx graph of {int((~blocked).sum())} nodes",
        sizes={"B": len(queries), "nodes": int((~blocked).sum())},
        unit="paths/s",
        work=len(queries),
        answer="path cost",
        ours=partial(_contender, queries, _named_graph, blocked),
        rivals=(
            Rival("networkx A*", partial(_contender, queries, _networkx, blocked), "networkx"),
            Rival("rustworkx A*", partial(_contender, queries, _rustworkx, blocked), "rustworkx"),
        ),
    )


Solve = Callable[[Cell, Cell], Any]


def _contender(
    queries: list[Query], make: Callable[[Bools], tuple[Solve, Callable[[Any], float]]], blocked: Bools
) -> Contender:
    """Makes a library's own form of the map; a call of the contender answers all queries."""
    solve, cost = make(blocked)
    return Contender(
        lambda: [solve(start, goal) for start, goal in queries],
        lambda answers: float(np.mean([cost(answer) for answer in answers])),
    )


def _ours(blocked: Bools) -> tuple[Solve, Callable[[Any], float]]:
    planner = GridPlanner(~blocked, moves="cut-corners")
    return planner.plan, lambda path: path.cost


def _c_reference(blocked: Bools) -> tuple[Solve, Callable[[Any], float]]:
    library, side, cells = _compiled(), len(blocked), blocked.size
    walls = np.ascontiguousarray(blocked, np.uint8)
    memory = (np.empty(cells, np.float32), np.empty(cells, np.int32), np.empty(cells, np.uint8))

    def solve(start: Cell, goal: Cell) -> float:
        ends = (side * start[0] + start[1], side * goal[0] + goal[1])
        arrays = [ctypes.c_void_p(array.ctypes.data) for array in (walls, *memory)]
        return float(library.astar(arrays[0], side, *ends, *arrays[1:]))

    return solve, float


def _compiled() -> ctypes.CDLL:
    """The reference, compiled for this machine.

    Raises:
        FileNotFoundError: where there is no C compiler.
    """
    compiler = shutil.which("cc")
    if compiler is None:
        raise FileNotFoundError("no C compiler: the reference needs a `cc` on the PATH")
    with tempfile.TemporaryDirectory() as folder:
        library = Path(folder) / "astar_reference.so"
        flags = ["-O3", "-march=native", "-shared", "-fPIC"]
        subprocess.run([compiler, *flags, "-o", str(library), str(SOURCE), "-lm"], check=True, capture_output=True)
        loaded = ctypes.CDLL(str(library))  # stays in memory when the file is gone
    loaded.astar.restype = ctypes.c_double
    return loaded


def _edges(blocked: Bools) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.float64]]:
    """[E] numbers of the cells that every move leads from and to, and [E] costs."""
    side = len(blocked)
    numbers = np.pad(np.where(blocked, -1, np.arange(side * side).reshape(side, side)), 1, constant_values=-1)
    parts = []
    for i, j in NEIGHBOURS:
        source, target = numbers[1:-1, 1:-1], np.roll(numbers, (-i, -j), (0, 1))[1:-1, 1:-1]
        open = (source >= 0) & (target >= 0)
        parts.append((source[open], target[open], np.full(int(open.sum()), ROOT2 if i and j else 1.0)))
    sources, targets, costs = (np.concatenate(part) for part in zip(*parts, strict=True))
    return sources, targets, costs


def _octile(a: Cell, b: Cell) -> float:
    rows, columns = abs(a[0] - b[0]), abs(a[1] - b[1])
    return rows + (ROOT2 - 1) * columns if rows > columns else columns + (ROOT2 - 1) * rows


def _named_graph(blocked: Bools) -> tuple[Solve, Callable[[Any], float]]:
    graph = _networkx_graph(blocked)
    named = NamedGraph(graph, positions={node: node for node in graph})
    return named.shortest_path, lambda path: path.cost


def _networkx(blocked: Bools) -> tuple[Solve, Callable[[Any], float]]:
    networkx, graph = import_module("networkx"), _networkx_graph(blocked)
    return lambda start, goal: networkx.astar_path(graph, start, goal, _octile), path_cost


def _networkx_graph(blocked: Bools) -> Any:
    networkx, side = import_module("networkx"), len(blocked)
    sources, targets, costs = _edges(blocked)
    graph = networkx.Graph()
    once = sources < targets
    ends = [
        zip((ends[once] // side).tolist(), (ends[once] % side).tolist(), strict=True) for ends in (sources, targets)
    ]
    graph.add_weighted_edges_from(zip(*ends, costs[once].tolist(), strict=True))
    return graph


def _rustworkx(blocked: Bools) -> tuple[Solve, Callable[[Any], float]]:
    rustworkx, side = import_module("rustworkx"), len(blocked)
    sources, targets, costs = _edges(blocked)
    graph = rustworkx.PyGraph(multigraph=False)
    graph.add_nodes_from(range(side * side))
    once = sources < targets
    graph.add_edges_from(list(zip(sources[once].tolist(), targets[once].tolist(), costs[once].tolist(), strict=True)))

    def solve(start: Cell, goal: Cell) -> Any:
        end = side * goal[0] + goal[1]

        def estimate(node: int) -> float:
            return _octile(divmod(node, side), goal)

        return rustworkx.graph_astar_shortest_path(
            graph, side * start[0] + start[1], lambda node: node == end, float, estimate
        )

    return solve, lambda path: path_cost(np.stack(np.divmod(np.array(list(path)), side), 1))


def _scipy(blocked: Bools) -> tuple[Solve, Callable[[Any], float]]:
    """It has no goal: one call finds the distances of all cells."""
    sparse, csgraph, side = import_module("scipy.sparse"), import_module("scipy.sparse.csgraph"), len(blocked)
    sources, targets, costs = _edges(blocked)
    graph = sparse.csr_array((costs, (sources, targets)), shape=(side * side, side * side))

    def solve(start: Cell, goal: Cell) -> float:
        distances, _ = csgraph.dijkstra(graph, indices=side * start[0] + start[1], return_predecessors=True)
        return float(distances[side * goal[0] + goal[1]])

    return solve, float


def _pyastar2d(blocked: Bools) -> tuple[Solve, Callable[[Any], float]]:
    """Its diagonal moves cost 1, so that its optimum is another one."""
    find = import_module("pyastar2d").astar_path
    weights = np.where(blocked, np.inf, 1.0).astype(np.float32)
    return lambda start, goal: find(weights, start, goal, allow_diagonal=True), path_cost
