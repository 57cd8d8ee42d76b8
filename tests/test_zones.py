"""Costs and guardrails painted on the ground: what they cost, and that every level respects them."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any, get_args

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from hjepa.distil import make_policy
from hjepa.known_map import map_agent
from hjepa.optimizers import Optimizer
from hjepa.planning import RISKS, PlanningConfig, Search, make_hierarchy
from hjepa.policy import Policy, PolicyConfig
from hjepa.zones import GUARDRAIL, ZoneError, Zones, priced
from planners.graph import SearchGraph
from planners.hierarchy import HierarchicalPlanner, Session
from planners.landmarks import LandmarkGraph
from planners.risk import WORST
from planners.trajectories import TrajectoryPlanner

if TYPE_CHECKING:
    from hjepa.agent import Agent

CORNER, SIZE, MARGIN = (10.0, -20.0), 4.0, 0.7
INF = np.inf


def zones_of(rows: list[list[float]], margin: float = MARGIN) -> Zones:
    return Zones(np.array(rows, np.float32), CORNER, SIZE, margin)


def at(*places: tuple[float, float]) -> torch.Tensor:
    """[n, 2] places given in cells from the corner, as (column, row)."""
    return torch.tensor(places, dtype=torch.float64) * SIZE + torch.tensor(CORNER, dtype=torch.float64)


def test_what_is_paid_in_the_open_of_a_cell_at_its_border_and_beyond() -> None:
    zones = zones_of([[0, 3], [INF, 0]])
    paid = zones.toll(at((0.5, 0.5), (1.5, 0.5), (0.5, 1.5), (1.5, 1.5), (1.0, 0.5), (0.5, 1.0), (2.0, 0.5)))
    assert paid.tolist() == pytest.approx([0, 3, GUARDRAIL, 0, 1.5, GUARDRAIL / 2, 1.5])
    margin = MARGIN / SIZE
    assert zones.toll(at((1 - 1.01 * margin, 0.5), (1 - 0.5 * margin, 0.5))).tolist() == pytest.approx([0, 0.75])
    assert zones.toll(at((1.0, 1.0))).tolist() == pytest.approx([(3 + GUARDRAIL) / 4]), "a corner: all four cells"


def test_far_away_and_at_no_place_at_all_nothing_is_paid() -> None:
    zones = zones_of([[INF, INF], [INF, INF]])
    places = at((-1e6, 0.5), (1e6, 1e6), (0.5, -0.6), (2.6, 1.0), (float("nan"), 0.5))
    assert zones.toll(places).tolist() == [0] * 5
    assert zones.clean(places).all()


@given(st.integers(0, 10**6))
def test_a_toll_is_the_mean_over_the_agents_square(seed: int) -> None:
    rng = np.random.default_rng(seed)
    zones = zones_of(rng.integers(0, 5, (3, 4)).tolist(), margin=float(rng.uniform(0.1, SIZE / 2)))
    place = at(tuple(rng.uniform(-0.5, 4.5, 2)))[0]
    offsets = (torch.arange(200) + 0.5) / 100 - 1
    square = place + zones.margin * torch.cartesian_prod(offsets, offsets)
    column, row = ((square - torch.tensor(CORNER)) / SIZE).floor().long().unbind(-1)
    inside = (row >= 0) & (row < 3) & (column >= 0) & (column < 4)
    cells = torch.from_numpy(zones.cells.copy())[row.clamp(0, 2), column.clamp(0, 3)]
    assert float(zones.toll(place)) == pytest.approx(float((cells * inside).mean()), abs=0.05)


def test_gradients_show_the_way_out() -> None:
    place = at((0.95, 0.5)).requires_grad_()
    zones_of([[0, INF]]).toll(place).sum().backward()
    assert place.grad is not None
    assert place.grad[0, 0] == pytest.approx(GUARDRAIL / (2 * MARGIN), rel=1e-4) and place.grad[0, 1] == 0


def test_clean_is_outside_of_guardrails_whatever_else_it_costs() -> None:
    zones = zones_of([[5, INF]])
    assert zones.clean(at((0.5, 0.5), (0.99, 0.5), (1.01, 0.5), (1.99, 0.99), (2.01, 0.5))).tolist() == [
        True, True, False, False, True
    ]  # fmt: skip
    assert zones.guarded and zones.dearest == 5 and not zones.empty
    assert zones.capped(1.0).cells.tolist() == [[1, INF]]
    assert zones_of([[0, 0]]).empty


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"cells": [[0, -1]]}, "cells must be [rows, columns] of costs from 0 to inf, not -1.0"),
        ({"cells": [[0, np.nan]]}, "cells must be [rows, columns] of costs from 0 to inf, not nan"),
        ({"cells": [1, 2]}, "cells must be [rows, columns] of costs from 0 to inf, not an array of shape [2]"),
        ({"size": 0.0}, "size must be positive, not 0.0"),
        ({"margin": 2.1}, "margin must be above 0 and at most half a cell (2), not 2.1"),
    ],
)
def test_zones_that_make_no_sense(options: dict[str, Any], message: str) -> None:
    with pytest.raises(ZoneError) as caught:
        Zones(**{"cells": [[0]], "corner": CORNER, "size": SIZE, "margin": MARGIN} | options)
    assert str(caught.value) == message


def in_a_row(places: list[tuple[float, float]], pairs: list[tuple[int, int]], level: int = 2) -> LandmarkGraph:
    """Landmarks at places in cells, and edges between them, five world steps a cell."""
    points = at(*places).numpy().astype(np.float32)
    ends = np.array(pairs)
    costs = 5 / SIZE * np.linalg.norm(points[ends[:, 0]] - points[ends[:, 1]], axis=1)
    graph = SearchGraph.from_edges(len(points), ends[:, 0], ends[:, 1], costs)
    return LandmarkGraph(level, points, points, points, points, np.arange(len(points)), graph, 10)


def costs_of(landmarks: LandmarkGraph) -> dict[tuple[int, int], float]:
    graph = landmarks.graph
    return dict(
        zip(zip(graph.sources.tolist(), graph.targets.tolist(), strict=True), graph.costs.tolist(), strict=True)
    )


def test_level_2_pays_for_the_straight_way() -> None:
    row = in_a_row([(0.5, 0.5), (1.5, 0.5), (2.5, 0.5), (3.5, 0.5)], [(0, 1), (1, 2), (2, 3), (3, 2)])
    graph = priced({2: row}, zones_of([[0, 0, 4, 4]]))[2]
    assert costs_of(graph)[0, 1] == 5, "not touched"
    assert costs_of(graph)[1, 2] == pytest.approx(5 + 5 * 2, rel=0.02), "half of it at four more a step"
    assert costs_of(graph)[2, 3] == costs_of(graph)[3, 2] == pytest.approx(25)
    assert graph.tolls is not None
    np.testing.assert_allclose(graph.graph.costs - graph.tolls, 5, rtol=1e-6)


def test_edges_into_guardrails_go_and_those_out_of_them_stay() -> None:
    row = in_a_row([(0.5, 0.5), (1.5, 0.5), (2.5, 0.5)], [(0, 1), (1, 0), (1, 2), (2, 1), (0, 2)])
    graph = priced({2: row}, zones_of([[0, INF, 0]]))[2]
    assert set(costs_of(graph)) == {(1, 0), (1, 2)}, "and none leads through"


def test_levels_above_take_the_cheapest_way_below() -> None:
    square = [(0.5, 0.5), (1.5, 0.5), (1.5, 1.5), (0.5, 1.5)]
    below = in_a_row(square, [(0, 1), (0, 3), (3, 2), (2, 1)])
    above = in_a_row(square, [(0, 1)], level=3)
    for toll, cost in ((1, 7.5), (INF, None)):
        graph = priced({2: below, 3: above}, zones_of([[0, toll, 0], [0, 0, 0]]))[3]
        assert costs_of(graph).get((0, 1)) == (None if cost is None else pytest.approx(cost, rel=0.02))
    dear = priced({2: below, 3: above}, zones_of([[0, 9, 0], [0, 0, 0]]))[3]
    assert costs_of(dear)[0, 1] == pytest.approx(5 + 9 * 2.5, rel=0.05), "the way round ends there, too"


def test_nothing_painted_changes_nothing(small_agent: Agent) -> None:
    empty = Zones(np.zeros((9, 9), np.float32), (-6.0, -6.0), 4.0)
    assert priced(small_agent.graphs, empty) is small_agent.graphs
    elsewhere = np.zeros((9, 9), np.float32)
    elsewhere[8, 8] = INF
    for k, graph in priced(small_agent.graphs, replace(empty, cells=elsewhere)).items():
        assert np.array_equal(graph.graph.costs, small_agent.graphs[k].graph.costs)
        assert np.array_equal(graph.graph.targets, small_agent.graphs[k].graph.targets)
        assert graph.tolls is not None and not graph.tolls.any()


WALLS = np.array([[cell == "#" for cell in row] for row in ("######", "#....#", "#.##.#", "#....#", "######")])
"""A ring: two ways from any place to any other."""
GRID = (-6.0, -6.0), 4.0


@pytest.fixture(scope="module")
def ring() -> Agent:
    """An agent that sees the ring."""
    return map_agent(WALLS, *GRID)


class Walk:
    """One problem on the ring, in the world that the agent knows."""

    def __init__(
        self,
        agent: Agent,
        cells: np.ndarray,
        planners: tuple[Any, ...],
        levels: int = 3,
        policy: Policy | None = None,
    ) -> None:
        self.agent, self.zones = agent, Zones(cells, *GRID, margin=MARGIN)
        self.config = PlanningConfig(planners=planners)
        self.generator = torch.Generator().manual_seed(0)
        self.planner = make_hierarchy(
            agent.stack, agent.graphs, self.config, levels, self.generator, policy, self.zones
        )  # fmt: skip
        self.levels, self.events = levels, []

    def go(self, start: tuple[int, int], goal: tuple[int, int], steps: int) -> torch.Tensor:
        """From the middle of a (column, row) to that of another: the [T, 2] places visited."""
        place, end = (torch.tensor([cell], dtype=torch.float32) * 4 - 4 for cell in (start, goal))
        session, trail = self.begin(end), [place]
        for _ in range(steps // self.config.commit):
            states = self.agent.stack.encode_all(trail[-1])[: self.levels]
            plan = self.planner.plan(states, session, elapsed=float(self.config.commit), generator=self.generator)
            self.events += session.events[0]
            for action in plan.actions[:, : self.config.commit].unbind(1):
                trail.append(self.agent.stack.level(1).predictor(trail[-1], action))
            if torch.linalg.vector_norm(trail[-1] - end) < 1:
                break
        return torch.cat(trail)

    def begin(self, goal: torch.Tensor) -> Session:
        states = self.agent.stack.encode_all(goal)[: self.levels]
        measured = [self.planner.controller.measure(states[0])] if self.levels == 1 else self.planner.embed(states)
        return self.planner.start(measured)


def painted(where: tuple[int, int], cost: float) -> np.ndarray:
    """The ring with one (column, row) painted."""
    cells = np.zeros(WALLS.shape, np.float32)
    cells[where[1], where[0]] = cost
    return cells


START, GOAL = (1, 2), (4, 2)
SHORT, LONG = (2, 1), (2, 3)


@pytest.mark.parametrize(
    "planners", [("cem", "landmarks"), ("gradient", "landmarks"), ("cem", "supported", "landmarks")], ids="-".join
)
def test_guardrails_are_gone_round(ring: Agent, planners: tuple[Any, ...]) -> None:
    for where in (SHORT, LONG):
        walk = Walk(ring, painted(where, INF), planners)
        trail = walk.go(START, GOAL, 300)
        assert walk.zones.clean(trail).all()
        assert torch.linalg.vector_norm(trail[-1] - (torch.tensor(GOAL) * 4 - 4)) < 1


@pytest.mark.parametrize(("cost", "across"), [(0.5, True), (40.0, False)])
def test_a_dear_place_is_crossed_only_where_the_way_round_costs_more(ring: Agent, cost: float, across: bool) -> None:
    walk = Walk(ring, painted((2, 1), cost), ("cem", "landmarks"))
    trail = walk.go((1, 1), (4, 1), 300)
    assert bool(walk.zones.toll(trail).amax() > 0.4 * cost) == across
    assert torch.linalg.vector_norm(trail[-1] - torch.tensor([12.0, 0.0])) < 1


def test_level_1_alone_does_not_enter_either(ring: Agent) -> None:
    walk = Walk(ring, painted((2, 1), INF), ("cem",), levels=1)
    trail = walk.go((1, 1), (4, 1), 100)
    assert walk.zones.clean(trail).all()
    assert trail[-1, 0] > 0, "it comes as near as it can"


def test_a_dear_place_does_not_stop_level_1_at_its_border(ring: Agent) -> None:
    """It looks five steps ahead, and would rather stay for ever than pay for a place that it has to cross."""
    dear = painted((2, 1), 50.0) + painted((2, 3), 50.0)
    trail = Walk(ring, dear, ("cem", "landmarks")).go(START, GOAL, 300)
    assert torch.linalg.vector_norm(trail[-1] - (torch.tensor(GOAL) * 4 - 4)) < 1


@pytest.mark.parametrize("name", ["mode1", "guided"])
def test_a_policy_that_knows_no_zones_does_not_lead_into_them(ring: Agent, name: Any) -> None:
    """Not even one that has learned nothing at all."""
    with torch.random.fork_rng():
        torch.manual_seed(0)
        clueless = make_policy(ring.stack, PolicyConfig()).requires_grad_(False)
    walk = Walk(ring, painted(SHORT, INF), (name, "landmarks"), policy=clueless)
    trail = walk.go(START, GOAL, 300)
    assert walk.zones.clean(trail).all()
    assert torch.linalg.vector_norm(trail[-1] - (torch.tensor(GOAL) * 4 - 4)) < 1


def test_where_every_way_is_barred_it_waits_and_says_so(ring: Agent) -> None:
    walk = Walk(ring, painted(SHORT, INF) + painted(LONG, INF), ("cem", "landmarks"))
    trail = walk.go(START, GOAL, 400)
    assert walk.zones.clean(trail).all()
    assert {"guardrail 3", "guardrail 2"} & set(walk.events)


def test_who_is_painted_over_leaves(ring: Agent) -> None:
    walk = Walk(ring, painted(START, INF), ("cem", "landmarks"))
    trail = walk.go(START, GOAL, 300)
    inside = ~walk.zones.clean(trail)
    assert inside[0] and not inside[60:].any()
    assert torch.linalg.vector_norm(trail[-1] - (torch.tensor(GOAL) * 4 - 4)) < 1


@pytest.mark.parametrize("name", get_args(Search) + get_args(Optimizer))
def test_every_planner_respects_zones(small_agent: Agent, name: Any) -> None:
    """All of them plan, pay what their states cost, and never take an edge into a guardrail."""
    patchwork = np.random.default_rng(0).choice([0, 0, 3, INF], (7, 9))
    zones = Zones(patchwork, *GRID, margin=MARGIN)
    config = PlanningConfig(planners=("cem" if name in get_args(Search) else name, name))
    generator, stack = torch.Generator().manual_seed(0), small_agent.stack
    planner = make_hierarchy(stack, small_agent.graphs, config, 2, generator, zones=zones)
    observations = torch.from_numpy(small_agent.graphs[2].observations)
    clean = observations[zones.clean(observations)]
    with torch.no_grad():
        session = planner.start(planner.embed(stack.encode_all(clean[[0]])[:2]))
        planner.plan(stack.encode_all(clean[[-1]])[:2], session, generator=generator)
    terms = [planner.terms(k, session, 0) for k in (1, 2)]
    states = torch.from_numpy(session.track(2, 0).path.states)[1:]
    if name != "landmarks":
        decoded = zones.toll(stack.decode(states, 2)) * stack.level(2).config.stride
        assert terms[1]["zones"] == pytest.approx(float(decoded[session.track(2, 0).at :].sum()), rel=1e-4)
    assert all(np.isfinite(list(each.values())).all() for each in terms)


def settings(planner: HierarchicalPlanner) -> list[Any]:
    """The risks of the planners of all levels that have one."""
    upper = [level.planner.planner for level in planner.levels if isinstance(level.planner, TrajectoryPlanner)]
    return [each.risk for each in (planner.controller.planner, *upper)]  # type: ignore[attr-defined]


@pytest.mark.parametrize("name", get_args(Optimizer))
def test_risk_reaches_every_optimiser(small_agent: Agent, name: Any) -> None:
    for attitude, risk in RISKS.items():
        config = PlanningConfig(planners=(name, name), risk=attitude)
        planner = make_hierarchy(small_agent.stack, small_agent.graphs, config, 2, torch.Generator())
        assert settings(planner) == [risk, risk]


@pytest.mark.parametrize("name", ["latent", "supported", "values", "mcts"])
def test_risk_reaches_every_search(small_agent: Agent, name: Any) -> None:
    config = PlanningConfig(planners=("cem", name), risk="worst")
    planner = make_hierarchy(small_agent.stack, small_agent.graphs, config, 2, torch.Generator())
    assert settings(planner) == [WORST, WORST]


def test_an_attitude_that_there_is_not() -> None:
    with pytest.raises(ValueError, match="risk must be one of average, cautious, worst, likeliest, .*, not 'bold'"):
        PlanningConfig(risk="bold")  # type: ignore[arg-type]


def test_zones_without_paint_leave_every_step_as_it_is(small_agent: Agent) -> None:
    plans = []
    observations = torch.from_numpy(small_agent.graphs[2].observations)
    for zones in (None, Zones(np.zeros((7, 9), np.float32), *GRID)):
        generator, stack = torch.Generator().manual_seed(3), small_agent.stack
        planner = make_hierarchy(stack, small_agent.graphs, PlanningConfig(), 3, generator, zones=zones)
        with torch.no_grad():
            session = planner.start(planner.embed(stack.encode_all(observations[:4])))
            plans.append(planner.plan(stack.encode_all(observations[-4:]), session, generator=generator))
    assert torch.equal(plans[0].actions, plans[1].actions)
