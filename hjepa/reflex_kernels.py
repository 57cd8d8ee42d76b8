"""The compiled loops behind :mod:`hjepa.reflex`: a whole stack in Mode-1, from an observation to an action.

One function decides for every problem in turn: perception (the encoders and critics), the levels' ways from signpost to
signpost with feedback from below, and the policy's answer. What is meant is said in :mod:`planners.hierarchy`,
:mod:`planners.landmarks` and :mod:`hjepa.signpost`, which plan the same for any planner, and show it; a function that
mirrors one of theirs bears its name. For letters and numbers see :mod:`hjepa.nerves`.
"""

from __future__ import annotations

import math

import numpy as np
from numba import njit

from hjepa.nerves import GOAL, HERE, NONE
from planners.graph_kernels import ENTRY, NODE, Memory, Question, search
from planners.hierarchy import HierarchicalPlanner
from planners.landmarks import LandmarkPlanner

MAX_REPAIRS = HierarchicalPlanner.MAX_REPAIRS
MIN_ENTRIES = LandmarkPlanner.MIN_ENTRIES
DOUBLINGS = LandmarkPlanner.DOUBLINGS

_inner = njit(cache=True, nogil=True, no_cpython_wrapper=True, no_cfunc_wrapper=True)
"""Compiles a function for the use of others: without what Python needs to call it, which takes longer to make."""


@njit(cache=True, nogil=True)
def decide(nerves, walks, observations, active, elapsed, spent):  # type: ignore[no-untyped-def]
    """[B, O] observations to [B, A] actions, zero for problems that are not active.

    Args:
        nerves: :class:`hjepa.nerves.Nerves`.
        walks: :class:`hjepa.nerves.Walks`.
        observations: what is seen now.
        active: [B] problems that still matter.
        elapsed: world steps since the last decision.
        spent: [J, 2] search nodes and plans of every level, added to.
    """
    actions = np.zeros((len(observations), nerves.box.shape[1]), np.float32)
    for b in range(len(observations)):
        if active[b]:
            state = _perceive(nerves, walks, b, observations[b])
            _descend(nerves, walks, b, elapsed, spent)
            target = _place(nerves, walks, b, 0, walks.tracks[b, 0].carrot)
            _copy(_answer(nerves, state, walks.here[b, 0], target), actions[b])
    return actions


# Networks


@_inner
def _affine(weights, x, size):  # type: ignore[no-untyped-def]
    """[inputs] to [outputs]."""
    y = weights[len(x) * size : (len(x) + 1) * size].copy()
    for i in range(len(x)):
        row = weights[i * size : (i + 1) * size]
        for j in range(size):
            y[j] += x[i] * row[j]
    return y


@_inner
def _apply(nerves, number, x):  # type: ignore[no-untyped-def]
    """[inputs] to [outputs] of a network."""
    weights, network = nerves.weights, nerves.networks[number]
    first, skip, sizes = network[0], network[1], network[3 : 3 + network[2]]
    layer = x
    for i in range(1, len(sizes)):
        layer = _affine(weights[first:], layer, sizes[i])
        first += (sizes[i - 1] + 1) * sizes[i]
        if i + 1 < len(sizes):
            for j in range(len(layer)):
                layer[j] /= np.float32(1) + math.exp(-layer[j])
    if skip >= 0:
        beside = _affine(weights[skip:], x, sizes[-1])
        for j in range(len(layer)):
            layer[j] += beside[j]
    return layer


@_inner
def _apply_to_both(nerves, number, x, y):  # type: ignore[no-untyped-def]
    """A network, applied to two inputs as one."""
    both = np.empty(len(x) + len(y), np.float32)
    _copy(x, both[: len(x)])
    _copy(y, both[len(x) :])
    return _apply(nerves, number, both)


@_inner
def _perceive(nerves, walks, b, observation):  # type: ignore[no-untyped-def]
    """Writes where the agent is, for all levels; returns the [D] state of level 1."""
    depth, scaled = len(nerves.levels) + 1, np.empty(len(observation), np.float32)
    for i in range(len(observation)):
        scaled[i] = (observation[i] - nerves.centre[i]) / nerves.scale[0]
    first = _apply(nerves, 0, scaled)
    state = first
    for j in range(depth - 1):
        state = _apply(nerves, j + 1, state)
        _copy(_apply(nerves, depth + j, state), walks.here[b, j])
    return first


