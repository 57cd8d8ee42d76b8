"""The configurator: one call turns a task into a configured agent, which can be asked why it is as it is.

In LeCun's architecture the configurator "takes input from all other modules and configures them for the task at hand"
(2022, "A Path Towards Autonomous Machine Intelligence", section 2). Here it is a few rules over what the agent knows of
itself: how far its critics say that the goal is, how long its strides are, whether it has policies, where it believes
in chance, how wrong its predictions are, and how long its planners take on this machine. It sees no map.

    actor = configure(agent, Task(here, goal, milliseconds=0.3)).actor(seed=0)

Every rule below is one function, which returns what it chose and a :class:`Reason`.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import final

from hjepa.actor import Actor
from hjepa.adaptation import Adaptation
from hjepa.agent import Agent
from hjepa.calibration import Calibration
from hjepa.facts import ConfiguratorError, Facts, Task, short
from hjepa.guarded import GuardedActor
from hjepa.guardrails import KeepOut
from hjepa.planning import LevelPlanner, PlanningConfig
from hjepa.rehearsal import rehearse
from hjepa.surprises import Surprises

__all__ = ["Configured", "ConfiguratorError", "Reason", "Task", "configure"]

STRIDES = 2.0
"""A level is of use for a way of at least so many of its strides; the level below sees as far by itself."""
RUNGS: tuple[tuple[LevelPlanner, ...], ...] = (("guided", "landmarks"), ("mode1", "landmarks"), ("mode1", "mode1"))
"""What plans where time is short, the most thorough first: below, what the agent does if nothing is said."""
MODES: dict[str, str] = {
    "mode1": "Mode-1",
    "guided": "Mode-2 that starts from Mode-1",
    "landmarks": "Mode-2: A* over landmarks",
}


@final
@dataclass(frozen=True)
class Reason:
    """One decision of the configurator.

    Attributes:
        setting: what was decided.
        value: how.
        because: why, in numbers that the agent knows.
    """

    setting: str
    value: str
    because: str

    def __str__(self) -> str:
        return f"{self.setting}: {self.value}, because {self.because}"


@final
@dataclass(frozen=True, eq=False)
class Configured:
    """An agent that is ready for one task.

    Attributes:
        task: which.
        agent: as it was, but for ``experiment.planning``, which says what plans at each level, and for which risk.
        levels: that plan, counted from the finest.
        calibration: how wrong it may be; None where nothing depends on it.
        surprises: where watching begins; None where the world is trusted.
        reasons: of every setting.
    """

    task: Task
    agent: Agent
    levels: int
    calibration: Calibration | None = None
    surprises: Surprises | None = None
    reasons: tuple[Reason, ...] = ()

    @property
    def planning(self) -> PlanningConfig:
        """How every level plans."""
        return self.agent.experiment.planning

    @property
    def modes(self) -> tuple[str, ...]:
        """Of each level, the finest first."""
        names = (self.planning.planner(k) for k in range(1, self.levels + 1))
        return tuple(MODES.get(name, f"Mode-2: {name}") for name in names)

    def why(self, setting: str | None = None) -> list[str]:
        """One line for each setting, or for one of them.

        Raises:
            ConfiguratorError: for a setting that there is not.
        """
        told = [str(reason) for reason in self.reasons if setting in (None, reason.setting)]
        if not told:
            settings = ", ".join(reason.setting for reason in self.reasons)
            raise ConfiguratorError(f"nothing was decided about {setting!r}; ask about one of {settings}")
        return told

    def actor(self, seed: int = 0) -> Actor | GuardedActor:
        """Who does the task."""
        task, adaptation = self.task, None
        if self.surprises is not None:
            adaptation = Adaptation(self.agent, self.surprises)
        if task.intrinsic is None or self.calibration is None:
            ways = None if task.changed else self.agent.ways
            zones = task.preference
            return Actor(self.agent, self.levels, seed=seed, zones=zones, adaptation=adaptation, ways=ways)
        return GuardedActor(
            self.agent, task.intrinsic, self.calibration.margins, levels=self.levels, seed=seed,
            ground=self.calibration.ground, preference=task.preference, adaptation=adaptation, weights=task.weights,
        )  # fmt: skip


def configure(agent: Agent, task: Task, calibration: Calibration | None = None) -> Configured:
    """Configures an agent for a task.

    Args:
        agent: who is to do it; it stays as it is.
        task: what.
        calibration: how wrong its predictions are; needed for guardrails, and for a world that may have changed.

    Raises:
        ConfiguratorError: for a task that contradicts itself, or that this agent can't do.
    """
    facts = Facts(agent, task, calibration)
    facts.check()
    levels, how_many = _levels(facts)
    surprises, watch = _watch(facts)
    draft = Configured(task, _planning(agent, risk=task.risk), levels, calibration, surprises)
    configured, modes = _modes(facts, draft)
    reasons = (how_many, *modes, _risk(facts), *_costs(facts), *_memory(facts), watch)
    return _passable(replace(configured, reasons=reasons))


def _levels(facts: Facts) -> tuple[int, Reason]:
    """As many as the way is long: one more is of use where the goal is out of sight of those below."""
    agent, strides = facts.agent, [level.stride for level in facts.agent.stack.config.levels]
    far = [k for k, away in enumerate(facts.distances, 1) if away >= STRIDES * strides[k - 1]]
    least = 2 if facts.needs_search and len(strides) > 1 else 1
    levels = max(least, max(far, default=1))
    if levels > 2 and facts.way is not None:
        because = f"a way that worked leads there in {facts.way.arrival[-1]:.0f} steps: level 2 can follow it"
        return 2, Reason("levels", f"2 of {len(strides)}", because)
    away = facts.distances[levels - 1]
    if levels == len(strides):
        because = f"the goal is {away:.0f} steps away by level {levels}'s critic, its stride is {strides[-1]}"
        return levels, Reason("levels", f"all {levels}", because)
    dropped, reach = f"level {levels + 1}", STRIDES * strides[levels]
    because = f"{facts.distances[levels]:.0f} steps by {dropped}'s critic are less than two of its strides ({reach:g})"
    if levels == least == 2 and levels not in far:
        because += "; level 2 stays, since only a search finds a way round"
    return levels, Reason("levels", f"{levels} of {len(agent.stack)}", because)


def _watch(facts: Facts) -> tuple[Surprises | None, Reason]:
    """Whether steps are compared with what was predicted of them."""
    if not facts.task.changed or facts.surprises is None:
        return None, Reason("watch", "off", "the task says that the world is as it was")
    limit, known = float(facts.surprises.threshold), len(facts.surprises)
    because = f"the world may have changed; what is {limit:.2f} world steps beside its prediction is a surprise"
    return facts.surprises, Reason("watch", f"on, {known} fronts known", because)


def _risk(facts: Facts) -> Reason:
    """The attitude of all levels, which matters where chance decides."""
    risk, landmarks = facts.task.risk, facts.landmarks(2)
    if not facts.chances:
        return Reason("risk", risk, f"nothing depends on it: none of {landmarks} landmarks leads anywhere by chance")
    wish = "it is the usual one" if risk == "average" else "the task asks for it"
    return Reason("risk", risk, f"{wish}; chance decides at {facts.chances} of {landmarks} landmarks")


def _costs(facts: Facts) -> Iterator[Reason]:
    """What is minimised, and what is put before it."""
    task, parts = facts.task, ["world steps to the goal (the critic, by subgoals)"]
    if task.preference is not None:
        parts.append(f"the preference, up to {task.preference.dearest:.1f} world steps per step")
    if task.intrinsic is None:
        yield Reason("cost", " + ".join(parts), "the task names no guardrail and no drive")
        return
    parts += [f"{task.weights.drives:g} x {drive.name}" for drive in task.intrinsic.drives]
    rails = [rail.name for rail in task.intrinsic.guardrails]
    before = f"{len(rails)} guardrails come before any cost" if rails else "the task has drives"
    yield Reason("cost", " + ".join(parts), before)
    if rails and facts.calibration is not None:
        margin = facts.calibration.margins.place
        told = f"one step ahead, 1 prediction in 1000 is off by more than {margin[1]:.2f}, the margin that is kept"
        yield Reason("shield", f"on, for {', '.join(rails)}", told)


def _memory(facts: Facts) -> Iterator[Reason]:
    """Whether past plans are recalled."""
    ways = facts.agent.ways
    if ways is None or not len(ways):
        return
    if facts.needs_search:
        yield Reason("memory", "off", f"its {len(ways)} ways worked before the world, or what is dear, was another one")
        return
    leads = "none leads from here to the goal" if facts.way is None else "one leads from here to the goal"
    yield Reason("memory", "on", f"{len(ways)} ways worked before; {leads}")


def _modes(facts: Facts, draft: Configured) -> tuple[Configured, list[Reason]]:
    """What plans at each level: as the agent is used to, or the most thorough that there is time for."""
    allowed, tried = facts.task.milliseconds, list[str]()
    if allowed is None:
        return draft, _by_level(facts, draft, facts.needs_search or "no time limit was given")
    rungs = (draft.planning.planners, *_rungs(facts))
    for planners in dict.fromkeys(rung[: draft.levels] for rung in rungs):
        rung = replace(draft, agent=_planning(draft.agent, planners=planners))
        takes = _rehearsed(facts, rung)
        tried.append(f"{'-'.join(planners)} {takes:.2f}")
        if takes <= allowed:
            because = f"{allowed:g} ms per step were allowed; rehearsed just now: {', '.join(tried)}"
            return rung, _by_level(facts, rung, because)
    hindered = f" ({facts.needs_search})" if facts.needs_search else ""
    raise ConfiguratorError(f"no mode meets {allowed:g} ms per step; rehearsed just now: {', '.join(tried)}{hindered}")


def _rungs(facts: Facts) -> Iterator[tuple[LevelPlanner, ...]]:
    """Quicker planners, as far as the agent has them and the task allows for them."""
    if facts.needs_search or facts.agent.policy is None:
        return
    for planners in RUNGS:
        # Signposts walk past chance: they know one outcome.
        if planners[-1] != "mode1" or (facts.agent.signposts and not facts.chances):
            yield planners


def _rehearsed(facts: Facts, rung: Configured) -> float:
    """Milliseconds per world step, imagined; what is imagined does not become a memory."""
    task, forgetful = facts.task, replace(rung, agent=replace(rung.agent, ways=None))
    imagined = rehearse(forgetful.actor(), rung.agent.stack, task.here, task.goal, rung.planning.commit)
    return imagined.per_step(max(facts.distances))


def _by_level(facts: Facts, configured: Configured, because: str) -> list[Reason]:
    """The reasons of the modes: of level 1 the one that is given, of the others how long their ways are."""
    reasons = [Reason("level 1", f"{configured.modes[0]}, {configured.planning.horizon} steps ahead", because)]
    for k in range(2, configured.levels + 1):
        away = facts.distances[k - 1] / facts.agent.stack.level(k).config.stride
        knows = f"it knows {facts.landmarks(k)} landmarks and {facts.agent.graphs[k].graph.num_edges} ways between them"
        reasons.append(
            Reason(f"level {k}", f"{configured.modes[k - 1]}, all the way", f"that is {away:.1f} strides; {knows}")
        )
    return reasons


def _passable(configured: Configured) -> Configured:
    """The same, if the guardrails leave a way to the goal."""
    intrinsic = configured.task.intrinsic
    closed = () if intrinsic is None else tuple(r.name for r in intrinsic.guardrails if isinstance(r, KeepOut))
    if not closed or configured.levels < 2:
        return configured
    actor = configured.actor()
    actor.begin(configured.task.goal[None])
    actor.act(configured.task.here[None])
    assert actor.session is not None
    if not actor.session.track(configured.levels, 0).path.found:
        raise ConfiguratorError(f"no way is known to {short(configured.task.goal)} that keeps to {', '.join(closed)}")
    return configured


def _planning(agent: Agent, **changes: object) -> Agent:
    """The agent with other settings of its planning."""
    planning = replace(agent.experiment.planning, **changes)  # type: ignore[arg-type]
    return replace(agent, experiment=replace(agent.experiment, planning=planning))
