"""How many world steps it takes from one place to another, on ways that nobody has to search: a critic of distances.

A straight line says nothing of walls, and what a network reads along it says little of the way around them. So the
critic learns only what is local, how long it takes to cross a cell of the layout, and works out the rest on the map:
the least total from every cell to a goal obeys Bellman's equation, whose iteration is a network, too (value iteration
networks; Tamar et al., 2016). It is therefore as good in layouts that are new, and larger, as its cells are.
"""

from __future__ import annotations

import math
from typing import NamedTuple, final

import torch
from torch import Tensor, nn
from torch.nn.functional import pad

from hjepa.vision.features import grid_cells
from hjepa.vision.stack import VisionConfig

FAR = 1e4
"""World steps to what was not reached."""
QUICKEST = 0.5
"""World steps that a cell costs at least."""
QUICK = 2.5
"""World steps that a cell costs before anything is known: about what free floor does."""
SLOW = 50.0
"""World steps that a cell costs which no way leads through."""
NEIGHBOURS = [(row, column) for row in range(3) for column in range(3) if (row, column) != (1, 1)]
TINY = 1e-6
"""Squared cells that are nothing."""
REACH = 1.5
"""Cells around a goal to which the way is straight."""
CORNERS = torch.tensor([[0, 0], [1, 0], [0, 1], [1, 1]])
"""Cells around a place, from the one that is above and left of it."""


class Fields(NamedTuple):
    """How far it is to one goal in each of some layouts.

    Attributes:
        steps: [N, h, w] world steps from every cell.
        costs: [N, h, w] world steps that it takes to cross each.
    """

    steps: Tensor
    costs: Tensor

    def at(self, numbers: Tensor, places: Tensor) -> Tensor:
        """[M, J] world steps from [M, J, 2] places (x, y), cells, in the layouts of [M] numbers.

        By the best of the cells around each: their mean would be wrong beside a wall.
        """
        height, width = self.steps.shape[1:]
        places = places.clamp(min=0).clamp(max=places.new_tensor([width - 1, height - 1]))
        first = places.detach().floor().clamp(max=places.new_tensor([width - 2, height - 2]))
        cells = first.unsqueeze(-2) + CORNERS.to(first)
        apart = ((places.unsqueeze(-2) - cells).square().sum(-1) + TINY).sqrt()
        index = numbers.view(-1, 1, 1), cells[..., 1].long(), cells[..., 0].long()
        return (self.steps[index] + self.costs[index] * apart).amin(-1)


@final
class TimeToGo(nn.Module):
    """World steps between places of one level's layouts.

    Args:
        channels: C, of the level's layout.
        hidden: channels of what is read from it.
    """

    def __init__(self, channels: int, hidden: int = 16) -> None:
        super().__init__()
        self.cost = nn.Sequential(
            nn.Conv2d(channels, hidden, 3, padding=1, padding_mode="replicate"), nn.SiLU(), nn.Conv2d(hidden, 1, 1)
        )

    def costs(self, layouts: Tensor) -> Tensor:
        """[N, C, h, w] layouts to the [N, h, w] world steps that it takes to cross each cell."""
        return QUICKEST + QUICK * self.cost(layouts).squeeze(1).clamp_max(math.log(SLOW)).exp()

    def fields(self, layouts: Tensor, goals: Tensor, rounds: int | None = None) -> Fields:
        """World steps to one goal in each layout.

        Args:
            layouts: [N, C, h, w].
            goals: [N, 2] places, cells.
            rounds: of Bellman's iteration, in each of which what is known spreads by a cell; until nothing changes, by
                default.
        """
        costs = self.costs(layouts)
        return Fields(spread(costs, goals, rounds), costs)

    def forward(self, layouts: Tensor, starts: Tensor, goals: Tensor, rounds: int | None = None) -> Tensor:
        """[N, C, h, w] layouts, [N, J, 2] starts and [N, 2] goals in each to [N, J] world steps."""
        return self.fields(layouts, goals, rounds).at(torch.arange(len(goals), device=goals.device), starts)


