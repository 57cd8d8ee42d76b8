"""Guardrails: what an agent must never do, said of what it perceives, not of a map.

A guardrail measures the clearance of every state of a trajectory, real or predicted: positive where it is kept, and by
how much. Kinds: places to keep out of, zones with a speed limit, and things that move. What moves is perceived anew at
every step (:class:`Percept`); the guardrail itself never changes.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from functools import cached_property
from typing import Protocol, final

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from hjepa.clearance_kernels import obstacle_gap, region_distance
from hjepa.straight_ways import Floats, distance, share_inside
from hjepa.zones import Zones

FAR = 4.0
"""Clearance where a guardrail says nothing; world units (of a speed limit: world units per step)."""
NEIGHBOURS = tuple((i, j) for i in (-1, 0, 1) for j in (-1, 0, 1))


class GuardrailError(ValueError):
    """A guardrail that makes no sense, or an attempt to change one; the message is one line."""


@final
@dataclass(frozen=True, eq=False)
class Percept:
    """Things that move, as they are perceived now: discs.

    Attributes:
        position: [B, N, 2] world units.
        velocity: [B, N, 2] world units per world step.
        radius: [N] world units.
        room: [B, N, 2] how far each can go back and forth along its line before it has to turn round, world units; None
            where that is not known.
    """

    position: Tensor
    velocity: Tensor
    radius: Tensor
    room: Tensor | None = None

    def of(self, rows: Tensor) -> Percept:
        """The percepts of [M] of the problems, by number."""
        room = None if self.room is None else self.room[rows]
        return Percept(self.position[rows], self.velocity[rows], self.radius, room)


@final
@dataclass(frozen=True)
class Margins:
    """By how much predictions may be wrong; see :func:`hjepa.shield.calibrate`.

    Attributes:
        place: [H+1] of the place after 0, 1, ... world steps, world units; later ones are as wrong as the last.
        doubtful: [H+1] the same where something may be in the way; empty if that makes no difference.
        speed: of the length of a step, world units.
        cruise: how far the agent usually goes in a step, world units.
    """

    place: tuple[float, ...] = (0.0,)
    speed: float = 0.0
    cruise: float = 0.2
    doubtful: tuple[float, ...] = ()

    def __post_init__(self) -> None:
        if (
            not self.place
            or not all(value >= 0 for value in (*self.place, *self.doubtful, self.speed))
            or not self.cruise > 0
        ):
            raise GuardrailError(f"margins must not be negative, and cruise must be positive, not {self}")


@final
@dataclass(frozen=True, eq=False)
class Scene:
    """A trajectory in the space of observations, with what was perceived at its beginning.

    Attributes:
        places: [B, ..., T+1, 2] positions, the present one first; world units.
        stride: world steps from each to the next.
        percept: of the B problems; None where nothing moves.
        margins: kept on top of every guardrail.
        doubt: [B, ..., T+1] where the margins for what may be in the way are kept; None for nowhere.
    """

    places: Tensor
    stride: int = 1
    percept: Percept | None = None
    margins: Margins = Margins()

    doubt: Tensor | None = None

    @property
    def elapsed(self) -> Tensor:
        """[T+1] world steps from now."""
        return self.stride * torch.arange(self.places.shape[-2], device=self.places.device)

    def shrunk(self, distance: Tensor) -> Tensor:
        """[B, ..., T+1] distances, less their margins."""
        left = distance - self._margin(self.margins.place, distance)
        if self.doubt is None or not self.margins.doubtful:
            return left
        return torch.where(self.doubt, distance - self._margin(self.margins.doubtful, distance), left)

    def _margin(self, known: tuple[float, ...], like: Tensor) -> Tensor:
        """[T+1] margins; later ones are as large as the last."""
        count = self.places.shape[-2]
        return like.new_tensor((*known, *[known[-1]] * count)[:count])


class Guardrail(Protocol):
    """Something never to be broken."""

    @property
    def name(self) -> str:
        """Under which it is reported."""
        ...

    def clearance(self, scene: Scene) -> Tensor:
        """[B, ..., T+1] by how much the guardrail is kept; below 0 it is broken. Differentiable."""
        ...

    def fingerprint(self) -> str:
        """The same for guardrails that forbid the same, and for no others."""
        ...


@final
@dataclass(frozen=True, eq=False)
class Region:
    """Some cells of a grid.

    Attributes:
        cells: [rows, columns] which; rows along y, columns along x.
        corner: (x, y) of the outer corner of cell (0, 0), world units.
        size: side of a cell, world units.
    """

    cells: NDArray[np.bool_]
    corner: tuple[float, float]
    size: float

    def __post_init__(self) -> None:
        cells = np.array(self.cells, bool)
        if cells.ndim != 2 or not self.size > 0:
            raise GuardrailError(f"a region needs [rows, columns] cells of positive size, not {cells.shape}")
        cells.flags.writeable = False
        object.__setattr__(self, "cells", cells)

    @classmethod
    def of(cls, zones: Zones) -> Region:
        """The guardrails that are painted on zones."""
        return cls(np.isinf(zones.cells), zones.corner, zones.size)

    def distance(self, places: Tensor) -> Tensor:
        """[..., 2] places to their [...] signed distances: positive outside, negative inside; at most a cell's size."""
        if not self.cells.any():
            return torch.full_like(places[..., 0], self.size)
        if _plain(places):
            found = region_distance(self._around, places.reshape(-1, 2).numpy(), *self.corner, self.size)
            return torch.from_numpy(found).view(places.shape[:-1])
        rows, columns = self.cells.shape
        relative = (places - places.new_tensor(self.corner)) / self.size + 2
        relative = torch.minimum(relative.clamp(min=1.5), places.new_tensor([columns + 2.5, rows + 2.5]))
        column, row = relative.long().unbind(-1)
        around = torch.from_numpy(self._around).to(places.device)[row, column]
        gaps = _squared_gaps(relative - relative.floor())
        nearest = torch.where(around != around[..., 4:5], gaps, 1.0).amin(-1)
        return self.size * nearest.clamp(1e-12, 1).sqrt() * torch.where(around[..., 4], -1, 1)

    @cached_property
    def _around(self) -> NDArray[np.bool_]:
        """[rows + 4, columns + 4, 9] each cell of the padded grid with its neighbours, itself in the middle."""
        table = np.pad(self.cells, 2)
        return np.stack([np.roll(table, (-i, -j), (0, 1)) for i, j in NEIGHBOURS], -1)

    def inflated(self, reach: float, parts: int = 5) -> Region:
        """The same with cells ``parts`` times as fine, and all of those that are within ``reach`` of it."""
        fine = np.pad(self.cells, 1).repeat(parts, 0).repeat(parts, 1)
        size = self.size / parts
        centres = np.stack(np.meshgrid(*(np.arange(n) for n in fine.shape[::-1])), -1) * size + size / 2
        corner = (self.corner[0] - self.size, self.corner[1] - self.size)
        near = self.distance(torch.from_numpy(centres + corner).float()).numpy() < reach + size / 2 - 1e-6
        return Region(near, corner, size)

    def distance_along(self, begin: Floats, end: Floats) -> Floats:
        """[N, 2] and [N, 2] places to the [N] distances of the straight ways between them; 0 for one through a cell."""
        return distance(begin, end, self._centres, self.size / 2)

    def share_along(self, begin: Floats, end: Floats) -> Floats:
        """[N, 2] and [N, 2] places to the [N] shares of the straight ways between them that lie inside."""
        return share_inside(begin, end, self._centres, self.size / 2)

    @cached_property
    def _centres(self) -> Floats:
        """[M, 2] of its cells, world units."""
        return (np.argwhere(self.cells)[:, ::-1] + 0.5) * self.size + np.array(self.corner)

    def fingerprint(self) -> str:
        """Of the cells and where they are."""
        told = f"{self.cells.shape} {self.corner} {self.size}".encode() + self.cells.tobytes()
        return hashlib.sha256(told).hexdigest()


