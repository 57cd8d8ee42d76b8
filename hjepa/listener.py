"""How a plan was found: what one level's planner tells while it plans, decoded for people to look at."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, final

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from hjepa.policy import PolicyPlanner
from planners.sampling import CEM, ICEM
from planners.trace import Expansion, Points, Round, Tree, Work
from planners.trajectories import TrajectoryPlanner

Decode = Callable[[Tensor], Tensor]
"""[..., D] states of a level to [..., O] observations."""
Told = dict[str, Any]
"""One record: arrays of a batch of one problem, as :class:`planners.base.Recorder` receives them."""

CANDIDATES = 64
"""Most candidates of a round that are kept: more than anyone can tell apart on a map."""


@final
class Listener:
    """Remembers what one level's planner tells about one problem (see :class:`planners.base.Recorder`).

    Listening costs the planner next to nothing: arrays are kept as they come, and made sense of when asked for.

    Args:
        elites: candidates that shape the planner's next round; None for a tenth of them.
    """

    def __init__(self, elites: int | None = None) -> None:
        self.elites = elites
        self._told: list[tuple[str, Told]] = []

    def record(self, kind: str, **data: Any) -> None:
        """See :class:`planners.base.Recorder`."""
        self._told.append((kind, data))

    def clear(self) -> None:
        """Forgets what was told: a new decision begins."""
        self._told.clear()

    @torch.no_grad()
    def work(self, decode: Decode) -> tuple[Work, ...]:
        """What was told since the last :meth:`clear`, in the order in which it happened."""
        kinds = {kind for kind, _ in self._told}
        if "tree" in kinds:  # which holds all that a tree search tells besides
            return tuple(_tree(told, decode) for kind, told in self._told if kind == "tree")
        records = [told for _, told in self._told]
        if "expansion" in kinds:
            return tuple(_search(parts, decode) for parts in _parted(records, _at_the_root(records)))
        if records and "values" in records[0]:
            sweeps = _parted(records, [told["iteration"] == 0 for told in records])
            return tuple(_wave(parts[-1], decode) for parts in sweeps)
        return tuple(_round(told, self.elites, decode) for told in records)


def elites_of(planner: object) -> int | None:
    """How many elites a planner has, or the one that it asks; None where it knows none."""
    match planner:
        case CEM() | ICEM():
            return planner.elites
        case TrajectoryPlanner():
            return elites_of(planner.planner)
        case PolicyPlanner():
            return elites_of(planner.refine)
        case _:
            return None


def _parted(records: list[Told], begins: Sequence[bool]) -> list[list[Told]]:
    """The records of every single plan; a decision holds several where a level had to think again."""
    firsts = [number for number, begin in enumerate(begins) if begin]
    return [records[first:last] for first, last in zip(firsts, [*firsts[1:], None], strict=True)]


def _at_the_root(records: list[Told]) -> list[bool]:
    """Which records of searches begin one: those that expand the present state, which a search does once."""
    root = records[0]["states"][0]
    return [torch.equal(told["states"][0], root) for told in records]


def _round(told: Told, elites: int | None, decode: Decode) -> Round:
    """A record of [1, N] totals and [1, N, (S,) T+1, D] states; of several scenarios, the first is kept."""
    totals = _host(told["totals"][0])
    best = min(len(totals), max(1, len(totals) // 10) if elites is None else elites)
    kept = np.argsort(totals, kind="stable")[_ranks(len(totals), best)]
    states = told["states"][0]
    states = states[_index(kept, states)] if states.dim() == 3 else states[_index(kept, states), 0]
    return Round(
        candidates=_points(decode(states)),
        costs=totals[kept].astype(np.float32),
        elites=min(best, len(kept)),
        relaxed="virtual" in told,
    )


def _ranks(count: int, elites: int) -> NDArray[np.int64]:
    """The ranks of at most ``CANDIDATES`` of so many: the elites, and others at even distances."""
    if count <= CANDIDATES:
        return np.arange(count)
    elites = min(elites, CANDIDATES)
    others = np.linspace(elites, count - 1, CANDIDATES - elites).round().astype(np.int64)
    return np.concatenate([np.arange(elites), others])


def _search(records: list[Told], decode: Decode) -> Expansion:
    """The records of one search, whose [m, D] ``states`` repeat for every action that was tried there."""
    states = torch.cat([told["states"] for told in records])
    first = np.concatenate([[True], _host((states[1:] != states[:-1]).any(1))])
    new = np.concatenate([np.asarray(told["new"]) for told in records])
    owner = (np.cumsum(first) - 1)[new].tolist()
    children = _keys(torch.cat([told["next_states"] for told in records])[_index(np.flatnonzero(new), states)])
    reached = dict(zip(reversed(children), reversed(owner), strict=True))  # the earliest owner is written last
    places = states[_index(np.flatnonzero(first), states)]
    parents = [-1, *(reached.get(key, -1) for key in _keys(places[1:]))]
    return Expansion(_points(decode(places)), np.array(parents, np.int32))


def _keys(states: Tensor) -> list[bytes]:
    """[m, D] states as what tells them apart exactly."""
    rows = np.ascontiguousarray(_host(states))
    return [row.tobytes() for row in rows]


def _wave(told: Told, decode: Decode) -> Expansion:
    """The last sweep of value iteration: its places in the order in which a wave from the target reaches them."""
    values = np.asarray(told["values"])[0]
    order = np.argsort(values, kind="stable")
    order = order[np.isfinite(values[order])]
    places = _points(decode(told["states"][_index(order, told["states"])]))
    return Expansion(places, np.full(len(places), -1, np.int32))


def _tree(told: Told, decode: Decode) -> Tree:
    """A record of a Monte-Carlo tree: see :class:`planners.mcts.MCTSPlanner`."""
    parents, visits, values, chance = (_host(told[name][0]) for name in ("parents", "visits", "q", "chance"))
    return Tree(
        parents=parents.astype(np.int32),
        visits=visits.astype(np.int32),
        values=values.astype(np.float32),
        places=_points(decode(told["states"][0])),
        chance=chance.astype(np.bool_),
    )


def _host(values: Tensor) -> NDArray[Any]:
    return values.detach().cpu().numpy()


def _points(places: Tensor) -> Points:
    return _host(places).astype(np.float32, copy=False)


def _index(numbers: NDArray[np.int64], like: Tensor) -> Tensor:
    return torch.from_numpy(numbers).to(like.device)
