"""Mode-1 above level 1: walking from signpost to signpost, and what the signposts learn from."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from hjepa.actor import Actor
from hjepa.agent import Agent
from hjepa.distil import Lessons, distil_signpost
from hjepa.evaluate import run_episodes
from hjepa.planning import LevelPlanner
from hjepa.signpost import Signpost, SignpostConfig, SignpostGuide, ways_on
from planners.graph import SearchGraph, shortest_path
from planners.landmarks import LandmarkGraph
from worlds.maps import Map
from worlds.tasks import MazeTasks

QUICK = SignpostConfig(hidden=(32,), waves=16, steps=300, batch=128)
FREE = np.zeros(1, np.float32)


def landmarks(graph: SearchGraph, points: np.ndarray, stride: int = 10) -> LandmarkGraph:
    points = points.astype(np.float32)
    return LandmarkGraph(2, points, points, points, points, np.arange(len(points)), graph, stride)


def lattice(rows: int, columns: int, wall: Collection[int] = ()) -> LandmarkGraph:
    """Places ten steps apart, each joined to its neighbours, but for those in the wall."""
    number = np.arange(rows * columns).reshape(rows, columns)
    across, along = [(number[:, :-1], number[:, 1:]), (number[:-1], number[1:])]
    pairs = np.concatenate([np.stack([left.ravel(), right.ravel()], 1) for left, right in (across, along)])
    pairs = np.concatenate([pairs, pairs[:, ::-1]])
    pairs = pairs[~np.isin(pairs, list(wall)).any(1)]
    points = 10.0 * np.stack(np.divmod(number.ravel(), columns), 1)
    costs = np.linalg.norm(points[pairs[:, 0]] - points[pairs[:, 1]], axis=1)
    return landmarks(SearchGraph.from_edges(number.size, pairs[:, 0], pairs[:, 1], costs), points)


class Straight:
    """A signpost that points straight at the goal."""

    centre = torch.zeros(2)
    softness = 0.5

    def describe(self, points: torch.Tensor) -> torch.Tensor:
        return points

    def __call__(self, here: torch.Tensor, goal: torch.Tensor) -> torch.Tensor:
        return torch.nn.functional.normalize(goal - here, dim=-1)


def straight(graph: LandmarkGraph) -> SignpostGuide:
    return SignpostGuide(Straight(), graph)  # type: ignore[arg-type]


def one(number: int) -> np.ndarray:
    return np.array([number])


def test_a_walk_from_signpost_to_signpost() -> None:
    graph = lattice(1, 6)
    result = straight(graph)(one(1), FREE + 2, one(5), FREE + 3, None)
    assert result.found and result.complete
    assert result.nodes.tolist() == [1, 2, 3, 4, 5]
    assert result.nodes.tolist() == [1, *graph.graph.targets[result.edges]]
    assert result.cost == pytest.approx(2 + 40 + 3)
    assert result.order.tolist() == result.nodes.tolist() and result.came_from.tolist() == [-1, 0, 1, 2, 3]
    assert result.expanded == 5


def test_it_begins_at_the_nearest_and_ends_at_any_near_the_target() -> None:
    guide = straight(lattice(1, 9))
    result = guide(np.array([0, 2]), np.array([9.0, 1.0]), np.array([8, 6, 5]), np.array([1.0, 5.0, 500.0]), None)
    assert result.nodes.tolist() == [2, 3, 4, 5, 6], "the end that is dear does not count as near"
    assert result.cost == pytest.approx(1 + 40 + 5)
    here = guide(one(3), FREE, one(3), FREE, None)
    assert here.found and here.nodes.tolist() == [3] and len(here.edges) == 0 and here.cost == 0


def test_dear_ways_are_left_for_others() -> None:
    graph = lattice(2, 4)
    plain = straight(graph)(one(0), FREE, one(3), FREE, None)
    assert plain.nodes.tolist() == [0, 1, 2, 3]
    dear = np.zeros(graph.graph.num_edges, np.float32)
    dear[plain.edges[1]] = 1000
    for other in (
        straight(graph)(one(0), FREE, one(3), FREE, dear),
        straight(replace(graph, tolls=dear))(one(0), FREE, one(3), FREE, None),
    ):
        assert other.found and plain.edges[1] not in other.edges
    alone = lattice(1, 4)
    only = straight(alone)(one(0), FREE, one(3), FREE, np.full(alone.graph.num_edges, 1000, np.float32))
    assert only.found and only.cost == pytest.approx(3 * 1010), "the last resort is taken, and its price told"


def test_no_landmark_is_passed_twice() -> None:
    """Straight at the goal, into a dead end: out of it there is no way but back."""
    result = straight(lattice(2, 5, wall={3, 8}))(one(0), FREE, one(4), FREE, None)
    assert not result.found and result.cost == np.inf and not len(result.nodes) and not len(result.edges)
    assert len(set(result.order.tolist())) == len(result.order) > 1
    round_about = straight(lattice(3, 5, wall={3}))(one(0), FREE, one(4), FREE, None)
    assert round_about.found and len(set(round_about.nodes.tolist())) == len(round_about.nodes)


WALLED = lattice(6, 7, wall={3, 10, 17, 24, 31, 26, 33})


def walks(guide: SignpostGuide, graph: LandmarkGraph) -> list[float]:
    """How much longer than the shortest way the guide's is, from everywhere to everywhere; infinite for none."""
    found, free = [], np.flatnonzero(np.diff(graph.graph.indptr))
    for begin in free[::2]:
        for end in free[1::3]:
            best = shortest_path(graph.graph, one(begin), FREE, one(end), FREE)
            if best.found and begin != end:
                found.append(guide(one(begin), FREE, one(end), FREE, None).cost / best.cost)
    return found