def _squared_gaps(inside: Tensor) -> Tensor:
    """[..., 2] places within a cell, 0 to 1, to the [..., 9] squared distances to it and its neighbours, in cells."""
    # Along each axis: to the cell before, within the cell itself, to the one after.
    before, after = inside.square(), (1 - inside).square()
    along = torch.stack([before, torch.zeros_like(inside), after], -1)
    return (along[..., 1, :, None] + along[..., 0, None, :]).flatten(-2)


@final
@dataclass(frozen=True, eq=False)
class KeepOut:
    """Places that no part of the agent's body may touch.

    Attributes:
        region: where.
        body: radius of the body, world units.
        name: see :class:`Guardrail`.
    """

    region: Region
    body: float
    name: str = "keep-out"

    def clearance(self, scene: Scene) -> Tensor:
        """[B, ..., T+1] world units between the body and the region."""
        return scene.shrunk(self.region.distance(scene.places) - self.body)

    def fingerprint(self) -> str:
        """Of the region and the body."""
        return f"{self.name} {self.body} {self.region.fingerprint()}"


@final
@dataclass(frozen=True, eq=False)
class SpeedLimit:
    """A zone in which no step, from or into it, may be longer than a limit.

    Attributes:
        region: where; judged by the centre of the body.
        limit: world units per world step.
        name: see :class:`Guardrail`.
    """

    region: Region
    limit: float
    name: str = "speed limit"

    def __post_init__(self) -> None:
        if not self.limit > 0:
            raise GuardrailError(f"{self.name}: limit must be positive, not {self.limit!r}")

    def clearance(self, scene: Scene) -> Tensor:
        """[B, ..., T+1] world units per world step that are left; the present state has no speed."""
        near = scene.shrunk(self.region.distance(scene.places)) <= 0
        speed = torch.linalg.vector_norm(scene.places.diff(dim=-2), dim=-1) / scene.stride + scene.margins.speed
        left = torch.where(near[..., 1:] | near[..., :-1], self.limit - speed, FAR)
        return torch.cat([torch.full_like(left[..., :1], FAR), left], -1)

    def fingerprint(self) -> str:
        """Of the region and the limit."""
        return f"{self.name} {self.limit} {self.region.fingerprint()}"


