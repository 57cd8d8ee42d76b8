"""Critics of temporal distance: Bellman's equation on a map, what is learned from walks, and plans that use it."""

from __future__ import annotations

import heapq
import math
from dataclasses import replace
from functools import cache
from pathlib import Path
from tempfile import mkdtemp
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from torch import Tensor

from hjepa.vision.actor import VisionActor
from hjepa.vision.agent import VisionAgent
from hjepa.vision.hindsight import hindsight_pairs
from hjepa.vision.planning import VisionPlanning
from hjepa.vision.time_to_go import FAR, Critics, Fields, TimeToGo, spread, time_to_go_loss
from hjepa.vision.traces import Traces
from hjepa.vision.train import train_vision
from scripts._mazes_seen import lessons_layouts
from tests.seen_mazes import STACK, TRAINING, glancing, recorded
from tests.test_vision_training import clock
from worlds import maze_raster

QUICK = VisionPlanning(samples=8, iterations=1, horizon=4, expansions=20, critic=True)


def literal_dijkstra(costs: Tensor, goal: tuple[int, int]) -> Tensor:
    """Least totals to a cell, where a step costs its length times the mean of all cells that it touches."""
    height, width = costs.shape
    field, queue = torch.full((height, width), FAR), [(0.0, *goal)]
    while queue:
        total, row, column = heapq.heappop(queue)
        if total >= field[row, column]:
            continue
        field[row, column] = total
        for i in range(max(0, row - 1), min(height, row + 2)):
            for j in range(max(0, column - 1), min(width, column + 2)):
                corners = costs[[row, i, row, i], [column, j, j, column]]  # pairwise the same, unless on a diagonal
                step = math.hypot(i - row, j - column) * float(corners.mean())
                heapq.heappush(queue, (total + step, i, j))
    return field


def random_walls(count: int, seed: int, side: int = 12) -> Tensor:
    """[count, 1, side, side] walls with gaps in them: 1 where there is wall."""
    generator = torch.Generator().manual_seed(seed)
    walls = torch.zeros(count, 1, side, side)
    for layout in walls[:, 0]:
        for column in (3, 8):
            layout[:, column] = 1
            layout[torch.randint(side, (2,), generator=generator), column] = 0
    return walls


def steps_over(costs: Tensor, starts: Tensor, goals: Tensor) -> Tensor:
    """[N, J] world steps from [N, J, 2] starts to [N, 2] goals."""
    return Fields(spread(costs, goals), costs).at(torch.arange(len(goals)), starts)


