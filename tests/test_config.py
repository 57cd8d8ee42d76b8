"""The configuration is exact both ways, and says in one line what is wrong with it."""

from __future__ import annotations

import math
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Literal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hjepa.config import ConfigError, from_dict, from_toml, to_dict, to_toml


@dataclass(frozen=True)
class Level:
    dim: int
    stride: int = 1
    sizes: tuple[int, ...] = (64, 64)
    support: Literal["codebook", "box"] | None = None


@dataclass(frozen=True)
class Train:
    learning_rate: float = 1e-3
    resume: bool = False
    note: str = ""
    out: Path = Path("runs")
    span: tuple[float, float] = (0.0, 1.0)

    def __post_init__(self) -> None:
        if self.learning_rate < 0:
            raise ValueError("learning_rate must not be negative")


@dataclass(frozen=True)
class Run:
    seed: int
    mode: Literal["joint", "by level"] = "joint"
    decay: float | None = None
    limit: int | str = "none"
    train: Train = field(default_factory=Train)
    levels: tuple[Level, ...] = ()


finite = st.floats(allow_nan=False, allow_infinity=False)
levels = st.builds(
    Level,
    dim=st.integers(),
    stride=st.integers(),
    sizes=st.lists(st.integers()).map(tuple),
    support=st.sampled_from(["codebook", "box", None]),
)
trains = st.builds(
    Train,
    learning_rate=st.floats(min_value=0, allow_infinity=False),
    resume=st.booleans(),
    note=st.text(),
    out=st.just(Path("a") / "b c"),
    span=st.tuples(finite, finite),
)
runs = st.builds(
    Run,
    seed=st.integers(),
    mode=st.sampled_from(["joint", "by level"]),
    decay=st.none() | finite,
    limit=st.integers() | st.text(),
    train=trains,
    levels=st.lists(levels, max_size=3).map(tuple),
)


@given(runs)
def test_round_trips_are_exact(tmp_path_factory: pytest.TempPathFactory, run: Run) -> None:
    path = tmp_path_factory.getbasetemp() / "run.toml"
    path.write_bytes(to_toml(run).encode())
    assert from_toml(Run, path) == run
    assert from_dict(Run, to_dict(run)) == run


def test_an_integer_is_a_float_but_not_the_other_way() -> None:
    rate = from_dict(Train, {"learning_rate": 1}).learning_rate
    assert rate == 1.0 and isinstance(rate, float)
    with pytest.raises(ConfigError, match="seed in the top level is 1.0; expected an integer"):
        from_dict(Run, {"seed": 1.0})


BAD = [
    ({"seed": 1, "sed": 2}, "run.toml: unknown key 'sed' in the top level; did you mean 'seed'?"),
    (
        {"seed": 1, "train": {"leraning_rate": 1.0}},
        "run.toml: unknown key 'leraning_rate' in [train]; did you mean 'learning_rate'?",
    ),
    (
        {"seed": 1, "levels": [{"dim": 1}, {"dim": 2, "zzz": 0}]},
        "run.toml: unknown key 'zzz' in [levels.2]; expected one of dim, stride, sizes, support",
    ),
    ({}, "run.toml: missing key 'seed' in the top level; expected an integer"),
    ({"seed": True}, "run.toml: seed in the top level is True; expected an integer"),
    ({"seed": "1"}, "run.toml: seed in the top level is '1'; expected an integer"),
    ({"seed": 1, "decay": "a"}, "run.toml: decay in the top level is 'a'; expected a finite number"),
    ({"seed": 1, "limit": 1.5}, "run.toml: limit in the top level is 1.5; expected an integer or a string"),
    ({"seed": 1, "mode": "jiont"}, "run.toml: mode in the top level is 'jiont'; expected one of 'joint', 'by level'"),
    ({"seed": 1, "train": 3}, "run.toml: train in the top level is 3; expected a table of learning_rate, resume"),
    ({"seed": 1, "train": {"resume": 1}}, "run.toml: resume in [train] is 1; expected true or false"),
    ({"seed": 1, "train": {"out": 1}}, "run.toml: out in [train] is 1; expected a path"),
    ({"seed": 1, "train": {"learning_rate": math.nan}}, "learning_rate in [train] is nan; expected a finite number"),
    ({"seed": 1, "train": {"learning_rate": 10**400}}, "expected a finite number"),
    ({"seed": 1, "train": {"learning_rate": -1.0}}, "run.toml: learning_rate must not be negative (in [train])"),
    ({"seed": 1, "train": {"span": [1.0]}}, "span in [train] is [1.0]; expected a list of 2 items"),
    ({"seed": 1, "train": {"span": 1.0}}, "span in [train] is 1.0; expected a list of 2 items"),
    ({"seed": 1, "levels": [{"dim": 1, "sizes": [1, 2.5]}]}, "2 in [levels.1.sizes] is 2.5; expected an integer"),
    ({"seed": 1, "levels": {"dim": 1}}, "expected a list of any number of items, each a table"),
    ({"seed": 1, "levels": [{"dim": 1, "support": "bx"}]}, "support in [levels.1] is 'bx'; expected one of 'codebook'"),
]


@pytest.mark.parametrize(("data", "message"), BAD)
def test_a_defect_is_one_line_naming_the_key(data: dict[str, object], message: str) -> None:
    with pytest.raises(ConfigError) as caught:
        from_dict(Run, data, "run.toml")
    assert message in str(caught.value) and "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("content", "message"),
    [(b"seed = ", "not a TOML file"), (b"\xff\xfe", "not a TOML file"), (b"seed = nan", "expected an integer")],
)
def test_an_unreadable_file_is_one_line_naming_it(tmp_path: Path, content: bytes, message: str) -> None:
    path = tmp_path / "run.toml"
    path.write_bytes(content)
    with pytest.raises(ConfigError) as caught:
        from_toml(Run, path)
    assert message in str(caught.value) and str(path) in str(caught.value)


def test_a_missing_file_is_one_line_naming_it(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="none.toml: no such configuration file"):
        from_toml(Run, tmp_path / "none.toml")
    with pytest.raises(ConfigError, match="cannot be read"):
        from_toml(Run, tmp_path)


def test_the_toml_is_readable() -> None:
    text = to_toml(Run(seed=3, levels=(Level(4), Level(8, stride=10, support="box"))))
    assert text.startswith('seed = 3\nmode = "joint"\nlimit = "none"\n\n[train]\nlearning_rate = 0.001\n')
    assert text.endswith('\n\n[[levels]]\ndim = 8\nstride = 10\nsizes = [64, 64]\nsupport = "box"\n')


@dataclass(frozen=True)
class Surprising:
    rate: float | None = 1.0


def test_what_toml_cannot_hold_is_refused() -> None:
    with pytest.raises(ConfigError, match="rate is None"):
        to_toml(Surprising(rate=None))
    with pytest.raises(ConfigError, match="rate holds inf"):
        to_toml(Surprising(rate=math.inf))


@dataclass(frozen=True)
class Unsupported:
    table: set[int] = field(default_factory=set)
    derived: int = field(default=0, init=False)


def test_a_field_that_no_file_can_hold_is_the_programmers_error() -> None:
    with pytest.raises(TypeError, match="set"):
        from_dict(Unsupported, {"table": [1]})
    assert [item.name for item in fields(Unsupported) if item.name in to_dict(Unsupported())] == ["table"]
