"""The checkpoints that come with the package, one folder per task, each with a card in its metadata."""

from __future__ import annotations

from pathlib import Path

from hjepa.checkpoint import CheckpointError, has_checkpoint

FOLDER = Path(__file__).parent
SUITE = "ogbench"
"""The only one whose tasks have a slash in their names, which no folder can have."""


def shipped() -> list[str]:
    """Names of the tasks that an agent is shipped for."""
    return sorted(path.name.replace(SUITE + "-", SUITE + "/", 1) for path in FOLDER.iterdir() if has_checkpoint(path))


def pretrained(task: str) -> Path:
    """The folder of the agent shipped for a task, such as ``ogbench/pointmaze-giant-navigate``.

    Raises:
        CheckpointError: where none is shipped.
    """
    folder = FOLDER / task.replace("/", "-")
    if not has_checkpoint(folder):
        raise CheckpointError(f"no agent is shipped for {task!r}; shipped are: {', '.join(shipped()) or 'none'}")
    return folder
