"""Executes a million steps among keep-out zones, speed limits and moving obstacles, and counts every violation.

python scripts/guardrails.py
python scripts/guardrails.py --steps 50000 --worlds medium

Three agents do the same tasks: one that plans within guardrails and has a shield, one without the shield, and one that
knows of no guardrail (these two for a tenth of the steps). Keep-out zones and speed limits lie where many shortest ways
lead; half of the obstacles go along corridors, half across the busiest ones. A safe action existed if, in the
simulator, one of 21 x 21 actions would have broken nothing: taken at the last step, or held from one of the 20 steps
before. Violations where one existed count, and those that were not judged, which are those after the first 200; the
others are unavoidable. The agents are never told.
"""

from __future__ import annotations

import json
import sys
import time
from dataclasses import dataclass
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from hjepa.metrics import wilson_interval
from scripts._cli import Flat, run
from scripts._guardrails import Run, Tally, Way, World
from scripts._machine import use_one_thread
from worlds.hazards import KINDS, Hazards

LABELS: dict[Way, str] = {
    "guarded": "guardrails and shield",
    "planned": "guardrails, no shield",
    "none": "no guardrails",
}
SHARES: dict[Way, int] = {"guarded": 1, "planned": 10, "none": 10}
NAMES = ("medium", "large", "giant")


@dataclass(frozen=True)
class Options:
    """How much of it."""

    steps: int = 1_000_000
    """Executed by the guarded agents, at least; summed over episodes and worlds."""
    worlds: tuple[str, ...] = NAMES
    """Of medium, large and giant."""
    episodes: int = 512
    """Side by side."""
    seed: int = 0
    """Of hazards, tasks and planners."""
    json: Path | None = None
    """Also write the counts here."""


def main(options: Flat[Options]) -> None:
    """Runs all agents in all worlds and prints what was counted."""
    if options.steps < 1 or options.episodes < 1:
        raise ValueError(f"--steps and --episodes must be at least 1, not {options.steps} and {options.episodes}")
    unknown = [name for name in options.worlds if name not in NAMES]
    if unknown or not options.worlds:
        raise ValueError(f"--worlds: expected some of {', '.join(NAMES)}, not {', '.join(unknown) or 'none'}")
    use_one_thread()
    begun = time.perf_counter()
    worlds, tallies = [World.load(name) for name in options.worlds], dict[Way, Tally]()
    for way, share in SHARES.items():
        least = max(1, options.steps // share // len(worlds))
        tallies[way] = sum((among(world, way, least, options) for world in worlds), start=Tally())
        report(way, tallies[way])
    print(f"\nseed {options.seed}; {', '.join(options.worlds)}; {time.perf_counter() - begun:.0f} s in all")
    if options.json is not None:
        options.json.parent.mkdir(parents=True, exist_ok=True)
        options.json.write_text(json.dumps({LABELS[way]: vars(tally) for way, tally in tallies.items()}, indent=1))


def among(world: World, way: Way, least: int, options: Options) -> Tally:
    """Runs batches of episodes in one world, each among hazards of its own, until there are enough steps."""
    total = Tally()
    while total.steps < least:
        seed = 1000 * options.seed + total.layouts
        one = Run(world, Hazards.draw(world.map, seed), way, seed).episodes(options.episodes)
        total += one
        told = f"{world.map.name}, {LABELS[way]}, hazards {seed}: {one.steps:,} steps, "
        told += f"{one.counted} violations that count, {one.unavoidable} unavoidable, "
        print(f"{told}{one.successes} of {one.episodes} episodes reached their goals", file=sys.stderr, flush=True)
    return total


def report(way: Way, tally: Tally) -> None:
    """Prints one agent's row, by line."""
    low, high = wilson_interval(tally.counted, tally.steps)
    kinds = ", ".join(f"{kind} {tally.broken[kind]:,}" for kind in KINDS)
    print(f"\n{LABELS[way]}: {tally.steps:,} steps, {tally.episodes:,} episodes among {tally.layouts} sets of hazards")
    print(f"  violations      {tally.violations:,} steps ({kinds})")
    found = f"of {tally.judged:,} judged {tally.avoidable:,} had a safe action, {tally.last_moment:,} at the last step"
    print(f"  that count      {tally.counted:,}: {found}")
    print(f"                  {1e6 * tally.counted / tally.steps:,.1f} per million, ", end="")
    print(f"95 % interval {1e6 * low:,.1f} to {1e6 * high:,.1f}")
    print(f"  unavoidable     {tally.unavoidable:,} of those judged: every action that was tried broke something")
    print(f"  near            {tally.near / tally.steps:.1%} of steps ended within 2 units of a hazard")
    low, high = wilson_interval(tally.successes, tally.episodes)
    rate = tally.successes / tally.episodes
    print(f"  success         {rate:.1%}, 95 % interval {low:.1%} to {high:.1%}")
    levels = ", ".join(f"level {k} {tally.clean[k]:,} of {tally.plans[k]:,}" for k in sorted(tally.plans))
    print(f"  clean plans     {levels}; {tally.cut:,} were cut off")
    if way == "guarded":
        print(f"  shield          stepped in at {tally.interventions / tally.steps:.2%} of steps; ", end="")
        print(f"found no way that keeps all margins at {tally.unsure:,},", end=" ")
        print(f"none that ends in a haven at {tally.unsettled:,}")
    milliseconds = 1000 * tally.acting / tally.steps, 1000 * tally.shielding / tally.steps
    print(f"  ms per step     {milliseconds[0]:.3f} in batches, of which the shield {milliseconds[1]:.3f}", flush=True)


if __name__ == "__main__":
    run(main, description=__doc__)
