"""The level that keeps the picture: pieces of maps, what is remembered, predictions, and agents made with it."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor
from torch.nn.functional import pad

from hjepa.vision.actor import VisionActor
from hjepa.vision.agent import VisionAgent
from hjepa.vision.features import Attention
from hjepa.vision.planning import VisionPlanning
from hjepa.vision.spatial_level import PLACE, Backdrop, SpatialConfig, SpatialLevel, crop, overlay
from hjepa.vision.spatial_objective import spatial_losses
from scripts._evaluate_seen import look_and_act
from tests.seen_mazes import STACK, glancing
from tests.test_vision_agent import QUICK, tasks

CHANNELS = 3


@given(x=st.integers(-3, 9), y=st.integers(-3, 7), side=st.sampled_from([1, 3, 5]))
def test_a_crop_is_a_slice_of_the_map_with_its_border_repeated(x: int, y: int, side: int) -> None:
    maps = torch.arange(2 * 2 * 5 * 7).float().view(2, 2, 5, 7)
    found = crop(maps, torch.tensor([1]), torch.tensor([[x, y]]), side)
    wide = pad(maps[1:], [8] * 4, mode="replicate")
    left, top = x + 8 - side // 2, y + 8 - side // 2
    torch.testing.assert_close(found, wide[..., top : top + side, left : left + side])


def test_a_fovea_is_laid_in_the_middle() -> None:
    laid = overlay(torch.zeros(1, 1, 5, 5), torch.ones(1, 1, 3, 3))
    assert laid.sum() == 9 and (laid[..., 1:4, 1:4] == 1).all()


def dotted(places: Tensor, size: int = 16) -> Tensor:
    """[N, C, size, size] maps that are 1 in the first channel at [N, 2] whole places, and nothing else."""
    maps = torch.zeros(len(places), CHANNELS, size, size)
    maps[torch.arange(len(places)), 0, places[:, 1].long(), places[:, 0].long()] = 1
    return maps


def pointing() -> Attention:
    """Attends to the first channel, without an offset."""
    attention = Attention(CHANNELS)
    with torch.no_grad():
        attention.heads.weight.zero_()
        attention.heads.weight[0, 0] = 1
        attention.heads.bias.zero_()
    return attention


def test_what_is_remembered_of_a_scene_is_what_does_not_move() -> None:
    places = torch.tensor([[[3.0, 4.0], [12.0, 9.0]]])
    backdrop = Backdrop.remember(pointing(), dotted(places[0]).unsqueeze(0), places)
    assert (backdrop.maps == 0).all()


def drawn() -> tuple[SpatialLevel, Backdrop, Tensor]:
    """A level with random weights, two backdrops, and a state in each."""
    torch.manual_seed(0)
    level = SpatialLevel(SpatialConfig(hidden=8), CHANNELS, action=2)
    seen = torch.rand(2, 2, CHANNELS, 16, 16)
    backdrop = Backdrop.remember(pointing(), seen, torch.tensor([[[2.0, 2.0], [9.0, 9.0]]] * 2))
    states = level.states(seen[:, 0], seen[:, 1], torch.tensor([[7.3, 8.2], [5.6, 4.9]]), torch.arange(2))
    return level, backdrop, states


@pytest.mark.parametrize("strength", [0.0, 3.0])
def test_the_fovea_stays_around_the_place(strength: float) -> None:
    level, backdrop, states = drawn()
    with torch.no_grad():
        level.change[-1].weight.normal_(std=strength)  # type: ignore[operator,union-attr]
    for _ in range(5):
        after = level(backdrop, states, torch.randn(2, 2))
        centres, former = after[:, PLACE].round(), states[:, PLACE].round()
        assert (centres - former).abs().max() <= 2
        now = overlay(backdrop.around(torch.arange(2), former, 9), level.foveas(states)[:, :CHANNELS])
        for b, (x, y) in enumerate((centres - former).long().tolist()):
            expected = now[b, :, 2 + y : 7 + y, 2 + x : 7 + x]
            torch.testing.assert_close(level.foveas(after)[b, CHANNELS:], expected)
        states = after


def test_a_prediction_depends_on_its_own_scene_and_action_alone() -> None:
    level, backdrop, states = drawn()
    actions = torch.randn(2, 2)
    both = level(backdrop, states, actions)
    torch.testing.assert_close(level(backdrop, states[1:], actions[1:]), both[1:])
    torch.testing.assert_close(level(backdrop, states.view(2, 1, -1), actions.view(2, 1, -1)), both.view(2, 1, -1))
    assert not torch.allclose(level(backdrop, states, actions + 1), both)


def walks(generator: torch.Generator) -> tuple[Tensor, Tensor, Tensor]:
    """[B, n+2, C, h, w] maps of a dot, its [B, n+2, 2] places, and the [B, n, 2] whole moves that it was told."""
    moves = torch.randint(-1, 2, (32, 3, 2), generator=generator).float()
    begin = torch.randint(5, 11, (32, 1, 2), generator=generator).float()
    places = torch.cat([begin, begin + moves.cumsum(1)], 1)
    return dotted(places.flatten(0, 1)).unflatten(0, places.shape[:2]), places, moves[:, 1:]


def test_it_learns_where_a_dot_goes_that_is_pushed() -> None:
    torch.manual_seed(1)
    level, generator = SpatialLevel(SpatialConfig(hidden=24), CHANNELS, action=2), torch.Generator().manual_seed(0)
    optimizer = torch.optim.Adam(level.parameters(), lr=1e-2)
    errors = []
    for _ in range(100):
        maps, places, moves = walks(generator)
        empty = torch.zeros_like(maps[:, 0])
        backdrop = Backdrop(pointing(), empty, pointing().heads(empty), *pointing().moments(maps[:, 0]))
        losses = spatial_losses(level, backdrop, maps, places, moves, 1.0)
        optimizer.zero_grad()
        torch.stack([losses["predict"], losses["place"], losses["inverse"]]).sum().backward()
        optimizer.step()
        errors.append([float(losses[name].detach()) for name in ("predict", "place")])
    assert min(errors[0]) > 0.9 and (np.mean(errors[-5:], axis=0) < (0.7, 0.5)).all()


SPATIAL = replace(STACK, encoder="spatial")


@pytest.mark.parametrize("levels", [1, 2])
def test_agents_act_and_are_kept(levels: int, tmp_path: Path) -> None:
    glancing(SPATIAL).save(tmp_path / "agent")
    loaded = VisionAgent.load(tmp_path / "agent")
    assert loaded.experiment.stack.encoder == "spatial"
    first, second = (look_and_act(VisionActor(agent, levels, QUICK), tasks()) for agent in (glancing(SPATIAL), loaded))
    assert first.calls == second.calls > 0 and (first.steps == second.steps).all()


def test_level_one_predicts_maps_and_the_levels_above_places() -> None:
    actor = VisionActor(glancing(SPATIAL), 2, VisionPlanning(samples=4, iterations=1, horizon=3, expansions=5))
    frames, goals = tasks().reset()
    actor.begin(goals)
    actor.act(frames)
    assert actor.session is not None and actor.session.pursuit is not None
    side = glancing(SPATIAL).stack.config.spatial.fovea
    assert actor.session.pursuit.states.shape[-1] == 3 + 2 * STACK.channels * side**2
    assert actor.session.track(2, 0).path.states.shape[-1] == 5
