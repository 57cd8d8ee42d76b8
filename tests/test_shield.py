"""The shield: it lets safe actions pass, replaces others by the nearest safe one, and fails as late as it can."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from hjepa.agent import Agent
from hjepa.contact import Touch
from hjepa.cost import IntrinsicCost
from hjepa.dynamics import LevelDynamics
from hjepa.ground import Ground
from hjepa.guardrails import GuardrailError, KeepOut, Margins, MovingObstacles, Percept, Region, SpeedLimit
from hjepa.known_map import map_agent
from hjepa.pretrained import pretrained
from hjepa.shield import REST, Shield, anchored, calibrate
from planners.base import rollout
from worlds import collect, named_map

OPEN = np.pad(np.zeros((6, 6), bool), 1, constant_values=True)
CORNER, SIZE, BODY = (-6.0, -6.0), 4.0, 0.7
MARGINS = Margins((0.0, *[0.02] * 5), 0.01)
FAR_AHEAD = Margins((0.0, *[0.02] * 16), 0.01)


@pytest.fixture(scope="module")
def agent() -> Agent:
    """It sees an open square from (-2, -2) to (22, 22)."""
    return map_agent(OPEN, CORNER, SIZE)


def region(row: int, column: int) -> Region:
    cells = np.zeros(OPEN.shape, bool)
    cells[row, column] = True
    return Region(cells, CORNER, SIZE)


def seen(*places: tuple[float, float]) -> torch.Tensor:
    return torch.tensor(places, dtype=torch.float32)


def moving(position: tuple[float, float], velocity: tuple[float, float], batch: int = 1) -> Percept:
    disc, way = (seen(value)[None].expand(batch, -1, -1) for value in (position, velocity))
    return Percept(disc, way, torch.tensor([0.5]))


def test_it_stops_at_a_keep_out_zone_and_nowhere_else(agent: Agent) -> None:
    shield = Shield(agent.stack, IntrinsicCost((KeepOut(region(3, 4), BODY),)), MARGINS)  # from (10, 6) on
    here, right = seen((9.25, 8), (8, 8), (2, 2)), seen((1, 0), (1, 0), (1, 0))
    verdict = shield(here, right)
    assert verdict.intervened.tolist() == [True, False, False] and verdict.safe.all()
    assert verdict.actions[0, 0] < 0.2 and torch.equal(verdict.actions[1:], right[1:])
    place, clean = here, KeepOut(region(3, 4), BODY).region
    for _ in range(40):
        place = agent.stack.level(1).predictor(place, shield(place, right).actions)
    assert (clean.distance(place) > BODY).all()


def test_it_keeps_to_a_speed_limit_in_the_direction_that_is_wanted(agent: Agent) -> None:
    shield = Shield(agent.stack, IntrinsicCost((SpeedLimit(region(3, 3), 0.12),)), MARGINS)
    verdict = shield(seen((8, 8)), seen((1, 0)))
    assert verdict.intervened.all() and verdict.safe.all()
    assert 0.5 <= verdict.actions[0, 0] < 0.6 and verdict.actions[0, 1] == 0


def test_it_makes_way_for_what_comes(agent: Agent) -> None:
    shield, place = Shield(agent.stack, IntrinsicCost((MovingObstacles(BODY),)), MARGINS), seen((10, 10.1))
    for step in range(60):
        disc = (7.0 + 0.1 * step, 10.0)
        verdict = shield(place, torch.zeros(1, 2), moving(disc, (0.1, 0.0)))
        place = agent.stack.level(1).predictor(place, verdict.actions)
        assert torch.linalg.vector_norm(place - seen((disc[0] + 0.1, disc[1]))) > 0.5 + BODY


def test_without_a_safe_way_it_takes_the_one_that_leads_out(agent: Agent) -> None:
    shield = Shield(agent.stack, IntrinsicCost((KeepOut(region(3, 3), BODY),)), MARGINS)
    verdict = shield(seen((9.0, 8.0)), torch.zeros(1, 2))  # inside, one unit from the right border
    assert not verdict.safe.any() and verdict.actions[0, 0] > 0.9


def test_what_was_touched_is_no_way_out(agent: Agent) -> None:
    shield, here = Shield(agent.stack, IntrinsicCost((MovingObstacles(BODY),)), MARGINS), seen((10, 10))
    percept, up = moving((10, 8.75), (0.0, 0.1)), seen((0, 1))
    touch = Touch.nothing(here).feel(here + 0.2 * up, here, 0.05)
    assert torch.equal(shield(here, up, percept).actions, up)
    blocked = shield(here, up, percept, touch)
    assert blocked.intervened.all() and blocked.actions[0, 0].abs() > 0.5


def test_episodes_do_not_leak_into_each_other(agent: Agent) -> None:
    shield = Shield(agent.stack, IntrinsicCost((KeepOut(region(3, 4), BODY), MovingObstacles(BODY))), MARGINS)
    generator = torch.Generator().manual_seed(0)
    here, wanted = (torch.rand(30, 2, generator=generator) * 12 for _ in range(2))
    percept = Percept(
        torch.rand(30, 2, 2, generator=generator) * 12, torch.full((30, 2, 2), 0.07), torch.full((2,), 0.5)
    )
    together, kept = shield(here, wanted - 6, percept), list[torch.Tensor]()
    for b in range(30):
        row = torch.tensor([b])
        kept.append(shield(here[row], wanted[row] - 6, percept.of(row)).actions)
    assert torch.allclose(torch.cat(kept), together.actions, atol=1e-6)


def test_margins_cover_new_walks() -> None:
    stack = Agent.load(pretrained("ogbench/pointmaze-medium-navigate")).stack
    walks = collect(named_map("medium"), rows=20_000, seed=11)
    first = np.arange(0, 20_000, 7)
    first = first[(walks.terminals[first[:, None] + np.arange(4)] == 0).all(1)]
    seen = torch.from_numpy(walks.observations[first[:, None] + np.arange(5)])
    done, half = torch.from_numpy(walks.actions[first[:, None] + np.arange(4)]), len(first) // 2
    margins = calibrate(stack, seen[:half], done[:half], miss=0.05)
    start = stack.encode(seen[half:, 0])
    with torch.no_grad():
        places = anchored(stack, seen[half:, 0], start)(rollout(LevelDynamics(stack.level(1)), start, done[half:]))
    missed = (torch.linalg.vector_norm(places - seen[half:], dim=-1) > torch.tensor(margins.place))[:, 1:]
    assert (missed.float().mean(0) < 0.09).all() and missed.any()
    assert margins.place[0] < 1e-4 and 0.1 < margins.cruise < 0.3


def test_input_that_makes_no_sense(agent: Agent) -> None:
    with pytest.raises(GuardrailError, match="at least one step ahead"):
        Shield(agent.stack, IntrinsicCost(()), Margins())
    with pytest.raises(GuardrailError, match="may miss need 1000 windows, not 3"):
        calibrate(agent.stack, torch.zeros(3, 5, 2), torch.zeros(3, 4, 2))


def test_it_never_goes_where_it_could_not_get_out_of_the_way(agent: Agent) -> None:
    """Between what comes and a zone to keep out of there is room now, and none as soon as it has come."""
    pocket = IntrinsicCost((KeepOut(region(3, 4), BODY), MovingObstacles(BODY, REST)))
    shield, right = Shield(agent.stack, pocket, FAR_AHEAD), seen((1, 0))
    verdict = shield(seen((8.6, 7.0)), right, moving((6.6, 7.0), (0.1, 0.0)))
    assert verdict.settled.all() and verdict.safe.all()
    place, kept = seen((8.6, 7.0)), None
    for step in range(60):
        disc = (6.6 + min(0.1 * step, 2.6), 7.0)
        verdict = shield(place, right, moving(disc, (0.1, 0.0)), kept=kept)
        place, kept = agent.stack.level(1).predictor(place, verdict.actions), verdict.ways
        assert torch.linalg.vector_norm(place - seen((disc[0] + 0.1, 7.0))) > 0.5 + BODY
        assert pocket.guardrails[0].region.distance(place) > BODY  # type: ignore[attr-defined]


def test_predictions_are_held_to_the_ground(agent: Agent) -> None:
    """The predictor knows no wall at y = 8; the recorded walks ended there."""
    walked = torch.rand(20_000, 2, generator=torch.Generator().manual_seed(0)) * seen((16.0, 8.0))
    rails, up = IntrinsicCost((MovingObstacles(BODY, REST),)), seen((0, 1))
    free, held = (Shield(agent.stack, rails, FAR_AHEAD, ground) for ground in (None, Ground.of(walked)))
    here, comes = seen((8.0, 7.9)), moving((8.0, 6.55), (0.0, 0.1))
    assert torch.equal(free(here, up, comes).actions, up)
    verdict = held(here, up, comes)
    assert verdict.intervened.all() and verdict.actions[0, 0].abs() > 0.5


def test_a_verdict_of_some_is_spread_over_all(agent: Agent) -> None:
    shield = Shield(agent.stack, IntrinsicCost((MovingObstacles(BODY),)), MARGINS)
    verdict = shield(seen((8, 8), (9, 9)), seen((1, 0), (0, 1))).spread(torch.tensor([2, 0]), 3)
    assert verdict.actions.tolist() == [[0, 1], [0, 0], [1, 0]] and verdict.safe.tolist() == [True, False, True]


@pytest.mark.parametrize(("height", "comes"), [(10.137, 9.9), (10.137, 10.0), (9.9, 10.0)])
def test_where_nothing_keeps_all_margins_it_does_not_wait_for_what_comes(
    agent: Agent, height: float, comes: float
) -> None:
    """A disc crosses a corridor. To wait beside it is clear for longer than any way out, and then fatal."""
    walked = torch.rand(20_000, 2, generator=torch.Generator().manual_seed(0)) * seen((2.6, 16.0)) + seen((8.7, 2.0))
    growing = Margins((0.0, *(0.02 + 0.04 * ahead for ahead in range(16))), 0.01)
    shield = Shield(agent.stack, IntrinsicCost((MovingObstacles(BODY, REST),)), growing, Ground.of(walked))
    place, kept = seen((11.3, height)), None
    for step in range(20):
        disc = (comes + 0.1 * step, 10.0)
        verdict = shield(place, seen((0, -1)), moving(disc, (0.1, 0.0)), kept=kept)
        assert step > 0 or not verdict.settled.any()
        place, kept = agent.stack.level(1).predictor(place, verdict.actions), verdict.ways
        place = torch.minimum(place, seen((11.3, 20)))
        assert torch.linalg.vector_norm(place - seen((disc[0] + 0.1, disc[1]))) > 0.5 + BODY
    assert verdict.settled.all()
