"""The task ``two-rooms``: find the door, seen in pictures (PLDM's protocols, and eb_jepa's)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

import torch

from hjepa.vision.agent import VisionExperiment
from hjepa.vision.place_level import PlaceConfig
from hjepa.vision.planning import VisionPlanning
from hjepa.vision.recordings import Episodes
from hjepa.vision.stack import VisionConfig
from hjepa.vision.train import VisionTraining
from scripts._seen import Row, SeenTasks, SeenWorld, camera
from worlds import TwoRoomsTasks, fixed_rooms, random_rooms, record_rooms, rooms_raster
from worlds.rooms_tasks import FINAL_RADIUS, FIRST_HIT_RADIUS, TIME_LIMIT, Rule
from worlds.two_rooms import Rooms

TASK = "two-rooms"
TRAINING_HELP = """Trains an agent that sees, in two rooms with a door between them.

python scripts/train.py two-rooms (one layout, PLDM's)

python scripts/train.py two-rooms --rooms random (many layouts: eb_jepa's; others are kept for trials)

python scripts/train.py two-rooms --crossing 0 (nothing that was recorded goes through the door)

Data: a dot that wanders, recorded anew and drawn on the fly. Every field of the experiment is a flag below."""
EVALUATION_HELP = """Evaluates an agent that sees in two rooms, from a place in one to a place in the other.

python scripts/evaluate.py two-rooms (PLDM's: within 1.41 pixels of the goal, ever, in 200 steps)

python scripts/evaluate.py two-rooms --rooms random (eb_jepa's: layouts not learned from, within 4.5 pixels at the end)

python scripts/evaluate.py two-rooms --rooms apart (PLDM's, without a crossing in the data)"""
STEPS = 90
"""World steps of a recorded episode (PLDM's)."""
TRAINING, HELD_OUT = 0, 1
"""Second number of the seeds of layouts, so that those of training and of trials are never the same draw."""


@dataclass(frozen=True)
class RoomsData:
    """A dot that wanders."""

    rooms: Literal["fixed", "random"] = "fixed"
    """One layout, PLDM's, or many random ones, eb_jepa's."""
    layouts: int = 800
    """How many random ones."""
    rows: int = 900_000
    """Transitions in all of them."""
    crossing: float = 0.35
    """Share of the episodes that pass through the door."""

    @property
    def label(self) -> str:
        """A name for files."""
        return f"{TASK}-{'apart' if self.crossing == 0 else self.rooms}"

    def episodes(self, seed: int, device: torch.device) -> Episodes:
        """Records."""
        if self.rows < STEPS:
            raise ValueError(f"--rows must be at least {STEPS}, one episode, not {self.rows}")
        rooms = training_rooms(self.rooms, self.layouts, seed)
        data = record_rooms(rooms, self.rows // STEPS, seed, STEPS, self.crossing)
        return Episodes(
            torch.from_numpy(data.states).to(device),
            torch.from_numpy(data.actions).to(device),
            torch.from_numpy(data.maps).to(device),
            camera(rooms_raster(rooms, rgb=True).to(device)),
        )


@dataclass(frozen=True)
class RoomsTrials:
    """From one room into the other."""

    rooms: Literal["fixed", "random", "apart"] = "fixed"
    """PLDM's layout; random ones that are none of those learned from; or PLDM's, for an agent that never saw a
    crossing."""
    layouts: int = 100
    """How many random ones."""
    rule: Rule | None = None
    """When an episode has succeeded: at the first hit (1.41 pixels, by default in PLDM's layout) or at its end (4.5
    pixels, by default in random ones)."""
    time_limit: int = TIME_LIMIT
    """World steps of an episode."""

    @property
    def shipped(self) -> str:
        """One for each kind of data."""
        return f"{TASK}-{self.rooms}"

    @property
    def judged(self) -> Rule:
        """When an episode has succeeded."""
        return self.rule or ("final" if self.rooms == "random" else "first hit")

    @property
    def protocol(self) -> str:
        """Where, and what counts as success."""
        where = f"{self.layouts} layouts not learned from" if self.rooms == "random" else "PLDM's layout"
        hit = f"within {FIRST_HIT_RADIUS:.2f} pixels, ever, in {self.time_limit} steps"
        end = f"within {FINAL_RADIUS} pixels after {self.time_limit} steps"
        return f"{self.rooms}: {where}; success {hit if self.judged == 'first hit' else end}"

    def rows(self, card: dict[str, Any], seed: int) -> list[Row]:
        """One."""
        rooms = trial_rooms(card, self.layouts, seed) if self.rooms == "random" else fixed_rooms()
        raster = rooms_raster(rooms, rgb=True)

        def tasks(first: int, count: int) -> SeenTasks:
            return SeenTasks(TwoRoomsTasks(rooms, count, seed, self.judged, self.time_limit, first), raster)

        return [Row(self.rooms, tasks, {"rule": self.judged})]


def training_rooms(kind: Literal["fixed", "random"], layouts: int, seed: int) -> Rooms:
    """The layouts that there is something to learn from."""
    return fixed_rooms() if kind == "fixed" else random_rooms(layouts, 2 * seed + TRAINING)


def trial_rooms(card: dict[str, Any], layouts: int, seed: int) -> Rooms:
    """Random layouts that are none of those that the agent of a card learned from."""
    data = card["data"]
    return random_rooms(
        layouts, 2 * seed + HELD_OUT, exclude=training_rooms(data["rooms"], data["layouts"], card["seed"])
    )


EXPERIMENT = VisionExperiment(
    VisionConfig(
        levels=(
            PlaceConfig(rollout=8),
            PlaceConfig(stride=5, rollout=5, taps=5, spacing=1.0, shortest=0.3),  # the wall is 3 pixels thin
        ),
        window=5,
    ),
    VisionTraining(steps=1000, batch=24, warm_up=200, upper_steps=2000, traced=5000),
)
PLANNING = VisionPlanning(commit=5, horizon=8, tolerance=0.6, resolution=0.7, doubt=-0.5, caution=2.0, patience=1.5)
TWO_ROOMS = SeenWorld(TASK, TRAINING_HELP, EVALUATION_HELP, RoomsData(), RoomsTrials(), "rooms", EXPERIMENT, PLANNING)
