"""The configurator: every option of a task changes what it should, for a reason that can be asked for."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import pytest
import torch

from hjepa import configurator
from hjepa.actor import Actor
from hjepa.calibration import Calibration
from hjepa.configurator import ConfiguratorError, Configured, Task, configure
from hjepa.cost import CostWeights, Effort, IntrinsicCost
from hjepa.ground import Ground
from hjepa.guarded import GuardedActor, GuardedPlanner
from hjepa.guardrails import KeepOut, Margins, Region, SpeedLimit
from hjepa.known_map import map_agent
from hjepa.place_costs import Together
from hjepa.rehearsal import Rehearsal
from hjepa.surprises import Surprises
from hjepa.ways import RecallingPlanner, Ways
from hjepa.zones import Zones
from planners.stochastic_graph import ChanceNodes

if TYPE_CHECKING:
    from hjepa.agent import Agent

WALLS = np.array([[cell == "#" for cell in row] for row in ("######", "#....#", "#.##.#", "#....#", "######")])
CORNER, SIZE, BODY = (-6.0, -6.0), 4.0, 0.7
WEST, EAST = np.array([0.0, 4.0], np.float32), np.array([12.0, 4.0], np.float32)


@pytest.fixture(scope="module")
def ring() -> Agent:
    """An agent that sees a ring: two ways from any place to any other. It has no policies."""
    return map_agent(WALLS, CORNER, SIZE)


@pytest.fixture(scope="module")
def calibration(ring: Agent) -> Calibration:
    return Calibration(Margins((0.0, *[0.02] * 5), 0.01), Surprises.empty(ring.stack, 1.5))


def told(configured: Configured, setting: str) -> str:
    (line,) = configured.why(setting)
    return line


def keep_out(*cells: tuple[int, int]) -> IntrinsicCost:
    marked = np.zeros(WALLS.shape, bool)
    for cell in cells:
        marked[cell] = True
    return IntrinsicCost((KeepOut(Region(marked, CORNER, SIZE), BODY),))


def walked(configured: Configured, steps: int = 400) -> np.ndarray:
    """[T, 2] where the agent goes, in a world that is as the ring's agent sees it."""
    actor, place, stack = configured.actor(seed=1), configured.task.here[None], configured.agent.stack
    actor.begin(configured.task.goal[None])
    trail = [place[0]]
    for _ in range(steps):
        action = torch.from_numpy(actor.act(place))
        place = stack.level(1).predictor(torch.from_numpy(place), action).numpy()
        trail.append(place[0])
        if np.linalg.norm(place[0] - configured.task.goal) < 1:
            return np.array(trail)
    pytest.fail("never arrived")


@pytest.mark.parametrize(("cells", "levels"), [(0.5, 1), (5, 2), (20, 3)])
def test_a_task_gets_as_many_levels_as_its_way_has_use_for(cells: float, levels: int) -> None:
    """A cell is 20 steps; level 2 is of use from 20 steps on, level 3 from 120 on."""
    corridor = map_agent(np.pad(np.zeros((1, 24), bool), 1, constant_values=True), CORNER, SIZE)
    here = np.zeros(2, np.float32)
    configured = configure(corridor, Task(here, here + np.array([SIZE * cells, 0], np.float32)))
    assert configured.levels == len(configured.modes) == levels
    actor = configured.actor()
    assert isinstance(actor, Actor) and actor.levels == levels
    assert f"levels: {'all 3' if levels == 3 else f'{levels} of 3'}, because" in told(configured, "levels")
    assert len([line for line in configured.why() if line.startswith("level ")]) == levels


def test_where_a_way_is_remembered_level_2_is_enough() -> None:
    corridor = map_agent(np.pad(np.zeros((1, 24), bool), 1, constant_values=True), CORNER, SIZE)
    agent = replace(corridor, ways=Ways(corridor.stack))
    trail = np.stack([np.linspace(0, 80, 401), np.zeros(401)], 1).astype(np.float32)
    assert agent.ways is not None
    agent.ways.learn({"observation": trail[:, None], "active": np.ones((401, 1), bool)}, trail[-1:] / np.float32(0.2))
    there, back = (configure(agent, Task(*ends)) for ends in (trail[[0, -1]], trail[[-1, 0]]))
    assert there.levels == 2 and "a way that worked leads there in 400 steps" in told(there, "levels")
    assert back.levels == 3 and "worked" not in told(back, "levels")


