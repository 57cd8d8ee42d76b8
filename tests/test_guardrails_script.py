"""The evaluation of guardrails: what it counts, what it asks the simulator, and what it refuses."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from scripts import guardrails
from scripts._guardrails import Tally, evadable, tasks_among
from worlds import named_map
from worlds.hazards import Hazards, Patrols
from worlds.maps import Map


def corridor(speed: float) -> Hazards:
    """A dead end, down which an obstacle as wide as the corridor comes."""
    map = Map.parse("########\n#......#\n########")
    nothing = np.zeros(map.shape, bool)
    patrol = Patrols(np.array([[0.0, 0.0]]), np.array([[20.0, 0.0]]), np.zeros(1), speed, radius=1.5)
    return Hazards(map, nothing, nothing, 0.1, patrol)


def test_a_safe_action_exists_where_one_can_get_away() -> None:
    here = np.array([3.0, 0.0], np.float32)
    assert evadable(corridor(0.1), here, 0, until=20), "it is slower than the ball"
    assert not evadable(corridor(0.5), here, 0, until=20)
    assert evadable(corridor(0.5), here, 0, until=1), "but not at once"


def test_tasks_begin_and_end_where_it_is_safe() -> None:
    world_map = Hazards.draw(named_map("medium"), 2)
    tasks = tasks_among(world_map, 20, seed=1)
    seen, goals = tasks.reset()
    assert tasks.num_envs == 20
    for places in (seen, goals):
        assert not world_map.broken(places, places, 0)["keep-out"].any()
    assert not world_map.broken(seen, seen, 0)["moving obstacles"].any()


def test_guardrails_are_kept_and_ignorance_breaks_them(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "new" / "counts.json"
    guardrails.main(guardrails.Options(steps=1, worlds=("medium",), episodes=2, json=file))
    told = json.loads(file.read_text())
    kept, _, ignorant = (told[label] for label in guardrails.LABELS.values())
    assert kept["violations"] == 0 and kept["successes"] == kept["episodes"] == 2
    assert kept["clean"]["1"] == kept["plans"]["1"] > 0
    assert ignorant["violations"] > 10 and ignorant["clean"]["1"] < ignorant["plans"]["1"]
    assert ignorant["judged"] >= ignorant["avoidable"] >= ignorant["last_moment"] > 0
    printed = capsys.readouterr().out
    assert "violations      0 steps" in printed and "unavoidable     0 of those judged" in printed


def test_only_violations_where_a_safe_action_existed_count() -> None:
    tally = Tally(violations=9, judged=7, avoidable=4)
    assert tally.unavoidable == 3
    assert tally.counted == 6, "what was not judged counts too"


def test_tallies_add_up() -> None:
    one, other = Tally(steps=3), Tally(steps=4)
    one.broken["keep-out"], other.broken["keep-out"] = 1, 2
    assert (one + other).steps == 7 and (one + other).broken["keep-out"] == 3


@pytest.mark.parametrize(
    ("options", "complaint"),
    [
        (guardrails.Options(steps=0), "--steps and --episodes must be at least 1, not 0"),
        (guardrails.Options(worlds=("arena",)), "expected some of medium, large, giant, not arena"),
    ],
)
def test_bad_options_are_refused_in_one_line(options: guardrails.Options, complaint: str) -> None:
    with pytest.raises(ValueError, match=complaint):
        guardrails.main(options)
