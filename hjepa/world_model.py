"""What a stack of levels is to those who use it: planners, actors and pictures don't ask whether it was learned.

A :class:`hjepa.stack.Stack` was trained on recordings; a :class:`hjepa.known_map.KnownMap` was given its walls.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

from torch import Tensor

from hjepa.level import LevelConfig
from hjepa.stack import StackConfig


class TemporalDistance(Protocol):
    """How many world steps apart two states of one level are: the Euclidean distance of their embeddings."""

    def embed(self, states: Tensor) -> Tensor:
        """[..., D] states to [..., E] embeddings, whose distances are world steps."""
        ...


class WorldLevel(Protocol):
    """One level of a world model; see :class:`hjepa.level.Level` for what its attributes hold."""

    @property
    def config(self) -> LevelConfig:
        """Its shape."""
        ...

    @property
    def predictor(self) -> Callable[..., Tensor]:
        """[..., D] states and [..., A] macro-actions to the [..., D] states one stride later; differentiable."""
        ...

    @property
    def critic(self) -> TemporalDistance:
        """Tells world steps."""
        ...

    @property
    def codebook(self) -> Tensor:
        """[codes, A] macro-actions that stand for all."""
        ...

    @property
    def support(self) -> Tensor:
        """[2, A] smallest and largest macro-action that its predictions are good for."""
        ...

    @property
    def change(self) -> Tensor:
        """[] mean squared change of a state's component over one prediction."""
        ...


class WorldModel(Protocol):
    """A stack of levels, counted from 1 (the finest)."""

    @property
    def config(self) -> StackConfig:
        """Its shape."""
        ...

    @property
    def scale(self) -> Tensor:
        """[] world units in one unit of a level-1 input; it lies on the device that everything is computed on."""
        ...

    def __len__(self) -> int: ...

    def level(self, k: int) -> WorldLevel:
        """Level ``k``."""
        ...

    def encode(self, observations: Tensor, k: int = 1) -> Tensor:
        """[..., O] observations to the [..., D_k] states of level ``k``."""
        ...

    def encode_all(self, observations: Tensor) -> list[Tensor]:
        """[..., O] observations to the states of every level, finest first."""
        ...

    def raise_states(self, states: Tensor, k: int, to: int) -> Tensor:
        """[..., D_k] states of level ``k`` to the [..., D_to] states of a level above it (or of itself)."""
        ...

    def decode(self, states: Tensor, k: int = 1) -> Tensor:
        """[..., D_k] states to [..., O] observations, for people."""
        ...