def test_without_any_wish_an_agent_plans_as_it_is_used_to(ring: Agent) -> None:
    configured = configure(ring, Task(WEST, EAST))
    assert configured.planning == ring.experiment.planning
    assert told(configured, "level 1").endswith("because no time limit was given")
    assert told(configured, "watch").startswith("watch: off") and "60 steps" not in told(configured, "cost")
    assert len(walked(configured)) < 120


def test_guardrails_call_for_search_a_shield_and_another_way(ring: Agent, calibration: Calibration) -> None:
    over, under = (configure(ring, Task(WEST, EAST, keep_out(cell)), calibration) for cell in ((3, 2), (1, 2)))
    assert isinstance(over.actor(), GuardedActor)
    assert "policies" in told(over, "level 1") and "1 guardrails come before any cost" in told(over, "cost")
    assert "keep-out" in told(over, "shield") and "0.02" in told(over, "shield")
    assert walked(over)[:, 1].max() < 6 < walked(under)[:, 1].max()


def test_the_shield_knows_the_ground_if_the_calibration_does(ring: Agent, calibration: Calibration) -> None:
    ground = Ground.of(torch.cartesian_prod(torch.linspace(-1, 13, 100), torch.linspace(-1, 9, 100)))
    task = Task(WEST, EAST, keep_out((1, 2)))
    for known in (None, ground):
        actor = configure(ring, task, replace(calibration, ground=known)).actor()
        assert isinstance(actor, GuardedActor) and actor.shield is not None and actor.shield.ground is known


def test_drives_are_weighed_and_guardrails_are_not(ring: Agent, calibration: Calibration) -> None:
    task = Task(WEST, EAST, IntrinsicCost((), (Effort(),)), weights=CostWeights(drives=3.0))
    configured = configure(ring, task, calibration)
    actor = configured.actor()
    assert isinstance(actor, GuardedActor)
    planner = actor.actor.planner.controller.planner
    assert isinstance(planner, GuardedPlanner) and planner.weights.drives == 3.0 and actor.actor.reflex is None
    assert "3 x effort" in told(configured, "cost")
    with pytest.raises(ConfiguratorError, match="ask about one of levels, level 1"):
        configured.why("shield")


def test_a_preference_is_walked_by(ring: Agent) -> None:
    cells = np.zeros(WALLS.shape, np.float32)
    for dear, side in (((1, 2), 1), ((3, 2), -1)):
        cells[:] = 0
        cells[dear] = 20.0
        configured = configure(ring, Task(WEST, EAST, preference=Zones(cells, CORNER, SIZE)))
        assert "20.0 world steps per step" in told(configured, "cost")
        assert side * (walked(configured)[:, 1].mean() - 4) > 0


def test_guardrails_and_a_preference_are_kept_together(ring: Agent, calibration: Calibration) -> None:
    cells = np.zeros(WALLS.shape, np.float32)
    cells[3, 2] = 20.0
    task = Task(WEST, EAST, keep_out((1, 2)), preference=Zones(cells, CORNER, SIZE))
    actor = configure(ring, task, calibration).actor()
    assert isinstance(actor, GuardedActor) and isinstance(actor.actor.zones, Together)
    assert walked(configure(ring, task, calibration))[:, 1].max() > 6, "dear is better than forbidden"


def test_the_attitude_to_risk_is_taken_and_counts_where_chance_decides(ring: Agent) -> None:
    idle = configure(ring, Task(WEST, EAST, risk="worst"))
    assert idle.planning.risk == "worst" and "nothing depends on it" in told(idle, "risk")
    chances = ChanceNodes(np.array([3, 5]), np.array([[1, 2], [1, 2]]), np.full((2, 2), 0.5), np.ones((2, 2)))
    forked = replace(ring, graphs=ring.graphs | {2: replace(ring.graphs[2], chances=chances)})
    configured = configure(forked, Task(WEST, EAST, risk="worst"))
    assert "the task asks for it; chance decides at 2 of" in told(configured, "risk")
    assert "it is the usual one" in told(configure(forked, Task(WEST, EAST)), "risk")


def rehearsed(**takes: float) -> object:
    """Rehearsals that find what is given, by what plans at level 1 and at level 2."""

    def rehearse(actor: Actor, *_: object) -> Rehearsal:
        name = "_".join(actor.config.planners)
        return Rehearsal(takes[name], takes[name], 1)

    return rehearse


