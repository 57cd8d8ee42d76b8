"""How every script starts: one line for a user's mistake, a traceback only on request."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping, Sequence
from typing import Annotated, Any, TypeVar

import tyro

Options = TypeVar("Options")

Flat = Annotated[Options, tyro.conf.arg(name="")]
"""A dataclass parameter whose fields are flags without a prefix: ``def main(options: Flat[TrainOptions])``."""


def run(
    program: Callable[..., Any] | Mapping[str, Callable[..., Any]],
    args: Sequence[str] | None = None,
    description: str | None = None,
) -> None:
    """Runs a function with its parameters as the command line's; a table of functions becomes subcommands.

    Wrong input (any ``ValueError``, or a file that cannot be opened) ends with one line and exit code 2, as tyro's own
    complaints about flags do; an interrupt with exit code 130. ``--debug``, anywhere, shows the traceback instead.

    Args:
        program: an annotated function, of plain parameters or of a :data:`Flat` dataclass, or several by subcommand.
        args: what to parse in the place of ``sys.argv[1:]``.
        description: what ``--help`` says first; the function's docstring otherwise.
    """
    args = list(sys.argv[1:] if args is None else args)
    debug = "--debug" in args
    args = [arg for arg in args if arg != "--debug"]
    try:
        if isinstance(program, Mapping):
            tyro.extras.subcommand_cli_from_dict(dict(program), args=args, description=description)
        else:
            tyro.cli(program, args=args, description=description)
    except KeyboardInterrupt:
        _stop("interrupted", 130)
    except (ValueError, OSError) as error:
        if debug:
            raise
        _stop(f"error: {_line(error)}", 2)


def _line(error: ValueError | OSError) -> str:
    if isinstance(error, OSError) and error.filename is not None:
        return f"{error.filename}: {error.strerror}"
    return " ".join(str(error).split()) or type(error).__name__


def _stop(line: str, code: int) -> None:
    print(line, file=sys.stderr)
    sys.exit(code)
