"""A recorded episode as a scene, to be opened in the viewer."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from hjepa.agent import Agent
from planners.trace import Episode
from viz.viewer.agents import facts
from viz.viewer.document import Document, Setup, Zones
from viz.viewer.fields import Sampler
from viz.viewer.messages import AskField
from viz.viewer.state import initial
from viz.viewer.storage import from_episode, save_scene
from worlds import Map


def record_scene(agent: Agent, map: Map, episode: Episode, setup: Setup, path: Path) -> Path:
    """Saves an episode for the viewer, with the agent's landmarks and its cost-to-go."""
    (x, y), (goal_x, goal_y) = episode.observations[0].tolist(), episode.goal.tolist()
    document = Document(map, Zones.none(map.shape), (x, y), (goal_x, goal_y), (setup,))
    model, heat = from_episode(episode, document, facts(agent)), AskField(0, "heat", min(2, setup.levels))
    model.absorb([Sampler(agent, document).field(heat, document)])
    return save_scene(path, model, replace(initial(document), playing=False, following=False, unsent=False))