@final
@dataclass(frozen=True, eq=False)
class MovingObstacles:
    """Things that move, which no part of the agent's body may touch.

    One that is seen to move may turn round at any time: after ``h`` steps it is somewhere on the segment that reaches
    ``h`` times its velocity forward and back, as far as it has room.

    Attributes:
        body: radius of the agent's body, world units.
        horizon: world steps for which a motion that was seen is predicted; nothing is said of what comes later.
        name: see :class:`Guardrail`.
    """

    body: float
    horizon: int = 10
    name: str = "moving obstacles"

    def clearance(self, scene: Scene) -> Tensor:
        """[B, ..., T+1] world units between the body and the nearest place where an obstacle may be."""
        percept, places = scene.percept, scene.places
        if percept is None or not percept.position.shape[1]:
            return torch.full_like(places[..., 0], FAR)
        gap = _compiled_gap(scene, percept) if _plain(places) else _gap(scene, percept)
        near = scene.shrunk(gap - self.body).clamp(max=FAR)
        return torch.where(scene.elapsed <= self.horizon, near, FAR)

    def fingerprint(self) -> str:
        """Of the body and the horizon."""
        return f"{self.name} {self.body} {self.horizon}"


def _plain(places: Tensor) -> bool:
    """Whether compiled code may be used: on the CPU, and nobody wants a gradient."""
    return places.device.type == "cpu" and not (places.requires_grad and torch.is_grad_enabled())


def _gap(scene: Scene, percept: Percept) -> Tensor:
    """[B, ..., T+1] distances to where the nearest obstacle may be; differentiable."""
    places = scene.places
    # One axis for the candidates (if there are any), one for time, one for the obstacles.
    shape = (len(places), *[1] * (places.dim() - 2), percept.position.shape[1])
    (x, y), (vx, vy) = (part.to(places).unbind(-1) for part in (percept.position, percept.velocity))
    room = torch.full_like(percept.velocity, torch.inf) if percept.room is None else percept.room
    speed = (vx.square() + vy.square()).clamp(min=1e-12).sqrt()
    back, forth = (room.to(places) / speed[..., None]).unbind(-1)
    x, y, vx, vy, speed, back, forth = (part.reshape(shape) for part in (x, y, vx, vy, speed, back, forth))
    dx, dy = places[..., 0, None] - x, places[..., 1, None] - y
    along = (dx * vx + dy * vy) / speed.square()
    steps = scene.elapsed.to(places)[:, None]
    along = torch.maximum(torch.minimum(along, torch.minimum(steps, forth)), -torch.minimum(steps, back))
    gap = ((dx - along * vx).square() + (dy - along * vy).square()).clamp(min=1e-12).sqrt()
    return (gap - percept.radius.to(places)).amin(-1)


def _compiled_gap(scene: Scene, percept: Percept) -> Tensor:
    """The same without a gradient."""
    places, room = scene.places.detach(), percept.room
    room = torch.full_like(percept.position, torch.inf) if room is None else room
    known = (part.to(places).numpy() for part in (percept.position, percept.velocity, percept.radius, room))
    flat = places.reshape(len(places), -1, *places.shape[-2:]).numpy()
    return torch.from_numpy(obstacle_gap(flat, scene.elapsed.to(places).numpy(), *known)).view(places.shape[:-1])
