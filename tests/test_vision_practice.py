"""A level that looks far: the pictures and journeys that it practises with, what it learns from them, and its ways."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from tempfile import mkdtemp

import numpy as np
import pytest
import torch
from torch import Tensor

from hjepa.vision.actor import VisionActor
from hjepa.vision.agent import VisionAgent
from hjepa.vision.collage import PIECE, RIM, SIDE, _turn, collage
from hjepa.vision.far_level import HOPELESS, FarLevel
from hjepa.vision.far_ways import FarSight, FarWayPlanner
from hjepa.vision.journeys import FALSE, Journeys, imagine
from hjepa.vision.place_level import LAYOUT, MOTION, PLACE, PlaceConfig
from hjepa.vision.planning import VisionPlanning
from hjepa.vision.practice import Practice, fit_far_codes, practice_losses
from hjepa.vision.recordings import Episodes
from hjepa.vision.stack import VisionConfig, VisionStack
from hjepa.vision.traces import trace
from hjepa.vision.train import VisionTrainer, VisionTraining, train_vision
from planners.astar import LatentAStar
from planners.base import Recorder
from planners.landmarks import NONE, Query, Target
from planners.landmarks import Path as Way
from scripts._mazes_seen import held_out, lessons_layouts
from scripts._seen import SeenTasks
from tests.seen_mazes import STACK, TRAINING, recorded
from worlds import DiverseMazeTasks, maze_raster

FAR = PlaceConfig(stride=10, macro_dim=2, channels=3, taps=5, spacing=2.0, hidden=(6,), rounds=3, codes=5)
THREE = VisionConfig(channels=STACK.channels, levels=(*STACK.levels, FAR))
PRACTISED = replace(TRAINING, practice_steps=2, pictures=2)
WALL = 8.0
"""Where the made-up worlds of these tests have a wall, x in cells, up to y = 10."""


class Steps:
    """A level that goes two cells to any of four sides, or stays; it believes nothing that crosses the wall."""

    codebook = torch.tensor([[0.0, 0.0], [2.0, 0.0], [-2.0, 0.0], [0.0, 2.0], [0.0, -2.0]])

    def __call__(self, layouts: Tensor, states: Tensor, actions: Tensor) -> Tensor:
        return torch.cat([states[:, PLACE] + actions, actions / 10, states[:, LAYOUT:]], -1)

    @staticmethod
    def edges(layouts: Tensor, before: Tensor, after: Tensor) -> Tensor:
        across = (before[:, 0] < WALL) != (after[:, 0] < WALL)
        return torch.where(across & (before[:, 1] < 10), -3.0, 3.0)


def at(*places: tuple[float, float]) -> Tensor:
    """[N, 5] states at rest in layout 0."""
    return torch.cat([torch.tensor(places), torch.zeros(len(places), 3)], -1)


def journeys(begins: Tensor, strides: int = 3, reach: float = 8.0) -> Journeys:
    steps, generator = Steps(), torch.Generator().manual_seed(0)
    return imagine(steps, steps.edges, torch.zeros(1, 1, 2, 2), begins, strides, reach, generator)


def test_journeys_are_what_the_level_below_believes() -> None:
    made = journeys(at((7.0, 3.0), (20.0, 6.0)))
    torch.testing.assert_close(made.ways.sum(2), made.ends[..., PLACE] - made.begins[:, None, PLACE])
    assert (made.ends[0, :, 0] < WALL).all(), "within three strides there is no way round the wall"
    assert (made.ways.norm(dim=-1) <= 2).all() and made.ends[1, :, 0].max() == 26
    torch.testing.assert_close(made.ends[..., MOTION], made.ways[:, :, -1] / 10)


def test_journeys_go_round_corners() -> None:
    found = journeys(at((7.0, 9.0)), strides=4).ends[0]
    assert (found[:, 0] > WALL).any(), "up, across and on"


def test_what_is_missed_is_out_of_reach() -> None:
    made = journeys(at((7.0, 6.0)), strides=4)
    reached = [(x, y) for x in (-1.0, 1.0, 3.0, 5.0, 7.0) for y in (2.0, 4.0, 6.0, 8.0) if abs(x - 7) + abs(y - 6) <= 8]
    assert torch.cdist(made.missed[0], torch.tensor(reached)).min() > FALSE
    assert ((made.missed[0] - made.begins[0, PLACE]).abs() <= 8).all()


def test_beginnings_from_which_nothing_is_believed_are_left_out() -> None:
    steps = Steps()
    shut = imagine(
        steps, lambda layouts, before, after: torch.where(before[:, 0] > 10, 1.0, -1.0), torch.zeros(1, 1, 2, 2),
        at((5.0, 5.0), (20.0, 5.0)), 2, 8.0, torch.Generator().manual_seed(0),
    )  # fmt: skip
    assert shut.begins[:, 0].tolist() == [20.0]


def test_a_level_that_believes_nothing_is_one_line() -> None:
    def nothing(layouts: Tensor, before: Tensor, after: Tensor) -> Tensor:
        return torch.full((len(before),), -1.0)

    with pytest.raises(ValueError, match="believes no journey"):
        imagine(Steps(), nothing, torch.zeros(1, 1, 2, 2), at((5.0, 5.0)), 2, 8.0, torch.Generator().manual_seed(0))


def test_pieces_are_turned_in_eight_ways() -> None:
    piece = torch.arange(12).view(1, 3, 2, 2).float().repeat(8, 1, 1, 1)
    turned = _turn(piece, torch.arange(8))
    assert len({tuple(one.flatten().tolist()) for one in turned}) == 8
    assert (turned.flatten(2).sort(-1).values == piece.flatten(2)).all()


def test_a_collage_is_made_of_what_was_recorded() -> None:
    torch.manual_seed(0)
    stack, episodes = VisionStack(STACK), recorded()
    traces = trace(stack, episodes, 4)
    made = collage(stack, traces, 2, torch.Generator().manual_seed(0))
    pixels = SIDE * PIECE * stack.config.patch
    assert made.frames.shape == (2, 3, pixels, pixels) and made.frames.dtype == torch.uint8
    inner = (SIDE - 2 * RIM) ** 2
    assert made.numbers.tolist() == [0] * inner + [1] * inner
    where = (made.places / PIECE).floor()
    assert ((where >= RIM) & (where < SIDE - RIM)).all()
    colours = {tuple(colour) for colour in made.frames.permute(0, 2, 3, 1).flatten(0, 2)[::7].tolist()}
    some = traces.episodes
    seen = episodes.camera(some.states.flatten(0, 1), some.layouts.repeat_interleave(episodes.steps + 1))
    assert colours <= {tuple(colour) for colour in seen.permute(0, 2, 3, 1).flatten(0, 2).tolist()}


def test_pictures_that_are_too_small_for_pieces_are_refused_in_one_line() -> None:
    def camera(states: Tensor, layouts: Tensor) -> Tensor:
        return torch.zeros(len(states), 3, 40, 40, dtype=torch.uint8)

    episodes, stack = Episodes(torch.zeros(1, 3, 2), torch.zeros(1, 2, 2), torch.zeros(1), camera), VisionStack(STACK)
    with pytest.raises(ValueError, match="at least 48 pixels wide and high"):
        collage(stack, trace(stack, episodes, 1), 1, torch.Generator().manual_seed(0))


def far_level(config: PlaceConfig = FAR) -> FarLevel:
    torch.manual_seed(0)
    return FarLevel(config, features=4, ratio=2)


def test_what_is_predicted_depends_on_the_layout_far_around_and_not_on_where_that_is() -> None:
    level, before = far_level(), at((12.0, 11.0), (13.0, 12.0))
    layouts, moves = torch.randn(1, 3, 26, 26), torch.randn(2, 2)
    with torch.no_grad():
        after = level(layouts, before, moves)
        moved = before + torch.tensor([3.0, 2.0, 0, 0, 0])
        shifted = level(layouts.roll((2, 3), (2, 3)), moved, moves)
        torch.testing.assert_close(shifted - moved, after - before)
        other = layouts.clone()
        other[..., 15:] = 0  # nothing nearer than three cells
        assert not torch.allclose(level(other, before[:1], moves[:1]), after[:1])


def test_any_number_of_leading_dimensions_is_the_same_and_layouts_are_kept_apart() -> None:
    level, layouts = far_level(), torch.randn(2, 3, 20, 20)
    before = at((8.0, 8.0), (8.0, 8.0), (8.0, 8.0), (9.0, 9.0))
    before[2:, LAYOUT] = 1
    moves = torch.randn(4, 2)
    with torch.no_grad():
        alone = torch.cat([level(layouts, before[i : i + 1], moves[i : i + 1]) for i in range(4)])
        torch.testing.assert_close(level(layouts, before, moves), alone)
        torch.testing.assert_close(level(layouts, before.view(2, 2, 5), moves.view(2, 2, 2)).view(4, 5), alone)
    assert (alone[:, LAYOUT] == before[:, LAYOUT]).all()


def test_nothing_beyond_the_patch_is_an_edge() -> None:
    level, begin = far_level(), at((8.0, 8.0), (8.0, 8.0))
    with torch.no_grad():
        logits = FarSight(level, torch.randn(1, 3, 20, 20)).logits(
            begin, begin + torch.tensor([[4.1, 0, 0, 0, 0], [3.9, 0, 0, 0, 0]])
        )
    assert logits[0] == HOPELESS and logits[1] > HOPELESS


@cache
def practised() -> tuple[FarLevel, Practice]:
    """A level that practised in a world with one wall, and what it practised."""
    generator = torch.Generator().manual_seed(0)
    begins = torch.zeros(160, 5)
    begins[:, PLACE] = torch.rand(160, 2, generator=generator) * torch.tensor([16.0, 14.0]) + torch.tensor([0.0, 2.0])
    features = torch.zeros(1, 4, 24, 24)
    features[0, 0, :10, 7:9] = 1
    stored = Practice(features, journeys(begins, strides=2, reach=4.0))
    level = far_level(replace(FAR, hidden=(12,)))
    optimizer = torch.optim.Adam(level.parameters(), 1e-2)
    for _ in range(80):
        loss = torch.stack(list(practice_losses(level, stored, generator).values())).sum()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    fit_far_codes(level, stored, seed=0)
    return level.requires_grad_(False), stored


def test_walls_are_learned_from_imagined_journeys_alone() -> None:
    level, stored = practised()
    layouts, here = level.layout(stored.features), at((6.5, 5.0))
    logits = FarSight(level, layouts).logits(here.repeat(3, 1), at((6.5, 8.5), (3.0, 5.0), (10.0, 5.0)))
    assert logits[:2].min() > 0 > logits[2] + 1


def test_codes_are_far_from_each_other_and_lead_where_one_can_get() -> None:
    level, stored = practised()
    assert len(level.codebook.unique(dim=0)) == len(level.codebook)
    here = at((6.5, 5.0)).repeat(len(level.codebook), 1)
    layouts = level.layout(stored.features)
    after = level(layouts, here, level.codebook)
    believed = after[FarSight(level, layouts).logits(here, after) > 0]
    assert len(believed) > 2 and (believed[:, 0] < WALL).all() and torch.pdist(believed[:, PLACE]).max() > 2


@dataclass
class Below:
    """A level below that finds no way to some places, and takes seven world steps to the others."""

    shut: tuple[float, float]
    asked: int = 0

    def paths(self, queries: list[Query], recorder: Recorder | None = None) -> list[Way]:
        self.asked += len(queries)
        found = [bool(np.linalg.norm(query.target.point - np.array(self.shut)) > 1.0) for query in queries]
        return [
            Way(np.stack([q.state] * 2), np.stack([q.target.point] * 2), np.array([0, 7.0], np.float32),
                np.full(2, NONE), np.zeros(1, np.int64), False, ok, 3, 30)
            for q, ok in zip(queries, found, strict=True)
        ]  # fmt: skip

    def below(self, landmark: int) -> int:
        return NONE


def planner(below: Below) -> FarWayPlanner:
    level, stored = practised()
    layouts, sizes = level.layout(stored.features), (1.0, 1.0, 1e6, 1e6, 0.5)
    return FarWayPlanner(
        LatentAStar(resolution=sizes, max_expansions=300), FarSight(level, layouts), -1.0, 1.0, below,
        torch.tensor(1.0), near=1.0, bound=20.0,
        generator=torch.Generator().manual_seed(0),
    )  # fmt: skip


def query(rejected: frozenset[int] = frozenset()) -> Query:
    goal = np.array([3.0, 12.0], np.float32)
    return Query(at((3.0, 3.0))[0].numpy(), (), Target(goal, goal=(goal,)), rejected)


def test_ways_are_asked_for_below_and_end_at_the_goal() -> None:
    below = Below((99.0, 99.0))
    [path] = planner(below).paths([query()])
    assert path.found and path.final and below.asked == len(path.edges) > 1
    np.testing.assert_allclose(path.embedding[-1], [3.0, 12.0])
    np.testing.assert_allclose(path.arrival, 7.0 * np.arange(len(path.states)))
    assert path.expanded > 3 * len(path.edges)


def test_edges_that_the_level_below_does_not_find_are_not_taken() -> None:
    first = planner(Below((99.0, 99.0))).paths([query()])[0].embedding[1]
    made = planner(Below(tuple(first.tolist())))
    [path] = made.paths([query()])
    assert path.found and np.linalg.norm(path.embedding - first, axis=-1).min() > 1.0
    refused = set(made.refused[0])
    made.paths([query()])
    assert refused and made.refused[0] == refused, "it remembers what was refused"


def test_edges_that_the_hierarchy_rejects_are_not_taken() -> None:
    made = planner(Below((99.0, 99.0)))
    [path] = made.paths([query()])
    [other] = made.paths([query(frozenset({int(path.edges[0])}))])
    assert np.linalg.norm(other.embedding[1] - path.embedding[1]) > 0.5


@cache
def three() -> VisionAgent:
    """An agent with a third level, which has learned next to nothing."""
    trainer = train_vision(THREE, recorded(), PRACTISED, Path(mkdtemp()), {})
    return VisionAgent.of(trainer, {"data": {"size": "small", "mazes": 2}, "seed": 3})


def test_what_is_below_is_trained_as_without_it() -> None:
    two = train_vision(STACK, recorded(), TRAINING, Path(mkdtemp()), {})
    both = three().stack.state_dict()
    assert all(torch.equal(both[name], weight) for name, weight in two.stack.state_dict().items())
    edges = three().edges.state_dict()
    assert all(torch.equal(edges[name], weight) for name, weight in two.edges.state_dict().items())


def test_every_parameter_of_it_learns() -> None:
    trainer = VisionTrainer(THREE, recorded(), PRACTISED)
    assert trainer.stack.far is not None
    before = {name: weight.clone() for name, weight in trainer.stack.far.named_parameters()}
    for _ in range(PRACTISED.total):
        trainer.update()
    assert not [name for name, weight in trainer.stack.far.named_parameters() if torch.equal(weight, before[name])]


@pytest.mark.parametrize("stop", [6, 8])
def test_a_resumed_run_is_bit_identical(stop: int, tmp_path: Path) -> None:
    def interrupt(step: int, metrics: dict[str, float]) -> None:
        if step == stop:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        train_vision(THREE, recorded(), PRACTISED, tmp_path, {}, progress=interrupt)
    resumed = train_vision(THREE, recorded(), PRACTISED, tmp_path, {}, resume=True)
    for name, weight in three().stack.state_dict().items():
        assert torch.equal(weight, resumed.stack.state_dict()[name]), name


def acted(agent: VisionAgent, levels: int) -> list[np.ndarray]:
    mazes = held_out("small", 2, 5, lessons_layouts(agent.card))
    world = SeenTasks(DiverseMazeTasks(mazes, 2, (2, 4), seed=1, time_limit=9), maze_raster(mazes))
    actor = VisionActor(agent, levels, VisionPlanning(samples=8, iterations=1, horizon=4, expansions=20))
    frames, goals = world.reset()
    actor.begin(goals)
    done = []
    for _ in range(6):
        done.append(actor.act(frames))
        frames, _ = world.step(done[-1])
    return done


def test_two_levels_of_three_act_as_two() -> None:
    agent = three()
    stack = VisionStack(STACK)
    stack.load_state_dict({name: w for name, w in agent.stack.state_dict().items() if not name.startswith("levels.2")})
    two = VisionAgent(stack.requires_grad_(False), agent.edges, agent.experiment, agent.card)
    for first, second in zip(acted(agent, 2), acted(two, 2), strict=True):
        np.testing.assert_array_equal(first, second)


def test_three_levels_are_saved_loaded_and_act(tmp_path: Path) -> None:
    three().save(tmp_path)
    for first, second in zip(acted(three(), 3), acted(VisionAgent.load(tmp_path), 3), strict=True):
        np.testing.assert_array_equal(first, second)
        assert np.isfinite(first).all()


def test_levels_that_look_far_are_on_top_of_two_others() -> None:
    with pytest.raises(ValueError, match="only the last one of three or more can look far"):
        VisionConfig(levels=(PlaceConfig(), replace(FAR, stride=10)))
    with pytest.raises(ValueError, match="only the last one of three or more can look far"):
        VisionConfig(levels=(PlaceConfig(), replace(FAR, stride=10), PlaceConfig(stride=20)))


def test_a_run_has_a_third_phase() -> None:
    training = VisionTraining(steps=4, upper_steps=6, practice_steps=8, learning_rate=1.0)
    assert training.total == 18
    rates = [training.learning_rate_at(step) for step in range(18)]
    assert rates[0] == rates[4] == rates[10] == 1.0 and rates[10:] == sorted(rates[10:], reverse=True)