@_inner
def _answer(nerves, state, point, target):  # type: ignore[no-untyped-def]
    """[A] the policy's action; see :class:`hjepa.policy.Policy`."""
    way, low, high = np.empty(len(point), np.float32), nerves.box[0], nerves.box[1]
    shorter = nerves.reach[0] / max(_distance(target, point), nerves.reach[0])
    for i in range(len(point)):
        way[i] = (target[i] - point[i]) * shorter
    action = _apply_to_both(nerves, 2 * len(nerves.levels) + 1, state, way)
    for i in range(len(action)):
        action[i] = low[i] + (math.tanh(action[i]) + 1) / 2 * (high[i] - low[i])
    return action


@njit(cache=True, nogil=True, fastmath=True)
def _distance(a, b):  # type: ignore[no-untyped-def]
    total = np.float32(0)
    for i in range(len(a)):
        total += (a[i] - b[i]) ** 2
    return math.sqrt(total)


@_inner
def _copy(values, to):  # type: ignore[no-untyped-def]
    """What ``to[:] = values`` does, compiled ten times as fast."""
    for i in range(len(values)):
        to[i] = values[i]


# The hierarchy; see planners.hierarchy


@_inner
def _descend(nerves, walks, b, elapsed, spent):  # type: ignore[no-untyped-def]
    """Brings the ways of all levels up to date, from the top, and repairs them from below."""
    for _ in range(MAX_REPAIRS + 1):
        failed = False
        for j in range(len(spent) - 1, -1, -1):
            if _stale(nerves, walks, b, j, elapsed) and not _replan(nerves, walks, b, j, spent[j]):
                failed = True
        if not failed:
            return
        elapsed = 0.0


@_inner
def _purpose(walks, b, j):  # type: ignore[no-untyped-def]
    """What a way is for: one state of the present way of the level above, or the goal."""
    if j + 1 == walks.tracks.shape[1]:
        return 0, 0
    above = walks.tracks[b, j + 1]
    return above.number, above.carrot


@_inner
def _stale(nerves, walks, b, j, elapsed):  # type: ignore[no-untyped-def]
    """Moves one track on, and says whether its level must plan again."""
    track = walks.tracks[b, j]
    if (track.above, track.above_carrot) != _purpose(walks, b, j):
        return True
    if not _follow(nerves, walks, b, j, elapsed):
        return False
    if track.since > nerves.levels[j].patience:
        _reject(walks, b, j)
    return True


@_inner
def _follow(nerves, walks, b, j, elapsed):  # type: ignore[no-untyped-def]
    """Advances along the way; true where the agent is off it, stuck, or at an end that is not the goal."""
    track, level, arrival, here = walks.tracks[b, j], nerves.levels[j], walks.arrival[b, j], walks.here[b, j]
    last, near = track.last, np.inf
    for i in range(track.at, min(track.at + 4, last + 1)):
        apart = _distance(_place(nerves, walks, b, j, i), here)
        if apart < near:
            near, track.at = apart, i
    following = min(track.at + 1, last)
    track.carrot = following
    while track.carrot < last and arrival[track.carrot + 1] <= arrival[track.at] + np.float32(level.lookahead):
        track.carrot += 1
    track.rest = arrival[last] - arrival[following] + _distance(_place(nerves, walks, b, j, following), here)
    track.since += elapsed
    if track.rest < track.best - 1.0:
        track.best, track.since = track.rest, 0.0
    arrived = track.at == last and walks.nodes[b, j, last] != GOAL
    return arrived or near > level.off_path or track.since > level.patience


@_inner
def _place(nerves, walks, b, j, i):  # type: ignore[no-untyped-def]
    """[E] the ``i``-th state on a way."""
    node = walks.nodes[b, j, i]
    if node == HERE:
        return walks.origin[b, j]
    return walks.goal[b, j] if node == GOAL else nerves.embedding[node]


