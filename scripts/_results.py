"""Results of evaluations: the mean over agents, and a table for people."""

from __future__ import annotations

from typing import Any

from hjepa.evaluate import Report
from hjepa.metrics import wilson_interval

Result = dict[str, Any]


def pooled(reports: list[Report]) -> Result:
    """The mean over several agents, its interval over all their episodes, and every agent's own under ``agents``."""
    single = [report.to_dict() for report in reports]
    result = {key: _mean([one[key] for one in single]) for key in single[0]}
    for task in result["mean_steps"]:  # of successful episodes: an agent without any has no say
        steps = [one["mean_steps"][task] for one in single if one["per_task"][task]]
        result["mean_steps"][task] = _mean(steps) if steps else 0.0
    successes = sum(round(one["success_rate"] * one["episodes"]) for one in single)
    episodes = sum(one["episodes"] for one in single)
    result |= {
        "agent": f"mean of {len(single)} agents",
        "levels": single[0]["levels"],
        "seed": single[0]["seed"],
        "episodes": episodes,
        "ci95": wilson_interval(successes, episodes),
        "agents": single,
    }
    return result


def _mean(values: list[Any]) -> Any:
    """Of numbers; of the values of dictionaries, key by key; of anything else, the first."""
    if isinstance(values[0], dict):
        return {key: _mean([value[key] for value in values if key in value]) for key in values[0]}
    if isinstance(values[0], int | float):
        return sum(values) / len(values)
    return values[0]


def print_table(result: Result) -> None:
    """Prints success and steps by task, and what planning cost."""
    print(f"{result['suite']}  {result['agent']}, {result['levels']} levels: {', '.join(result['planners'])}")
    print(f"{'':10} {'success':>8} {'steps':>8} {'oracle':>8}")
    for name, success in result["per_task"].items():
        print(_row(name, success, result["mean_steps"][name], result["oracle_steps"][name]))
    if len(result["per_task"]) > 1:
        steps = result["mean_steps_overall"], result["oracle_steps_overall"]
        print(_row("all", result["success_rate"], *steps))
    low, high = result["ci95"]
    expanded = (
        "".join(f"  level {k} {count:,.0f}" for k, count in result["nodes_expanded_per_goal"].items()) or "  none"
    )
    for name, text in (
        ("success", f"{result['success_rate']:.1%}, 95 % interval {low:.1%} to {high:.1%}; random {_random(result)}"),
        ("trials", f"{result['episodes']}, seed {result['seed']}; {result['protocol']}"),
        ("ms/step", f"{result['ms_per_step']:.2f} alone (p99 {result['ms_per_step_p99']:.1f}), {_batched(result)}"),
        ("predictor", f"{result['predictor_calls_per_step']:.1f} states per step"),
        ("expanded", f"nodes per new goal:{expanded}"),
    ):
        print(f"{name:10} {text}")


def _row(name: str, success: float, steps: float, oracle: float) -> str:
    taken = f"{steps:.1f}" if success else "-"  # steps are those of successful episodes
    return f"{name:10} {success:>8.1%} {taken:>8} {oracle:>8.1f}"


def _random(result: Result) -> str:
    return f"{result['random_success_rate']:.1%}"


def _batched(result: Result) -> str:
    return f"{result['ms_per_step_batched']:.3f} in one batch"
