"""The rows of ``scripts/ablate.py``, study by study: what is changed, one thing at a time."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Literal, get_args

from hjepa.vision.layout_objective import LayoutRegularizer
from hjepa.vision.optimised_ways import TopConfig, TopPlanner
from hjepa.vision.planning import VisionPlanning
from hjepa.vision.stack import VisionConfig
from hjepa.vision.train import VisionTraining
from scripts._mazes_seen import FAR

Study = Literal["planners", "levels", "losses", "encoders"]
TITLES: dict[Study, str] = {
    "planners": "Planners",
    "levels": "Levels",
    "losses": "Against collapse",
    "encoders": "Encoders",
}
CALLS = 3000
"""States of level 2 that a plan may predict where it is not A*, which predicts about as many on average."""
PLANNING = VisionPlanning(horizon=8, samples=32, iterations=2)
"""How the reference plans."""
SLIGHT = 0.1
"""Strides that optimisers of trajectories pay for each nat that an edge is doubted. More of them come through than at
A*'s price, at which many trajectories are best that stay where they are; chosen on seed 77."""
UNSURE = replace(PLANNING, doubt=-float("inf"), caution=0.0)
"""Every predicted edge is believed, and costs its time."""


@dataclass(frozen=True)
class Small:
    """How agents learn here: from little, at low resolution, in few steps."""

    mazes: int = 25
    """Mazes with interiors of 8 x 8 cells, seen at 40 x 40 pixels."""
    episodes: int = 40
    """Recorded in each of them, 100 steps long."""
    masked_steps: int = 400
    """Of seeing what is hidden, in the row that begins with it."""
    steps: int = 800
    """Of perception and level 1."""
    upper_steps: int = 1000
    """Of the levels above."""
    practice_steps: int = 400
    """Of a third level that learns in imagination, in the row that has one."""

    def stack(self) -> VisionConfig:
        """Two levels; a cell of the maze has as many cells of the feature map as at full resolution."""
        return VisionConfig(patch=2, window=5)

    def training(self, seed: int) -> VisionTraining:
        """With half of the batch and half of the steps of the default, and fewer for the levels above."""
        return VisionTraining(
            seed=seed, steps=self.steps, batch=16, warm_up=max(1, self.steps // 4), upper_steps=self.upper_steps,
            upper_batch=64, traced=500, learning_rate=2e-3, pictures=16,
        )  # fmt: skip


@dataclass(frozen=True)
class Variant:
    """An agent that is trained here.

    Attributes:
        name: of its folder.
        stack: its shape.
        train: how it is trained, by what differs from the reference.
        after: the phase of the reference's training up to which both are the same, so that it is taken over from
            there; None where there is none.
    """

    name: str
    stack: VisionConfig
    train: dict[str, object] = field(default_factory=dict)
    after: Literal["perception", "upper"] | None = None


def reference(small: Small) -> Variant:
    """The agent that all others are compared with."""
    return Variant("reference", small.stack())


@dataclass(frozen=True)
class Row:
    """One row of a study.

    Attributes:
        name: in the table and the figure.
        group: of rows that belong together.
        planning: how the agent plans.
        levels: that plan; None for all.
        variant: who plans; None for an agent that was given.
    """

    name: str
    group: str
    planning: VisionPlanning = PLANNING
    levels: int | None = None
    variant: Variant | None = None


def rows_of(study: Study, small: Small) -> list[Row]:
    """All rows of a study; the first one is the reference."""
    match study:
        case "planners":
            return _planners(reference(small))
        case "levels":
            return _levels(small)
        case "losses":
            return _losses(small)
        case "encoders":
            return _encoders(small)


def _planners(agent: Variant) -> list[Row]:
    """What plans at level 2 of two levels, with its edge classifier and without."""
    top, bare = "planner at the top", "no edge classifier, no memory of refused ways"
    names: dict[TopPlanner, str] = {
        "mcts": "MCTS over codes", "cem": "CEM", "mppi": "MPPI", "gradient": "gradient (Adam)",
        "random": "random shooting",
    }  # fmt: skip
    forgetful = replace(UNSURE, near=0.0)
    ways = [
        Row("A* over codes", top),
        *(Row(name, top, _at_the_top(planner)) for planner, name in names.items()),
        Row("A*, bare", bare, forgetful),
        Row("HWM-style MPPI", bare, replace(forgetful, top=_top("mppi"))),
        Row("HWM-style, 10 x predictions", bare, replace(forgetful, top=_top("mppi", 10))),
        Row("A*, no classifier", "edge classifier", UNSURE),
        Row("A*, edges shut, not priced", "edge classifier", replace(PLANNING, caution=0.0)),
    ]
    return [replace(row, levels=2, variant=agent) for row in ways]


def _at_the_top(planner: TopPlanner) -> VisionPlanning:
    caution = PLANNING.caution if planner == "mcts" else SLIGHT
    return replace(PLANNING, top=_top(planner), caution=caution)


def _top(planner: TopPlanner, times: int = 1) -> TopConfig:
    return TopConfig(planner, calls=CALLS * times)


def _levels(small: Small) -> list[Row]:
    """Levels that learn from what was recorded, up to four; a third one that learns in imagination; one layout."""
    two, many, latents = small.stack(), "levels that plan", "layouts of two levels"
    first, second = two.levels
    recorded = (first, second, replace(second, stride=20, rollout=3), replace(second, stride=40, rollout=2))
    deep = Variant("four-levels", replace(two, levels=recorded), after="perception")
    practice: dict[str, object] = {"practice_steps": small.practice_steps}
    far = Variant("far", replace(two, levels=(first, second, FAR)), practice, after="upper")
    shared = Variant("shared", replace(two, shared=True), after="perception")
    return [
        Row("two levels", many, variant=reference(small)),
        Row("level 1 alone", many, levels=1, variant=reference(small)),
        Row("three levels", many, levels=3, variant=deep),
        Row("four levels", many, variant=deep),
        Row("three, one from imagination", many, variant=far),
        Row("a latent per level", latents, variant=reference(small)),
        Row("a shared latent", latents, variant=shared),
    ]


def _losses(small: Small) -> list[Row]:
    """What keeps layouts from collapsing; at last neither that nor what keeps places from it."""
    names = {"vicreg": "VICReg", "sigreg": "SIGReg", "ema": "EMA", "contrastive": "contrastive", "none": "none"}
    assert set(names) == set(get_args(LayoutRegularizer))
    variants = [Variant(key, small.stack(), {"regularizer": key}) for key in names if key != "vicreg"]
    nothing = Variant("nothing", small.stack(), {"regularizer": "none", "taught": 0.0, "within": 0.0})
    agents = [reference(small), *variants]
    rows = [Row(name, "", variant=variant) for name, variant in zip(names.values(), agents, strict=True)]
    return [*rows, Row("none, for places neither", "", variant=nothing)]


def _encoders(small: Small) -> list[Row]:
    """What level 1's state is, and what its encoder learns from first."""
    masked: dict[str, object] = {"masked_steps": small.masked_steps}
    return [
        Row("factorised", "", variant=reference(small)),
        Row("factorised, masked first", "", variant=Variant("masked", small.stack(), masked)),
        Row("spatial", "", variant=Variant("spatial", replace(small.stack(), encoder="spatial"))),
    ]
