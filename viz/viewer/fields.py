"""Fields over the map, as an agent knows them."""

from __future__ import annotations

from hjepa.agent import Agent
from hjepa.cost_to_go import locate, remaining_steps
from viz.heat import Samples
from viz.viewer.document import Document
from viz.viewer.messages import AskField, Field


def sample_field(agent: Agent, ask: AskField, document: Document) -> Field:
    """One field on a document's map, sampled wherever the agent's centre can be."""
    samples = Samples.of(document.map.cells)
    located = locate(agent, samples.places, ask.level)
    steps = remaining_steps(agent, document.goal, located) if ask.name == "heat" else located.unfamiliar
    shown = samples.spread(steps)
    return Field(
        run=ask.run,
        name=ask.name,
        level=ask.level,
        version=document.version,
        goal=document.goal,
        x=shown.x.astype("float32"),
        y=shown.y.astype("float32"),
        steps=shown.steps.astype("float32"),
    )
