"""What probes are fitted to and judged on: frames that are looked at, and the truth beside them."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn.functional import avg_pool2d

from hjepa.vision.diagnostics import Affine
from hjepa.vision.latents import Latents, latents
from hjepa.vision.recordings import Episodes
from hjepa.vision.stack import VisionStack
from worlds.four_rooms_data import OTHERS
from worlds.raster import FLOOR_COLOUR, WALL_COLOUR

GLANCES = 15
"""Frames of a layout of which the median shows it without what moves."""


@dataclass(frozen=True, eq=False)
class Sight:
    """N frames: what a stack makes of them, and the truth.

    Attributes:
        frames: [N, 3, H, W].
        latents: of the stack.
        places: [N, 2] of the agent, world units.
        velocities: [N, 2] over the last step, world units per step.
        walls: [N, h, w] cells of the feature map that are wall for the most part.
        others: [N, h, w] cells in which a distractor is seen; None in a world that has none.
        groups: [N] layouts, which are what is drawn anew; episodes where there is one layout only.
    """

    frames: Tensor
    latents: Latents
    places: Tensor
    velocities: Tensor
    walls: Tensor
    others: Tensor | None
    groups: Tensor

    @property
    def calibration(self) -> Affine:
        """From places in the latent, cells of the feature map, to places in the world."""
        return Affine.fit(self.latents.places, self.places)


def look(stack: VisionStack, episodes: Episodes, count: int, seed: int) -> Sight:
    """Looks at some frames of recorded episodes, drawn evenly from all of them."""
    generator = torch.Generator().manual_seed(seed)
    rows = torch.randint(len(episodes.states), (count,), generator=generator)
    times = torch.randint(1, episodes.states.shape[1], (count,), generator=generator)
    layouts = episodes.layouts[rows]
    states, earlier = episodes.states[rows, times], episodes.states[rows, times - 1]
    now, before = (episodes.camera(part, layouts) for part in (states, earlier))
    patch = stack.config.patch
    others = (_share(now, OTHERS, patch) > 0.1) if states.shape[1] > 4 else None
    return Sight(
        now,
        latents(stack, now, before),
        states[:, :2],
        states[:, :2] - earlier[:, :2],
        _walls(episodes, patch)[layouts],
        others,
        layouts if len(layouts.unique()) > 1 else rows,
    )


def _walls(episodes: Episodes, patch: int) -> Tensor:
    """[M, h, w] cells of every layout that are wall, seen in pictures in which nothing stands at the same place."""
    generator = torch.Generator().manual_seed(0)
    found = []
    for layout in range(int(episodes.layouts.max()) + 1):
        here = (episodes.layouts == layout).nonzero().squeeze(1)
        rows = here[torch.randint(len(here), (GLANCES,), generator=generator)]
        times = torch.randint(episodes.states.shape[1], (GLANCES,), generator=generator)
        frames = episodes.camera(episodes.states[rows, times], episodes.layouts[rows])
        found.append(frames.median(0, keepdim=True).values)
    frames = torch.cat(found)
    wall, floor = (_distance(frames, colour) for colour in (WALL_COLOUR, FLOOR_COLOUR))
    return avg_pool2d((wall < floor).float().unsqueeze(1), patch)[:, 0] > 0.5


def _share(frames: Tensor, colour: tuple[float, ...], patch: int) -> Tensor:
    """[N, h, w] the share of each cell's pixels that have a colour, or nearly."""
    return avg_pool2d((_distance(frames, colour) < 60).float().unsqueeze(1), patch)[:, 0]


def _distance(frames: Tensor, colour: tuple[float, ...]) -> Tensor:
    """[N, H, W] how far the pixels of [N, 3, H, W] frames are from a colour."""
    return (frames.float() - torch.tensor(colour, dtype=torch.float32).view(3, 1, 1)).norm(dim=1)
