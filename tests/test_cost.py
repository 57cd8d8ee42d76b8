"""The cost module: terms by name, with gradients; and no way to lower a guardrail's weight."""

from __future__ import annotations

import tomllib
from dataclasses import FrozenInstanceError, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from hjepa.config import from_dict
from hjepa.cost import CostModule, CostWeights, Effort, IntrinsicCost, TrainableCost
from hjepa.guardrails import GuardrailError, KeepOut, MovingObstacles, Region
from hjepa.zones import GUARDRAIL
from planners.session import SubgoalCost

CELLS = np.array([[False, False, True]])


def keep_out(body: float = 0.7) -> KeepOut:
    return KeepOut(Region(CELLS, (-2.0, -2.0), 4.0), body)


def intrinsic() -> IntrinsicCost:
    return IntrinsicCost((keep_out(), MovingObstacles(0.7)), (Effort(),))


def same(states: Tensor) -> Tensor:
    return states


def module(**changes: Any) -> CostModule:
    task = SubgoalCost(same, torch.tensor([[9.0, 0.0]]))
    critic = TrainableCost(lambda states: torch.linalg.vector_norm(states, dim=-1))
    return CostModule(intrinsic(), same, task, critic, **changes)


STATES = torch.tensor([[[0.0, 0.0], [4.0, 0.0], [6.0, 0.0]]])
ACTIONS = torch.tensor([[[1.0, 0.0], [0.5, 0.5]]])


def test_every_term_along_a_trajectory() -> None:
    terms = module().terms(STATES, ACTIONS)
    assert {name: values[0].tolist() for name, values in terms.items()} == {
        "keep-out": pytest.approx([0, 0, 0.7 * GUARDRAIL], abs=0.01),
        "moving obstacles": [0, 0, 0],
        "effort": [0, 1, 0.5],
        "critic": [0, 0, 6],
        "task": [9, 5, 3],
    }
    assert torch.equal(module()(STATES, ACTIONS), torch.stack(list(terms.values())).sum(0))


def test_terms_have_gradients_and_candidates() -> None:
    states = (STATES + 0.1).expand(4, -1, -1)[None].clone().requires_grad_()
    total = module()(states, ACTIONS.expand(4, -1, -1)[None])
    assert total.shape == (1, 4, 3)
    total.sum().backward()
    assert states.grad is not None and states.grad.isfinite().all() and (states.grad[:, :, 2, 0] > 0).all()


def test_weights_reach_everything_but_the_guardrails() -> None:
    plain, other = module(), module().weighed(CostWeights(drives=2, critic=0, task=3))
    ratio = {"keep-out": 1, "moving obstacles": 1, "effort": 2, "critic": 0, "task": 3}
    for name, values in other.terms(STATES, ACTIONS).items():
        assert torch.equal(values, ratio[name] * plain.terms(STATES, ACTIONS)[name])


def test_planners_put_guardrails_before_cost() -> None:
    cost = module().constrained()
    assert cost.violation(STATES, ACTIONS)[0].tolist() == pytest.approx([0, 0, 0.7], abs=1e-5)
    assert float(cost(STATES, ACTIONS)[0, 2]) == pytest.approx(9.5)
    inside = torch.tensor([[[8.0, 0.0], [0.0, 0.0]]])
    assert not cost.violation(inside, ACTIONS[:, :1]).any(), "where the agent is already can't be helped"


@pytest.mark.parametrize(
    "attempt",
    [
        lambda: CostWeights(guardrails=1.0),
        lambda: CostWeights(guardrails=0.0),
        lambda: replace(CostWeights(), guardrails=10.0),
        lambda: module().weighed(replace(CostWeights(), guardrails=999.0)),
        lambda: from_dict(CostWeights, {"guardrails": 0.5}, "agent.toml"),
        lambda: replace(intrinsic(), guardrails=()),
        lambda: replace(intrinsic(), guardrails=intrinsic().guardrails[:1]),
        lambda: replace(intrinsic(), guardrails=(keep_out(body=0.0), MovingObstacles(0.7))),
        lambda: replace(intrinsic(), drives=()),
        lambda: replace(module(), intrinsic=IntrinsicCost(())),
    ],
)
def test_no_copy_and_no_configuration_lowers_a_guardrail(attempt: Any) -> None:
    with pytest.raises(ValueError, match=r"guardrails weigh 1000, always|immutable|keeps the intrinsic cost") as error:
        attempt()
    assert "\n" not in str(error.value)


def test_there_are_no_setters() -> None:
    cost = module()
    for target, name in ((cost.intrinsic, "guardrails"), (cost, "intrinsic"), (cost.weights, "guardrails")):
        with pytest.raises(FrozenInstanceError):
            setattr(target, name, ())
    with pytest.raises(ValueError, match="read-only"):
        cost.intrinsic.guardrails[0].region.cells[0, 2] = False  # type: ignore


@pytest.mark.parametrize(
    "tamper",
    [
        lambda intrinsic: object.__setattr__(intrinsic, "guardrails", ()),
        lambda intrinsic: object.__setattr__(intrinsic.guardrails[0], "body", 0.0),
        lambda intrinsic: object.__setattr__(intrinsic.guardrails[1], "horizon", 0),
    ],
)
def test_what_is_altered_behind_its_back_is_found_out_at_the_next_use(tamper: Any) -> None:
    cost = module()
    cost(STATES, ACTIONS)
    tamper(cost.intrinsic)
    for use in (cost, cost.violation, cost.terms):
        with pytest.raises(GuardrailError, match="immutable"):
            use(STATES, ACTIONS)


def test_a_weight_that_is_altered_behind_its_back_is_found_out_at_the_next_use() -> None:
    cost = module()
    object.__setattr__(cost.weights, "guardrails", 0.0)
    for use in (cost, cost.terms, cost.constrained()):
        with pytest.raises(GuardrailError, match="guardrails weigh 1000, always; 0.0 was asked for"):
            use(STATES, ACTIONS)


def test_a_configuration_file_cannot_lower_it(tmp_path: Path) -> None:
    file = tmp_path / "agent.toml"
    file.write_text("drives = 2.0\nguardrails = 10.0\n")
    with pytest.raises(ValueError, match="guardrails weigh 1000, always; 10.0 was asked for"):
        from_dict(CostWeights, tomllib.loads(file.read_text()), str(file))


def test_equal_guardrails_have_one_digest_and_others_another() -> None:
    assert intrinsic().digest == intrinsic().digest
    assert intrinsic().digest != IntrinsicCost((keep_out(0.8), MovingObstacles(0.7)), (Effort(),)).digest
    assert replace(intrinsic()).digest == intrinsic().digest


def test_names_and_weights_that_make_no_sense() -> None:
    with pytest.raises(GuardrailError, match="two terms are called 'task'"):
        IntrinsicCost((), (Effort("task"),))
    with pytest.raises(ValueError, match="weights.task must not be negative, not -1"):
        CostWeights(task=-1)
