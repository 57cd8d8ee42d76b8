"""The registry of shipped agents, and the agents themselves."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from hjepa import pretrained as registry
from hjepa.agent import Agent
from hjepa.checkpoint import CheckpointError
from scripts import ship
from scripts.ship import load_agent
from tests.seen_mazes import glancing


@pytest.mark.parametrize("name", registry.shipped())
def test_a_shipped_agent_loads_and_has_a_card(name: str) -> None:
    agent = load_agent(registry.pretrained(name))
    assert name.startswith(agent.card["task"])
    assert {"command", "data", "seed", "seconds", "scores"} <= set(agent.card)
    if isinstance(agent, Agent):
        assert set(agent.graphs) == set(range(2, len(agent.stack) + 1))


def test_the_registry_lists_what_is_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, small_agent: Agent) -> None:
    monkeypatch.setattr(registry, "FOLDER", tmp_path)
    with pytest.raises(CheckpointError, match="shipped are: none"):
        registry.pretrained("ogbench/pointmaze-giant-navigate")
    small_agent.save(tmp_path / "ogbench-pointmaze-giant-navigate")
    (tmp_path / "unfinished").mkdir()
    glancing().save(tmp_path / "two-rooms-fixed")
    assert registry.shipped() == ["ogbench/pointmaze-giant-navigate", "two-rooms-fixed"]
    assert registry.pretrained("ogbench/pointmaze-giant-navigate") == tmp_path / "ogbench-pointmaze-giant-navigate"
    with pytest.raises(CheckpointError, match="'point-maze'; shipped are: ogbench/pointmaze-giant-navigate, two"):
        registry.pretrained("point-maze")


def test_an_agent_that_sees_is_shipped_with_its_scores(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ship, "FOLDER", tmp_path / "shipped")
    agent = glancing()
    replace(agent, card=agent.card | {"task": "two-rooms"}).save(tmp_path / "run" / "agent")
    found = {"task": "two-rooms", "protocol": "fixed", "levels": 2, "seed": 5, "rows": [{"success_rate": 1.0}]}
    (tmp_path / "found.json").write_text(json.dumps(found))
    options = ship.Options("two-rooms-fixed", tmp_path / "run", tmp_path / "found.json")
    ship.main(options)
    scores = load_agent(tmp_path / "shipped" / "two-rooms-fixed").card["scores"]
    assert scores == {"protocol": "fixed", "levels": 2, "seed": 5, "rows": [{"success_rate": 1.0}]}
    with pytest.raises(ValueError, match="this agent is for 'two-rooms', expected a name that begins so"):
        ship.main(replace(options, task="diverse-maze"))
    (tmp_path / "found.json").write_text(json.dumps(found | {"task": "diverse-maze"}))
    with pytest.raises(ValueError, match="is about 'diverse-maze', expected 'two-rooms'"):
        ship.main(options)
