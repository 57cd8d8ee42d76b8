"""The rows of ``scripts/ablate.py``, study by study: what is changed, one thing at a time."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Literal, get_args

from hjepa.vision.layout_objective import LayoutRegularizer
from hjepa.vision.optimised_ways import TopConfig, TopPlanner
from hjepa.vision.place_level import PlaceConfig
from hjepa.vision.planning import VisionPlanning
from hjepa.vision.stack import VisionConfig
from hjepa.vision.train import VisionTraining

Study = Literal["planners", "levels", "losses", "encoders"]
CALLS = 3000
"""States of level 2 that a plan may predict where it is not A*, which predicts 2500 to 3200 on average."""
UNSURE = VisionPlanning(doubt=-float("inf"), caution=0.0)
"""Every predicted edge is believed, and costs its time."""


@dataclass(frozen=True)
class Small:
    """How agents of the training studies learn: from little, at low resolution, in few steps."""

    mazes: int = 25
    """Mazes with interiors of 8 x 8 cells, seen at 40 x 40 pixels."""
    episodes: int = 40
    """Recorded in each of them, 100 steps long."""
    steps: int = 800
    """Of perception and level 1."""
    upper_steps: int = 1000
    """Of the levels above."""

    def stack(self) -> VisionConfig:
        """Two levels; a cell of the maze has as many cells of the feature map as at full resolution."""
        return VisionConfig(patch=2)

    def training(self, seed: int) -> VisionTraining:
        """With half of the batch and half of the steps of the default, and fewer for the levels above."""
        return VisionTraining(
            seed=seed, steps=self.steps, batch=16, warm_up=max(1, self.steps // 4), upper_steps=self.upper_steps,
            upper_batch=64, traced=500, learning_rate=2e-3,
        )  # fmt: skip


@dataclass(frozen=True)
class Variant:
    """An agent of a training study.

    Attributes:
        name: of its folder.
        stack: its shape.
        train: how it is trained, by what differs from the reference.
    """

    name: str
    stack: VisionConfig
    train: dict[str, object] = field(default_factory=dict)


@dataclass(frozen=True)
class Row:
    """One row of a study.

    Attributes:
        name: in the table and the figure.
        group: of rows that belong together.
        planning: how the agent plans.
        levels: that plan; None for all.
        variant: who plans, in a training study.
    """

    name: str
    group: str
    planning: VisionPlanning = VisionPlanning()
    levels: int | None = None
    variant: Variant | None = None


def rows_of(study: Study, small: Small) -> list[Row]:
    """All rows of a study; the first one is the reference."""
    match study:
        case "planners":
            return _planners()
        case "levels":
            return _levels(small)
        case "losses":
            return _losses(small)
        case "encoders":
            return _encoders(small)


def _planners() -> list[Row]:
    """What plans at the top, with level 2's edge classifier and without, and what A* is set to."""
    reference, top, believed, a_star = VisionPlanning(), "planner at the top", "edge classifier", "settings of A*"
    hwm = replace(UNSURE, near=0.0, top=_top("mppi"))
    names: dict[TopPlanner, str] = {
        "mcts": "MCTS over codes", "mppi": "MPPI", "cem": "CEM", "gradient": "gradient (Adam)", "random": "random",
    }  # fmt: skip
    return [
        Row("A* over codes", top, reference),
        *(Row(name, top, replace(reference, top=_top(planner))) for planner, name in names.items()),
        Row("HWM-style MPPI", top, hwm),
        Row("HWM-style MPPI, 10 x the calls", top, replace(hwm, top=_top("mppi", 10))),
        Row("level 1 alone", top, reference, levels=1),
        Row("A*, no classifier", believed, UNSURE),
        Row("A*, no classifier, no memory", believed, replace(UNSURE, near=0.0)),
        Row("caution 0", a_star, replace(reference, caution=0.0)),
        Row("caution 3", a_star, replace(reference, caution=3.0)),
        Row("weight 1", a_star, replace(reference, weight=1.0)),
        Row("tolerance 0.6", a_star, replace(reference, tolerance=0.6)),
    ]


def _top(planner: TopPlanner, times: int = 1) -> TopConfig:
    return TopConfig(planner, calls=CALLS * times)


def _levels(small: Small) -> list[Row]:
    """One agent of four levels, of which one to four plan; and two levels that read one layout."""
    two, group = small.stack(), "levels that plan"
    first, second = two.levels
    third = PlaceConfig(stride=15, rollout=2, taps=5, spacing=2.0)
    four = (first, replace(second, stride=5), third, replace(third, stride=45))
    deep = Variant("four-levels", replace(two, levels=four))
    return [
        *(Row(f"{k} of 4 levels", group, levels=k, variant=deep) for k in range(1, 5)),
        Row("a latent per level", "latents of 2 levels", variant=Variant("reference", two)),
        Row("a shared latent", "latents of 2 levels", variant=Variant("shared", replace(two, shared=True))),
    ]


def _losses(small: Small) -> list[Row]:
    """What keeps layouts from collapsing, and what makes attention find what moves."""
    two = small.stack()
    names = {"vicreg": "VICReg", "sigreg": "SIGReg", "ema": "EMA", "contrastive": "contrastive", "none": "none"}
    assert set(names) == set(get_args(LayoutRegularizer))
    variants = [Variant("reference" if key == "vicreg" else key, two, {"regularizer": key}) for key in names]
    perception = "perception (VICReg)"
    return [
        *(Row(name, "regulariser", variant=variant) for name, variant in zip(names.values(), variants, strict=True)),
        Row("no teaching by motion", perception, variant=Variant("untaught", two, {"taught": 0.0})),
        Row("no hinge within episodes", perception, variant=Variant("no-hinge", two, {"within": 0.0})),
    ]


def _encoders(small: Small) -> list[Row]:
    """What level 1's state is."""
    two, group = small.stack(), "level 1"
    spatial = Variant("spatial", replace(two, encoder="spatial"))
    return [
        Row("factorised: place, motion, layout", group, variant=Variant("reference", two)),
        Row("spatial: the feature map", group, variant=spatial),
    ]