@_inner
def _replan(nerves, walks, b, j, spent):  # type: ignore[no-untyped-def]
    """Plans anew at one level; false where the level above must think again."""
    track, top = walks.tracks[b, j], j + 1 == walks.tracks.shape[1]
    target = GOAL if top else walks.nodes[b, j + 1, walks.tracks[b, j + 1].carrot]
    if target != GOAL:
        target = nerves.below[target]
    found, expanded = _plan(nerves, walks, b, j, target)
    spent[0] += expanded
    spent[1] += 1
    track.number += 1
    track.above, track.above_carrot = _purpose(walks, b, j)
    track.at, track.best, track.since = 0, np.inf, 0.0
    _follow(nerves, walks, b, j, 0.0)
    if found or top or not _reject(walks, b, j + 1):
        return True
    walks.tracks[b, j + 1].above = -1
    return False


@_inner
def _reject(walks, b, j):  # type: ignore[no-untyped-def]
    """Marks the ways that one problem is on, so that the next plan avoids them; false where there are none new."""
    track, news = walks.tracks[b, j], False
    for edge in walks.edges[b, j, max(0, track.at - 1) : track.carrot]:
        news = news or not walks.rejected[b, edge]
        walks.rejected[b, edge] = True
    return news


# One level's way; see planners.landmarks and hjepa.signpost


@_inner
def _plan(nerves, walks, b, j, target):  # type: ignore[no-untyped-def]
    """Writes a way to a landmark, or to the goal; returns whether there is one, and the search nodes that it took."""
    nodes, edges, arrival, goal = walks.nodes[b, j], walks.edges[b, j], walks.arrival[b, j], walks.goal[b, j]
    nodes[0], arrival[0] = HERE, 0.0
    _copy(walks.here[b, j], walks.origin[b, j])
    straight, line = _distance(goal, walks.here[b, j]), len(nerves.targets) + j
    if target == GOAL and straight <= nerves.levels[j].direct and not walks.rejected[b, line]:
        nodes[1], edges[0], arrival[1], walks.tracks[b, j].last = GOAL, line, straight, 1
        return True, 0
    begins, expanded = _entries(nerves, walks.here[b], j, nerves.indptr, nerves.targets, nerves.costs)
    if target == GOAL:
        ends, left = _entries(nerves, walks.goal[b], j, nerves.back_indptr, nerves.back_targets, nerves.back_costs)
        expanded += left
    else:
        ends = np.full(len(begins), np.float32(np.inf))
        ends[target] = 0
    found, last = _walk(nerves, walks, b, j, begins, ends)
    expanded += last
    if found:
        arrival[1] = begins[nodes[1]]
        for i in range(1, last):
            arrival[i + 1] = arrival[i] + nerves.costs[edges[i]]
    else:
        last, nodes[1], arrival[1] = 1, ends.argmin(), 0.0
    edges[0] = -1 - nodes[1]
    if target == GOAL:
        edges[last], nodes[last + 1] = -1 - nodes[last], GOAL
        arrival[last + 1] = arrival[last] + _distance(goal, nerves.embedding[nodes[last]])
        last += 1
    walks.tracks[b, j].last = last
    return found, expanded


@_inner
def _walk(nerves, walks, b, j, begins, ends):  # type: ignore[no-untyped-def]
    """Writes a walk from signpost to signpost; returns whether it leads there, and the number of its last state."""
    nodes, edges, rejected, level = walks.nodes[b, j], walks.edges[b, j], walks.rejected[b], nerves.levels[j]
    begins, ends = _priced(begins, rejected, level.penalty), _priced(ends, rejected, level.penalty)
    nodes[1], goal, last = begins.argmin(), ends.argmin(), 1
    passed, ring = np.zeros(len(ends), np.bool_), ends[goal] + np.float32(level.stride)
    while not ends[nodes[last]] <= ring:
        passed[nodes[last]] = True
        edge = _way_on(nerves, j, nodes[last], goal, passed, rejected)
        if edge == NONE:
            return False, last
        edges[last], nodes[last + 1] = edge, nerves.targets[edge]
        last += 1
    return True, last


