"""OGBench's point maze as a batched world: any number of balls side by side, on any map and any device.

One step moves each ball by 0.2 world units per unit of action, then MuJoCo's soft contacts push it out of the walls
(:mod:`worlds.compiled`). Against the official environment: free motion is exact to rounding, contacts to 1e-6.
"""

from __future__ import annotations

from pathlib import Path
from typing import Literal

import numpy as np
import torch
from torch import Tensor

from worlds import compiled, contact_torch
from worlds.compiled import NOISE, PORTAL_RADIUS, SUCCESS_RADIUS
from worlds.maps import CELL_SIZE, Map, as_map

Backend = Literal["auto", "compiled", "torch"]


class PointMaze:
    """A batch of point mazes that share one map.

    Positions are float64 inside, because soft contacts are stiff; observations and goals are float32.
    All randomness comes from one generator, so equal seeds and calls give equal results.
    """

    def __init__(
        self,
        map: Map | str | Path,
        num_envs: int,
        device: torch.device | str = "cpu",
        seed: int = 0,
        backend: Backend = "auto",
    ) -> None:
        """Makes the batch and resets it.

        Args:
            map: a map, the name of one (``giant``), its text, or its file.
            num_envs: B, the number of balls.
            device: where positions live.
            seed: of starts, goals and portal exits.
            backend: ``compiled`` (CPU only, every core), ``torch``, or ``auto``: compiled on the CPU.

        Raises:
            ValueError: for an unknown backend, a compiled one off the CPU, or ``num_envs`` below 1.
        """
        self.map = as_map(map)
        self.device = torch.device(device)
        self.num_envs = num_envs
        self._compiled = _is_compiled(backend, self.device)
        if num_envs < 1:
            raise ValueError(f"PointMaze needs num_envs >= 1, not {num_envs}")
        self.generator = torch.Generator(self.device).manual_seed(seed)
        self._walls_array = np.ascontiguousarray(self.map.walls)
        self._walls = torch.from_numpy(self._walls_array).to(self.device)
        self._free, self._entrances, self._exits = (
            torch.from_numpy(self.map.center(cells)).to(self.device)
            for cells in (self.map.free_cells(), self.map.entrances(), self.map.exits())
        )
        self.position = torch.zeros(num_envs, 2, dtype=torch.float64, device=self.device)
        self.goal = torch.zeros(num_envs, 2, device=self.device)
        self.reset()

    def seed(self, seed: int) -> None:
        """Starts the random stream of starts, goals and portal exits anew."""
        self.generator.manual_seed(seed)

    def reset(self, starts: Tensor | None = None, goals: Tensor | None = None, mask: Tensor | None = None) -> Tensor:
        """Begins new episodes.

        Args:
            starts: [B, 2] positions; drawn near the centres of random free cells by default.
            goals: [B, 2] goals; drawn likewise.
            mask: [B] which episodes to begin anew; all by default.

        Returns:
            [B, 2] float32 observations of all B balls.

        Raises:
            ValueError: where a start or goal is not on free floor.
        """
        keep = None if mask is None else ~mask.to(self.device)[:, None]
        starts = self.sample() if starts is None else self._floor(starts, "starts")
        goals = (self.sample() if goals is None else self._floor(goals, "goals")).to(torch.float32)
        self.position = starts.clone() if keep is None else torch.where(keep, self.position, starts)
        self.goal = goals if keep is None else torch.where(keep, self.goal, goals)
        return self.observe()

    def sample(self) -> Tensor:
        """Draws [B, 2] float64 places near the centres of random free cells."""
        cells = torch.randint(len(self._free), (self.num_envs,), generator=self.generator, device=self.device)
        noise = torch.rand(self.num_envs, 2, generator=self.generator, device=self.device, dtype=torch.float64)
        return self._free[cells] + NOISE * (2 * noise - 1)

    def observe(self) -> Tensor:
        """[B, 2] float32 positions."""
        return self.position.to(torch.float32)

    def step(self, actions: Tensor) -> tuple[Tensor, Tensor]:
        """One step of every ball.

        As in OGBench, success is judged and the observation taken before a portal's jump: the next step starts from
        the portal's exit, and so does :attr:`position`.

        Args:
            actions: [B, 2], clipped to [-1, 1].

        Returns:
            [B, 2] float32 observations, and [B] whether each ball is within 1.0 of its goal.

        Raises:
            ValueError: for actions of another shape, or not finite.
        """
        self.position, observation, success = (self._step_compiled if self._compiled else self._step_torch)(actions)
        if len(self._entrances):
            self._take_portals()
        return observation, success

    def _step_torch(self, actions: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        moved = contact_torch.move_all(self._walls, self.position, self._points(actions, "actions"))
        return moved, moved.to(torch.float32), (moved - self.goal).square().sum(-1) <= SUCCESS_RADIUS**2

    def _step_compiled(self, actions: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        # Everything in one pass: at millions of steps per second, each further torch operation would cost as much.
        given = np.ascontiguousarray(self._shaped(actions, "actions").numpy())
        given = given if given.dtype in (np.float32, np.float64) else given.astype(np.float64)
        results = compiled.step_all(self._walls_array, self.position.numpy(), given, self.goal.numpy())
        return torch.from_numpy(results[0]), torch.from_numpy(results[1]), torch.from_numpy(results[2])

    def _take_portals(self) -> None:
        gap = torch.cdist(self.position, self._entrances).amin(-1)
        # One draw per ball, taken or not, so that balls don't change each other's luck.
        exits = torch.randint(len(self._exits), (self.num_envs,), generator=self.generator, device=self.device)
        self.position = torch.where((gap <= PORTAL_RADIUS)[:, None], self._exits[exits], self.position)

    def _shaped(self, values: Tensor, what: str) -> Tensor:
        values = torch.as_tensor(values).detach()
        if values.shape != (self.num_envs, 2):
            raise ValueError(f"PointMaze: {what} must be of shape ({self.num_envs}, 2), not {tuple(values.shape)}")
        return values

    def _points(self, values: Tensor, what: str) -> Tensor:
        values = self._shaped(values, what)
        if not torch.isfinite(values).all():
            raise ValueError(f"PointMaze: {what} must be finite numbers, found NaN or infinity")
        return values.to(self.device, torch.float64).contiguous()

    def _floor(self, values: Tensor, what: str) -> Tensor:
        points = self._points(values, what)
        cells = torch.floor(points.flip(-1) / CELL_SIZE + 1.5).long()
        inside = ((cells >= 0) & (cells < torch.tensor(self.map.shape, device=self.device))).all(-1)
        cells = torch.where(inside[:, None], cells, 0)  # the corner is wall
        walled = self._walls[cells[:, 0], cells[:, 1]].nonzero()
        if len(walled):
            index = int(walled[0])
            place = tuple(round(value, 3) for value in points[index].tolist())
            raise ValueError(f"PointMaze: {what}[{index}] = {place} is not on free floor of map {self.map.name}")
        return points


def _is_compiled(backend: str, device: torch.device) -> bool:
    if backend not in ("auto", "compiled", "torch"):
        raise ValueError(f"unknown backend {backend!r}, expected auto, compiled or torch")
    if backend == "compiled" and device.type != "cpu":
        raise ValueError(f"backend 'compiled' needs device cpu, not {device}; use backend 'torch'")
    return backend != "torch" and device.type == "cpu"
