"""Small networks that the levels are made of."""

from __future__ import annotations

import torch
from torch import Tensor, nn


def mlp(inputs: int, hidden: tuple[int, ...], outputs: int) -> nn.Sequential:
    """A multilayer perceptron with SiLU units and no activation at the end."""
    layers: list[nn.Module] = []
    for width in hidden:
        layers += [nn.Linear(inputs, width), nn.SiLU()]
        inputs = width
    return nn.Sequential(*layers, nn.Linear(inputs, outputs))


def start_at_zero(network: nn.Sequential) -> None:
    """Sets the last layer so small that the network's output is all but zero."""
    last = network[-1]
    assert isinstance(last, nn.Linear)
    nn.init.normal_(last.weight, std=1e-3)
    nn.init.zeros_(last.bias)


class SkipMLP(nn.Module):
    """A linear map plus an MLP: ``[..., inputs]`` to ``[..., outputs]``.

    The linear part keeps the large-scale geometry of the input, the MLP adds what bends. It starts as an isometry
    (orthogonal, no bend), so that no direction of the input is lost before training has had a say.
    """

    def __init__(self, inputs: int, hidden: tuple[int, ...], outputs: int) -> None:
        super().__init__()
        self.linear = nn.Linear(inputs, outputs)
        self.bend = mlp(inputs, hidden, outputs)
        nn.init.orthogonal_(self.linear.weight)
        start_at_zero(self.bend)

    def forward(self, x: Tensor) -> Tensor:
        return self.linear(x) + self.bend(x)


class Residual(nn.Module):
    """``x, a -> x + f(x, a)``: the predictor's form, since a step changes a state little.

    It starts as a copy, with a relative error of one: errors of a thousand would crush the encoder's scale first.
    """

    def __init__(self, state: int, action: int, hidden: tuple[int, ...]) -> None:
        super().__init__()
        self.change = mlp(state + action, hidden, state)
        start_at_zero(self.change)

    def forward(self, state: Tensor, action: Tensor) -> Tensor:
        return state + self.change(torch.cat([state, action], -1))
