"""What hands do, without SDL: the viewer's state is tested with these, and a recorded story is a list of them."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Key:
    """A key goes down.

    Attributes:
        name: as SDL names it, lower case: ``space``, ``left``, ``f1``, ``a``.
        shift: whether shift is held.
        ctrl: whether control (or command) is held.
    """

    name: str
    shift: bool = False
    ctrl: bool = False


@dataclass(frozen=True)
class Press:
    """A mouse button goes down: 1 left, 2 middle, 3 right; pixels from the top left."""

    x: int
    y: int
    button: int = 1
    shift: bool = False


@dataclass(frozen=True)
class Release:
    """A mouse button comes up."""

    x: int
    y: int
    button: int = 1


@dataclass(frozen=True)
class Move:
    """The pointer is somewhere else now."""

    x: int
    y: int


@dataclass(frozen=True)
class Wheel:
    """The wheel turns: positive up (away from the hand)."""

    x: int
    y: int
    clicks: int


@dataclass(frozen=True)
class Resize:
    """The window has another size."""

    width: int
    height: int


@dataclass(frozen=True)
class Leave:
    """The pointer leaves the window."""


@dataclass(frozen=True)
class Close:
    """The window is to be closed."""


@dataclass(frozen=True)
class Tick:
    """Time passes: one frame.

    Attributes:
        milliseconds: since the last one.
    """

    milliseconds: int


Event = Key | Press | Release | Move | Wheel | Resize | Leave | Close | Tick
