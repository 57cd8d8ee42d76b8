"""Levels of places: what their predictions depend on, their edges and their stack."""

from __future__ import annotations

import pytest
import torch

from hjepa.vision.objective import level_losses
from hjepa.vision.place_level import LAYOUT, MOTION, PLACE, PlaceConfig, PlaceLevel
from hjepa.vision.reachability import Reachability, reachability_loss
from hjepa.vision.stack import VisionConfig, VisionStack, states_of
from hjepa.vision.ways import Edges


def level() -> PlaceLevel:
    torch.manual_seed(0)
    made = PlaceLevel(PlaceConfig(stride=5, channels=3, hidden=(16,)), features=4, action=2, ratio=5)
    with torch.no_grad():
        for weight in made.predict.parameters():
            weight.copy_(0.3 * torch.randn_like(weight))
    return made


def states(count: int, layout: int = 0) -> torch.Tensor:
    drawn = torch.rand(count, 5, generator=torch.Generator().manual_seed(1))
    drawn[:, PLACE] = 6 + 4 * drawn[:, PLACE]
    drawn[:, LAYOUT] = layout
    return drawn


def test_what_is_predicted_depends_on_the_layout_around_and_not_on_where_that_is() -> None:
    made, before = level(), states(8)
    layouts = torch.randn(1, 3, 20, 20)
    actions = torch.randn(8, made.action_dim)
    after = made(layouts, before, actions)
    moved = before.clone()
    moved[:, PLACE] += torch.tensor([3.0, 2.0])
    shifted = made(layouts.roll((2, 3), (2, 3)), moved, actions)
    torch.testing.assert_close(shifted[:, PLACE] - moved[:, PLACE], after[:, PLACE] - before[:, PLACE])
    torch.testing.assert_close(shifted[:, MOTION], after[:, MOTION])
    assert not torch.allclose(made(torch.randn(1, 3, 20, 20), before, actions), after)


def test_a_state_stays_in_its_layout() -> None:
    made, layouts = level(), torch.randn(4, 3, 16, 16)
    before = states(5, layout=3)
    assert (made(layouts, before, torch.randn(5, made.action_dim))[:, LAYOUT] == 3).all()
    alone = made(layouts[3:], states(5), torch.ones(5, made.action_dim))
    torch.testing.assert_close(made(layouts, before, torch.ones(5, made.action_dim))[:, :LAYOUT], alone[:, :LAYOUT])


def test_any_number_of_leading_dimensions_is_the_same() -> None:
    made, layouts = level(), torch.randn(1, 3, 16, 16)
    before, actions = states(6), torch.randn(6, made.action_dim)
    together = made(layouts, before.view(2, 3, 5), actions.view(2, 3, -1))
    torch.testing.assert_close(together.view(6, 5), made(layouts, before, actions))


def test_layouts_in_whole_numbers_are_read_and_their_gradients_pass() -> None:
    torch.manual_seed(0)
    stack = VisionStack(VisionConfig(levels=(PlaceConfig(), PlaceConfig(stride=5, whole=True))))
    features = torch.randn(2, 16, 6, 6)
    shaped = stack.layouts(features, 2)
    read = stack.level(2).settle(shaped)
    assert torch.equal(read.detach(), shaped.detach().round()) and not torch.equal(read, shaped)
    assert torch.equal(torch.autograd.grad(read.sum(), shaped)[0], torch.ones_like(shaped))
    assert torch.equal(stack.level(1).settle(shaped), shaped)
    stack.eval()
    torch.testing.assert_close(stack.layouts(features, 2), read)


def test_commitment_draws_layouts_to_whole_numbers() -> None:
    torch.manual_seed(0)
    layouts, actions = torch.randn(3, 2, 4, 6, 6, requires_grad=True), torch.randn(3, 5, 2)
    found = {}
    for weight in (0.0, 2.0):
        shape = PlaceConfig(stride=5, channels=4, whole=True, commitment=weight)
        stack = VisionStack(VisionConfig(levels=(PlaceConfig(), shape)))
        found[weight] = level_losses(stack, 2, layouts, states(6).view(3, 2, 5), actions)
    assert set(found[2.0]) - set(found[0.0]) == {"commitment"}
    (pull,) = torch.autograd.grad(found[2.0]["commitment"], layouts)
    wanted = 4 * (layouts - layouts.round()).detach() / layouts.numel()
    torch.testing.assert_close(pull, wanted)


