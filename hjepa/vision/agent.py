"""An agent that sees: its stack, edge classifiers and critics, and how it was made; saved as one checkpoint."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch

from hjepa.checkpoint import CheckpointError, load_checkpoint, save_checkpoint
from hjepa.config import from_dict, to_dict
from hjepa.vision.reachability import EdgeClassifiers
from hjepa.vision.stack import VisionConfig, VisionStack
from hjepa.vision.time_to_go import Critics
from hjepa.vision.train import VisionTrainer, VisionTraining


@dataclass(frozen=True)
class VisionExperiment:
    """Everything that decides what an agent that sees becomes.

    Attributes:
        stack: the shape of the H-JEPA.
        train: how it is trained.
    """

    stack: VisionConfig = field(default_factory=VisionConfig)
    train: VisionTraining = field(default_factory=VisionTraining)


@dataclass(frozen=True, eq=False)
class VisionAgent:
    """A trained agent that sees. It remembers no layout.

    Attributes:
        stack: the H-JEPA.
        edges: the edge classifiers of the levels above the first that learn from what was recorded.
        experiment: how it was made.
        card: what it was trained on, how long it took, what it scored.
        critics: of the temporal distance, if it has any.
    """

    stack: VisionStack
    edges: EdgeClassifiers
    experiment: VisionExperiment
    card: dict[str, Any]
    critics: Critics | None = None

    @classmethod
    def of(cls, trainer: VisionTrainer, card: dict[str, Any]) -> VisionAgent:
        """What a finished training run has made."""
        trainer.network.eval().requires_grad_(False)
        experiment = VisionExperiment(trainer.stack.config, trainer.training)
        return cls(trainer.stack, trainer.edges, experiment, card, trainer.critics)

    def save(self, folder: str | Path) -> None:
        """Writes the agent; an interrupted write leaves the old one."""
        meta = {"kind": "vision", "experiment": to_dict(self.experiment), "card": self.card}
        parts = {"stack": self.stack, "edges": self.edges, "critics": self.critics}
        tensors = {name: part.state_dict() for name, part in parts.items() if part is not None}
        save_checkpoint(folder, tensors, meta)

    @classmethod
    def load(cls, folder: str | Path, device: torch.device | str = "cpu") -> VisionAgent:
        """Reads an agent.

        Raises:
            CheckpointError: where the folder holds none, or a damaged one.
        """
        tensors, meta = load_checkpoint(folder)
        if meta.get("kind") != "vision":
            raise CheckpointError(
                f"{folder}: this is a {meta.get('kind', 'training')!r} checkpoint, no agent that sees"
            )
        experiment = from_dict(VisionExperiment, meta["experiment"], f"{folder}: experiment")
        stack = VisionStack(experiment.stack)
        edges = EdgeClassifiers(level.channels for level in experiment.stack.recorded)
        critics = Critics.of(experiment.stack) if "critics" in tensors else None
        try:
            stack.load_state_dict(tensors["stack"])
            edges.load_state_dict(tensors["edges"])
            if critics is not None:
                critics.load_state_dict(tensors["critics"])
        except (KeyError, RuntimeError) as error:
            reason = str(error).splitlines()[-1].strip()  # torch lists every misfit on a line of its own
            raise CheckpointError(f"{folder}: the weights do not fit the experiment ({reason})") from error
        for network in (stack, edges, critics):
            if network is not None:
                network.to(device).eval().requires_grad_(False)
        return cls(stack, edges, experiment, meta["card"], critics)
