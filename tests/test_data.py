"""Windows and pairs are reproducible, uniform and inside their episode; defects in files are one line."""

from __future__ import annotations

import random
import sys
from pathlib import Path

import h5py
import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from hjepa.data import DataError, Trajectories, WindowSampler, load_trajectories, step_generator

Arrays = dict[str, np.ndarray]


def numbered(lengths: list[int]) -> Arrays:
    """Rows that tell who they are: observation (row, episode), action (row,)."""
    rows = np.arange(sum(lengths))
    episode = np.repeat(np.arange(len(lengths)), lengths)
    terminals = np.zeros(len(rows))
    terminals[np.cumsum(lengths) - 1] = 1
    return {"observations": np.stack([rows, episode], 1), "actions": rows[:, None], "terminals": terminals}


def episodes_of(lengths: list[int]) -> Trajectories:
    return Trajectories.from_arrays(**numbered(lengths))


episode_lengths = st.lists(st.integers(1, 12), min_size=1, max_size=8).filter(lambda lengths: max(lengths) > 1)


@given(episode_lengths)
def test_the_episode_table_follows_from_the_terminals(lengths: list[int]) -> None:
    trajectories = episodes_of(lengths)
    assert trajectories.lengths.tolist() == lengths
    assert trajectories.starts.tolist() == [sum(lengths[:i]) for i in range(len(lengths))]
    assert len(trajectories) == sum(lengths) and trajectories.longest == max(lengths)
    assert trajectories.observations.dtype == trajectories.actions.dtype == torch.float32


@given(episode_lengths, st.data())
def test_windows_are_consecutive_rows_of_one_episode(lengths: list[int], data: st.DataObject) -> None:
    length = data.draw(st.integers(1, max(lengths) - 1))
    windows = WindowSampler(episodes_of(lengths), length, batch_size=64, seed=3).batch(data.draw(st.integers(0, 99)))
    rows, episode = windows.observations.unbind(-1)
    assert windows.observations.shape == (64, length + 1, 2) and windows.actions.shape == (64, length, 1)
    assert torch.equal(rows.diff(dim=1), torch.ones(64, length))
    assert torch.equal(episode, episode[:, :1].expand_as(episode))
    assert torch.equal(windows.actions[..., 0], rows[:, :-1])


@given(episode_lengths, st.data())
def test_pairs_lie_in_one_episode_at_the_stated_gap(lengths: list[int], data: st.DataObject) -> None:
    max_gap = data.draw(st.integers(1, max(lengths) - 1))
    first, second, gap = WindowSampler(episodes_of(lengths), 1, 1).sample_pairs(5, 64, max_gap)
    assert torch.equal(second[:, 0] - first[:, 0], gap.float())
    assert torch.equal(second[:, 1], first[:, 1])
    assert gap.min() >= 1 and gap.max() <= max_gap


def test_every_valid_start_is_equally_likely() -> None:
    lengths = [5, 2, 9, 3, 3, 7]
    sampler = WindowSampler(episodes_of(lengths), length=3, batch_size=12_000)
    rows, counts = sampler.batch(0).observations[:, 0, 0].unique(return_counts=True)
    starts = np.cumsum([0, *lengths[:-1]])
    valid = [s + i for s, n in zip(starts, lengths, strict=True) for i in range(max(0, n - 3))]
    assert rows.tolist() == valid
    assert (counts - 12_000 / len(valid)).abs().max() < 5 * (12_000 / len(valid)) ** 0.5


def test_gaps_are_log_uniform_and_starts_uniform_at_each_gap() -> None:
    first, _, gap = WindowSampler(episodes_of([3, 6, 2]), 1, 1).sample_pairs(0, 20_000, 5)
    edges = torch.arange(1, 7).double().log()
    expected = 20_000 * (edges[1:] - edges[:-1]) / edges[-1]
    assert ((gap.bincount()[1:] - expected).abs() < 5 * expected.sqrt()).all()
    starts, counts = first[gap == 3, 0].unique(return_counts=True)
    assert starts.tolist() == [3, 4, 5] and counts.min() > 0.9 * expected[2] / 3


def test_a_batch_is_a_pure_function_of_seed_and_step() -> None:
    def rows(seed: int, step: int) -> torch.Tensor:
        return WindowSampler(episodes_of([50, 60]), 4, 32, seed).batch(step).observations

    sampler = WindowSampler(episodes_of([50, 60]), 4, 32, seed=1)
    torch.manual_seed(0)
    before = torch.random.get_rng_state()
    sampler.batch(3), sampler.sample_pairs(4, 8, 5)
    assert torch.equal(sampler.batch(9).observations, rows(1, 9))
    assert torch.equal(torch.random.get_rng_state(), before)
    assert not torch.equal(rows(1, 9), rows(1, 10)) and not torch.equal(rows(1, 9), rows(2, 9))
    assert step_generator(1, 2).initial_seed() != step_generator(1, 2, "noise").initial_seed()
    assert step_generator(1, 23).initial_seed() != step_generator(12, 3).initial_seed()


