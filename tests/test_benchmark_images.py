"""The benchmark of drawing: its table, its file, and its complaints."""

import json

import pytest

from scripts import benchmark
from scripts._benchmark_images import Options, scenes


def test_images(tmp_path, capsys):
    out = tmp_path / "images.json"
    benchmark.start(f"images --batch 1 --steps 1 --episodes 1 --repeats 1 --seconds 0.001 --json {out}".split())
    lines = capsys.readouterr().out.splitlines()
    rows = json.loads(out.read_text())["images"]
    assert [row["world"] for row in rows] == [line.split("  ")[0] for line in lines[1 : 1 + len(rows)]]
    assert len(rows) == len(scenes(Options())) and all(0 < row["share"] < 1 for row in rows)
    assert all(row[key] > 0 for row in rows for key in ("recorded", "drawn", "trained"))


def test_nothing_to_measure_gets_one_clear_line(capsys):
    with pytest.raises(SystemExit) as ended:
        benchmark.start(["images", "--batch", "0"])
    assert ended.value.code == 2
    assert "--batch, --steps and --episodes must be at least 1" in capsys.readouterr().err
