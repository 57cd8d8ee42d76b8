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


class SkipMLP(nn.Module):
    """A linear map plus an MLP: ``[..., inputs]`` to ``[..., outputs]``.

    The linear part keeps the large-scale geometry of the input, the MLP adds what bends. It starts as the
    linear part alone, so that early training does not fold the state space.
    """

    def __init__(self, inputs: int, hidden: tuple[int, ...], outputs: int) -> None:
        super().__init__()
        self.linear = nn.Linear(inputs, outputs)
        self.bend = mlp(inputs, hidden, outputs)
        last = self.bend[-1]
        assert isinstance(last, nn.Linear)
        nn.init.normal_(last.weight, std=0.01)
        nn.init.zeros_(last.bias)

    def forward(self, x: Tensor) -> Tensor:
        return self.linear(x) + self.bend(x)


class Residual(nn.Module):
    """``x, a -> x + f(x, a)``: the predictor's form, since a step changes a state little."""

    def __init__(self, state: int, action: int, hidden: tuple[int, ...]) -> None:
        super().__init__()
        self.change = mlp(state + action, hidden, state)

    def forward(self, state: Tensor, action: Tensor) -> Tensor:
        return state + self.change(torch.cat([state, action], -1))
