"""scripts/wide.py: what it measures is kept, and not measured again."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from scripts import wide
from scripts.wide import Far, Options, main
from tests.seen_mazes import glancing


def test_a_table_a_figure_and_nothing_twice(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    glancing().save(tmp_path / "agent")
    monkeypatch.setattr(wide, "FAR", (Far("small", (2, 4), 6), Far("small", (2, 3), 6)))
    options = Options(
        agent=tmp_path / "agent", levels=(2,), expansions=20, more=(40,), rows=(0, 1), episodes=3, batch=2, seed=3,
        results=tmp_path / "wide.json", out=tmp_path / "wide.png",
    )  # fmt: skip
    main(options)
    shown = capsys.readouterr().out
    assert (tmp_path / "wide.png").stat().st_size > 1000 and shown.count("/3 [") == 4
    kept = json.loads((tmp_path / "wide.json").read_text())
    assert len(kept) == 8 and sum(len(batch["success"]) for batch in kept.values()) == 12
    monkeypatch.setattr(wide, "look_and_act", None)
    main(options)
    assert capsys.readouterr().out == shown


def test_flags_that_do_not_fit_are_one_line(tmp_path: Path) -> None:
    glancing().save(tmp_path / "agent")
    with pytest.raises(ValueError, match="--levels must be at most 2"):
        main(Options(agent=tmp_path / "agent", levels=(2, 3)))
    with pytest.raises(ValueError, match="--rows must be among 0 to 3"):
        main(Options(rows=(7,)))
    with pytest.raises(ValueError, match="must be at least 1"):
        main(Options(episodes=0))
