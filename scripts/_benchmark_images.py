"""How fast the worlds seen in pictures are recorded and drawn, beside a small network that reads the frames."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from scripts._timing import Timing, machine, print_columns, seconds_per_call, take_turns, write_json
from worlds import (
    Episodes,
    Layouts,
    Raster,
    fixed_rooms,
    four_rooms_raster,
    generate_layouts,
    maze_raster,
    record_diverse_maze,
    record_four_rooms,
    record_rooms,
    rooms_raster,
)
from worlds.maze_view import LOW, PROTOCOL

Row = dict[str, Any]


@dataclass(frozen=True)
class Options:
    """What is measured."""

    batch: int = 32
    """Windows of episodes in a batch."""
    steps: int = 15
    """Steps of a window; it has one frame more."""
    episodes: int = 200
    """Episodes to record in each turn; in Diverse Maze of 25 layouts together."""
    repeats: int = 5
    """How often everything has its turn."""
    seconds: float = 0.5
    """Length of one turn."""
    seed: int = 0
    """Of layouts, data and windows."""
    device: str = "cpu"
    """Where frames are drawn and read."""
    json: Path | None = None
    """File for the results."""


@dataclass(frozen=True)
class Scene:
    """One world at one resolution: how it is recorded, and how it is drawn."""

    record: Callable[[int, int], Episodes]
    raster: Raster


def scenes(options: Options) -> dict[str, Scene]:
    """Every world at the protocols' resolutions and at lower ones."""
    mazes, rooms = generate_layouts("large", 25, options.seed), fixed_rooms()
    diverse = partial(_record_diverse, mazes)
    found = {
        "Diverse Maze, 98 px": Scene(diverse, maze_raster(mazes, PROTOCOL)),
        "Diverse Maze, 40 px": Scene(diverse, maze_raster(mazes, LOW)),
        "Two Rooms, 65 px": Scene(partial(record_rooms, rooms), rooms_raster(rooms)),
        "Four Rooms, 224 px": Scene(record_four_rooms, four_rooms_raster(224)),
        "Four Rooms, 56 px": Scene(record_four_rooms, four_rooms_raster(56)),
    }
    return {name: Scene(scene.record, scene.raster.to(options.device)) for name, scene in found.items()}


def _record_diverse(mazes: Layouts, episodes: int, seed: int) -> Episodes:
    return record_diverse_maze(mazes, -(-episodes // len(mazes)), seed)


def benchmark(options: Options) -> None:
    """Measures, prints one table, and writes what was asked for."""
    if min(options.batch, options.steps, options.episodes) < 1 or not options.seconds > 0:
        raise ValueError("--batch, --steps and --episodes must be at least 1, and --seconds positive")
    rows = [_row(name, scene, options) for name, scene in scenes(options).items()]
    heads = ("median, per second", "steps recorded", "frames drawn", "frames trained on", "drawing's share", "")
    print_columns(heads, [_cells(row) for row in rows])
    print("trained on: forward and backward through three strided convolutions; share: of drawing and that together")
    write_json(options.json, {"machine": machine(), "device": options.device, "images": rows})


def _row(name: str, scene: Scene, options: Options) -> Row:
    """Rates of one scene: ``recorded``, ``drawn``, ``trained`` per second, ``share`` of drawing, and ``noisy``."""
    data = scene.record(options.episodes, options.seed)
    windows = data.windows(options.batch, options.steps, torch.Generator().manual_seed(options.seed))
    states, maps = (part.to(options.device) for part in (windows[0], windows[2]))
    frames, steps = options.batch * (options.steps + 1), data.transitions
    network = Reader(scene.raster.shape[0]).to(options.device)
    still = scene.raster(states, maps).flatten(0, 1)
    work: dict[str, tuple[Callable[[], object], int]] = {
        "recorded": (partial(scene.record, options.episodes, options.seed), steps),
        "drawn": (partial(_finished, options.device, lambda: scene.raster(states, maps)), frames),
        "trained": (partial(_finished, options.device, lambda: network.learn(still)), frames),
    }
    turns = {key: partial(seconds_per_call, call, options.seconds) for key, (call, _) in work.items()}
    times = {key: Timing(tuple(found)) for key, found in take_turns(turns, options.repeats).items()}
    rates = {key: work[key][1] / timing.median for key, timing in times.items()}
    share = times["drawn"].median / (times["drawn"].median + times["trained"].median)
    return {"world": name, **rates, "share": share, "noisy": any(timing.noisy for timing in times.values())}


def _finished(device: str, call: Callable[[], object]) -> None:
    """Calls, and waits until the device is done."""
    call()
    if device != "cpu":
        torch.accelerator.synchronize()


def _cells(row: Row) -> tuple[str, ...]:
    rates = (f"{row[key]:,.0f}" for key in ("recorded", "drawn", "trained"))
    return (row["world"], *rates, f"{row['share']:.1%}", "noisy" if row["noisy"] else "")


class Reader(nn.Module):
    """As small a convolutional network as anyone would train: 16, 32 and 32 channels, each halving the picture."""

    def __init__(self, channels: int) -> None:
        """Makes the layers."""
        super().__init__()
        widths = (channels, 16, 32, 32)
        layers = [nn.Conv2d(a, b, 5, 2, 2) for a, b in zip(widths, widths[1:], strict=False)]
        self.body = nn.Sequential(*(part for layer in layers for part in (layer, nn.ReLU())))

    def learn(self, frames: Tensor) -> None:
        """Forward and backward on [N, C, H, W] uint8 frames, their conversion to numbers included."""
        inputs = frames.float().div_(255).contiguous(memory_format=torch.channels_last)
        self.body(inputs).square().mean().backward()
        self.zero_grad()
