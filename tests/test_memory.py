"""Landmarks and their edges: spacing, coverage, nesting, and verification by the level below."""

from __future__ import annotations

import copy
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from hjepa.agent import Agent
from hjepa.level import LevelConfig
from hjepa.memory import MemoryConfig, build_landmarks
from hjepa.stack import Stack, StackConfig
from planners.graph import strongly_connected_components
from planners.landmarks import LandmarkGraph
from worlds.maps import Map


@pytest.fixture(scope="module")
def memory(small_data: Any) -> Tensor:
    return small_data.observations[::3]


@pytest.fixture(scope="module")
def graphs(small_agent: Agent, memory: Tensor) -> dict[int, LandmarkGraph]:
    return build_landmarks(small_agent.stack, memory)[0]


def apart(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    return np.linalg.norm(a[:, None] - b[None], axis=-1)


@pytest.mark.parametrize("k", [2, 3])
def test_landmarks_are_spaced(graphs: dict[int, LandmarkGraph], k: int) -> None:
    config = MemoryConfig()
    spacing = (config.spacing if k == 2 else config.coarse_spacing) * graphs[k].stride
    distance = apart(graphs[k].embedding, graphs[k].embedding) + np.diag(np.full(len(graphs[k].embedding), np.inf))
    assert distance.min() >= spacing * (1 - 1e-3)
    assert len(graphs[k].states) > 5


def test_level_two_covers_the_memory(small_agent: Agent, memory: Tensor, graphs: dict[int, LandmarkGraph]) -> None:
    stack, spacing = small_agent.stack, MemoryConfig().spacing * graphs[2].stride
    points = stack.level(2).critic.embed(stack.encode(memory, 2)).detach().numpy()
    nearest = apart(points[::7], graphs[2].embedding).min(1)
    # Within a spacing of the finer net, which has half of it; but for places that were hardly ever visited.
    assert (nearest <= 1.5 * spacing * (1 + 1e-3)).mean() > 0.999


def test_coarse_landmarks_cover_the_fine_ones(small_agent: Agent, graphs: dict[int, LandmarkGraph]) -> None:
    stack = small_agent.stack
    fine = torch.from_numpy(graphs[2].observations)
    points = stack.level(3).critic.embed(stack.encode(fine, 3)).detach().numpy()
    assert apart(points, graphs[3].embedding).min(1).max() <= 1.5 * MemoryConfig().coarse_spacing * 30 * (1 + 1e-3)


def test_landmarks_are_nested(memory: Tensor, graphs: dict[int, LandmarkGraph]) -> None:
    assert np.array_equal(graphs[2].observations, memory[graphs[2].below].numpy())
    assert np.array_equal(graphs[3].observations, graphs[2].observations[graphs[3].below])
    for graph in graphs.values():
        assert (np.diff(graph.below) > 0).all(), "every landmark once"
        assert len(graph.states) == len(graph.embedding) == len(graph.measure) == graph.graph.num_nodes


def test_what_a_landmark_says_is_what_the_stack_says(small_agent: Agent, graphs: dict[int, LandmarkGraph]) -> None:
    stack = small_agent.stack
    for k, above in ((2, 3), (3, 3)):
        observations = torch.from_numpy(graphs[k].observations)
        for name, expected in (
            ("states", stack.encode(observations, k)),
            ("embedding", stack.level(k).critic.embed(stack.encode(observations, k))),
            ("measure", stack.level(above).critic.embed(stack.encode(observations, above))),
        ):
            np.testing.assert_allclose(getattr(graphs[k], name), expected.detach().numpy(), atol=1e-2, rtol=1e-4)


def test_edges_cost_what_the_level_below_finds(small_agent: Agent, memory: Tensor) -> None:
    graphs, verified = build_landmarks(small_agent.stack, memory)
    fine, coarse = graphs[2].graph.to_networkx(), graphs[3]
    import networkx

    for edge in range(coarse.graph.num_edges):
        begin, end = (int(coarse.below[node[edge]]) for node in (coarse.graph.sources, coarse.graph.targets))
        way = networkx.dijkstra_path_length(fine, begin, end)
        assert coarse.graph.costs[edge] == pytest.approx(way, rel=1e-4)
        assert way <= MemoryConfig().tolerance * coarse.stride
    for k in (2, 3):
        assert verified[k].accepted == graphs[k].graph.num_edges
        assert verified[k].proposed >= verified[k].accepted


def test_fewer_levels_give_the_same_lower_levels(small_agent: Agent, memory: Tensor, graphs: Any) -> None:
    two, _ = build_landmarks(small_agent.stack, memory, levels=2)
    assert list(two) == [2]
    assert np.array_equal(two[2].observations, graphs[2].observations)
    assert np.array_equal(two[2].graph.costs, graphs[2].graph.costs)
    assert np.array_equal(two[2].measure, two[2].embedding), "the top level measures arrival itself"


@pytest.mark.parametrize("visits", [1, 200])
def test_rarely_visited_places_are_no_landmarks(small_agent: Agent, memory: Tensor, visits: int) -> None:
    graphs, _ = build_landmarks(small_agent.stack, memory, MemoryConfig(min_visits=visits), levels=2)
    stack = small_agent.stack
    points = stack.level(2).critic.embed(stack.encode(memory, 2)).detach().numpy()
    spacing = MemoryConfig().spacing * graphs[2].stride
    seen = (apart(graphs[2].embedding, points) <= spacing * (1 + 1e-3)).sum(1)
    assert (seen.min() < 200) == (visits == 1)


def test_pockets_are_left_out(small_agent: Agent, memory: Tensor) -> None:
    """Places that no prediction leads out of: an agent that was put there once, far from all others."""
    stray = torch.cat([memory, memory.max(0).values + 30 + 0.1 * torch.randn(50, 2)])
    graphs, _ = build_landmarks(small_agent.stack, stray)
    assert graphs[2].below.max() < len(memory)
    for graph in graphs.values():
        assert strongly_connected_components(graph.graph).max() == 0


def line_stack() -> Stack:
    """A stack written by hand: the world is a line, its distance is its critic, and codes lead a stride left or right.

    The predictors know no walls.
    """
    shapes = tuple(
        LevelConfig(stride=n, state_dim=2, critic_dim=2, macro_dim=2, hidden=(4,), predictor_hidden=(4,), codes=2)
        for n in (1, 4, 12)
    )
    stack = Stack(StackConfig(levels=shapes)).requires_grad_(False)
    for k in (1, 2, 3):
        level = stack.level(k)
        level.encoder = torch.nn.Identity()
        level.critic.embed = lambda states: states  # type: ignore[method-assign]
        level.codebook.copy_(torch.tensor([[1.0, 0.0], [-1.0, 0.0]]) * level.config.stride)
        level.predictor = Jump()
    return stack


class Jump(torch.nn.Module):
    """Moves by the macro-action."""

    def forward(self, states: Tensor, macro_actions: Tensor) -> Tensor:
        return states + macro_actions


def test_places_that_nobody_visited_often_get_one_clear_line() -> None:
    line = torch.stack([torch.arange(0.0, 1210.0, 10.0), torch.zeros(121)], 1)
    message = (
        r"level 2: none of the places in 121 remembered observations has memory\.min_visits = 3 of them within 2 "
        r"steps; record more data, remember more \(train\.memory\), or lower memory\.min_visits"
    )
    with pytest.raises(ValueError, match=f"^{message}$"):
        build_landmarks(line_stack(), line)


def test_predictions_that_the_level_below_cannot_follow_get_one_clear_line() -> None:
    stack = line_stack()
    stack.level(2).critic.embed = lambda states: states / 1000  # type: ignore[method-assign]
    line = torch.stack([torch.arange(0.0, 1e7, 1e4), torch.zeros(1000)], 1)
    message = r"level 2: the level below could follow none of the \d+ edges predicted between \d+ landmarks from 1,000 "
    with pytest.raises(ValueError, match=f"^{message}.*train longer, or use fewer levels$") as caught:
        build_landmarks(stack, line, MemoryConfig(min_visits=1))
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("wall", [True, False])
def test_edges_that_the_level_below_cannot_follow_are_rejected(wall: bool) -> None:
    """Nobody was ever seen within the wall: too wide for level 2's steps, not for those of level 3."""
    places = torch.arange(0.0, 121.0)
    places = places[(places - 60).abs() > 4] if wall else places
    line = torch.stack([places, torch.zeros(len(places))], 1)
    config = MemoryConfig(min_visits=1, snap=1.0, min_component=0.0)
    graphs, verified = build_landmarks(line_stack(), line, config)
    for k in (2, 3):
        graph, places = graphs[k].graph, graphs[k].observations[:, 0]
        crossing = (places[graph.sources] < 60) != (places[graph.targets] < 60)
        assert crossing.any() == (not wall), k
        assert graph.num_edges > 5
        assert len(set((places < 60).tolist())) == 2
    assert (verified[3].accepted < verified[3].proposed) == wall


def test_plans_depend_on_the_data_alone(small_agent: Agent, memory: Tensor, small_map: Map) -> None:
    """Landmarks lie where there are data: none of another map's ways are known."""
    left = memory[memory[:, 0] < 12]
    graphs, _ = build_landmarks(copy.deepcopy(small_agent.stack), left)
    assert graphs[2].observations[:, 0].max() < 12
    whole, _ = build_landmarks(small_agent.stack, memory)
    assert whole[2].observations[:, 0].max() > 20
    walls = small_map.cells[tuple(small_map.cell_of(whole[2].observations).T)]
    assert (walls == small_map.cells[tuple(small_map.free_cells()[0])]).all(), "as the recorded agent never was in one"
