"""Portals as an agent believes them: the picture, and the script that compares attitudes to chance."""

from __future__ import annotations

import runpy
from pathlib import Path

import numpy as np
import pytest
from matplotlib.colors import to_hex
from matplotlib.figure import Figure

from hjepa.agent import Agent
from hjepa.known_map import Fork, map_agent
from hjepa.pretrained import shipped
from planners.trace import Episode
from scripts import _portals, _scenario_portals
from scripts.portals import SHIPPED, Options, main
from viz.backdrop import FigureError
from viz.figures import save
from viz.portals import Attempts, Belief, jumps, on_foot, portals_figure
from viz.theme import PAPER
from worlds import MazeTasks
from worlds.maps import named_map

TELEPORT = named_map("teleport")
PLACE, EXIT, TRAP = np.array([20.0, 12.0]), [0.0, 20.0], [24.0, 0.0]
BELIEF = Belief(Fork(PLACE, np.array([TRAP, EXIT]), np.array([0.7, 0.3], np.float32)), np.array([True, False]))
GOAL = np.array([0.0, 24.0], np.float32)

needs_agent = pytest.mark.skipif(SHIPPED not in shipped(), reason="the agent of portals is not shipped")


def episode(success: bool = True) -> Episode:
    """Three places on foot, a jump, and three more."""
    return Episode(np.array([[20, 16], [20, 15], [20, 14], [0, 20], [0, 21], [0, 22]], np.float32), GOAL, success)


def attempts(label: str, *success: bool) -> Attempts:
    return Attempts(label, [episode(won) for won in success])


def captions(fig: Figure) -> list[tuple[str, str]]:
    return [(ax.get_title(loc="left"), ax.get_title(loc="right")) for ax in fig.axes]


@pytest.mark.parametrize("theme", ["paper", "dark"])
def test_every_attitude_has_a_map_that_says_who_arrived(theme: str, tmp_path: Path) -> None:
    drawn = [attempts("average", True, True, True), attempts("bold", True, False, True), attempts("unlucky", False)]
    fig = portals_figure(TELEPORT, [BELIEF], drawn, "portals", theme)
    assert captions(fig)[1:] == [("average", "3 of 3, 5 steps"), ("bold", "2 of 3, 5 steps"), ("unlucky", "0 of 1")]
    assert save(fig, tmp_path / "portals.png").stat().st_size > 10_000


def test_traps_and_probabilities_are_written() -> None:
    fig = portals_figure(TELEPORT, [BELIEF], [attempts("average", True)], "portals")
    labels = {text.get_text(): text.get_bbox_patch() for text in fig.axes[0].texts}
    assert set(labels) == {"70 % trap", "30 %"}
    edges = {name: to_hex(box.get_edgecolor()) for name, box in labels.items() if box is not None}
    assert edges == {"70 % trap": PAPER.guardrail, "30 %": PAPER.entrance}


def test_a_jump_is_no_way_on_foot() -> None:
    path = on_foot(episode())
    assert len(path) == 7
    assert np.isnan(path[3]).all()
    assert np.nanmax(np.linalg.norm(np.diff(path, axis=0), axis=1)) <= 1.0
    assert jumps(episode()).tolist() == [[[20, 14], [0, 20]]]


@pytest.mark.parametrize("count", [0, 6])
def test_attitudes_must_be_few(count: int) -> None:
    with pytest.raises(FigureError, match="attitudes: expected 1 to 5"):
        portals_figure(TELEPORT, [BELIEF], [attempts("average", True)] * count, "portals")


def test_an_attitude_needs_an_episode() -> None:
    with pytest.raises(FigureError, match="at least one episode"):
        portals_figure(TELEPORT, [BELIEF], [attempts("average")], "portals")


def test_all_episodes_of_one_task_begin_alike_and_are_kept() -> None:
    tasks = _portals.one_task(5, 3, seed=2)
    assert (tasks.starts == tasks.starts[0]).all() and (tasks.goals == tasks.goals[0]).all()
    kept = _portals.trails(Eastward(), tasks)  # type: ignore[arg-type]
    assert [len(one.observations) for one in kept] == [1 + tasks.time_limit] * 3
    assert not any(one.success for one in kept)
    assert all(np.array_equal(one.observations[0], kept[0].observations[0]) for one in kept)


class Eastward:
    """Acts without a plan, and never arrives."""

    def begin(self, goals: np.ndarray) -> None:
        """Nothing is remembered."""

    def act(self, seen: np.ndarray, active: np.ndarray) -> np.ndarray:
        return np.tile([1.0, 0.0], (len(seen), 1))


def test_five_tasks_are_those_of_ogbench() -> None:
    tasks = _portals.all_tasks(2, seed=0)
    again: MazeTasks = _portals.all_tasks(2, seed=0)
    assert tasks.num_envs == 10
    assert np.array_equal(tasks.starts, again.starts)
    assert np.abs(tasks.goals[8:] - _portals.one_task(5, 1, seed=9).goals[0]).max() <= 2.0


@needs_agent
def test_who_weighs_chance_arrives_and_who_ignores_it_is_trapped(capsys: pytest.CaptureFixture[str]) -> None:
    main(Options(episodes=1, risks=("worst", "optimistic")))
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == "success on OGBench's 5 tasks x 1 episodes, own simulator, seed 5"
    won = {line.split()[0]: int(line.split()[1].split("/")[0]) for line in lines[1:]}
    assert won["worst"] == 5
    assert won["optimistic"] < 5


@needs_agent
def test_the_demo_tells_of_portals(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(_scenario_portals, "EPISODES", 1)
    monkeypatch.setattr(_scenario_portals, "TOLD", ("worst",))
    monkeypatch.setattr(_portals, "DRAWN", 1)
    monkeypatch.setattr(_portals, "STORIES", _portals.STORIES[:1])
    assert _scenario_portals.portals(tmp_path) == tmp_path / "portals.png"
    assert [line.split()[0] for line in capsys.readouterr().out.splitlines()] == ["worst"]
    assert (tmp_path / "portals.png").stat().st_size > 10_000


@pytest.mark.parametrize(
    ("options", "complaint"),
    [
        (Options(episodes=0), "--episodes must be at least 1"),
        (Options(task=6), "--task 1 to 5, not 20 and 6"),
        (Options(figure=Path("portals.bmp")), "expected a file ending in .png"),
    ],
)
def test_mistakes_are_named(options: Options, complaint: str) -> None:
    with pytest.raises(ValueError, match=complaint):
        main(options)


def test_an_agent_without_portals_is_refused() -> None:
    agent: Agent = map_agent(np.zeros((3, 3), bool), corner=(-2.0, -2.0), size=4.0)
    with pytest.raises(ValueError, match="mine: this agent knows of no portals"):
        _portals.require_chances(agent, "mine")


def test_the_script_explains_itself(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.argv", ["portals.py", "--help"])
    with pytest.raises(SystemExit) as left:
        runpy.run_path(str(Path(__file__).resolve().parents[1] / "scripts" / "portals.py"), run_name="__main__")
    assert left.value.code == 0
    assert "--give-up" in capsys.readouterr().out
