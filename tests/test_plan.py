"""scripts/plan.py as people run it."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from scripts import plan
from scripts._cli import run

DATA = Path(__file__).parent / "data"
ROOMS = f"{DATA / 'rooms.map'} --scen {DATA / 'rooms.map.scen'}"

Capture = pytest.CaptureFixture[str]


def result(capsys: Capture, args: str) -> dict:
    run(plan.main, f"{args} --json".split())
    return json.loads(capsys.readouterr().out)


@pytest.mark.parametrize("planner", ["astar", "dijkstra", "bidirectional", "anytime"])
def test_problems_of_a_file(planner: str, capsys: Capture) -> None:
    found = result(capsys, f"{ROOMS} --planner {planner}")
    assert found["problems"] == 42 and 0 < found["solved"] < 42 and found["wrong"] == 0
    assert found["largest_error"] < 1e-6 and found["ms_per_query"] > 0 and found["nodes_per_second"] > 0
    assert found["map"] == "rooms" and found["planner"] == planner


def test_dijkstra_expands_more_and_a_weight_less(capsys: Capture) -> None:
    flags = ("--planner dijkstra", "", "--weight 3")
    expanded = [result(capsys, f"--size 65 {flag}")["nodes_per_query"] for flag in flags]
    assert expanded[0] > expanded[1] > expanded[2]


def test_anytime_says_how_its_paths_get_better(capsys: Capture) -> None:
    found = result(capsys, f"{ROOMS} --planner anytime")
    rows = [found[key] for key in found if key.startswith("after_search_")]
    numbers = [[float(number) for number in re.findall(r"[\d.]+", row)] for row in rows]
    assert 2 <= len(numbers) <= 5
    assert numbers[0][1] > numbers[-1][1] == 1 and numbers[0][2] >= numbers[-1][2] == 1
    for before, after in zip(numbers, numbers[1:], strict=False):
        assert before[0] < after[0] and before[1] >= after[1] and before[2] >= after[2]
    assert all(1 <= ratio <= bound for _, bound, ratio in numbers)


def test_without_flags_it_plans_in_a_generated_maze(capsys: Capture) -> None:
    run(plan.main, [])
    table = capsys.readouterr().out
    assert re.search(r"^problems +100$", table, re.MULTILINE) and re.search(r"^solved +100$", table, re.MULTILINE)
    assert re.search(r"^nodes per second +[\d.]+ million$", table, re.MULTILINE)


def test_limit_moves_and_seed(capsys: Capture) -> None:
    assert result(capsys, f"{ROOMS} --limit 7")["problems"] == 7
    assert result(capsys, f"{DATA / 'rooms.map'} --limit 3")["problems"] == 3
    cut = result(capsys, f"{ROOMS} --moves cut-corners")
    assert cut["wrong"] is None and cut["solved"] > 0
    first, same, other = (result(capsys, f"--size 33 --seed {seed}")["nodes_per_query"] for seed in (1, 1, 2))
    assert first == same != other


def test_the_figure(tmp_path: Path, capsys: Capture) -> None:
    for number, args in enumerate((ROOMS, f"{ROOMS} --limit 1 --planner bidirectional", "--size 33")):
        run(plan.main, f"{args} --figure {tmp_path / f'{number}.png'}".split())
        assert (tmp_path / f"{number}.png").stat().st_size > 5000
    capsys.readouterr()


def test_a_wrong_length_is_said(tmp_path: Path, capsys: Capture) -> None:
    lines = (DATA / "rooms.map.scen").read_text().splitlines()
    lines[-1] = re.sub(r"\t[\d.]+$", "\t999", lines[-1])
    (tmp_path / "wrong.scen").write_text("\n".join(lines))
    with pytest.raises(SystemExit) as caught:
        run(plan.main, [str(DATA / "rooms.map"), "--scen", str(tmp_path / "wrong.scen")])
    shown = capsys.readouterr()
    assert caught.value.code == 2 and re.search(r"^wrong +1$", shown.out, re.MULTILINE)
    assert shown.err.startswith("error: 1 of 42 paths are not as long as")


def test_mistakes(tmp_path: Path, capsys: Capture) -> None:
    (tmp_path / "small.map").write_text("type octile\nheight 1\nwidth 2\nmap\n..\n")
    (tmp_path / "full.map").write_text("type octile\nheight 1\nwidth 2\nmap\n@@\n")
    for args, hint in (
        ("none.map", "none.map: No such file"),
        (f"--scen {DATA / 'rooms.map.scen'}", "--scen needs the map"),
        (f"{ROOMS} --limit 0", "--limit must be at least 1"),
        (f"{tmp_path / 'small.map'} --scen {DATA / 'rooms.map.scen'}", "problems of rooms.map, 18 x 20"),
        (f"{tmp_path / 'full.map'}", "no free cell"),
        (f"{ROOMS} --weight -1", "weight: expected a finite number >= 0"),
        (f"{ROOMS} --planner anytime --weight 2", "--weight is not for --planner anytime"),
        (f"{ROOMS} --planner bidirectional --weight 2", "weight: a bidirectional search expects at most 1"),
        (f"{ROOMS} --figure {tmp_path / 'a.bmp'}", "expected a file ending in .png"),
        ("--size 2", "rows, columns >= 3"),
    ):
        with pytest.raises(SystemExit) as caught:
            run(plan.main, args.split())
        message = capsys.readouterr().err
        assert caught.value.code == 2 and message.startswith("error: ") and message.count("\n") == 1
        assert hint in message
