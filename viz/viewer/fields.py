"""Fields over the map, as an agent knows them."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import torch

from hjepa.agent import Agent
from hjepa.cost_to_go import Located, locate, remaining_steps
from hjepa.zones import priced
from viz.heat import Samples
from viz.viewer.agents import laid_over
from viz.viewer.document import GUARDRAIL, Document
from viz.viewer.messages import AskField, Field
from worlds.maps import WALL


class Sampler:
    """One agent's fields on one version of a document, wherever the agent's centre can be; the goal may move.

    Guardrails are left out: nobody goes there, and what a way out would cost says nothing of the places around.

    Args:
        agent: whose.
        document: whose map and zones.
    """

    def __init__(self, agent: Agent, document: Document) -> None:
        self._zones = laid_over(document)
        self._agent = agent if self._zones is None else replace(agent, graphs=priced(agent.graphs, self._zones))
        self._samples = Samples.of(np.where(document.zones.cells == GUARDRAIL, WALL, document.map.cells))
        self._located: dict[int, Located] = {}

    def field(self, ask: AskField, document: Document) -> Field:
        """One field, towards the document's goal. Whatever the level, level 2 tells what is familiar."""
        heat = ask.name == "heat"
        located = self._locate(ask.level if heat else 2)
        steps = remaining_steps(self._agent, document.goal, self._outside(located)) if heat else located.unfamiliar
        shown = self._samples.spread(steps)
        x, y, values = (array.astype(np.float32) for array in (shown.x, shown.y, shown.steps))
        return Field(ask.run, ask.name, ask.level, document.version, document.goal, x, y, values)

    def _locate(self, level: int) -> Located:
        if level not in self._located:
            self._located[level] = locate(self._agent, self._samples.places, level)
        return self._located[level]

    def _outside(self, located: Located) -> Located:
        """Without the landmarks that are in a guardrail."""
        if self._zones is None or located.level not in self._agent.graphs:
            return located
        clean = self._zones.clean(torch.from_numpy(self._agent.graphs[located.level].observations)).numpy()
        return replace(located, costs=np.where(clean[located.entries], located.costs, np.inf))