def walks(seed: int, count: int = 8) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Walls, starts and goals off the walls, and how long wandering walks between them took."""
    generator = torch.Generator().manual_seed(seed)
    walls = random_walls(count, seed)
    off = torch.tensor([0, 1, 2, 4, 5, 6, 7, 9, 10, 11])
    places = [
        torch.randint(12, (count, 7), generator=generator),
        off[torch.randint(10, (count, 7), generator=generator)],
    ]
    cells = torch.stack(places[::-1], -1).float()
    starts, goals = cells[:, 1:], cells[:, 0]
    true = steps_over(3 + 500 * walls[:, 0], starts, goals)
    return walls, starts, goals, (true * (1 + torch.rand(true.shape, generator=generator))).clamp_min(1.0)


@cache
def taught() -> TimeToGo:
    """A critic that has seen some walks."""
    torch.manual_seed(0)
    critic = TimeToGo(1)
    optimizer = torch.optim.Adam(critic.parameters(), 0.02)
    for step in range(100):
        walls, starts, goals, gaps = walks(step)
        loss = time_to_go_loss(critic, walls, starts, goals, gaps, 0.15, 0.05)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    return critic.requires_grad_(False)


@pytest.mark.parametrize("seed", range(3))
def test_fields_are_least_totals(seed: int) -> None:
    costs = 1 + 9 * torch.rand(2, 9, 13, generator=torch.Generator().manual_seed(seed))
    goals = [(2, 4), (7, 11)]
    for layout, (row, column) in zip(costs, goals, strict=True):
        layout[row - 1 : row + 2, column - 1 : column + 2] = 1  # around a goal, ways are straight
    fields = spread(costs, torch.tensor(goals)[:, [1, 0]].float())
    for layout, field, goal in zip(costs, fields, goals, strict=True):
        torch.testing.assert_close(field, literal_dijkstra(layout, goal), atol=2e-3, rtol=1e-5)


def test_on_even_ground_only_distance_counts() -> None:
    field = spread(torch.full((1, 11, 11), 2.0), torch.tensor([[5.0, 5.0]]))[0]
    assert field[5, 0] == pytest.approx(10) and field[0, 0] == pytest.approx(10 * math.sqrt(2))
    off = spread(torch.full((1, 11, 11), 2.0), torch.tensor([[5.4, 5.0]]))[0]
    assert off[5, 0] == pytest.approx(10.8, rel=0.01) and off[5, 10] == pytest.approx(9.2, rel=0.01)


def test_beside_a_wall_only_its_own_side_counts() -> None:
    costs = torch.ones(1, 9, 9)
    costs[:, :, 4] = 1000
    goal, places = torch.tensor([[1.0, 4.0]]), torch.tensor([[[3.4, 4.0], [4.6, 4.0]]])
    near, far = steps_over(costs, places, goal)[0]
    assert near == pytest.approx(2.4, rel=0.01) and far > 500


def test_what_is_known_spreads_by_a_cell_in_each_round() -> None:
    costs, goal = torch.ones(1, 1, 9), torch.tensor([[0.0, 0.0]])
    assert (spread(costs, goal, rounds=3)[0, 0] < FAR / 2).tolist() == [True] * 5 + [False] * 4
    assert torch.equal(spread(costs, goal), spread(costs, goal, rounds=50))


def test_ways_around_walls_are_learned_from_walks_alone() -> None:
    walls, starts, goals, _ = walks(10_000, count=60)
    true = steps_over(3 + 500 * walls[:, 0], starts, goals).flatten()
    found = taught()(walls, starts, goals).flatten()
    straight = (starts - goals.unsqueeze(1)).norm(dim=-1).flatten()
    ranks = [values.argsort().argsort().double() for values in (true, found, straight)]
    by_critic, by_line = (float(torch.corrcoef(torch.stack([ranks[0], rank]))[0, 1]) for rank in ranks[1:])
    assert by_critic > 0.97 > 0.93 > by_line


def test_the_quantile_tells_the_fast_walks() -> None:
    walls, starts, goals, gaps = walks(20_000, count=60)
    ratio = taught()(walls, starts, goals) / gaps
    assert 0.6 < float(ratio.median()) < 0.95


def test_places_that_no_walk_crosses_are_slow() -> None:
    walls = random_walls(20, 5)
    costs = taught().costs(walls)
    assert costs[walls[:, 0] == 1].median() > 5 * costs[walls[:, 0] == 0].median()


def test_pairs_are_as_long_as_they_say() -> None:
    episodes = clock(steps=30)
    traces = Traces(episodes, episodes.states)
    look = SimpleNamespace(backbone=lambda frames: frames.float())
    seen = hindsight_pairs(look, traces, seed=0, step=5, batch=40, starts=4)  # type: ignore[arg-type]
    assert (seen.starts[..., 0] == seen.goals[:, :1]).all()
    assert (seen.goals[:, 1:] - seen.starts[..., 1] == seen.gaps).all() and 5 <= seen.gaps.min() < seen.gaps.max() <= 30
    assert (seen.features[:, 0, :, 0, 0] == seen.goals).all()
    assert (seen.features[:, 1, :, 0, 0] == seen.starts[:, 0]).all()
    again = hindsight_pairs(look, traces, seed=0, step=5, batch=40, starts=4)  # type: ignore[arg-type]
    assert all(torch.equal(one, other) for one, other in zip(seen, again, strict=True))


@cache
def judging() -> VisionAgent:
    """An agent with critics that have learned next to nothing."""
    trainer = train_vision(STACK, recorded(), replace(TRAINING, critic_steps=2, critic_batch=3), Path(mkdtemp()), {})
    return VisionAgent.of(trainer, glancing().card)


def first_action(agent: VisionAgent, planning: VisionPlanning) -> np.ndarray:
    raster = maze_raster(lessons_layouts(agent.card))
    states = torch.tensor([[1.5, 1.5, 0, 0], [2.5, 1.5, 0, 0]])
    actor = VisionActor(agent, 2, planning)
    actor.begin(raster(states.flip(0), torch.zeros(2, dtype=torch.long)).numpy())
    return actor.act(raster(states, torch.zeros(2, dtype=torch.long)).numpy())


def test_critics_change_nothing_else() -> None:
    for name, weight in glancing().stack.state_dict().items():
        assert torch.equal(weight, judging().stack.state_dict()[name]), name


def test_critics_are_saved_and_loaded(tmp_path: Path) -> None:
    judging().save(tmp_path / "agent")
    loaded = VisionAgent.load(tmp_path / "agent")
    assert loaded.critics is not None and loaded.critics.numbers == [1, 2]
    np.testing.assert_array_equal(first_action(judging(), QUICK), first_action(loaded, QUICK))


def test_agents_without_critics_load_and_say_so(tmp_path: Path) -> None:
    glancing().save(tmp_path / "agent")
    loaded = VisionAgent.load(tmp_path / "agent")
    assert loaded.critics is None
    with pytest.raises(ValueError, match="no critics to plan with"):
        first_action(loaded, QUICK)


def test_only_levels_of_places_have_critics() -> None:
    assert Critics.of(STACK).numbers == [1, 2]
    assert Critics.of(replace(STACK, encoder="spatial")).numbers == [2]


def test_a_run_with_all_phases_is_resumed_bit_identically(tmp_path: Path) -> None:
    how = replace(TRAINING, masked_steps=2, critic_steps=4, critic_batch=3)
    whole = train_vision(STACK, recorded(), how, tmp_path / "whole", {})
    for stop in (3, 10):

        def interrupt(step: int, metrics: dict[str, float], stop: int = stop) -> None:
            if step == stop:
                raise KeyboardInterrupt

        folder = tmp_path / f"part{stop}"
        with pytest.raises(KeyboardInterrupt):
            train_vision(STACK, recorded(), how, folder, {}, progress=interrupt)
        resumed = train_vision(STACK, recorded(), how, folder, {}, resume=True)
        for name, weight in whole.network.state_dict().items():
            assert torch.equal(weight, resumed.network.state_dict()[name]), name


def test_phases_follow_each_other() -> None:
    how = replace(TRAINING, masked_steps=2, critic_steps=1)
    assert [how.phase_at(step)[0] for step in range(how.total)] == (
        ["masked"] * 2 + ["perception"] * 4 + ["upper"] * 3 + ["critics"]
    )
    assert [how.learning_rate_at(step) == how.learning_rate for step in (0, 1, 2, 6, 9)] == [
        True,
        False,
        True,
        True,
        True,
    ]
    with pytest.raises(ValueError, match="no step 10"):
        how.phase_at(10)
