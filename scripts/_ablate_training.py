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
from hjepa.metrics import effective_rank, linear_probe
from hjepa.vision.agent import VisionAgent, VisionExperiment
from hjepa.vision.recordings import Episodes
from hjepa.vision.train import VisionTrainer, VisionTraining, train_vision
from scripts._ablate_rows import Small, Variant, reference
from scripts._mazes_seen import STEPS, TASK, held_out, lessons_layouts
from scripts._seen import camera
from worlds import Layouts, MazeView, generate_layouts, maze_raster, record_diverse_maze
from worlds.force import D4RL
from worlds.maps import WALL

LOOKED_AT = 4
"""Episodes of each held-out maze that perception is measured on."""
HELD_OUT = 10
PERCEPTION = ("backbone.", "attention.", "levels.0.")
"""Parts of a stack that are learned before the levels above the first."""


def trained(variant: Variant, small: Small, view: MazeView, seed: int, out: Path) -> VisionAgent:
    """The agent of a variant and a seed, kept in a folder of ``out``.

    It is trained where the folder has none, or only the beginning of one; so is the reference, if it begins with that.

    Raises:
        ValueError: where the folder has an agent that was trained otherwise.
    """
    folder = out / f"{variant.name}-seed{seed}"
    training = replace(small.training(seed), **variant.train)  # type: ignore[arg-type]  # checked by its tests
    if has_checkpoint(folder / "agent"):
        agent = VisionAgent.load(folder / "agent")
        if agent.experiment != VisionExperiment(variant.stack, training):
            raise ValueError(f"{folder}: this agent was trained in another way; expected none, or give another --out")
        return agent
    donor = None if variant.after is None else trained(reference(small), small, view, seed, out)
    begun = time.perf_counter()
    layouts = generate_layouts("large", small.mazes, seed=2 * seed)
    episodes = _record(layouts, small.episodes, seed, view)
    trainer = _train(variant, training, episodes, donor, folder, {"data": to_dict(small)})
    card: dict[str, Any] = {
        "task": TASK, "data": {"size": "large", "mazes": small.mazes} | to_dict(small), "seed": seed,
        "seconds": round(time.perf_counter() - begun, 1),
    }  # fmt: skip
    agent = VisionAgent.of(trainer, card)
    agent.save(folder / "agent")
    return agent


def _train(
    variant: Variant,
    training: VisionTraining,
    episodes: Episodes,
    donor: VisionAgent | None,
    folder: Path,
    facts: dict[str, object],
) -> VisionTrainer:
    """Trains from the beginning, or on from what a donor has learned so far."""
    meta: dict[str, object] = {"stack": to_dict(variant.stack), "train": to_dict(training)} | facts
    if donor is not None and not has_checkpoint(folder / "checkpoint"):
        _take_over(variant, training, episodes, donor).save(folder / "checkpoint", meta)
    return train_vision(variant.stack, episodes, training, folder, meta, resume=has_checkpoint(folder / "checkpoint"))


def _take_over(variant: Variant, training: VisionTraining, episodes: Episodes, donor: VisionAgent) -> VisionTrainer:
    """A run that has come as far as its phases are the donor's: these were the same, batch by batch."""
    trainer = VisionTrainer(variant.stack, episodes, training)
    trainer.step = training.masked_steps + training.steps
    known = donor.stack.state_dict()
    if variant.after == "upper":
        trainer.step += training.upper_steps
        trainer.edges.load_state_dict(donor.edges.state_dict())
    else:
        known = {name: tensor for name, tensor in known.items() if name.startswith(PERCEPTION)}
    trainer.stack.load_state_dict(known, strict=False)
    return trainer


def _record(layouts: Layouts, each: int, seed: int, view: MazeView) -> Episodes:
    data = record_diverse_maze(layouts, each, seed, STEPS, D4RL)
    states, actions, maps = (torch.from_numpy(part) for part in (data.states, data.actions, data.maps))
    return Episodes(states, actions, maps, camera(maze_raster(layouts, view)))


@torch.no_grad()
def perception(agent: VisionAgent, view: MazeView, seed: int) -> dict[str, float]:
    """What an agent sees in mazes that it has never seen.

    Returns:
        ``place_error``: cells of the maze between true places and the best affine map of seen ones, root mean square;
        ``deviation``: standard deviation of level 2's layouts, and ``rank``: their effective rank; ``walls``: R^2 of
        wall or floor, read from them linearly.
    """
    mazes = held_out("large", HELD_OUT, seed, lessons_layouts(agent.card))
    seen = _record(mazes, LOOKED_AT, seed, view)
    states = seen.states[:, ::10].flatten(0, 1)
    numbers = seen.layouts.repeat_interleave(len(states) // len(seen.layouts))
    features = agent.stack.backbone(seen.camera(states, numbers))
    some = slice(None, None, STEPS // 10 + 1)
    layouts = agent.stack.layouts(features[some], 2)
    cells = layouts.permute(0, 2, 3, 1).flatten(0, 2)
    return {
        "place_error": _misfit(agent.stack.places(features), states[:, :2]),
        "deviation": float(cells.std(0).mean()),
        "rank": effective_rank(cells),
        "walls": linear_probe(cells, _walls(mazes, layouts.shape[-1])[numbers[some]].flatten()),
    }


def _walls(mazes: Layouts, side: int) -> Tensor:
    """[M, side, side] whether the middle of a cell of the feature map lies in a wall."""
    whole = torch.stack([torch.from_numpy(maze.cells == WALL) for maze in mazes.maps]).float()
    middle = ((torch.arange(side) + 0.5) * whole.shape[-1] / side).long()
    return whole[:, middle][:, :, middle]


def _misfit(places: Tensor, truth: Tensor) -> float:
    """The root mean square distance between [N, 2] true places and the best affine map of [N, 2] seen ones."""
    inputs = torch.cat([places, torch.ones_like(places[:, :1])], -1).double()
    wanted = truth.double()
    fitted = inputs @ torch.linalg.pinv(inputs) @ wanted
    return float((fitted - wanted).square().sum(-1).mean().sqrt())
