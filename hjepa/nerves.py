"""What a reflex knows and remembers, as compiled loops can read it; see :mod:`hjepa.reflex`.

``K`` is the number of levels, ``J`` of those above the first; level ``j`` here is the stack's level ``j + 2``.
Landmarks and edges are numbered through all levels, as if all graphs were one: ``L`` landmarks, ``M`` edges. A way has
``P`` states at most.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float32]
Ints = NDArray[np.int32]
Longs = NDArray[np.int64]

NONE, HERE, GOAL = -1, -1, -2
"""Stand in the place of a number: no edge; no landmark, but where a way began; no landmark, but the goal."""

SETTINGS = np.dtype(
    [("first", np.int64), ("end", np.int64)]
    + [
        (name, np.float64)
        for name in (
            "stride", "attach", "direct", "penalty", "softness", "lookahead", "patience", "off_path",
        )
    ]
)  # fmt: skip
"""Of one level above the first. Its landmarks are ``first : end``; the rest, in world steps, is explained by
:class:`planners.landmarks.LandmarkPlanner`, :class:`hjepa.signpost.SignpostConfig` and
:class:`planners.hierarchy.PlanningLevel`."""

TRACK = np.dtype(
    [(name, np.int64) for name in ("number", "above", "above_carrot", "last", "at", "carrot")]
    + [(name, np.float64) for name in ("rest", "best", "since")]
)
"""How far one problem has come on one level's way; see :class:`planners.session.Track`. ``number`` counts the level's
ways; what a way is for are the ``number`` and the ``carrot`` of the one above, with -1 where there is no way yet.
``last`` is the number of its last state, ``rest`` the world steps that remain to it."""


class Nerves(NamedTuple):
    """What doesn't change: networks, landmarks and settings.

    Attributes:
        centre: [O] of the observations.
        scale: [1] their standard deviation.
        box: [2, A] least and largest action.
        reach: [1] see :class:`hjepa.policy.Policy`.
        weights: of all networks: for every layer in turn, its [inputs, outputs] weights and [outputs] biases.
        networks: [2K + J, 3 + S] the K encoders, the J critics of level 2 and up, the policy, the J signposts. Of each:
            where its weights begin, where those of a linear map beside it do (-1 for none), how many sizes there are,
            and the sizes of its layers, the input first.
        levels: [J] :data:`SETTINGS`.
        indptr, targets, costs: all levels' graphs as one; see :class:`planners.graph.SearchGraph`.
        back_indptr, back_targets, back_costs: the reversed graph.
        embedding: [L, E] landmarks in their level's critic space.
        described: [L, F] landmarks as their level's signposts see them.
        below: [L] the same places as landmarks of the level below; nothing for level 2.
        ways: [M, E] where edges lead; see :func:`hjepa.signpost.ways_on`.
    """

    centre: Floats
    scale: Floats
    box: Floats
    reach: Floats
    weights: Floats
    networks: Longs
    levels: NDArray[np.void]
    indptr: Longs
    targets: Ints
    costs: Floats
    back_indptr: Longs
    back_targets: Ints
    back_costs: Floats
    embedding: Floats
    described: Floats
    below: Longs
    ways: Floats


class Walks(NamedTuple):
    """Short-term memory for B problems, written to by the functions here.

    Attributes:
        tracks: [B, J] :data:`TRACK`.
        nodes: [B, J, P] the states on every level's way: landmarks, :data:`HERE` or :data:`GOAL`.
        edges: [B, J, P] numbers of the ways between them. Of an edge, its own; of the way between landmark ``l`` and a
            place that is none, ``-1 - l``; of the straight way of level ``j`` to the goal, ``M + j``.
        arrival: [B, J, P] predicted arrival times there, world steps.
        origin: [B, J, E] where each way began, in the level's critic space.
        here: [B, J, E] where the agent is.
        goal: [B, J, E] where it shall be in the end.
        rejected: [B, M + J + L] ways that did not lead where the model said, by number; -1 is the last one.
    """

    tracks: NDArray[np.void]
    nodes: Ints
    edges: Longs
    arrival: Floats
    origin: Floats
    here: Floats
    goal: Floats
    rejected: NDArray[np.bool_]
