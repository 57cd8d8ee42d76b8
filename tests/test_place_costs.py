"""Several costs of places as one."""

from __future__ import annotations

import numpy as np
import torch

from hjepa.place_costs import Together, together
from hjepa.zones import GUARDRAIL, Zones

CORNER = (0.0, 0.0)
DEAR = Zones(np.array([[3.0, 0.0, 0.0]], np.float32), CORNER, 4.0)
SHUT = Zones(np.array([[1.0, 0.0, np.inf]], np.float32), CORNER, 4.0)
PLACES = torch.tensor([[2.0, 2.0], [6.0, 2.0], [10.0, 2.0]])


def test_costs_add_up_and_guardrails_stay() -> None:
    both = Together((DEAR, SHUT))
    assert both.toll(PLACES).tolist() == [4.0, 0.0, GUARDRAIL]
    assert both.clean(PLACES).tolist() == [True, True, False]
    assert both.guarded and not both.empty and both.dearest == 4.0 and both.size == 4.0
    torch.testing.assert_close(both.along(PLACES), both.toll(PLACES))


def test_the_sum_is_capped_and_a_guardrail_is_not() -> None:
    capped = Together((DEAR, SHUT)).capped(2.0)
    assert capped.toll(PLACES).tolist() == [2.0, 0.0, GUARDRAIL]
    assert capped.dearest == 2.0


def test_one_cost_stays_as_it_is() -> None:
    assert together(None, DEAR) is DEAR and together(None) is None
    both = together(DEAR, SHUT)
    assert isinstance(both, Together) and both.parts == (DEAR, SHUT)
