"""How wrong level 1 is where a corridor has closed, before and after adaptation, and elsewhere."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from hjepa.adaptation import Adaptation
from hjepa.dynamics import LevelDynamics
from scripts._closures import Cell, Closure
from worlds import Map
from worlds.maps import CELL_SIZE
from worlds.point_maze import PointMaze

Errors = dict[str, NDArray[np.float32]]

GROUPS = ("blocked", "free", "elsewhere")
SAMPLES = 2000
NEAR = 1.5
"""World units around a place where the agent was stopped."""
STOPPED = 0.1
"""World units by which a step changed with the map if the closed cell was in its way: half a step."""


def local_errors(adaptation: Adaptation, closure: Closure, seed: int) -> Errors:
    """Errors of single predictions for random actions at random places around a closed cell, world steps.

    Returns:
        By group, [n, 2] errors as trained and as corrected: ``blocked`` are steps that the closed cell stops near a
        believed front, ``free`` the others there, ``elsewhere`` what is further off.
    """
    generator = torch.Generator().manual_seed(seed)
    places = _places(closure.map, closure.cell, generator)
    actions = 2 * torch.rand(places.shape, generator=generator) - 1
    after, before = (_step(map, places, actions) for map in (closure.map, closure.original))
    stack = adaptation.stack
    plain, level = LevelDynamics(stack.level(1)), stack.level(1)
    state, truth = stack.encode(places), level.critic.embed(stack.encode(after))
    guesses = [dynamics.step(state, actions) for dynamics in (plain, adaptation.corrected(plain))]
    errors = torch.stack([(level.critic.embed(guess) - truth).norm(dim=-1) for guess in guesses], 1).numpy()
    fronts = adaptation.memory.believed.observations
    near = (torch.cdist(places, fronts) <= NEAR).any(1).numpy()
    blocked = ((after - before).norm(dim=-1) > STOPPED).numpy()
    groups = zip(GROUPS, (near & blocked, near & ~blocked, ~near & ~blocked), strict=True)
    return {name: errors[which] for name, which in groups}


def _places(map: Map, cell: Cell, generator: torch.Generator) -> Tensor:
    """[n, 2] random places on the floor within a cell and a half of a cell's centre."""
    offsets = 1.5 * CELL_SIZE * (2 * torch.rand(SAMPLES, 2, generator=generator) - 1)
    drawn = torch.from_numpy(map.center(np.array(cell))).float() + offsets
    rows, columns = np.clip(map.cell_of(drawn.numpy()), 0, np.array(map.shape) - 1).T  # the border is wall
    drawn = drawn[torch.from_numpy(~map.walls[rows, columns])]
    return _step(map, drawn, torch.zeros_like(drawn))  # which pushes out those drawn too close to a wall


def _step(map: Map, places: Tensor, actions: Tensor) -> Tensor:
    """[n, 2] where actions lead."""
    world = PointMaze(map, len(places))
    world.reset(places, places)
    return world.step(actions)[0]
