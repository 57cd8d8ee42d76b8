"""Collapse prevention: ways to keep a joint-embedding model from mapping everything to one point.

Three answers behind one interface (:class:`Regularizer`): penalise low variance and redundancy (VICReg),
pull the embedding's distribution towards an isotropic Gaussian (SIGReg), or predict a slowly moving copy of
the encoder (EMA target). ``none`` is there to show the collapse. Where there are two views of the same thing, a fourth
answer is to tell it from all others (:class:`InfoNCE`).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal, Protocol

import torch
from torch import Tensor
from torch.nn.functional import cross_entropy, normalize

RegularizerName = Literal["vicreg", "sigreg", "ema", "none"]


class Regularizer(Protocol):
    """What keeps a level's states informative."""

    @property
    def ema_decay(self) -> float | None:
        """Decay of the target encoder's moving average.

        None where targets are the encoder's own output: gradients then flow into both sides of the prediction.
        """
        ...

    def penalty(self, states: Tensor, generator: torch.Generator | None = None) -> Tensor:
        """[B, D] states of one level (time steps flattened into the batch) to a scalar loss."""
        ...


@dataclass(frozen=True)
class VICReg:
    """Variance-invariance-covariance regularisation (Bardes et al. 2022, equations 1-4; invariance is the prediction).

    Attributes:
        variance: weight of the hinge that keeps each dimension's standard deviation above 1.
        covariance: weight of the squared off-diagonal covariances.
    """

    variance: float = 5.0
    covariance: float = 0.5
    ema_decay: float | None = None

    def penalty(self, states: Tensor, generator: torch.Generator | None = None) -> Tensor:
        centred = states - states.mean(0)
        deviation = torch.sqrt(centred.square().mean(0) + 1e-4)
        covariance = centred.T @ centred / (len(states) - 1)
        off_diagonal = covariance.square().sum() - covariance.diagonal().square().sum()
        return self.variance * torch.relu(1 - deviation).mean() + self.covariance * off_diagonal / states.shape[-1]


@dataclass(frozen=True)
class SIGReg:
    """Sketched isotropic Gaussian regularisation (LeJEPA, Balestriero and LeCun 2025).

    Random one-dimensional projections are tested against a standard normal with the Epps-Pulley statistic:
    the weighted squared distance between the empirical characteristic function and ``exp(-t^2 / 2)``.

    Attributes:
        weight: of the mean statistic.
        projections: random directions per step.
        points: of the integration grid on [-5, 5].
    """

    weight: float = 10.0
    projections: int = 64
    points: int = 17
    ema_decay: float | None = None

    def penalty(self, states: Tensor, generator: torch.Generator | None = None) -> Tensor:
        directions = torch.randn(states.shape[-1], self.projections, generator=generator, dtype=states.dtype)
        directions = (directions / directions.norm(dim=0)).to(states.device)
        t = torch.linspace(-5.0, 5.0, self.points, device=states.device, dtype=states.dtype)
        phase = (states @ directions).unsqueeze(-1) * t  # [B, projections, points]
        normal = torch.exp(-0.5 * t.square())
        gap = (phase.cos().mean(0) - normal).square() + phase.sin().mean(0).square()
        return self.weight * torch.trapezoid(gap * normal, t, dim=-1).mean()


@dataclass(frozen=True)
class EMATarget:
    """Predict a moving average of the encoder, without gradient (BYOL, I-JEPA): collapse prevention by architecture."""

    ema_decay: float | None = 0.99

    def penalty(self, states: Tensor, generator: torch.Generator | None = None) -> Tensor:
        return states.new_zeros(())


@dataclass(frozen=True)
class NoRegularizer:
    """Nothing at all: the comparison that collapses."""

    ema_decay: float | None = None

    def penalty(self, states: Tensor, generator: torch.Generator | None = None) -> Tensor:
        return states.new_zeros(())


@dataclass(frozen=True)
class InfoNCE:
    """Contrastive learning (van den Oord et al. 2018, "CPC", equation 4): each view is to be told from all others.

    Views that are all the same cost log B, which no other regulariser need forbid. Similarity is the cosine, as in
    SimCLR (Chen et al. 2020), which leaves the states' scale free.

    Attributes:
        weight: of the cross entropy.
        temperature: of the similarities.
    """

    weight: float = 1.0
    temperature: float = 0.2

    def loss(self, views: Tensor, others: Tensor) -> Tensor:
        """[B, D] states and the [B, D] other views of the same things, row by row, to a scalar loss."""
        similarity = normalize(views, dim=-1) @ normalize(others, dim=-1).T
        return self.weight * cross_entropy(similarity / self.temperature, torch.arange(len(views), device=views.device))


REGULARIZERS: dict[RegularizerName, Callable[[], Regularizer]] = {
    "vicreg": VICReg,
    "sigreg": SIGReg,
    "ema": EMATarget,
    "none": NoRegularizer,
}
