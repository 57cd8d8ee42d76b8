"""Ours beside rivals: ratios mean what they say, and whoever is absent or fails doesn't end the run."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from scripts import _rivals
from scripts._rivals import Case, Comparison, Contender, Rival, Target, compare, faster, import_part, installed, within

ROOT = Path(__file__).parents[1]
Build = Callable[[], Contender]


class Clock:
    """Time that passes only where a contender works."""

    def __init__(self) -> None:
        self.now = 0.0

    def contender(self, seconds: float, answer: float = 1.0) -> Build:
        def call() -> float:
            self.now += seconds
            return answer

        return lambda: Contender(call, float)


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr("time.perf_counter", lambda: clock.now)
    return clock


def contest(ours: Build, *rivals: Rival) -> Comparison:
    case = Case("grid", "a case", {"B": 3}, "paths/s", 10, "cost", ours, rivals)
    return compare(case, repeats=3, seconds=1.0)


def failing(when: int) -> Build:
    """Fails at its call of that number; at 0 it can't even be built."""

    def build() -> Contender:
        calls = iter(range(1, when))
        if when == 0:
            raise ImportError("no such\nlibrary")
        return Contender(lambda: float(next(calls, None) or 1 / 0), float)

    return build


def test_a_ratio_is_the_rivals_time_over_ours(clock: Clock) -> None:
    slow = Rival("slow", clock.contender(0.5, answer=7.0), target=faster(5))
    quick = Rival("quick", clock.contender(0.05), target=within(2.5))
    ours, first, second = contest(clock.contender(0.1), slow, quick).rows
    assert ours["ms_best"] == pytest.approx(100) and ours["per_second_best"] == pytest.approx(100)
    assert ours["ratio_best"] == 1 and ours["target"] is None and ours["met"] is None
    assert first["ratio_best"] == pytest.approx(5) and first["ratio_median"] == pytest.approx(5)
    assert first["answer"] == 7.0 and first["sizes"] == {"B": 3}
    assert (second["ratio_best"], second["met"]) == (pytest.approx(0.5), True)
    assert (first["target"], second["target"]) == (">= 5 x its speed", "<= 2.5 x its time")


@pytest.mark.parametrize(
    ("target", "seconds", "met"),
    [(faster(2), 0.21, True), (faster(2), 0.19, False), (within(2), 0.06, True), (within(2), 0.04, False)],
)
def test_targets(target: Target, seconds: float, met: bool, clock: Clock) -> None:
    rows = contest(clock.contender(0.1), Rival("rival", clock.contender(seconds), target=target)).rows
    assert rows[1]["met"] is met


def test_the_first_call_is_not_timed(clock: Clock) -> None:
    def build() -> Contender:
        calls = iter((50.0,))  # it compiles

        def call() -> None:
            clock.now += next(calls, 0.1)

        return Contender(call, lambda nothing: 0.0)

    assert contest(build).rows[0]["ms_median"] == pytest.approx(100)


@pytest.mark.parametrize("when", [0, 1, 2])
def test_a_rival_that_fails_is_left_out(when: int, clock: Clock) -> None:
    found = contest(clock.contender(0.1), Rival("bad", failing(when)), Rival("good", clock.contender(0.1)))
    assert [row["rival"] for row in found.rows] == ["ours", "good"]
    expected = "ImportError: no such" if when == 0 else "ZeroDivisionError: "
    assert list(found.failures) == ["bad"] and found.failures["bad"].startswith(expected)


@pytest.mark.parametrize("when", [0, 1, 2])
def test_without_ours_there_is_nothing_to_compare(when: int, clock: Clock) -> None:
    found = contest(failing(when), Rival("good", clock.contender(0.1)))
    assert found.rows == [] and list(found.failures) == ["ours"]


def test_a_rival_that_is_not_installed_is_not_built(clock: Clock, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(_rivals.PEERS, "ghost", "no_such_package")
    found = contest(clock.contender(0.1), Rival("ghost", failing(0), peer="ghost"))
    assert [row["rival"] for row in found.rows] == ["ours"] and found.failures == {}


def test_an_answer_that_is_none_is_left_empty(clock: Clock) -> None:
    assert contest(clock.contender(0.1, answer=float("nan"))).rows[0]["answer"] is None


def test_installed(monkeypatch: pytest.MonkeyPatch) -> None:
    assert installed("networkx")
    monkeypatch.setitem(sys.modules, "networkx", None)
    assert not installed("networkx")


def test_a_part_is_imported_without_the_packages_around_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    inner = tmp_path / "heavy_package" / "inner"
    inner.mkdir(parents=True)
    for folder in (inner.parent, inner):
        (folder / "__init__.py").write_text("raise RuntimeError('far too much')")
    (inner / "light.py").write_text("from .. import inner\nVALUE = 7\n")
    monkeypatch.syspath_prepend(tmp_path)
    assert import_part("heavy_package.inner.light").VALUE == 7
    for name in [name for name in sys.modules if name.startswith("heavy_package")]:
        del sys.modules[name]
    with pytest.raises(ModuleNotFoundError, match="no_package_at_all"):
        import_part("no_package_at_all.part")


def test_make_bench_installs_every_peer() -> None:
    pinned = (ROOT / "scripts" / "peers.txt").read_text() + (ROOT / "Makefile").read_text()
    for peer in _rivals.PEERS:
        assert f"\n{peer}" in pinned or f" {peer}==" in pinned or f"/{peer} " in pinned
