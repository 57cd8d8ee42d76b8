"""The registry of shipped agents, and the agents themselves."""

from __future__ import annotations

from pathlib import Path

import pytest

from hjepa import pretrained as registry
from hjepa.agent import Agent
from hjepa.checkpoint import CheckpointError


@pytest.mark.parametrize("name", registry.shipped())
def test_a_shipped_agent_loads_and_has_a_card(name: str) -> None:
    agent = Agent.load(registry.pretrained(name))
    assert agent.card["task"] == name
    assert {"command", "data", "seed", "seconds"} <= set(agent.card)
    assert set(agent.graphs) == set(range(2, len(agent.stack) + 1))


def test_the_registry_lists_what_is_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, small_agent: Agent) -> None:
    monkeypatch.setattr(registry, "FOLDER", tmp_path)
    with pytest.raises(CheckpointError, match="shipped are: none"):
        registry.pretrained("ogbench/pointmaze-giant-navigate")
    small_agent.save(tmp_path / "ogbench-pointmaze-giant-navigate")
    (tmp_path / "unfinished").mkdir()
    assert registry.shipped() == ["ogbench/pointmaze-giant-navigate"]
    assert registry.pretrained("ogbench/pointmaze-giant-navigate") == tmp_path / "ogbench-pointmaze-giant-navigate"
    with pytest.raises(CheckpointError, match="'point-maze'; shipped are: ogbench/pointmaze-giant-navigate"):
        registry.pretrained("point-maze")