def test_signposts_know_the_way_round_a_wall() -> None:
    learned = SignpostGuide(distil_signpost(WALLED, QUICK, torch.Generator().manual_seed(0)), WALLED)
    stretch = np.array(walks(learned, WALLED))
    assert np.isfinite(stretch).mean() > 0.99 and np.median(stretch) <= 1.01 and (stretch < 1.5).mean() > 0.95
    naive = np.array(walks(straight(WALLED), WALLED))
    assert (naive < 1.5).mean() < 0.9, "the wall is in the way of those who go straight"


def test_lessons_are_what_a_search_answers() -> None:
    lessons = Lessons(WALLED, 20, torch.Generator().manual_seed(1))
    assert len(lessons.goals) == 20
    for here, goal, ways, lengths in zip(*lessons.draw(40), strict=True):
        assert here != goal
        best = shortest_path(WALLED.graph, one(int(here)), FREE, one(int(goal)), FREE)
        assert float(lengths.min()) == pytest.approx(best.cost, rel=1e-5)
        graph, edges = WALLED.graph, slice(*WALLED.graph.indptr[int(here) : int(here) + 2])
        count = len(graph.targets[edges])
        assert lengths[:count].isfinite().all() and lengths[count:].isinf().all()
        np.testing.assert_allclose(ways[:count].numpy(), ways_on(WALLED)[edges])


def test_signposts_are_a_function_of_their_seed() -> None:
    def weights(seed: int) -> torch.Tensor:
        signpost = distil_signpost(WALLED, replace(QUICK, steps=2), torch.Generator().manual_seed(seed))
        assert not any(each.requires_grad for each in signpost.parameters())
        return torch.cat([each.flatten() for each in signpost.state_dict().values()])

    before = torch.random.get_rng_state()
    assert torch.equal(weights(1), weights(1)) and not torch.equal(weights(1), weights(2))
    assert torch.equal(before, torch.random.get_rng_state())


def test_a_single_landmark_needs_no_signpost() -> None:
    lonely = landmarks(SearchGraph.from_edges(1, np.empty(0, int), np.empty(0, int), np.empty(0)), np.zeros((1, 2)))
    signpost = distil_signpost(lonely, QUICK, torch.Generator().manual_seed(0))
    assert SignpostGuide(signpost, lonely)(one(0), FREE, one(0), FREE, None).nodes.tolist() == [0]


@pytest.mark.parametrize("name", ["waves", "frequency", "steps", "batch", "learning_rate", "softness", "goals"])
def test_settings_that_make_no_sense(name: str) -> None:
    with pytest.raises(ValueError, match=f"policy.ways.{name} must be positive, not 0"):
        SignpostConfig(**{name: 0})  # type: ignore[arg-type]


# Agents


@pytest.mark.parametrize("planners", [("cem", "mode1", "landmarks"), ("mode1", "mode1")], ids="-".join)
def test_an_agent_in_mode_1_arrives(distilled_agent: Agent, small_map: Map, planners: tuple[LevelPlanner, ...]) -> None:
    tasks = MazeTasks(small_map, 16, seed=4, min_distance=4)
    mode2, _ = run_episodes(Actor(distilled_agent, 3, ("cem", "landmarks"), seed=0), tasks)
    tasks = MazeTasks(small_map, 16, seed=4, min_distance=4)
    mode1, _ = run_episodes(Actor(distilled_agent, 3, planners, seed=0), tasks)
    assert mode1.success.mean() >= 0.9 * mode2.success.mean() > 0.8
    assert mode1.steps.mean() < 1.3 * mode2.steps.mean()


def test_signposts_are_saved_and_loaded(distilled_agent: Agent, tmp_path: Path) -> None:
    distilled_agent.save(tmp_path / "agent")
    loaded = Agent.load(tmp_path / "agent")
    assert loaded.signposts.keys() == distilled_agent.signposts.keys() == {2, 3}
    for k, signpost in loaded.signposts.items():
        state = distilled_agent.signposts[k].state_dict()
        assert isinstance(signpost, Signpost) and not any(each.requires_grad for each in signpost.parameters())
        assert all(torch.equal(weight, state[name]) for name, weight in signpost.state_dict().items())


def test_an_agent_without_signposts_says_so(small_agent: Agent) -> None:
    assert small_agent.signposts == {}
    with pytest.raises(ValueError, match="planners: 'mode1' needs a policy, which this agent has not") as caught:
        Actor(small_agent, 3, ("cem", "mode1", "landmarks"))
    assert "\n" not in str(caught.value)