@_inner
def _priced(costs, rejected, penalty):  # type: ignore[no-untyped-def]
    """[L] costs of the ways between landmarks and a place, the rejected ones made dear."""
    priced = costs.copy()
    for landmark in range(len(costs)):
        if rejected[-1 - landmark]:
            priced[landmark] += np.float32(penalty)
    return priced


@_inner
def _way_on(nerves, j, here, goal, passed, rejected):  # type: ignore[no-untyped-def]
    """The number of the edge to take; NONE where all of them lead back."""
    signpost, price = 2 * len(nerves.levels) + 2 + j, nerves.levels[j].penalty / nerves.levels[j].softness
    heading = _apply_to_both(nerves, signpost, nerves.described[here], nerves.described[goal])
    chosen, best = NONE, -np.inf
    for edge in range(nerves.indptr[here], nerves.indptr[here + 1]):
        if passed[nerves.targets[edge]]:
            continue
        suits = -price if rejected[edge] else 0.0
        for i in range(len(heading)):
            suits += nerves.ways[edge, i] * heading[i]
        if suits > best:
            chosen, best = edge, suits
    return chosen


@_inner
def _entries(nerves, places, j, indptr, targets, costs):  # type: ignore[no-untyped-def]
    """[L] world steps between a place and the landmarks around it, infinite for all others; and search nodes.

    Args:
        nerves: :class:`hjepa.nerves.Nerves`.
        places: [J, E] the place.
        j: whose landmarks.
        indptr, targets, costs: of the graph, reversed for the ways from the landmarks to the place.
    """
    near, expanded = _near(nerves, places, 0), 0
    for i in range(1, j + 1):
        raised, looked = _raised(nerves, i, near, indptr, targets, costs)
        expanded += looked
        near = raised if np.isfinite(raised.min()) else _near(nerves, places, i)
    return near, expanded


@_inner
def _near(nerves, places, j):  # type: ignore[no-untyped-def]
    """[L] distances of the landmarks within reach of a place, at least of a few; infinite for all others."""
    level, costs = nerves.levels[j], np.full(len(nerves.below), np.float32(np.inf))
    for landmark in range(level.first, level.end):
        costs[landmark] = _distance(nerves.embedding[landmark], places[j])
    limit = nearest = np.float32(level.attach)
    for _ in range(MIN_ENTRIES + 1):  # each round reaches one more landmark at least
        within, beyond = 0, np.float32(np.inf)
        for landmark in range(level.first, level.end):
            if costs[landmark] <= limit:
                within += 1
            elif costs[landmark] < beyond:
                beyond = costs[landmark]
        nearest, limit = limit, beyond
        if within >= min(MIN_ENTRIES, level.end - level.first):
            break
    for landmark in range(level.first, level.end):
        if costs[landmark] > nearest:
            costs[landmark] = np.inf
    return costs


@_inner
def _raised(nerves, j, near, indptr, targets, costs):  # type: ignore[no-untyped-def]
    """[L] costs at landmarks of the level below to those at a level's own, by ways through the level below."""
    level, sources, size, expanded = nerves.levels[j], np.flatnonzero(np.isfinite(near)), len(near), 0
    nothing, no_points, no_nodes = np.empty(0, np.float32), np.empty((0, 0), np.float32), np.empty(0, np.int64)
    reached, raised = np.full(size, np.inf), np.full(size, np.float32(np.inf))
    memory = Memory(np.zeros(size, NODE), np.zeros(size, ENTRY), np.empty(size, np.int32), np.empty(size, np.int32))
    for doubling in range(DOUBLINGS):
        limit = level.attach * 2.0**doubling
        begin_costs = near[sources].astype(np.float64)
        question = Question(
            indptr, targets, costs, nothing, sources, begin_costs, no_points, nothing, 1.0, limit, np.int64(2**62)
        )
        found, _, _, _ = search(question, no_nodes, np.empty(0), memory, doubling + 1)
        expanded += found
        for node in memory.order[:found]:
            reached[node] = memory.nodes[node].cost
        for landmark in range(level.first, level.end):
            raised[landmark] = reached[nerves.below[landmark]]
        if np.isfinite(raised.min()):
            break
    return raised, expanded
