"""An intrinsic objective: places that an agent can imagine, has never been near, and has not yet tried in vain.

The agent measures the world by its own actions. :class:`ActionLatent` is the smallest of world models, a latent state
that an action moves by itself, ``z' = z + a``: what actions do in the open, which is soon learned. It is kept
optimistic on purpose: everywhere an action is expected to do what it does in the open, until it was tried there
(optimism in the face of uncertainty; R-MAX, Brafman and Tennenholtz 2002). What was imagined and is not near anything
seen is the :class:`Frontier`; novelty is the distance to the nearest memory, as in Never Give Up (Badia et al. 2020).
Every surprise refutes: where a step fell short of what was expected, the place in the direction of the missing part
can't be gone to from here.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Points = NDArray[np.floating]
Numbers = NDArray[np.int64]

TRUSTED = 0.5
"""Share of the recorded steps that the model is fitted to: those that it explains best. The rest met with walls."""
ROUNDS = 10


@dataclass(frozen=True)
class ActionLatent:
    """A latent state in units of actions: in the open, an action moves it by itself.

    A linear encoder learned by inverse dynamics, the action being the difference of two latent states; its scale is
    the actions', so that it can't collapse. What actions don't move, the encoder doesn't see. Distances are world steps
    at full speed.

    Attributes:
        origin: [O] the observation that is placed at 0.
        encoder: [O, A].
    """

    origin: Points
    encoder: Points

    @classmethod
    def fit(cls, observations: Points, actions: Points) -> ActionLatent:
        """Learns from [N + 1, O] consecutive observations and the [N, A] actions between them.

        By least trimmed squares (Rousseeuw 1984): steps that walls cut short are left out, not averaged in.
        """
        changes = np.diff(observations.astype(np.float64), axis=0)
        rows = np.arange(len(changes))
        for _ in range(ROUNDS):
            encoder = np.linalg.lstsq(changes[rows], actions[rows], rcond=None)[0]
            error = np.linalg.norm(changes @ encoder - actions, axis=1)
            rows = error.argsort(kind="stable")[: max(1, int(TRUSTED * len(changes)))]
        return cls(observations[0].astype(np.float64), encoder)

    def place(self, observations: Points) -> Points:
        """[..., O] observations to [..., A] places."""
        return (observations - self.origin) @ self.encoder


def headings(actions: int, count: int, generator: np.random.Generator) -> Points:
    """[count, A] actions that point anywhere, each with one component at its bound of 1: nothing moves faster."""
    drawn = generator.normal(size=(count, actions))
    return drawn / np.abs(drawn).max(1, keepdims=True)


def gap(point: Points, points: Points) -> Points:
    """World steps from an [A] place to each of [N, A]."""
    return np.sqrt(np.square(points - point).sum(-1))


class Frontier:
    """Places that were imagined and are still unknown.

    Args:
        actions: A, components of a place.
        radius: world steps around a place that was seen, or refuted, that count as known.

    Attributes:
        places: [M, A] imagined places.
        origins: [M] numbers of the landmarks from which they were imagined.
    """

    REACH = 4 / 3
    """How far the agent imagines to go, in radii: less far, and new ground would be known before it was trodden."""
    APART = 1.0
    """World steps between refuted places: pushing on against the same wall tells nothing new."""

    def __init__(self, actions: int, radius: float) -> None:
        self.radius = radius
        self.places = np.empty((0, actions))
        self.origins = np.empty(0, np.int64)
        self._refuted = np.empty((0, actions))

    def imagine(self, number: int, landmarks: Points, actions: Points) -> None:
        """Adds where holding each of [K, A] actions at the landmark of a number leads, as far as that is unknown.

        Args:
            number: of the landmark; it was just found, and what was imagined around it becomes known.
            landmarks: [N, A] all of them.
            actions: [K, A] to be held.
        """
        self._settle(landmarks[number])
        imagined = landmarks[number] + self.REACH * self.radius * actions
        known = np.concatenate([landmarks, self._refuted])
        unknown = np.array([gap(place, known).min() >= self.radius for place in imagined])
        self.places = np.concatenate([self.places, imagined[unknown]])
        self.origins = np.concatenate([self.origins, np.full(unknown.sum(), number)])

    def refute(self, place: Points) -> None:
        """Takes it as known that an [A] place and its neighbourhood can't be gone to."""
        if gap(place, self._refuted).min(initial=np.inf) >= self.APART:
            self._refuted = np.concatenate([self._refuted, place[None]])
        self._settle(place)

    def surprise(self, place: Points, missing: Points) -> None:
        """Refutes what lies behind an [A] place, in the direction of the [A] part of an action that did nothing."""
        self.refute(place + self.radius * missing / np.linalg.norm(missing))

    def holds(self, place: Points) -> bool:
        """Whether an [A] imagined place is still unknown."""
        return bool((self.places == place).all(1).any())

    def _settle(self, place: Points) -> None:
        """Strikes off what lies around an [A] place."""
        self.keep(gap(place, self.places) >= self.radius)

    def keep(self, which: NDArray[np.bool_]) -> None:
        """Strikes off all but [M] some."""
        self.places, self.origins = self.places[which], self.origins[which]
