"""The experiment of a training run: presets by number of levels, a TOML file, and flags over both."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from hjepa.agent import Experiment
from hjepa.config import from_toml
from hjepa.stack import LEVELS, StackConfig


def preset(levels: int) -> Experiment:
    """The experiment with the 2 to 4 lowest levels."""
    if not 2 <= levels <= len(LEVELS):
        raise ValueError(
            f"--levels: presets have 2 to {len(LEVELS)} levels, not {levels}; describe others in a --config"
        )
    return Experiment(StackConfig(levels=LEVELS[:levels]))


def base_experiment(args: Sequence[str]) -> Experiment:
    """What --config, --levels and --seed among the arguments say, as the default of all other flags.

    These three are read before the rest, because the number of levels decides which flags there are.
    """
    parser = argparse.ArgumentParser(add_help=False, allow_abbrev=False, exit_on_error=False)
    parser.add_argument("--config", type=Path)
    parser.add_argument("--levels", type=int)
    parser.add_argument("--seed", type=int)
    try:
        early, _ = parser.parse_known_args(list(args))
    except argparse.ArgumentError as error:
        raise ValueError(str(error)) from error
    if early.config is None:
        experiment = preset(3 if early.levels is None else early.levels)
    else:
        experiment = from_toml(Experiment, early.config)
        if early.levels is not None:
            experiment = replace(experiment, stack=preset(early.levels).stack)
    if early.seed is not None:
        experiment = replace(experiment, train=replace(experiment.train, seed=early.seed))
    return experiment