@final
class Critics(nn.ModuleDict):
    """Those of all levels whose states are places.

    Args:
        channels: C, of the layout of each of these levels, by the level's number.
    """

    def __init__(self, channels: dict[int, int]) -> None:
        super().__init__({str(k): TimeToGo(count) for k, count in channels.items()})

    @classmethod
    def of(cls, config: VisionConfig) -> Critics:
        """Those of a stack."""
        lowest = 2 if config.encoder == "spatial" else 1
        return cls({k: level.channels for k, level in enumerate(config.levels, 1) if k >= lowest})

    @property
    def numbers(self) -> list[int]:
        """Of the levels that have one."""
        return [int(name) for name in self]

    def level(self, k: int) -> TimeToGo:
        """That of level ``k``."""
        critic = self[str(k)]
        assert isinstance(critic, TimeToGo)
        return critic


def spread(costs: Tensor, goals: Tensor, rounds: int | None = None) -> Tensor:
    """Iterates Bellman's equation: a cell is as far as its best neighbour, and half of either cell's cost away from it.

    Args:
        costs: [N, h, w] world steps that it takes to cross each cell.
        goals: [N, 2] places, cells.
        rounds: until nothing changes, by default; no more than there are cells.

    Returns:
        [N, h, w] world steps from every cell; at least ``FAR`` where none are known yet.
    """
    height, width = costs.shape[1:]
    apart = grid_cells(height, width, costs).view(2, height, width) - goals[:, :, None, None]
    apart = (apart.square().sum(1) + TINY).sqrt()
    field = torch.where(apart < REACH, costs * apart, FAR)
    edges = _edges(costs)
    for _ in range(height * width if rounds is None else rounds):
        better = torch.minimum(field, (_neighbours(field) + edges).amin(1))
        if rounds is None and torch.equal(better, field):
            break
        field = better
    return field


def time_to_go_loss(
    critic: TimeToGo, layouts: Tensor, starts: Tensor, goals: Tensor, gaps: Tensor, quantile: float, slow: float
) -> Tensor:
    """[] how wrong a critic is about pairs of places of one episode (hindsight).

    Quantile regression in logarithms: a low quantile, as recorded walks wander, and the fast ones tell the distance.
    What no walk crosses is never found to be quick, but neither to be slow; so all cells are said to be slow, a little,
    and walks object.

    Args:
        critic: in training.
        layouts: [N, C, h, w].
        starts: [N, J, 2] places, cells.
        goals: [N, 2] places of the same episode, later.
        gaps: [N, J] world steps between them.
        quantile: of the gaps.
        slow: weight of cells being slow.
    """
    fields = critic.fields(layouts, goals, rounds=max(layouts.shape[2:]) * 3 // 2)
    steps = fields.at(torch.arange(len(goals), device=goals.device), starts).clamp_min(1e-2)
    error = (gaps.log() - steps.log()) * (steps < FAR / 2)
    dear = torch.relu(math.log(SLOW) - fields.costs.log()).mean()
    return torch.maximum(quantile * error, (quantile - 1) * error).mean() + slow * dear


def _edges(costs: Tensor) -> Tensor:
    """[N, h, w] costs of cells to the [N, 8, h, w] costs of coming from each neighbour.

    A diagonal leads through four cells, or else the ways would lead between walls that touch at a corner.
    """
    around = _neighbours(costs)
    by = dict(zip(NEIGHBOURS, around.unbind(1), strict=True))
    edges = []
    for (row, column), other in by.items():
        if row == 1 or column == 1:
            edges.append((costs + other) / 2)
        else:
            edges.append(math.sqrt(2) / 4 * (costs + other + by[row, 1] + by[1, column]))
    return torch.stack(edges, 1)


def _neighbours(values: Tensor) -> Tensor:
    """[N, h, w] values to the [N, 8, h, w] values of each cell's neighbours; far away beyond the border."""
    height, width = values.shape[1:]
    padded = pad(values, (1, 1, 1, 1), value=FAR)
    return torch.stack([padded[:, i : i + height, j : j + width] for i, j in NEIGHBOURS], 1)