def test_macro_actions_of_a_stack_span_its_strides() -> None:
    shapes = (PlaceConfig(), PlaceConfig(stride=5, macro_dim=3), PlaceConfig(stride=20, macro_dim=4))
    stack = VisionStack(VisionConfig(levels=shapes))
    actions = torch.randn(2, 40, 2)
    assert [tuple(stack.macro_actions(actions, k).shape) for k in (1, 2, 3)] == [(2, 40, 2), (2, 8, 3), (2, 2, 4)]


@pytest.mark.parametrize("strides", [(2, 4), (1, 1), (1, 5, 12)])
def test_strides_that_do_not_fit_are_refused(strides: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match="strides"):
        VisionConfig(levels=tuple(PlaceConfig(stride=stride) for stride in strides))


def test_a_shared_layout_is_learned_with_level_1_alone() -> None:
    shapes = (PlaceConfig(), PlaceConfig(stride=5))
    features = torch.randn(2, 16, 6, 6)
    shared, own = VisionStack(VisionConfig(levels=shapes, shared=True)), VisionStack(VisionConfig(levels=shapes))
    assert torch.equal(shared.layouts(features, 2), shared.layouts(features, 1))
    assert shared.layouts(features, 1).requires_grad and not shared.layouts(features, 2).requires_grad
    assert not torch.equal(own.layouts(features, 2), own.layouts(features, 1))


def test_layouts_that_cannot_be_shared_are_refused() -> None:
    for config in ({"encoder": "spatial"}, {"levels": (PlaceConfig(), PlaceConfig(stride=5, channels=3))}):
        with pytest.raises(ValueError, match="shared: needs"):
            VisionConfig(shared=True, **config)


def test_motion_is_the_difference_to_the_step_before() -> None:
    now, before = torch.tensor([[[3.0, 4.0]], [[1.0, 1.0]]]), torch.tensor([[[2.5, 4.5]], [[1.0, 1.0]]])
    made = states_of(now, before, torch.arange(2))
    assert made.tolist() == [[[3.0, 4.0, 0.5, -0.5, 0.0]], [[1.0, 1.0, 0.0, 0.0, 1.0]]]


def test_walls_between_places_can_be_learned_from_ways_alone() -> None:
    """Ways that were walked never cross the wall at x = 8; invented ones do."""
    generator = torch.Generator().manual_seed(0)
    torch.manual_seed(0)
    layouts = torch.zeros(1, 1, 16, 16)
    layouts[..., 8] = 1
    reachability = Reachability(1)
    optimizer = torch.optim.Adam(reachability.parameters(), 3e-3)
    for _ in range(150):
        before = torch.zeros(256, 5)
        before[:, PLACE] = 2 + 12 * torch.rand(256, 2, generator=generator)
        after = before.clone()
        after[:, PLACE] += 2 * torch.randn(256, 2, generator=generator)
        walked = (before[:, 0] - 8) * (after[:, 0] - 8) > 0
        loss = reachability_loss(reachability, layouts, before[walked], after[walked], generator)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    along, across = torch.zeros(1, 5), torch.zeros(1, 5)
    along[:, PLACE], across[:, PLACE] = torch.tensor([6.5, 7.0]), torch.tensor([9.5, 4.0])
    start = torch.zeros(1, 5)
    start[:, PLACE] = torch.tensor([6.5, 4.0])
    with torch.no_grad():
        assert reachability(layouts, start, along) > 0 > reachability(layouts, start, across) + 1


def test_refused_ways_are_closed_for_their_problem_only() -> None:
    edges = Edges(Reachability(3), torch.randn(2, 3, 16, 16), stride=5, doubt=-1e9, caution=0.0, near=0.5)
    before = torch.cat([states(4, layout=0), states(4, layout=1)])
    after = before.clone()
    after[:, PLACE] += 2.0
    way = torch.stack([before[1, PLACE], after[1, PLACE]]).unsqueeze(0)
    with torch.no_grad():
        costs = edges(before, after, {1: way})
    assert costs.isinf().tolist() == [False] * 5 + [True] + [False] * 2
    assert (costs[~costs.isinf()] == 5).all()
