"""The task ``four-rooms``: which doors are open today, seen in pictures, among distractors (H-JEPA's protocol)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch

from hjepa.vision.agent import VisionExperiment
from hjepa.vision.place_level import PlaceConfig
from hjepa.vision.planning import VisionPlanning
from hjepa.vision.recordings import Episodes
from hjepa.vision.stack import VisionConfig
from hjepa.vision.train import VisionTraining
from scripts._seen import Row, SeenTasks, SeenWorld, camera
from worlds import FourRoomsTasks, four_rooms_raster, record_four_rooms
from worlds.four_rooms_data import Behaviour
from worlds.four_rooms_tasks import MOST_STEPS, SUCCESS_RADIUS, TIME_LIMIT

TASK = "four-rooms"
TRAINING_HELP = """Trains an agent that sees, in four rooms whose doors are open or closed by chance, among distractors.

python scripts/train.py four-rooms --out runs/four-rooms

python scripts/train.py four-rooms --pixels 112 --stack.patch 4 (for a fast run)

Data: an actor that goes from goal to goal with much noise, and one that wanders into walls, half of the episodes each,
while up to five discs of another colour jump about, recorded anew and drawn on the fly. Every field of the experiment
is a flag below."""
EVALUATION_HELP = """Evaluates an agent that sees in four rooms, from a place in one to a place two rooms away.

python scripts/evaluate.py four-rooms --agent runs/four-rooms --levels 2

Every door is closed with probability 1/2 (drawn again where there is no way), and distractors jump about."""
STEPS = 210
"""World steps of a recorded episode."""


@dataclass(frozen=True)
class FourRoomsData:
    """An actor that goes from goal to goal with much noise, and one that wanders."""

    pixels: int = 224
    """Of a side of a picture: 224, or 112 or 56 for fast runs, with a --stack.patch of 4 or 2 beside."""
    rows: int = 1_050_000
    """Transitions, in episodes of 210."""
    behaviour: Behaviour = "mixed"
    """Of the actor: from goal to goal, wherever it drifts, or half of the episodes each. Who only goes to goals seldom
    touches a wall, and what is never touched is not known to be one."""

    @property
    def label(self) -> str:
        """A name for files."""
        return TASK

    def episodes(self, seed: int, device: torch.device) -> Episodes:
        """Records."""
        if self.rows < STEPS:
            raise ValueError(f"--rows must be at least {STEPS}, one episode, not {self.rows}")
        data = record_four_rooms(self.rows // STEPS, seed, STEPS, self.behaviour)
        return Episodes(
            torch.from_numpy(data.states).to(device),
            torch.from_numpy(data.actions).to(device),
            torch.from_numpy(data.maps).to(device),
            camera(four_rooms_raster(self.pixels, device)),
        )


@dataclass(frozen=True)
class FourRoomsTrials:
    """From one room to the room two doors away."""

    time_limit: int = TIME_LIMIT
    """World steps of an episode."""

    shipped = TASK

    @property
    def protocol(self) -> str:
        """Where, and what counts as success."""
        return (
            f"two rooms away, at most {MOST_STEPS} steps, up to 5 distractors; success within {SUCCESS_RADIUS:.0f} of "
            f"224 pixels, ever, in {self.time_limit} steps"
        )

    def rows(self, card: dict[str, Any], seed: int) -> list[Row]:
        """One."""
        raster = four_rooms_raster(card["data"]["pixels"])

        def tasks(first: int, count: int) -> SeenTasks:
            return SeenTasks(FourRoomsTasks(count, seed, self.time_limit, first), raster)

        return [Row("two away", tasks)]


LEVELS = (
    PlaceConfig(rollout=10),
    # What jumps is all but dropped, and what is left of it is rounded away.
    PlaceConfig(stride=10, rollout=4, taps=5, spacing=1.5, steady=300.0, whole=True, commitment=1.0),
)
TRAINING = VisionTraining(
    steps=800, batch=16, warm_up=200, upper_steps=1500, upper_batch=64, traced=1000, lag=4, ways=4
)
FOUR_ROOMS = SeenWorld(
    TASK,
    TRAINING_HELP,
    EVALUATION_HELP,
    FourRoomsData(),
    FourRoomsTrials(),
    "rooms",
    VisionExperiment(VisionConfig(patch=8, levels=LEVELS, window=5), TRAINING),
    VisionPlanning(doubt=-1.0, caution=2.0, patience=1.5),  # tuned on 50 episodes of seed 77
)
