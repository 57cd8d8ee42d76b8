"""The command line of a world that is seen in pictures: its own flags beside those that all worlds have."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import field, make_dataclass
from typing import Annotated, Any, Literal

import tyro


def parse(task: str, description: str, flat: Mapping[str, Any], nested: Mapping[str, Any], args: Sequence[str]) -> Any:
    """Reads flags over defaults.

    Args:
        task: the name of the task, which is among the arguments.
        description: what ``--help`` says first.
        flat: dataclasses by name, whose fields are flags without a prefix.
        nested: the same; those of ``experiment`` have no prefix, but their parts have; those of others have their name.
        args: the command line's arguments.

    Returns:
        An object with a dataclass for every name.
    """
    unnamed = tyro.conf.arg(name="")
    name_of_task: Any = Annotated[Literal[task], tyro.conf.Positional]
    fields: list[Any] = [("task", name_of_task, field(default=task))]
    for name, default in (*flat.items(), *nested.items()):
        kind: Any = type(default)
        if name in flat or name == "experiment":
            kind = Annotated[kind, unnamed]
        fields.append((name, kind, field(default=default)))
    return tyro.cli(make_dataclass("Flags", fields, frozen=True), args=args, description=description)