@pytest.mark.parametrize(
    ("allowed", "planners"),
    [(5.0, "cem-landmarks"), (0.9, "guided-landmarks"), (0.3, "mode1-landmarks"), (0.05, "mode1-mode1")],
)
def test_the_most_thorough_mode_that_there_is_time_for(
    distilled_agent: Agent, monkeypatch: pytest.MonkeyPatch, allowed: float, planners: str
) -> None:
    rehearse = rehearsed(cem_landmarks=1.5, guided_landmarks=0.8, mode1_landmarks=0.2, mode1_mode1=0.04)
    monkeypatch.setattr(configurator, "rehearse", rehearse)
    here, goal = distilled_agent.graphs[2].observations[[0, -1]]
    configured = configure(distilled_agent, Task(here, goal, milliseconds=allowed))
    assert configured.levels > 1 and "-".join(configured.planning.planners) == planners
    assert f"{allowed:g} ms per step were allowed; rehearsed just now: cem-landmarks 1.50" in told(
        configured, "level 1"
    )
    assert ("Mode-1" in configured.modes[0]) == (allowed < 1)


def test_a_single_level_can_be_hurried_too(distilled_agent: Agent, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(configurator, "rehearse", rehearsed(cem=1.5, guided=0.8, mode1=0.2))
    here = distilled_agent.graphs[2].observations[0]
    configured = configure(distilled_agent, Task(here, here + np.float32(0.5), milliseconds=0.3))
    assert configured.modes == ("Mode-1",) and configured.planning.planners == ("mode1",)
    actor = configured.actor()
    actor.begin(configured.task.goal[None])
    assert actor.act(here[None]).shape == (1, 2)


def test_time_is_really_rehearsed_and_no_dream_is_remembered(distilled_agent: Agent) -> None:
    ways = Ways(distilled_agent.stack)
    here, goal = distilled_agent.graphs[2].observations[[0, -1]]
    configured = configure(replace(distilled_agent, ways=ways), Task(here, goal, milliseconds=10_000.0))
    assert configured.planning.planners == distilled_agent.experiment.planning.planners and len(ways) == 0


@pytest.mark.parametrize("said", ["guardrails", "preference", "changed", "no policy"])
def test_a_policy_is_not_trusted_with_what_it_has_not_seen(
    distilled_agent: Agent, calibration: Calibration, monkeypatch: pytest.MonkeyPatch, said: str
) -> None:
    agent, (here, goal) = distilled_agent, distilled_agent.graphs[2].observations[[0, -1]]
    task = Task(here, goal, milliseconds=0.5)
    zones = Zones(np.full((1, 1), 2.0), tuple(goal + 50), 1.0)
    if said == "guardrails":
        task = replace(task, intrinsic=IntrinsicCost((), (Effort(),)))
    if said == "no policy":
        agent = replace(agent, policy=None)
    task = replace(task, preference=zones if said == "preference" else None, changed=said == "changed")
    calibration = replace(calibration, surprises=Surprises.empty(agent.stack, 1.0))
    monkeypatch.setattr(configurator, "rehearse", lambda *_: Rehearsal(2.0, 2.0, 1))
    with pytest.raises(
        ConfiguratorError, match=r"no mode meets 0.5 ms per step; rehearsed just now: cem-landmarks 2.00"
    ):
        configure(agent, task, calibration)


def test_signposts_are_not_followed_past_chance(distilled_agent: Agent, monkeypatch: pytest.MonkeyPatch) -> None:
    chances = ChanceNodes(np.array([3]), np.array([[1, 2]]), np.full((1, 2), 0.5), np.ones((1, 2)))
    graphs = distilled_agent.graphs
    agent = replace(distilled_agent, graphs=graphs | {2: replace(graphs[2], chances=chances)})
    here, goal = graphs[2].observations[[0, -1]]
    rehearse = rehearsed(cem_landmarks=1.5, guided_landmarks=0.8, mode1_landmarks=0.2)
    monkeypatch.setattr(configurator, "rehearse", rehearse)
    with pytest.raises(ConfiguratorError, match="mode1-landmarks 0.20"):
        configure(agent, Task(here, goal, milliseconds=0.1))


def test_a_world_that_may_have_changed_is_watched(ring: Agent, calibration: Calibration) -> None:
    configured = configure(ring, Task(WEST, EAST, changed=True), calibration)
    actor = configured.actor()
    assert isinstance(actor, Actor) and actor.adaptation is not None
    assert "on, 0 fronts known, because the world may have changed; what is 1.50 world steps" in told(
        configured, "watch"
    )
    assert "as it was" in told(configured, "level 1")
    saved = replace(ring, surprises=Surprises.empty(ring.stack, 2.5))
    assert "2.50 world steps" in told(configure(saved, Task(WEST, EAST, changed=True)), "watch")


def test_what_is_guarded_can_be_watched_as_well(ring: Agent, calibration: Calibration) -> None:
    configured = configure(ring, Task(WEST, EAST, keep_out((1, 2)), changed=True), calibration)
    actor = configured.actor()
    assert isinstance(actor, GuardedActor) and actor.actor.adaptation is not None
    rebuilt = actor.actor._hierarchy()
    assert isinstance(rebuilt.controller.planner, GuardedPlanner), "an adapted hierarchy keeps its guardrails"
    assert walked(configured)[:, 1].max() > 6
    assert len(actor.actor.adaptation.memory) == 0


def test_executed_actions_are_what_adaptation_learns_from(ring: Agent, calibration: Calibration) -> None:
    actor = configure(ring, Task(WEST, EAST, keep_out((1, 2)), changed=True), calibration).actor()
    assert isinstance(actor, GuardedActor) and actor.shield is not None
    actor.begin(EAST[None])
    done = [actor.act(np.array([[x, 0.0]], np.float32)) for x in (0.9, 1.0, 1.05)]
    assert actor.verdict is not None
    np.testing.assert_array_equal(actor.actor.recent.last(3)["action"], done)


def test_ways_are_recalled_where_nothing_else_matters(ring: Agent, calibration: Calibration) -> None:
    ways = Ways(ring.stack)
    agent, task = replace(ring, ways=ways), Task(WEST, EAST)
    with pytest.raises(ConfiguratorError, match="nothing was decided about 'memory'"):
        configure(agent, task).why("memory")
    actor = configure(agent, task).actor()
    assert isinstance(actor, Actor)
    trail = walked(configure(agent, task))
    steps = {"observation": trail[:, None], "active": np.ones((len(trail), 1), bool)}
    assert ways.learn(steps, EAST[None] / np.float32(0.2)) == 1
    assert "1 ways worked before; one leads" in told(configure(agent, task), "memory")
    assert "none leads from here" in told(configure(agent, Task(EAST, WEST)), "memory")
    actor = configure(agent, task).actor()
    assert isinstance(actor.planner.levels[-1].planner, RecallingPlanner)  # type: ignore[union-attr]
    wary = configure(agent, replace(task, changed=True), calibration)
    assert "memory: off" in told(wary, "memory")
    assert not isinstance(wary.actor().planner.levels[-1].planner, RecallingPlanner)  # type: ignore[union-attr]


@pytest.mark.parametrize(
    ("task", "message"),
    [
        (Task(WEST, np.zeros(3, np.float32)), r"goal must be 2 finite numbers, not \[0., 0., 0.\]"),
        (Task(np.array([np.nan, 0], np.float32), EAST), "here must be 2 finite numbers"),
        (Task(WEST, EAST, milliseconds=0.0), "milliseconds must be positive, not 0.0"),
        (Task(WEST, EAST, risk="brave"), "risk must be one of average"),  # type: ignore[arg-type]
        (Task(WEST, EAST, keep_out((2, 4))), r"the goal \[12.,  4.\] is within the guardrail 'keep-out', by"),
        (Task(WEST, EAST, keep_out((1, 2), (3, 2))), r"no way is known to \[12.,  4.\] that keeps to keep-out"),
    ],
)
def test_a_task_that_makes_no_sense_gets_one_line(
    ring: Agent, calibration: Calibration, task: Task, message: str
) -> None:
    with pytest.raises(ConfiguratorError, match=message) as caught:
        configure(ring, task, calibration)
    assert "\n" not in str(caught.value)


def test_who_asks_for_trust_must_say_how_wrong_predictions_are(ring: Agent) -> None:
    with pytest.raises(ConfiguratorError, match="guardrails ask how wrong predictions are"):
        configure(ring, Task(WEST, EAST, keep_out((1, 2))))
    with pytest.raises(ConfiguratorError, match="a world that may have changed asks"):
        configure(ring, Task(WEST, EAST, changed=True))


def test_a_goal_in_a_slow_zone_is_no_contradiction(ring: Agent, calibration: Calibration) -> None:
    slow = np.zeros(WALLS.shape, bool)
    slow[2, 4] = True
    intrinsic = IntrinsicCost((SpeedLimit(Region(slow, CORNER, SIZE), 0.12),))
    assert configure(ring, Task(WEST, EAST, intrinsic), calibration).why("shield")