def test_a_batch_costs_little_memory_whatever_the_number_of_rows() -> None:
    sampler = WindowSampler(episodes_of([1000] * 1000), 10, 16)
    held = [value for value in vars(sampler).values() if isinstance(value, torch.Tensor)]
    assert sum(tensor.numel() for tensor in held) < 4000
    assert sampler.batch(0).observations.shape == (16, 11, 2)


def test_requests_that_no_episode_can_meet_are_one_line() -> None:
    trajectories = episodes_of([4, 6])
    with pytest.raises(DataError, match="windows of 6 actions need an episode of 7 rows; the longest has 6"):
        WindowSampler(trajectories, 6, 1)
    with pytest.raises(DataError, match="pairs 6 steps apart need an episode of 7 rows"):
        WindowSampler(trajectories, 5, 1).sample_pairs(0, 4, 6)
    with pytest.raises(DataError, match="at least 1, not 0 and 4"):
        WindowSampler(trajectories, 0, 4)


# Files


def save_npz(path: Path, **changes: object) -> Path:
    arrays = {**numbered([4, 3]), "qpos": np.zeros((7, 2)), **changes}
    np.savez(path, **{key: value for key, value in arrays.items() if value is not None})
    return path


def test_an_ogbench_file_loads_whatever_else_it_holds(tmp_path: Path) -> None:
    changes = {"terminals": np.array([0, 0, 0, 1, 0, 0, 1], dtype=bool), "infos": np.array([{}], dtype=object)}
    trajectories = load_trajectories(save_npz(tmp_path / "a.npz", **changes))
    assert trajectories.lengths.tolist() == [4, 3]
    assert torch.equal(trajectories.observations, episodes_of([4, 3]).observations)
    assert torch.equal(trajectories.actions, episodes_of([4, 3]).actions)


def spoiled(value: float) -> np.ndarray:
    observations = numbered([4, 3])["observations"].astype(np.float32)
    observations[5, 1] = value
    return observations


DEFECTS = {
    "no array 'actions'; found observations, terminals, qpos; expected observations, act": {"actions": None},
    "observations is not finite (NaN or infinite) in row 5, the first": {"observations": spoiled(np.nan)},
    "observations is not finite (NaN or infinite) in row 5, the first of": {"observations": spoiled(-np.inf)},
    "actions has type <U1; expected numbers": {"actions": np.full((7, 1), "a")},
    "holds pickled Python objects": {"observations": np.full((7, 2), None)},
    "the last row (6) is not terminal": {"terminals": np.array([0, 0, 0, 1, 0, 0, 0])},
    "the last row (6) is not terminal, so": {"terminals": np.zeros(7)},
    "found observations [7, 2], actions [6, 1], terminals [7]; expected [R, D]": {"actions": np.zeros((6, 1))},
    "found observations [7, 2], actions [7], terminals [7]; expected [R, D]": {"actions": np.zeros(7)},
    "observations is empty; its shape is [0, 2]": {"observations": np.zeros((0, 2))},
    "terminals is empty; its shape is []": {"terminals": np.array(1.0)},
}


@pytest.mark.parametrize("message", DEFECTS)
def test_a_defective_file_is_one_line_naming_it(tmp_path: Path, message: str) -> None:
    path = save_npz(tmp_path / "bad.npz", **DEFECTS[message])
    with pytest.raises(DataError) as caught:
        load_trajectories(path)
    assert str(caught.value).startswith(f"{path}: ") and message in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_file_that_is_no_npz_is_one_line(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"none.npz: no such file"):
        load_trajectories(tmp_path / "none.npz")
    np.save(tmp_path / "single.npy", np.zeros(3))
    (tmp_path / "empty.npz").touch()
    (tmp_path / "text.npz").write_text("hello")
    for name in ("single.npy", "empty.npz", "text.npz"):
        with pytest.raises(DataError, match=f"{name}: not a readable .npz file"):
            load_trajectories(tmp_path / name)


