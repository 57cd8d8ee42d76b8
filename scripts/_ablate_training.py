"""Trains the agents of ``scripts/ablate.py``, and looks at what they have learned to see."""

from __future__ import annotations

import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from hjepa.checkpoint import has_checkpoint
from hjepa.config import to_dict
from hjepa.metrics import effective_rank
from hjepa.vision.agent import VisionAgent
from hjepa.vision.recordings import Episodes
from hjepa.vision.train import train_vision
from scripts._ablate_rows import Small, Variant
from scripts._mazes_seen import STEPS, TASK, held_out, lessons_layouts
from scripts._seen import camera
from worlds import Layouts, MazeView, generate_layouts, maze_raster, record_diverse_maze
from worlds.force import D4RL

LOOKED_AT = 4
"""Episodes of each held-out maze that perception is measured on."""
HELD_OUT = 10


def trained(variant: Variant, small: Small, view: MazeView, seed: int, folder: Path) -> VisionAgent:
    """The agent of a variant and a seed; trained where the folder has none, or only the beginning of one."""
    if has_checkpoint(folder / "agent"):
        return VisionAgent.load(folder / "agent")
    begun = time.perf_counter()
    training = replace(small.training(seed), **variant.train)  # type: ignore[arg-type]  # checked by its tests
    meta: dict[str, object] = {"stack": to_dict(variant.stack), "train": to_dict(training), "data": to_dict(small)}
    layouts = generate_layouts("large", small.mazes, seed=2 * seed)
    episodes = _record(layouts, small.episodes, seed, view)
    resume = has_checkpoint(folder / "checkpoint")
    trainer = train_vision(variant.stack, episodes, training, folder, meta, resume)
    card: dict[str, Any] = {
        "task": TASK, "data": {"size": "large", "mazes": small.mazes} | to_dict(small), "seed": seed,
        "seconds": round(time.perf_counter() - begun, 1),
    }  # fmt: skip
    agent = VisionAgent.of(trainer, card)
    agent.save(folder / "agent")
    return agent


def _record(layouts: Layouts, each: int, seed: int, view: MazeView) -> Episodes:
    data = record_diverse_maze(layouts, each, seed, STEPS, D4RL)
    states, actions, maps = (torch.from_numpy(part) for part in (data.states, data.actions, data.maps))
    return Episodes(states, actions, maps, camera(maze_raster(layouts, view)))


@torch.no_grad()
def perception(agent: VisionAgent, view: MazeView, seed: int) -> dict[str, float]:
    """What an agent sees in mazes that it has never seen.

    Returns:
        ``place_error``: cells of the maze between true places and the best affine map of seen ones, root mean square;
        ``rank``: effective rank of level 2's layouts.
    """
    mazes = held_out("large", HELD_OUT, seed, lessons_layouts(agent.card))
    seen = _record(mazes, LOOKED_AT, seed, view)
    states = seen.states[:, ::10].flatten(0, 1)
    features = agent.stack.backbone(
        seen.camera(states, seen.layouts.repeat_interleave(len(states) // len(seen.layouts)))
    )
    layouts = agent.stack.layouts(features[:: STEPS // 10 + 1], 2)
    return {
        "place_error": _misfit(agent.stack.places(features), states[:, :2]),
        "rank": effective_rank(layouts.permute(0, 2, 3, 1).flatten(0, 2)),
    }


def _misfit(places: Tensor, truth: Tensor) -> float:
    """The root mean square distance between [N, 2] true places and the best affine map of [N, 2] seen ones."""
    inputs = torch.cat([places, torch.ones_like(places[:, :1])], -1).double()
    wanted = truth.double()
    fitted = inputs @ torch.linalg.pinv(inputs) @ wanted
    return float((fitted - wanted).square().sum(-1).mean().sqrt())
