"""Fields over the map, as an agent knows them."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from hjepa.agent import Agent
from hjepa.cost_to_go import Located, locate, remaining_steps
from hjepa.zones import priced
from viz.heat import Samples
from viz.viewer.agents import laid_over
from viz.viewer.document import Document
from viz.viewer.messages import AskField, Field


class Sampler:
    """One agent's fields on one version of a document, wherever the agent's centre can be; the goal may move.

    Args:
        agent: whose.
        document: whose map and zones.
    """

    def __init__(self, agent: Agent, document: Document) -> None:
        zones = laid_over(document)
        self._agent = agent if zones is None else replace(agent, graphs=priced(agent.graphs, zones))
        self._samples = Samples.of(document.map.cells)
        self._located: dict[int, Located] = {}

    def field(self, ask: AskField, document: Document) -> Field:
        """One field, towards the document's goal. Whatever the level, level 2 tells what is familiar."""
        level = ask.level if ask.name == "heat" else 2
        if level not in self._located:
            self._located[level] = locate(self._agent, self._samples.places, level)
        located = self._located[level]
        steps = remaining_steps(self._agent, document.goal, located) if ask.name == "heat" else located.unfamiliar
        shown = self._samples.spread(steps)
        x, y, values = (array.astype(np.float32) for array in (shown.x, shown.y, shown.steps))
        return Field(ask.run, ask.name, ask.level, document.version, document.goal, x, y, values)
