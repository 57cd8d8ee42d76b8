"""Imagined against actual: how far each level is off after so many world steps, and pictures of both."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

import torch
from torch import Tensor

from hjepa.vision.decode import Decoder, train_decoder
from hjepa.vision.diagnostics import Affine, Horizon, horizon_errors
from hjepa.vision.latents import Latents, imagine, latents
from hjepa.vision.probes import root_mean_square
from hjepa.vision.recordings import Camera, Episodes
from hjepa.vision.stack import VisionStack
from scripts._probe_data import Sight
from viz.figures import save
from viz.imagined import Curve, Strip, imagined_figure

SHOWN = (0, 5, 10, 20, 30, 40)
"""World steps of the pictures."""
BATCH = 8
"""Frames in a step of training a decoder."""


class Walks(NamedTuple):
    """N walks, from their first frame on.

    Attributes:
        states: [N, T+2, S] of the world, the first of them one step before the walk begins.
        actions: [N, T, A] from then on.
        layouts: [N].
        elsewhere: [N, S] another state in each layout, which is looked at, too.
        camera: draws.
    """

    states: Tensor
    actions: Tensor
    layouts: Tensor
    elsewhere: Tensor
    camera: Camera

    @property
    def places(self) -> Tensor:
        """[N, T+1, 2] of the agent, world units."""
        return self.states[:, 1:, :2]

    def frames(self, step: int) -> Tensor:
        """[N, 3, H, W] at a step of the walk."""
        return self.camera(self.states[:, step + 1], self.layouts)

    def of(self, rows: Tensor) -> Walks:
        """Some of them."""
        states, actions, layouts, elsewhere = (part[rows] for part in self[:4])
        return Walks(states, actions, layouts, elsewhere, self.camera)

    def begin(self, stack: VisionStack) -> tuple[Latents, Latents]:
        """The first look, and the other one."""
        other = self.camera(self.elsewhere, self.layouts)
        return latents(stack, self.frames(0), self.frames(-1)), latents(stack, other, other)


def recorded_walks(episodes: Episodes, count: int, length: int, seed: int) -> Walks:
    """Parts of recorded episodes, drawn evenly."""
    generator = torch.Generator().manual_seed(seed)
    rows = torch.randint(len(episodes.states), (count,), generator=generator)
    begin = torch.randint(1, episodes.steps - length + 1, (count,), generator=generator)
    times = begin[:, None] + torch.arange(-1, length + 1)
    away = torch.randint(episodes.states.shape[1], (count,), generator=generator)
    return Walks(
        episodes.states[rows[:, None], times],
        episodes.actions[rows[:, None], times[:, 1:-1]],
        episodes.layouts[rows],
        episodes.states[rows, away],
        episodes.camera,
    )


def imagined_by_level(stack: VisionStack, walks: Walks, calibration: Affine) -> dict[int, list[Horizon]]:
    """By level, how far imagined places are from the true ones; world units."""
    seen, other = walks.begin(stack)
    found = {}
    for k in levels(stack):
        stride = stack.config.levels[k - 1].stride
        places, _ = imagine(stack, k, seen, other, walks.actions)
        actual = walks.places[:, ::stride][:, : places.shape[1]]
        found[k] = horizon_errors(calibration(places), actual, stride, walks.layouts)
    return found


def decoders(stack: VisionStack, sight: Sight, steps: int) -> dict[int, Decoder]:
    """One for every level, trained on what it makes of frames."""
    maps, features = sight.latents.layouts, sight.latents.features
    return {k: _decoder(stack, sight, maps.get(k, features), steps) for k in levels(stack)}


def _decoder(stack: VisionStack, sight: Sight, maps: Tensor, steps: int) -> Decoder:
    generator = torch.Generator().manual_seed(0)

    def draw(step: int) -> tuple[Tensor, Tensor, Tensor]:
        rows = torch.randint(len(maps), (BATCH,), generator=generator)
        return maps[rows], sight.latents.places[rows], sight.frames[rows]

    return train_decoder(maps.shape[1], stack.config.patch, draw, steps)


def levels(stack: VisionStack) -> range:
    """The numbers of the levels that imagine what the world's actions lead to; one that looks far follows ways."""
    return range(1, len(stack) + (stack.far is None))


def print_horizons(errors: dict[int, list[Horizon]]) -> dict[int, list[dict[str, object]]]:
    """A column for every level; returns it all."""
    steps = [step for step in (1, *SHOWN[1:]) if any(one.steps == step for level in errors.values() for one in level)]
    print("\nimagined against actual places (RMSE, world units; in brackets relative to nothing moves)")
    print(f"{'world steps':<18}" + "".join(f"{step:>15}" for step in steps))
    for k, level in errors.items():
        by_step = {one.steps: one for one in level}
        cells = [_shown(by_step[step]) if step in by_step else "" for step in steps]
        print(f"{f'level {k}':<18}" + "".join(f"{cell:>15}" for cell in cells))
    return {k: [one._asdict() for one in level] for k, level in errors.items()}


def _shown(horizon: Horizon) -> str:
    return f"{horizon.error.value:.3f} ({horizon.relative:.2f})"


def save_imagined(
    stack: VisionStack, sight: Sight, walks: Walks, errors: dict[int, list[Horizon]], steps: int, path: Path
) -> None:
    """Draws the walk that leads farthest, in frames, and the errors of all walks."""
    farthest = (walks.places[:, -1] - walks.places[:, 0]).norm(dim=1).argmax()[None]
    still = (walks.places - walks.places[:, :1]).norm(dim=2)
    curves = [_still(still, walks.layouts)] + [_curve(k, level) for k, level in errors.items()]
    rows = strips(stack, walks.of(farthest), decoders(stack, sight, steps))
    title = f"Imagined and seen: of {len(walks.layouts)} walks in layouts never seen the one that leads farthest"
    print(save(imagined_figure(rows, curves, "world units", title), path))


def _curve(level: int, errors: list[Horizon]) -> Curve:
    scores = [one.error for one in errors]
    return Curve(
        level,
        [one.steps for one in errors],
        [score.value for score in scores],
        [score.low for score in scores],
        [score.high for score in scores],
    )


def _still(apart: Tensor, groups: Tensor) -> Curve:
    """[N, T+1] how far each walk has come: the error of "nothing moves"."""
    errors = [Horizon(t, root_mean_square(apart[:, t], groups), 1.0) for t in range(1, apart.shape[1])]
    return _curve(0, errors)


def strips(stack: VisionStack, walk: Walks, drawn_by: dict[int, Decoder]) -> list[Strip]:
    """One walk: what was seen, and what each level had imagined from the first frame on."""
    seen, other = walk.begin(stack)
    frames = torch.cat([walk.frames(step) for step in SHOWN])
    patch = stack.config.patch
    rings = dict(zip(SHOWN, patch * latents(stack, frames, frames).places + (patch - 1) / 2, strict=True))
    found = [Strip("seen", 0, {step: _picture(frame) for step, frame in zip(SHOWN, frames, strict=True)}, rings)]
    for k in levels(stack):
        stride = stack.config.levels[k - 1].stride
        places, maps = imagine(stack, k, seen, other, walk.actions)
        steps = [step for step in SHOWN if step % stride == 0 and step // stride < places.shape[1]]
        rows = [step // stride for step in steps]
        drawn = drawn_by[k].frames(maps[0, rows], places[0, rows])
        pictures = {step: _picture(frame) for step, frame in zip(steps, drawn, strict=True)}
        found.append(Strip(f"level {k}", k, pictures, rings))
    return found


def _picture(frame: Tensor) -> Tensor:
    return frame.permute(1, 2, 0)
