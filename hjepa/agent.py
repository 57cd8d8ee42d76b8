"""The agent: a trained stack, the landmarks that it remembers, and how it plans; saved as one checkpoint."""

from __future__ import annotations

from dataclasses import dataclass, field, fields, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from hjepa.checkpoint import CheckpointError, load_checkpoint, save_checkpoint
from hjepa.config import from_dict, to_dict
from hjepa.distil import distil, distil_signpost, make_policy
from hjepa.drift import make_drifts
from hjepa.latent import Jumps
from hjepa.memory import MemoryConfig, Verification, build_landmarks
from hjepa.planning import PlanningConfig
from hjepa.policy import Policy, PolicyConfig
from hjepa.signpost import Signpost
from hjepa.stack import Stack, StackConfig
from hjepa.surprises import Surprises
from hjepa.train import TrainConfig
from hjepa.ways import Ways
from hjepa.world_model import WorldModel
from planners.graph import SearchGraph
from planners.landmarks import LandmarkGraph
from planners.stochastic_graph import ChanceNodes


@dataclass(frozen=True)
class Experiment:
    """Everything that decides what an agent becomes: one TOML file, one dataclass, one command line.

    Attributes:
        stack: the shape of the H-JEPA.
        train: how it is trained.
        memory: how its landmarks and their edges are made.
        planning: how it plans.
        policy: how its Mode-1 is distilled.
    """

    stack: StackConfig = field(default_factory=StackConfig)
    train: TrainConfig = field(default_factory=TrainConfig)
    memory: MemoryConfig = field(default_factory=MemoryConfig)
    planning: PlanningConfig = field(default_factory=PlanningConfig)
    policy: PolicyConfig = field(default_factory=PolicyConfig)


