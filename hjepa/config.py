"""Strict configuration: a frozen dataclass read from, and written to, a dictionary or a TOML file.

The dataclass is the schema. Nothing is guessed: an unknown key, a missing one, a value of another type, a NaN or
a name outside a ``Literal`` raises :class:`ConfigError` with one line that names the key and what it should hold.
"""

from __future__ import annotations

import difflib
import math
import tomllib
import types
from collections.abc import Iterable, Mapping
from dataclasses import MISSING, Field, dataclass, fields, is_dataclass
from pathlib import Path
from typing import Any, Literal, TypeVar, Union, get_args, get_origin, get_type_hints

Config = TypeVar("Config")
_SCALARS: dict[Any, str] = {bool: "true or false", int: "an integer", float: "a finite number", str: "a string"}


class ConfigError(ValueError):
    """A configuration that does not fit its dataclass; the message is one line."""


@dataclass(frozen=True)
class _Place:
    """Where in a configuration a value stands: the file, and the keys that lead to it."""

    file: str
    keys: tuple[str, ...] = ()

    def __truediv__(self, key: str) -> _Place:
        return _Place(self.file, (*self.keys, key))

    def table(self) -> str:
        return f"[{'.'.join(self.keys)}]" if self.keys else "the top level"

    def wrong(self, value: object, expected: str) -> ConfigError:
        table = _Place(self.file, self.keys[:-1]).table()
        return ConfigError(f"{self.file}: {self.keys[-1]} in {table} is {value!r}; expected {expected}")


def from_dict(cls: type[Config], data: Mapping[str, Any], where: str = "config") -> Config:
    """Builds a dataclass from plain nested data, as a TOML or JSON file holds it.

    Fields may be bool, int, float (which takes integers), str, ``Path``, ``Literal``, ``X | None``, ``tuple[X, ...]``,
    ``tuple[X, Y]`` and further dataclasses.

    Args:
        cls: the dataclass to build.
        data: its fields by name; those with a default may be left out.
        where: what to call the source in an error, such as the file's name.

    Raises:
        ConfigError: where the data do not fit, in one line.
    """
    return _read_table(cls, data, _Place(where))


