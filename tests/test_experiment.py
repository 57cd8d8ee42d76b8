"""Experiments: plans that tell hypotheses apart, evidence that refutes, and where graphs disagree."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import Tensor

from hjepa.experiment import Disagreement, ExperimentError, JointDynamics, Trial, telling_place
from planners.base import Box
from planners.graph import SearchGraph
from planners.landmarks import LandmarkGraph
from planners.sampling import CEM


class Slope:
    """A point that is carried along to the right of the origin."""

    def __init__(self, drift: float) -> None:
        self.drift, self.actions = drift, Box(-torch.ones(1), torch.ones(1))

    def step(self, state: Tensor, action: Tensor) -> Tensor:
        return state + 0.2 * action + self.drift * (state > 0)


MODELS = {"calm": Slope(0.0), "pulled": Slope(0.3)}


def same(states: Tensor) -> Tensor:
    return states


def test_joint_states_are_those_of_each_model() -> None:
    joint = JointDynamics(MODELS)
    states = joint.step(joint.start(torch.tensor([[1.0]])), torch.tensor([[0.5]]))
    assert states[0].tolist() == pytest.approx([1.1, 1.4])


def test_the_plan_goes_where_the_models_disagree() -> None:
    trial = Trial(MODELS, same, noise=0.1)
    start = trial.joint.start(torch.tensor([[-0.5]]))
    planner = CEM(horizon=10, hold=5, samples=32, iterations=3, elites=6)
    plan = planner.plan(trial.joint, trial.cost, start, generator=torch.Generator().manual_seed(0))
    assert (plan.actions[0, :3] > 0.5).all(), "to the right"


def test_doubtful_places_are_worth_less() -> None:
    cost = Disagreement(2, same, 0.1, doubt=lambda states: 100 * (states[..., 0] > 1).float())
    states, actions = torch.tensor([[[0.0, 0.0], [0.5, 0.9], [0.5, 1.5]]]), torch.zeros(1, 2, 1)
    start, near, far = cost(states, actions)[0].tolist()
    assert start == 0 and near < 0 < far


@pytest.mark.parametrize("truth", ["calm", "pulled"])
def test_the_wrong_hypothesis_is_refuted(truth: str) -> None:
    trial, state = Trial(MODELS, same, noise=0.1), torch.tensor([1.0])
    for _ in range(3):
        following = MODELS[truth].step(state, torch.zeros(1))
        trial.observe(state, torch.zeros(1), following)
        state = following
    verdict = trial.verdict()
    assert verdict.survivor == truth and len(verdict.refuted) == 1 and verdict.steps == 3
    assert verdict.log_odds[verdict.refuted[0]] == pytest.approx(3 * 0.3**2 / (2 * 0.1**2), rel=1e-3)
    assert verdict.error[truth] == pytest.approx(0, abs=1e-6)


def test_where_they_agree_nothing_is_decided() -> None:
    trial = Trial(MODELS, same, noise=0.1)
    trial.observe(torch.tensor([-1.0]), torch.zeros(1), torch.tensor([-0.8]))
    assert trial.verdict().survivor is None and not trial.verdict().refuted


def test_evidence_at_one_place_saturates_and_at_many_does_not() -> None:
    def odds(places: list[float], bias: float) -> float:
        trial = Trial(MODELS, same, noise=0.05, bias=bias, alike=1.0)
        for place in places:
            state = torch.tensor([place])
            trial.observe(state, torch.zeros(1), MODELS["calm"].step(state, torch.zeros(1)))
        return trial.verdict().log_odds["pulled"]

    once = 0.3**2 / (2 * (0.2**2 + 0.05**2))
    assert odds([1.0], 0.2) == pytest.approx(once, rel=1e-4)
    assert odds([1.0] * 50, 0.2) == pytest.approx(0.3**2 / (2 * (0.2**2 + 0.05**2 / 50)), rel=1e-3), "however often"
    assert odds([10.0 * n for n in range(1, 6)], 0.2) == pytest.approx(5 * once, rel=1e-4), "elsewhere it is new"
    assert odds([1.0] * 5, 0.0) == pytest.approx(5 * 0.3**2 / (2 * 0.05**2), rel=1e-4), "without bias all is new"


def test_whitened_errors_are_those_of_the_covariance() -> None:
    rng, trial = torch.Generator().manual_seed(0), Trial(MODELS, same, noise=0.1, bias=0.3, alike=2.0)
    states, actions, errors = torch.randn(7, 1, generator=rng), torch.randn(7, 1, generator=rng), []
    for state, action in zip(states, actions, strict=True):
        following = state + 0.5 * torch.randn(1, generator=rng)
        trial.observe(state, action, following)
        errors.append([float(model.step(state, action) - following) for model in MODELS.values()])
    tried = torch.cat([states / 2.0, actions], 1)
    covariance = 0.1**2 * torch.eye(7) + 0.3**2 * torch.exp(-0.5 * torch.cdist(tried, tried).square())
    error = torch.tensor(errors)
    direct = (error * torch.linalg.solve(covariance, error)).sum(0)
    assert trial.distance.tolist() == pytest.approx(direct.tolist(), rel=1e-3)


def test_what_was_tried_is_worth_less_to_try_again() -> None:
    trial = Trial(MODELS, same, noise=0.1, bias=0.1, alike=0.5)
    state = torch.tensor([[2.0, 2.3]])
    fresh = float(trial.cost.worth(state))
    trial.observe(torch.tensor([2.0]), torch.zeros(1), torch.tensor([2.0]))
    assert float(trial.cost.worth(state)) < 0.01 < fresh
    assert float(trial.cost.worth(state + 5)) == pytest.approx(fresh, rel=1e-3)


def chain(pairs: list[tuple[int, int]]) -> LandmarkGraph:
    points = np.arange(5, dtype=np.float32)[:, None]
    ends = np.array(pairs)
    graph = SearchGraph.from_edges(5, ends[:, 0], ends[:, 1], np.ones(len(ends)))
    return LandmarkGraph(2, points, points, points, points, np.arange(5), graph, 10)


def test_the_nearest_place_where_graphs_disagree() -> None:
    way = [(0, 1), (1, 2), (2, 3), (3, 4)]
    begins, costs = np.array([0]), np.zeros(1, np.float32)
    assert telling_place(chain(way), chain(way[:2] + way[3:]), begins, costs) == 2
    with pytest.raises(ExperimentError, match="the same edges"):
        telling_place(chain(way), chain(way), begins, costs)
    with pytest.raises(ExperimentError, match="by ways that both know"):
        telling_place(chain(way[1:]), chain(way[1:3]), begins, costs)


def test_experiments_that_make_no_sense() -> None:
    with pytest.raises(ExperimentError, match="at least two hypotheses, not 1"):
        JointDynamics({"calm": MODELS["calm"]})
    with pytest.raises(ExperimentError, match="noise must be positive"):
        Trial(MODELS, same, noise=0.0)
    with pytest.raises(ExperimentError, match="bias must be 0 or more and alike positive, not -1.0 and 1.0"):
        Trial(MODELS, same, noise=0.1, bias=-1.0)
