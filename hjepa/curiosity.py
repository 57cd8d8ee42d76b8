"""Curiosity: an agent that begins with no data and goes to see what it does not know, by what it has learned so far.

First it babbles, and learns from that what its actions do in the open (:class:`hjepa.interest.ActionLatent`). From then
on it remembers landmarks, the ways that it has walked between them, and a frontier of places that it imagines beyond.
Again and again it goes to the cheapest of these: back along ways that it knows, then straight on into the unknown
(return first, then explore: Ecoffet et al., "First return, then explore", 2021; nearest frontier first: Yamauchi 1997).
Once nothing is left to imagine, it looks more closely; at last it practises, on journeys to landmarks seldom seen, as
long as it is let. Its diary is what a stack of levels is then trained on.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from hjepa.data import Trajectories
from hjepa.interest import ActionLatent, Frontier, Numbers, Points, gap, headings
from planners.graph import SearchGraph, reachable, shortest_path

Step = Callable[[NDArray[np.float32]], NDArray[np.float32]]
"""A world: the [A] action of one step to the [O] observation after it."""


@dataclass(frozen=True)
class CuriosityConfig:
    """How to explore. Times, and distances too, are world steps at full speed.

    Attributes:
        babble: random steps before anything is learned.
        noise: standard deviation added to every component of an action, so that the data vary.
        radius: what is so near to a place that was seen is known.
        closer: factor on the radius once nothing is left to imagine.
        looks: with how many radii to look, one after the other.
        review: steps of practice after which it gives what it gave up another chance, and looks once more.
        spacing: distance between landmarks, in radii.
        headings: actions imagined at every landmark.
        turning: what it costs to turn back rather than to go straight on.
        surprise: length of the part of an action that did nothing from which on it refutes what lies there.
        stuck: share of full speed below which the agent is stuck.
    """

    babble: int = 100
    noise: float = 0.2
    radius: float = 12.0
    closer: float = 0.8
    looks: int = 4
    review: int = 1000
    spacing: float = 1 / 3
    headings: int = 16
    turning: float = 10.0
    surprise: float = 0.5
    stuck: float = 0.35

    def __post_init__(self) -> None:
        if min(self.babble, self.looks, self.review, self.headings) < 1:
            raise ValueError("babble, looks, review and headings must be at least 1")
        if not (0 < self.closer <= 1 and 0 < self.spacing < 1 and self.radius > 0):
            raise ValueError("closer must be in (0, 1], spacing in (0, 1) and radius positive")


@dataclass
class Diary:
    """What an explorer has lived through.

    Attributes:
        observations: [O] each, one more than actions.
        actions: [A] each.
        doing: what each action was for: ``babble``, ``probe``, ``travel`` or ``practise``.
    """

    observations: list[NDArray[np.float32]]
    actions: list[NDArray[np.float32]] = field(default_factory=list)
    doing: list[str] = field(default_factory=list)

    def __len__(self) -> int:
        return len(self.actions)

    def trajectories(self) -> Trajectories:
        """All of it as one episode, for training."""
        actions = np.stack([*self.actions, np.zeros_like(self.actions[-1])])
        terminals = np.zeros(len(self.observations))
        terminals[-1] = 1
        return Trajectories.from_arrays(np.stack(self.observations), actions, terminals, "exploration")


class Landmarks:
    """Well-spread places that were seen, and the ways that were walked between them.

    Args:
        actions: A, components of a place.
        spacing: world steps between landmarks.

    Attributes:
        places: [N, A].
        visits: world steps spent nearest to each.
        at: number of the landmark that the agent was nearest to last; -1 before the first.
    """

    def __init__(self, actions: int, spacing: float) -> None:
        self.spacing = spacing
        self.places = np.empty((0, actions))
        self.visits: list[int] = []
        self.at = -1
        self._ways: dict[tuple[int, int], float] = {}

    def visit(self, place: Points) -> bool:
        """Moves on to an [A] place, one step further; returns whether it became a landmark."""
        apart = gap(place, self.places)
        new = apart.min(initial=np.inf) >= self.spacing
        number = len(apart) if new else int(apart.argmin())
        if new:
            self.places = np.concatenate([self.places, place[None]])
            self.visits.append(0)
        self.visits[number] += 1
        if self.at not in (-1, number):
            length = float(gap(self.places[self.at], self.places[number]))
            self._ways[self.at, number] = self._ways[number, self.at] = length  # the way back is a guess
        self.at = number
        return bool(new)

    def forget(self, start: int, end: int) -> None:
        """Forgets a way that led nowhere."""
        self._ways.pop((start, end), None)

    def times(self) -> Points:
        """[N] world steps from here to each landmark; infinite where there is no way."""
        times = np.full(len(self.places), np.inf)
        numbers, costs = reachable(self._graph(), [self.at], [0.0], np.inf)
        times[numbers] = costs
        return times

    def path(self, aim: int) -> list[int]:
        """Numbers of the landmarks on the shortest way from here to one of them, both included."""
        found = shortest_path(self._graph(), [self.at], [0.0], [aim], [0.0])
        return [int(number) for number in found.nodes]

    def _graph(self) -> SearchGraph:
        ends = np.array(list(self._ways), np.int64).reshape(-1, 2)
        return SearchGraph.from_edges(len(self.places), ends[:, 0], ends[:, 1], list(self._ways.values()))


class Explorer:
    """One agent in one world, from its first step on; it is never reset.

    Args:
        step: the world.
        first: [O] what is seen before the first step.
        actions: A, components of an action; each goes from -1 to 1.
        config: how to explore.
        seed: of all randomness.

    Attributes:
        diary: what was seen and done.
        latent: what it has learned of its actions; None before that.
        radius: what is so near to a place that was seen is known at present, world steps.
    """

    WINDOW = 6
    """World steps over which progress is judged."""
    ARRIVED = 0.6
    """A landmark is reached within so many spacings."""
    PATIENCE = 3.0
    """What was not reached in so many times the time that it should take is given up."""
    HANDFUL = 8
    """Landmarks of which practice seeks the least seen: always the very least would be an endless tour of corners."""

    def __init__(
        self, step: Step, first: Points, actions: int, config: CuriosityConfig = CuriosityConfig(), seed: int = 0
    ) -> None:
        self.config, self.actions, self.radius = config, actions, config.radius
        self.diary = Diary([np.asarray(first, np.float32)])
        self.latent: ActionLatent | None = None
        self._step, self._limit, self._looks, self._recalled = step, 0, 1, 0
        self._random = np.random.default_rng(seed)
        self._direction: Points = np.zeros(actions)
        self._here: Points = np.zeros(actions)
        self._trail: Points = np.empty((0, actions))

    def run(self, steps: int) -> Diary:
        """Explores for so many world steps."""
        self._limit = len(self.diary) + steps
        self._babble(self.config.babble - len(self.diary))
        while self._left:
            if self.latent is None:
                self.latent = ActionLatent.fit(np.stack(self.diary.observations), np.stack(self.diary.actions))
                self._recall()
            self._explore()
        return self.diary

    @property
    def _left(self) -> bool:
        return len(self.diary) < self._limit

    def _act(self, action: Points, doing: str) -> None:
        """One step, and what it teaches."""
        noisy = action + self._random.normal(0, self.config.noise, self.actions)
        taken = np.clip(noisy, -1, 1).astype(np.float32)
        self.diary.observations.append(np.asarray(self._step(taken), np.float32))
        self.diary.actions.append(taken)
        self.diary.doing.append(doing)
        if self.latent is not None:
            self._trail = np.concatenate([self._trail[1 - self.WINDOW :], self._here[None]])
            self._remember(self.latent.place(self.diary.observations[-1]), taken)

    def _babble(self, steps: int) -> None:
        """Random actions, a new one at every step: held ones would soon be stopped by walls, and teach little."""
        for _ in range(min(steps, self._limit - len(self.diary))):
            self._act(headings(self.actions, 1, self._random)[0], "babble")

    def _recall(self) -> None:
        """Lives through the diary once more: landmarks and frontier as they appear with the present radius.

        What was felt stays refuted; what was given up, probes and ways that took too long, is open again.
        """
        assert self.latent is not None
        self._recalled = len(self.diary)
        self.landmarks = Landmarks(self.actions, self.config.spacing * self.radius)
        self.frontier = Frontier(self.actions, self.radius)
        self._trail = np.empty((0, self.actions))
        places = self.latent.place(np.stack(self.diary.observations))
        self._remember(places[0], None)
        for place, action in zip(places[1:], self.diary.actions, strict=True):
            self._remember(place, action)

    def _remember(self, place: Points, action: Points | None) -> None:
        """Takes in an [A] place, and the [A] action that led there."""
        if self.landmarks.visit(place):
            actions = headings(self.actions, self.config.headings, self._random)
            self.frontier.imagine(self.landmarks.at, self.landmarks.places, actions)
        if action is not None:
            missing = action - (place - self._here)
            if np.linalg.norm(missing) > self.config.surprise:
                self.frontier.surprise(place, missing)
        self._here = place

    def _explore(self) -> None:
        """One thing: an unknown place, or else a closer look, or else practice."""
        times = self.landmarks.times()
        self.frontier.keep(np.isfinite(times[self.frontier.origins]))
        if len(self.frontier.places):
            best = int((times[self.frontier.origins] + self._turning()).argmin())
            aim = self.frontier.places[best]
            if self._travel(int(self.frontier.origins[best]), "travel"):
                self._probe(aim)
        elif self._looks < self.config.looks:
            self._looks += 1
            self.radius *= self.config.closer
            self._recall()
        elif len(self.diary) >= self._recalled + self.config.review:
            self._recall()
        else:
            self._practise(times)

    def _turning(self) -> Points:
        """[M] what it costs to turn towards the places of the frontier: nothing for those straight ahead."""
        ways = self.frontier.places - self._here
        length = np.linalg.norm(ways, axis=1) * max(float(np.linalg.norm(self._direction)), 1e-9)
        return self.config.turning * 0.5 * (1 - ways @ self._direction / length)

    def _towards(self, place: Points) -> Points:
        """[A] the action that leads straight to a place, at full speed."""
        way = place - self._here
        return way / max(float(np.abs(way).max()), 1.0)

    def _patience(self, place: Points) -> float:
        """The number of the step at which a place should have been reached long ago."""
        return len(self.diary) + self.WINDOW + self.PATIENCE * float(np.abs(place - self._here).max())

    def _travel(self, aim: int, doing: str) -> bool:
        """Goes to a landmark along ways that were walked; returns whether it arrived."""
        path = self.landmarks.path(aim)
        for start, end in zip(path, path[1:], strict=False):
            place = self.landmarks.places[end]
            last = self._patience(place)
            while gap(self._here, place) > self.ARRIVED * self.landmarks.spacing:
                if not self._left:
                    return False
                if len(self.diary) > last:
                    self.landmarks.forget(start, end)
                    return False
                self._act(self._towards(place), doing)
        return True

    def _probe(self, aim: Points) -> None:
        """Goes straight to an imagined place until it is known; it is refuted where that leads nowhere."""
        begun, last = len(self.diary), self._patience(aim)
        while self._left and self.frontier.holds(aim):
            if len(self.diary) > last or self._stuck(begun):
                return self.frontier.refute(aim)
            self._direction = self._towards(aim)
            self._act(self._direction, "probe")

    def _stuck(self, begun: int) -> bool:
        """Whether the last steps of what has begun have led nowhere."""
        if len(self.diary) < begun + self.WINDOW:
            return False
        return float(gap(self._here, self._trail[0])) < self.config.stuck * self.WINDOW

    def _practise(self, times: Points) -> None:
        """Travels to the least seen of a handful of landmarks."""
        away: Numbers = np.flatnonzero(np.isfinite(times) & (times > self.config.radius))
        if not len(away):
            return self._babble(self.WINDOW)
        handful = self._random.choice(away, min(self.HANDFUL, len(away)), replace=False)
        self._travel(min(handful.tolist(), key=lambda number: self.landmarks.visits[number]), "practise")