def test_any_damage_is_one_line(tmp_path: Path) -> None:
    path, draw = save_npz(tmp_path / "a.npz"), random.Random(0)
    whole = path.read_bytes()
    damaged = [whole[: draw.randrange(len(whole))] for _ in range(30)]
    for _ in range(200):
        flipped = bytearray(whole)
        flipped[draw.randrange(len(whole))] ^= 1 << draw.randrange(8)
        damaged.append(bytes(flipped))
    noticed = 0
    for content in damaged:
        path.write_bytes(content)
        try:
            load_trajectories(path)  # a flip in a time stamp, or in an array that is not read, does no harm
        except DataError as error:
            noticed += 1
            assert "\n" not in str(error) and str(error).startswith(str(path))
    assert noticed > 130


def save_minari(folder: Path, *, goal_conditioned: bool = False, cut: int = 0) -> Path:
    """Episodes of 3, 4, ..., 14 rows (numbered past 9, where the order of names is not that of numbers)."""
    lengths = list(range(3, 15))
    arrays = numbered(lengths)
    (folder / "data").mkdir(parents=True)
    with h5py.File(folder / "data" / "main_data.hdf5", "w") as file:
        file.attrs["total_episodes"] = len(lengths)
        for i, end in enumerate(np.cumsum(lengths)):
            rows = slice(end - lengths[i], end)
            group = file.create_group(f"episode_{i}")
            name = "observations/observation" if goal_conditioned else "observations"
            group[name] = arrays["observations"][rows].astype(np.float64)
            group["actions"] = arrays["actions"][rows][: -1 - cut]
            group["terminations"] = np.zeros(lengths[i] - 1, dtype=bool)
            group["truncations"] = np.arange(lengths[i] - 1) == lengths[i] - 2
    return folder


@pytest.mark.parametrize("goal_conditioned", [False, True])
@pytest.mark.parametrize("inside", ["", "data/main_data.hdf5"])
def test_a_minari_data_set_loads(tmp_path: Path, goal_conditioned: bool, inside: str) -> None:
    path = save_minari(tmp_path / "set-v0", goal_conditioned=goal_conditioned)
    trajectories = load_trajectories(path / inside)
    expected = episodes_of(list(range(3, 15)))
    assert torch.equal(trajectories.observations, expected.observations)
    assert torch.equal(trajectories.lengths, expected.lengths)
    inner = numbered(list(range(3, 15)))["terminals"] == 0
    assert torch.equal(trajectories.actions[inner], expected.actions[inner])


def test_a_defective_minari_data_set_is_one_line(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="no data/main_data.hdf5 in this folder"):
        load_trajectories(tmp_path)
    with pytest.raises(DataError, match=r"episode_0 has observations \[3, 2\] and actions \[1, 1\]; expected \[T\+1"):
        load_trajectories(save_minari(tmp_path / "cut", cut=1))
    file = save_minari(tmp_path / "a") / "data" / "main_data.hdf5"
    whole = file.read_bytes()
    file.write_bytes(whole[: len(whole) // 2])
    with pytest.raises(DataError, match="main_data.hdf5: not a readable HDF5 file") as caught:
        load_trajectories(tmp_path / "a")
    assert "\n" not in str(caught.value)


def edit_minari(folder: Path, key: str, value: np.ndarray | None) -> Path:
    with h5py.File(save_minari(folder) / "data" / "main_data.hdf5", "a") as file:
        if key in file:
            del file[key]
        if value is not None:
            file[key] = value
    return folder


def test_a_wrongly_keyed_minari_data_set_is_one_line(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="no array 'episode_1/actions'"):
        load_trajectories(edit_minari(tmp_path / "a", "episode_1/actions", None))
    with pytest.raises(DataError, match="no array 'episode_2/observations/observation'"):
        folder = edit_minari(tmp_path / "b", "episode_2/observations", None)
        with h5py.File(folder / "data" / "main_data.hdf5", "a") as file:
            file.create_group("episode_2/observations")
        load_trajectories(folder)
    with pytest.raises(DataError, match=r"episodes differ in \(D, A\): \[\(2, 1\), \(2, 3\)\]"):
        load_trajectories(edit_minari(tmp_path / "c", "episode_0/actions", np.zeros((2, 3))))
    with pytest.raises(DataError, match="observations is not finite .* in row 1"):
        load_trajectories(
            edit_minari(tmp_path / "d", "episode_0/observations", np.array([[0, 0], [0, np.nan], [0, 0]]))
        )
    h5py.File(tmp_path / "empty.h5", "w").close()
    with pytest.raises(DataError, match="no group 'episode_0'"):
        load_trajectories(tmp_path / "empty.h5")


def test_without_h5py_the_command_that_installs_it_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "h5py", None)
    with pytest.raises(DataError, match=r"needs h5py; install it with: pip install 'hjepa\[minari\]'"):
        load_trajectories(save_npz(tmp_path / "a.npz").rename(tmp_path / "a.hdf5"))
