"""Trees of dataclasses as JSON, their arrays apart: for files that hold no code, and that anybody could read.

A dataclass becomes ``{"Name": [its fields]}``, an array ``{"array": [dtype, first, shape]}`` (a stretch of the one long
array of its dtype), a mapping ``{"map": [[key, value], ...]}``, a set ``{"set": [...]}``, a tuple a list. Numbers,
text and None are themselves. Names and fields of the dataclasses are kept beside it.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field, fields, is_dataclass
from types import MappingProxyType
from typing import Any, get_args, get_type_hints

import numpy as np
from numpy.typing import NDArray

Json = Any
Array = NDArray[Any]
NAMES = ("bool", "uint8", "int8", "int16", "int32", "int64", "float32", "float64")
DTYPES = {np.dtype(name): name for name in NAMES}


class PackingError(ValueError):
    """What was read is not what was once packed; one line."""


@dataclass
class Packer:
    """Packs trees.

    Attributes:
        schema: by dataclass, the names of its fields.
    """

    schema: dict[str, list[str]] = field(default_factory=dict)
    _stretches: dict[str, list[Array]] = field(default_factory=dict)
    _lengths: dict[str, int] = field(default_factory=dict)
    _known: dict[int, tuple[Array, Json]] = field(default_factory=dict)

    def pack(self, value: object) -> Json:
        """One tree.

        Raises:
            TypeError: for a value of another kind.
        """
        if value is None or isinstance(value, bool | int | float | str):
            return value
        if isinstance(value, tuple | list):
            return [self.pack(item) for item in value]
        if isinstance(value, np.ndarray):
            return {"array": self._array(value)}
        if isinstance(value, np.generic):
            return value.item()
        if is_dataclass(value):
            names = self.schema.setdefault(type(value).__name__, [item.name for item in fields(value)])
            return {type(value).__name__: [self.pack(getattr(value, name)) for name in names]}
        if isinstance(value, Mapping):
            return {"map": [[self.pack(key), self.pack(item)] for key, item in value.items()]}
        if isinstance(value, frozenset):
            return {"set": [self.pack(item) for item in sorted(value, key=repr)]}
        raise TypeError(f"a {type(value).__name__} can't be packed")

    def arrays(self) -> dict[str, Array]:
        """By dtype, all arrays one after the other."""
        return {name: np.concatenate(stretches) for name, stretches in self._stretches.items()}

    def _array(self, array: Array) -> Json:
        if id(array) not in self._known:  # many documents share one map
            name = DTYPES.get(array.dtype)
            if name is None:
                raise TypeError(f"an array of {array.dtype} can't be packed, only of {', '.join(NAMES)}")
            first = self._lengths.get(name, 0)
            self._stretches.setdefault(name, []).append(array.ravel())
            self._lengths[name] = first + array.size
            self._known[id(array)] = array, [name, first, list(array.shape)]  # with the array, so that its id stays its
        return self._known[id(array)][1]


class Unpacker:
    """Unpacks trees.

    Args:
        root: the dataclass on top: it, and those that its fields may hold, are all that can come out.
        schema: as packed.
        arrays: as packed.

    Raises:
        PackingError: for dataclasses or fields that aren't known here.
    """

    def __init__(self, root: type, schema: Mapping[str, list[str]], arrays: Mapping[str, Array]) -> None:
        known = {item.__name__: item for item in dataclasses_in(root)}
        self._arrays, self._classes = arrays, {}
        for name, names in schema.items():
            if name not in known:
                raise PackingError(f"holds a {name}, which is not known here")
            strange = set(names) - {item.name for item in fields(known[name])}
            if strange:
                raise PackingError(f"{name} has no {', '.join(sorted(strange))} here")
            self._classes[name] = known[name], names

    def unpack(self, value: Json) -> Any:
        """One tree.

        Raises:
            PackingError: where it makes no sense.
        """
        if isinstance(value, list):
            return tuple(self.unpack(item) for item in value)
        if not isinstance(value, dict):
            return value
        if len(value) != 1:
            raise PackingError(f"a value has {len(value)} tags, expected one")
        ((tag, content),) = value.items()
        if tag == "array":
            return self._array(*content)
        if tag == "map":
            return MappingProxyType({self.unpack(key): self.unpack(item) for key, item in content})
        if tag == "set":
            return frozenset(self.unpack(item) for item in content)
        made, names = self._classes[tag]
        return made(**{name: self.unpack(item) for name, item in zip(names, content, strict=True)})

    def _array(self, name: str, first: int, shape: list[int]) -> Array:
        if name not in self._arrays:
            raise PackingError(f"its arrays of {name} are missing")
        stretch = self._arrays[name][first : first + math.prod(shape)]
        return stretch.reshape(shape)


def dataclasses_in(root: type) -> set[type]:
    """A dataclass, and all that its fields may hold, however deep."""
    found: set[type] = set()
    waiting: list[Any] = [root]
    while waiting:
        hint = waiting.pop()
        if is_dataclass(hint) and isinstance(hint, type) and hint not in found:
            found.add(hint)
            waiting += get_type_hints(hint).values()
        waiting += get_args(hint)
    return found