def from_toml(cls: type[Config], path: str | Path) -> Config:
    """Builds a dataclass from a TOML file; raises :class:`ConfigError` as :func:`from_dict` does."""
    try:
        data = tomllib.loads(Path(path).read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise ConfigError(f"{path}: no such configuration file") from None
    except OSError as error:
        raise ConfigError(f"{path}: cannot be read ({error.strerror})") from error
    except ValueError as error:  # undecodable text, or text that is not TOML
        raise ConfigError(f"{path}: not a TOML file ({error})") from error
    return from_dict(cls, data, str(path))


def to_dict(config: Any) -> dict[str, Any]:
    """Turns a dataclass into nested dictionaries, lists and scalars, which :func:`from_dict` reads back."""
    return {item.name: _plain(getattr(config, item.name)) for item in _settable(config)}


def to_toml(config: Any) -> str:
    """Writes a dataclass as TOML text, which :func:`from_toml` reads back as an equal object.

    TOML has no null: a field that holds None is left out, which is possible only where None is its default.

    Raises:
        ConfigError: for a value that TOML, or the way back, could not represent.
    """
    return "\n".join(_write_table(config, ())).lstrip("\n") + "\n"


def _settable(config: Any) -> list[Field[Any]]:
    return [item for item in fields(config) if item.init]


def _is_required(item: Field[Any]) -> bool:
    return item.default is MISSING and item.default_factory is MISSING


# Reading


def _read_table(cls: type[Any], data: object, place: _Place) -> Any:
    if not isinstance(data, Mapping):
        raise place.wrong(data, f"a table of {', '.join(item.name for item in _settable(cls))}")
    hints = get_type_hints(cls)
    known = {item.name: item for item in _settable(cls)}
    for key in data:
        if key not in known:
            raise ConfigError(f"{place.file}: unknown key {key!r} in {place.table()}; {_suggest(key, known)}")
    for name, item in known.items():
        if name not in data and _is_required(item):
            raise ConfigError(
                f"{place.file}: missing key {name!r} in {place.table()}; expected {_expected(hints[name])}"
            )
    values = {name: _read(hints[name], value, place / name) for name, value in data.items()}
    try:
        return cls(**values)
    except ConfigError:
        raise
    except ValueError as error:  # the dataclass's own __post_init__ checks
        raise ConfigError(f"{place.file}: {error} (in {place.table()})") from error


def _read(kind: Any, value: Any, place: _Place) -> Any:
    origin = get_origin(kind)
    if is_dataclass(kind) and isinstance(kind, type):
        return _read_table(kind, value, place)
    if origin in (Union, types.UnionType):
        return _read_union(kind, value, place)
    if origin is tuple:
        return _read_tuple(kind, value, place)
    if _fits(kind, value):
        return float(value) if kind is float else Path(value) if kind is Path else value
    raise place.wrong(value, _expected(kind))


def _fits(kind: Any, value: Any) -> bool:
    """Whether a scalar is what its annotation says; ``True`` is no integer here, and NaN is no number."""
    if get_origin(kind) is Literal:
        return any(type(value) is type(choice) and value == choice for choice in get_args(kind))
    if kind is float:
        return (type(value) is int and abs(value) < 2**1000) or (type(value) is float and math.isfinite(value))
    if kind is Path:
        return isinstance(value, str | Path)
    if kind in (bool, int, str, types.NoneType):
        return type(value) is kind
    raise TypeError(f"a configuration cannot hold a field of type {kind}")


def _read_union(kind: Any, value: Any, place: _Place) -> Any:
    """Takes the first member that fits; with a single one beside None, its own error is the clearer one."""
    members = [member for member in get_args(kind) if member is not types.NoneType]
    if value is None and len(members) < len(get_args(kind)):
        return None
    if len(members) == 1:
        return _read(members[0], value, place)
    for member in members:
        try:
            return _read(member, value, place)
        except ConfigError:
            continue
    raise place.wrong(value, _expected(kind))


def _read_tuple(kind: Any, value: Any, place: _Place) -> tuple[Any, ...]:
    members = get_args(kind)
    if not isinstance(value, list | tuple):
        raise place.wrong(value, _expected(kind))
    if members[-1] is Ellipsis:
        members = members[:1] * len(value)
    elif len(members) != len(value):
        raise place.wrong(value, _expected(kind))
    return tuple(_read(members[i], item, place / str(i + 1)) for i, item in enumerate(value))


def _expected(kind: Any) -> str:
    """What an annotation asks for, in words."""
    if kind in _SCALARS:
        return _SCALARS[kind]
    origin, members = get_origin(kind), get_args(kind)
    if origin is Literal:
        return "one of " + ", ".join(map(repr, members))
    if origin in (Union, types.UnionType):
        return " or ".join(_expected(member) for member in members if member is not types.NoneType)
    if origin is tuple:
        many = "any number of items" if members[-1] is Ellipsis else f"{len(members)} items"
        return f"a list of {many}, each {_expected(members[0])}"
    return "a path" if kind is Path else "a table" if is_dataclass(kind) else str(kind)


def _suggest(key: str, known: Iterable[str]) -> str:
    close = difflib.get_close_matches(key, known, n=1)
    return f"did you mean {close[0]!r}?" if close else f"expected one of {', '.join(known)}"


# Writing


def _plain(value: Any) -> Any:
    if is_dataclass(value):
        return to_dict(value)
    if isinstance(value, tuple | list):
        return [_plain(item) for item in value]
    return str(value) if isinstance(value, Path) else value


def _write_table(config: Any, keys: tuple[str, ...]) -> list[str]:
    """The lines of one table: its own values first, as TOML demands, then the tables below it."""
    lines: list[str] = []
    below: list[str] = []
    for item in _settable(config):
        value, path = getattr(config, item.name), (*keys, item.name)
        if is_dataclass(value):
            below += ["", f"[{'.'.join(path)}]", *_write_table(value, path)]
        elif isinstance(value, tuple) and value and all(map(is_dataclass, value)):
            for row in value:
                below += ["", f"[[{'.'.join(path)}]]", *_write_table(row, path)]
        elif value is not None:
            lines.append(f"{item.name} = {_write_value(value, item.name)}")
        elif item.default is not None:
            raise ConfigError(f"{item.name} is None, which TOML cannot hold where the default is another value")
    return lines + below


def _write_value(value: Any, name: str) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, tuple | list):
        return f"[{', '.join(_write_value(item, name) for item in value)}]"
    if isinstance(value, str | Path):
        return _quote(str(value))
    if isinstance(value, int):
        return str(int(value))
    if isinstance(value, float) and math.isfinite(value):
        return repr(float(value))
    raise ConfigError(f"{name} holds {value!r}, which TOML cannot hold here")


def _quote(text: str) -> str:
    """A TOML basic string; control characters and the two special ones are escaped."""
    special = {'"': '\\"', "\\": "\\\\"}
    return '"' + "".join(special.get(c) or (c if c.isprintable() else f"\\U{ord(c):08x}") for c in text) + '"'
