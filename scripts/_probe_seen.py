"""scripts/evaluate.py probe: what is in the latents of an agent that sees, and which part of it loses the success."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass, is_dataclass, replace
from pathlib import Path
from typing import Any

import torch

from hjepa.config import from_dict, to_dict
from hjepa.pretrained import pretrained
from hjepa.vision.actor import VisionActor
from hjepa.vision.agent import VisionAgent
from hjepa.vision.planning import VisionPlanning
from scripts import _probe_tables as tables
from scripts._machine import use_device
from scripts._mazes_seen import DIVERSE_MAZE
from scripts._probe_data import Sight, look
from scripts._probe_four_rooms import controls, doors, imprints
from scripts._probe_imagination import imagined_by_level, print_horizons, recorded_walks, save_imagined
from scripts._probe_parts import print_parts, tried
from scripts._probe_paths import costs_along_oracle_paths
from scripts._seen import Row, SeenWorld, Trials
from scripts._seen_flags import parse
from scripts._seen_worlds import SEEN
from scripts._tasks import agent_folder

PROBE = "probe"
HELP = """Probes an agent that sees: what each level's latent tells of the world, how far imagination is off, whether
costs lead to the goal, and which part loses the success.

python scripts/evaluate.py probe --agent runs/diverse --out out/probe

Probes are fitted on layouts drawn anew, and judged on others, neither of them learned from. Intervals are 95 %: of
success Wilson's, of all else a bootstrap over layouts, or over episodes. For diagnosis, truth that is hidden from the
agent is looked at: rows named "true" are no agents."""


@dataclass(frozen=True)
class Options:
    """Who is probed, and with how much."""

    agent: Path | None = None
    """Folder of a run or an agent; the shipped one for diverse-maze by default."""
    frames: int = 1000
    """That probes are fitted to; as many to judge them on."""
    walks: int = 200
    """Recorded walks of 40 world steps that are imagined."""
    episodes: int = 30
    """Of the last row of the world's table, in which each part is tried; 0 leaves this out."""
    seed: int = 77
    """Of layouts, walks, starts and goals. That of evaluations is another one."""
    steps: int = 300
    """For which a small probe is trained."""
    decoder: int = 400
    """Steps for which the decoders of the picture are trained."""
    out: Path | None = None
    """Folder for probe.json and imagined.png."""


def command_line(args: Sequence[str]) -> None:
    """Parses the arguments and probes; the world is the one in the agent's card."""
    world = SEEN[_task(args)]
    parts = {"options": Options(), "trials": world.trials}
    found = parse(PROBE, HELP, parts, {"planning": world.planning}, args)
    main(world, found.options, found.trials, found.planning)


def _task(args: Sequence[str]) -> str:
    """The task of the agent that a command line names."""
    named = dict(zip(args, args[1:], strict=False)).get("--agent")
    return str(_load(None if named is None else Path(named)).card.get("task", DIVERSE_MAZE.name))


def _load(folder: Path | None) -> VisionAgent:
    return VisionAgent.load(pretrained(DIVERSE_MAZE.trials.shipped) if folder is None else agent_folder(folder))


def main(world: SeenWorld, options: Options, trials: Trials, planning: VisionPlanning) -> None:
    """Prints every table, and writes what was asked for."""
    use_device("cpu")
    agent = _load(options.agent)
    result: dict[str, Any] = {"task": world.name, "seed": options.seed, "frames": options.frames}
    data = replace(from_dict(type(world.data), agent.card["data"], "card: data"), rows=ROWS)  # type: ignore[type-var]
    fit, test = (data.episodes(2 * options.seed + part, torch.device("cpu")) for part in (0, 1))
    print(f"{world.name}: {data.label}, {options.frames} frames to fit, {options.frames} others to judge by, seed "
          f"{options.seed}")  # fmt: skip
    learned, judged = (look(agent.stack, part, options.frames, options.seed) for part in (fit, test))
    result |= _probes(learned, judged, options.steps)
    walks = recorded_walks(test, options.walks, 40, options.seed)
    errors = imagined_by_level(agent.stack, walks, learned.calibration)
    result["imagined against actual"] = print_horizons(errors)
    if options.episodes:
        row = trials.rows(agent.card, options.seed)[-1]
        result |= _paths(agent, row, learned, trials.protocol, planning, options)
    if options.out is not None:
        save_imagined(agent.stack, learned, walks, errors, options.decoder, options.out / "imagined.png")
        _write(result, options.out / "probe.json")


ROWS = 50_000
"""Transitions that are recorded for either part."""


def _probes(fit: Sight, test: Sight, steps: int) -> dict[str, Any]:
    """What is read from every latent."""
    found = {
        "effective rank": tables.ranks(test),
        "place (R2)": tables.places(fit, test, steps),
        "velocity (R2)": tables.velocities(fit, test, steps),
        "walls (balanced accuracy)": tables.walls(fit, test, steps),
        "distractors (balanced accuracy)": tables.distractors(fit, test, steps),
    }
    if test.others is not None:
        found |= {
            "distractors, from maps without them: chance (balanced accuracy)": controls(fit, test, steps),
            "doors (balanced accuracy)": doors(fit, test),
            "cells with distractors (share of variance, share that changes)": imprints(test),
        }
    for title, table in found.items():
        if table:
            tables.print_table(title, table)
    return found


def _paths(
    agent: VisionAgent, row: Row, sight: Sight, protocol: str, planning: VisionPlanning, options: Options
) -> dict[str, Any]:
    """Costs along the oracle's paths, and the agent with some parts true."""
    tasks, calibration = row.tasks(0, options.episodes), sight.calibration
    print(f"\n{row.name}, {options.episodes} episodes: {protocol}")
    costs = costs_along_oracle_paths(VisionActor(agent, config=planning, seed=options.seed), tasks, calibration)
    table = {name: {"rank correlation": score} for name, score in costs.items()}
    tables.print_table("monotonicity of costs along the oracle's paths (Spearman)", table)
    parts = tried(agent, tasks, calibration, planning, options.seed)
    return {"monotonicity": costs, "parts": print_parts(parts), "row": row.name, "episodes": options.episodes}


def _write(result: dict[str, Any], path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(result, indent=2, default=_plain) + "\n", encoding="utf-8")
    print(path)


def _plain(value: object) -> Any:
    return asdict(value) if is_dataclass(value) and not isinstance(value, type) else to_dict(value)
