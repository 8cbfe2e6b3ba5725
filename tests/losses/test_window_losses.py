"""The loss of dense networks: distances across two windows of one patient."""

import torch

from isimed.losses import across_windows_loss, same_place_loss
from isimed.losses.windows import distances

ALL = (torch.ones(2, 20), torch.ones(2, 20))


def places(seed: int = 1) -> torch.Tensor:
    return 100 * torch.randn(2, 20, 3, generator=torch.Generator().manual_seed(seed))


def test_the_places_themselves_however_moved_are_perfect_codes() -> None:
    rotation, _ = torch.linalg.qr(torch.randn(3, 3, generator=torch.Generator().manual_seed(2)))
    moved = places() @ rotation + torch.tensor([5.0, -30.0, 200.0])
    codes = torch.cat([moved, torch.zeros(2, 20, 5)], dim=-1)  # more numbers than a place has
    apart = across_windows_loss(codes, codes, places(), ALL)
    least = across_windows_loss(places(), places(), places(), ALL)
    assert float(apart) < 1e-3
    assert float(least) < 1e-3
    assert float(same_place_loss(codes, codes, ALL)) < 1e-3


def test_moving_the_patient_changes_nothing() -> None:
    first, second = torch.randn(2, 2, 20, 16, generator=torch.Generator().manual_seed(3)) * 50
    rotation, _ = torch.linalg.qr(torch.randn(3, 3, generator=torch.Generator().manual_seed(4)))
    here = across_windows_loss(first, second, places(), ALL)
    there = across_windows_loss(first, second, places() @ rotation - 70, ALL)
    torch.testing.assert_close(here, there, rtol=1e-4, atol=1e-5)


def test_two_windows_that_disagree_are_wrong_even_where_each_is_right() -> None:
    """A network that measures from its window's own border is right within each window, and learns nothing."""
    moved = places() + torch.tensor([60.0, 0.0, 0.0])
    assert float(across_windows_loss(places(), moved, places(), ALL)) > 0.5
    assert float(same_place_loss(places(), moved, ALL)) > 2.0


def test_what_a_window_does_not_show_counts_nothing() -> None:
    shown = (torch.ones(2, 20), torch.ones(2, 20))
    shown[0][:, 5:] = 0
    spoiled = places()
    spoiled[:, 5:] = 1e4
    assert float(across_windows_loss(spoiled, places(), places(), shown)) < 1e-3
    assert float(same_place_loss(spoiled, places(), shown)) < 1e-3
    nothing = (torch.zeros(2, 20), torch.ones(2, 20))
    assert float(across_windows_loss(spoiled, places(), places(), nothing)) == 0


def test_patients_are_never_compared_with_each_other() -> None:
    first, second = torch.randn(2, 2, 20, 16, generator=torch.Generator().manual_seed(3)) * 50
    ones = (torch.ones(1, 20), torch.ones(1, 20))
    rows = zip(first.split(1), second.split(1), places().split(1), strict=True)
    alone = [across_windows_loss(*row, ones, near=0) for row in rows]
    together = across_windows_loss(first, second, places(), ALL, near=0)
    torch.testing.assert_close(together, (alone[0] + alone[1]) / 2)


def test_near_pairs_weigh_more_where_they_are_asked_to() -> None:
    line = torch.tensor([[[0.0, 0, 0], [0, 0, 10], [0, 0, 400]]])
    shown = (torch.ones(1, 3), torch.ones(1, 3))
    near_wrong = line + torch.tensor([[[0.0, 0, 0], [0, 40, 0], [0, 0, 0]]])
    even, near = (float(across_windows_loss(near_wrong, line, line, shown, near=share)) for share in (0.0, 1.0))
    assert near > 1.5 * even


def test_gradients_are_finite_where_codes_are_the_same() -> None:
    codes = torch.zeros(2, 20, 16, requires_grad=True)
    loss = across_windows_loss(codes, codes, places(), ALL) + same_place_loss(codes, codes, ALL)
    loss.backward()
    assert codes.grad is not None
    assert torch.isfinite(codes.grad).all()


def test_a_millimetre_far_from_nought_is_still_a_millimetre() -> None:
    a = torch.tensor([[[3.0, 4.0], [0.0, 0.0]]])
    torch.testing.assert_close(distances(a, a), torch.tensor([[[1.0, 5.0], [5.0, 1.0]]]))
    far = torch.full((1, 2, 16), 5000.0)
    far[0, 1, 0] += 30
    codes = far - far.mean((0, 1), keepdim=True)
    torch.testing.assert_close(distances(codes, codes)[0, 0, 1], torch.tensor(30.0), atol=0.01, rtol=0)