@dataclass(frozen=True, eq=False)
class Agent:
    """A trained agent. It holds no map: a stack, and landmarks that were once observed.

    (One that was given a map, for comparison, is made by :func:`hjepa.known_map.map_agent`.)

    Attributes:
        stack: the H-JEPA.
        experiment: how it was made.
        graphs: for the whole stack, the landmark graph of every level from 2 up.
        card: what it was trained on, how long it took, what it scored.
        verified: per level, edges proposed by the predictor and accepted by the level below.
        policy: level 1's Mode-1, if one was distilled.
        signposts: Mode-1 of the levels above, likewise.
        surprises: where the world was found changed, if it was watched; see :mod:`hjepa.adaptation`.
        ways: past plans that worked, if any were remembered; see :mod:`hjepa.ways`.
    """

    stack: WorldModel
    experiment: Experiment
    graphs: dict[int, LandmarkGraph]
    card: dict[str, Any]
    verified: dict[int, Verification]
    policy: Policy | None = None
    signposts: dict[int, Signpost] = field(default_factory=dict)
    surprises: Surprises | None = None
    ways: Ways | None = None

    @classmethod
    def remember(cls, stack: Stack, observations: Tensor, experiment: Experiment, card: dict[str, Any]) -> Agent:
        """Makes an agent from a trained stack and [N, O] remembered observations."""
        graphs, verified = build_landmarks(stack, observations, experiment.memory)
        return cls(stack.eval().requires_grad_(False), experiment, graphs, card, verified)

    def distilled(self) -> Agent:
        """The same agent with a policy for every level, distilled from its planning as its experiment says.

        It stays as it is where the experiment wants no policy, and where there is only one level: no subgoals are
        handed down then, which could be practised on.
        """
        planning, config, seed = self.experiment.planning, self.experiment.policy, self.experiment.train.seed
        if not config.steps or 2 not in self.graphs:
            return self
        policy = distil(self.stack, self.graphs[2], config, planning.horizon, planning.hold, seed)
        device = self.stack.scale.device
        signposts = {
            k: distil_signpost(landmarks, config.ways, torch.Generator(device).manual_seed(seed + k))
            for k, landmarks in self.graphs.items()
        }
        return replace(self, policy=policy, signposts=signposts)

    def save(self, folder: str | Path) -> None:
        """Writes the agent; an interrupted write leaves the old one.

        Raises:
            CheckpointError: for an agent that has learned nothing, but was given a map.
        """
        if not isinstance(self.stack, Stack):
            raise CheckpointError(f"{folder}: an agent that was given its world has no weights to write; save its map")
        memory: dict[str, Tensor] = {}
        for k, landmarks in self.graphs.items():
            memory[f"observations.{k}"] = torch.from_numpy(landmarks.observations)
            memory[f"below.{k}"] = torch.from_numpy(landmarks.below)
            memory[f"indptr.{k}"] = torch.from_numpy(landmarks.graph.indptr)
            memory[f"targets.{k}"] = torch.from_numpy(landmarks.graph.targets)
            memory[f"costs.{k}"] = torch.from_numpy(landmarks.graph.costs)
            if landmarks.chances is not None:
                memory |= {f"{name}.chances.{k}": torch.from_numpy(a) for name, a in vars(landmarks.chances).items()}
        meta = {
            "kind": "agent",
            "experiment": to_dict(self.experiment),
            "card": self.card,
            "verified": {str(k): [v.proposed, v.accepted] for k, v in self.verified.items()},
        }
        learned = {"stack": self.stack.state_dict(), "memory": memory}
        if self.policy is not None:
            learned["policy"] = self.policy.state_dict()
        learned |= {f"signpost.{k}": signpost.state_dict() for k, signpost in self.signposts.items()}
        if self.surprises is not None:
            learned["surprises"] = self.surprises.state()
        if self.ways is not None:
            learned["ways"] = self.ways.state()
        save_checkpoint(folder, learned, meta)

    @classmethod
    def load(cls, folder: str | Path, device: torch.device | str = "cpu") -> Agent:
        """Reads an agent.

        Raises:
            CheckpointError: where the folder holds none, or a damaged one.
        """
        tensors, meta = load_checkpoint(folder)
        if meta.get("kind") != "agent":
            raise CheckpointError(f"{folder}: this is a {meta.get('kind', 'training')!r} checkpoint, not an agent")
        experiment = from_dict(Experiment, meta["experiment"], f"{folder}: experiment")
        stack = Stack(experiment.stack)
        if any(name.startswith("jumps.") for name in tensors["stack"]):
            stack.jumps = Jumps(stack.level(1).config.state_dim, experiment.train.events.modes)
        make_drifts(stack, tensors["stack"])
        policy = make_policy(stack, experiment.policy) if "policy" in tensors else None
        signposts = {
            k: Signpost(stack.level(k).config.critic_dim, experiment.policy.ways)
            for k in range(2, len(stack) + 1)
            if f"signpost.{k}" in tensors
        }
        try:
            _fill(stack, tensors["stack"], device)
            if policy is not None:
                _fill(policy, tensors["policy"], device)
            for k, signpost in signposts.items():
                _fill(signpost, tensors[f"signpost.{k}"], device)
        except (KeyError, RuntimeError) as error:
            reason = str(error).splitlines()[-1].strip()  # torch lists every misfit on a line of its own
            raise CheckpointError(f"{folder}: the weights do not fit the experiment ({reason})") from error
        graphs = {k: _landmarks(stack, tensors["memory"], k) for k in range(2, len(stack) + 1)}
        verified = {int(k): Verification(*pair) for k, pair in meta["verified"].items()}
        surprises = Surprises.from_state(tensors["surprises"], stack) if "surprises" in tensors else None
        ways = Ways.from_state(tensors["ways"], stack) if "ways" in tensors else None
        return cls(stack, experiment, graphs, meta["card"], verified, policy, signposts, surprises, ways)


def _fill(network: nn.Module, weights: dict[str, Tensor], device: torch.device | str) -> None:
    """Puts saved weights into a network, for use."""
    network.load_state_dict(weights)
    network.to(device).eval().requires_grad_(False)


@torch.no_grad()
def _landmarks(stack: Stack, memory: dict[str, Tensor], k: int) -> LandmarkGraph:
    """One level's landmark graph as saved: states and embeddings are computed again from the observations."""
    observations = memory[f"observations.{k}"].to(stack.scale.device)
    graph = SearchGraph(*(memory[f"{name}.{k}"].numpy() for name in ("indptr", "targets", "costs")))
    states = stack.encode(observations, k)
    above = min(k + 1, len(stack))
    return LandmarkGraph(
        level=k,
        states=states.cpu().numpy(),
        embedding=stack.level(k).critic.embed(states).cpu().numpy(),
        measure=stack.level(above).critic.embed(stack.encode(observations, above)).cpu().numpy(),
        observations=np.ascontiguousarray(memory[f"observations.{k}"].numpy()),
        below=memory[f"below.{k}"].numpy(),
        graph=graph,
        stride=stack.level(k).config.stride,
        chances=_chances(memory, k),
    )


def _chances(memory: dict[str, Tensor], k: int) -> ChanceNodes | None:
    """One level's chance nodes as saved, if it has any."""
    if f"nodes.chances.{k}" not in memory:
        return None
    return ChanceNodes(*(memory[f"{part.name}.chances.{k}"].numpy() for part in fields(ChanceNodes)))
