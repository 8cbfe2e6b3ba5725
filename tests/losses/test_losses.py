"""Losses against reference implementations, against values worked out by hand, and their invariants."""

import math

import pytest
import torch
from monai.losses import BarlowTwinsLoss, ContrastiveLoss

from isimed.losses.barlow_twins import barlow_twins_loss
from isimed.losses.dino import dino_loss, next_centre
from isimed.losses.distance import (
    PENALTIES,
    distance_loss,
    invariance_loss,
    pairs_across,
    pairs_within,
    pairwise_distances,
    regression_loss,
)
from isimed.losses.ntxent import ntxent_loss
from isimed.losses.vicreg import vicreg_loss, vicreg_terms


def two_views(rows: int = 12, size: int = 7) -> tuple[torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(0)
    first = torch.randn(rows, size, generator=generator)
    return first, first + 0.3 * torch.randn(rows, size, generator=generator)


# distance


@pytest.mark.parametrize("penalty", PENALTIES)
def test_distance_loss_is_zero_for_the_centres_themselves_and_ignores_rigid_motion(penalty: str) -> None:
    centres = 100 * torch.randn(10, 3, generator=torch.Generator().manual_seed(1))
    rotation, _ = torch.linalg.qr(torch.randn(3, 3, generator=torch.Generator().manual_seed(2)))
    pairs = pairs_within(torch.zeros(10))
    moved = centres @ rotation + torch.tensor([5.0, -30.0, 200.0])
    assert distance_loss(moved, centres, pairs, penalty=penalty) == pytest.approx(0, abs=1e-9)
    codes = torch.randn(10, 8, generator=torch.Generator().manual_seed(3))
    there = distance_loss(codes, centres, pairs, penalty=penalty)
    assert distance_loss(codes, moved, pairs, penalty=penalty) == pytest.approx(float(there), rel=1e-4)


def test_distance_loss_by_hand() -> None:
    codes, centres = torch.tensor([[0.0], [50.0]]), torch.tensor([[0.0, 0, 0], [0, 0, 250]])
    pairs = pairs_within(torch.zeros(2))
    assert distance_loss(codes, centres, pairs) == pytest.approx(4.0)  # (2.5 - 0.5)²
    assert distance_loss(codes, centres, pairs, penalty="huber") == pytest.approx(1.5)  # 2 - ½
    assert distance_loss(codes, centres, pairs, penalty="smooth-l1") == pytest.approx(1.95)  # 2 - 0.05: from 10 mm on


def test_equal_points_have_no_gradient_and_no_nan() -> None:
    codes = torch.zeros(4, 5, requires_grad=True)
    distance_loss(codes, 50 * torch.eye(4, 3), pairs_across(torch.arange(4))).backward()
    assert codes.grad is not None
    assert torch.equal(codes.grad, torch.zeros_like(codes))


def test_pairs() -> None:
    groups = torch.tensor([0, 0, 1, 1, 1])
    within = set(zip(*[part.tolist() for part in pairs_within(groups)], strict=True))
    assert within == {(0, 1), (2, 3), (2, 4), (3, 4)}
    across = set(zip(*[part.tolist() for part in pairs_across(groups)], strict=True))
    assert len(across) == 10
    assert within < across
    points = torch.randn(5, 3)
    expected = torch.nn.functional.pdist(points)
    torch.testing.assert_close(pairwise_distances(points, pairs_across(groups)), expected)


def test_a_step_without_pairs_changes_nothing() -> None:
    codes = torch.ones(3, 2, requires_grad=True)
    loss = distance_loss(codes, torch.zeros(3, 3), pairs_within(torch.tensor([0, 1, 2])))
    loss.backward()
    assert loss == 0
    assert (codes.grad == 0).all()


def test_pairs_within_belong_together_wherever_a_volumes_crops_stand() -> None:
    first, second = pairs_within(torch.tensor([2, 0, 2, 1, 0]))
    assert list(zip(first.tolist(), second.tolist(), strict=True)) == [(0, 2), (1, 4)]
    assert len(pairs_within(torch.tensor([0, 1, 2]))[0]) == 0


@pytest.mark.parametrize(("penalty", "turns_at_mm"), [("huber", 100.0), ("smooth-l1", 10.0)])
def test_a_penalty_turns_linear_where_it_says(penalty: str, turns_at_mm: float) -> None:
    pairs = pairs_within(torch.zeros(2))

    def loss(wrong_mm: float) -> float:
        codes = torch.tensor([[0.0], [100.0 + wrong_mm]])
        return float(distance_loss(codes, torch.tensor([[0.0, 0, 0], [100, 0, 0]]), pairs, penalty=penalty))

    inside, beyond = 0.8 * turns_at_mm, 3 * turns_at_mm
    assert loss(inside) / loss(inside / 2) == pytest.approx(4, rel=1e-3)  # a square
    assert (loss(beyond + 5) - loss(beyond)) == pytest.approx(loss(beyond + 10) - loss(beyond + 5), rel=1e-2)  # a line


def test_pairs_are_taken_together_in_a_mean() -> None:
    centres = torch.tensor([[0.0, 0, 0], [100, 0, 0], [0, 200, 0]])
    pairs = pairs_within(torch.zeros(3))
    assert distance_loss(torch.zeros(3, 2), centres, pairs) == pytest.approx((1 + 4 + 5) / 3)


def test_invariance_and_regression_by_hand() -> None:
    first = torch.tensor([[0.0, 0.0], [100.0, 0.0]])
    assert invariance_loss(first, first + torch.tensor([100.0, 200.0])) == pytest.approx(5.0)
    assert regression_loss(first[:, :1], first[:, :1] + 200) == pytest.approx(4.0)


# Barlow Twins and NT-Xent, against MONAI


@pytest.mark.parametrize("weight", [0.0051, 0.5])
def test_barlow_twins_agrees_with_monai(weight: float) -> None:
    first, second = two_views()
    expected = BarlowTwinsLoss(lambd=weight)(first, second)
    assert barlow_twins_loss(first, second, off_diagonal=weight) == pytest.approx(float(expected), rel=1e-5)


@pytest.mark.parametrize("temperature", [0.1, 0.5])
def test_ntxent_agrees_with_monai_where_that_is_finite(temperature: float) -> None:
    first, second = two_views()
    expected = ContrastiveLoss(temperature=temperature)(first, second)
    assert ntxent_loss(first, second, temperature=temperature) == pytest.approx(float(expected), rel=1e-5)


def test_ntxent_is_finite_at_the_papers_temperature_where_exponentials_are_not() -> None:
    first, second = two_views()
    first.requires_grad_()
    assert not torch.isfinite(ContrastiveLoss(temperature=0.005)(first, second))
    loss = ntxent_loss(first, second, temperature=0.005)
    loss.backward()
    assert torch.isfinite(loss)
    assert first.grad is not None
    assert torch.isfinite(first.grad).all()


def test_ntxent_of_what_cannot_be_told_apart() -> None:
    same = torch.ones(4, 3)
    assert ntxent_loss(same, same) == pytest.approx(math.log(7))


# VICReg and DINO, by hand


def test_vicreg_is_its_definition() -> None:
    first, second = two_views(rows=9, size=4)
    terms = vicreg_terms(first, second)
    spread = [(1 - (view.var(0) + 1e-4).sqrt()).clamp(min=0).mean() for view in (first, second)]
    assert terms["variance"] == pytest.approx(float(sum(spread) / 2), rel=1e-5)
    covariances = [torch.cov(view.T).fill_diagonal_(0).square().sum() / 4 for view in (first, second)]
    assert terms["covariance"] == pytest.approx(float(sum(covariances)), rel=1e-4)
    assert terms["invariance"] == pytest.approx(float((first - second).square().mean()), rel=1e-5)


def test_vicreg_by_hand() -> None:
    first = torch.tensor([[1.0, 2.0], [-1.0, -2.0]])
    second = torch.tensor([[1.0, 0.0], [-1.0, 0.0]])
    terms = vicreg_terms(first, second)
    # a - b = (0, 2), (0, -2): mean of 0, 4, 0, 4
    assert terms["invariance"] == pytest.approx(2.0)
    # N - 1 variances: first 2 and 8 (spread enough), second 2 and 0: sqrt(1e-4) = 0.01, misses 0.99 of one feature
    assert terms["variance"] == pytest.approx(0.5 * (0.99 / 2), rel=1e-4)
    # Cov(first) off the diagonal: 2 + 2 = 4, twice 16 over D = 2; the second has none
    assert terms["covariance"] == pytest.approx(16.0)
    assert vicreg_loss(terms) == pytest.approx(25 * 2 + 25 * 0.2475 + 16, rel=1e-4)


def test_dino_by_hand() -> None:
    ln3 = math.log(3)
    teacher = [torch.tensor([[0.04 * ln3, 0.0]]), torch.tensor([[0.0, 0.0]])]  # P = (¾, ¼) and (½, ½)
    student = [torch.tensor([[0.1 * ln3, 0.0]]), torch.tensor([[0.0, 0.0]]), torch.tensor([[0.0, 0.1 * ln3]])]
    half = math.log(2)
    low, high = -math.log(0.25), -math.log(0.75)
    pairs = [
        half,  # teacher 0, student 1
        0.75 * low + 0.25 * high,  # teacher 0, student 2: P_s = (¼, ¾)
        0.5 * (low + high),  # teacher 1, student 0
        0.5 * (low + high),  # teacher 1, student 2
    ]
    assert dino_loss(student, teacher, torch.zeros(2)) == pytest.approx(sum(pairs) / 4, rel=1e-5)
    centre = torch.tensor([0.04 * ln3, 0.0])  # takes the first teacher's preference away
    assert dino_loss(student[:2], teacher[:1], centre) == pytest.approx(half, rel=1e-5)


def test_dino_centre_follows_and_teacher_gets_no_gradient() -> None:
    said = [torch.tensor([[1.0, 3.0]]), torch.tensor([[3.0, 5.0]])]
    torch.testing.assert_close(next_centre(torch.tensor([10.0, 0.0]), said), torch.tensor([9.2, 0.4]))
    teacher, student = torch.randn(3, 4, requires_grad=True), torch.randn(3, 4, requires_grad=True)
    dino_loss([student, student], [teacher], torch.zeros(4)).backward()
    assert teacher.grad is None
    assert student.grad is not None


@pytest.mark.parametrize("loss", [barlow_twins_loss, lambda a, b: vicreg_loss(vicreg_terms(a, b))])
def test_two_rows_are_enough_and_one_is_not(loss) -> None:
    first, second = two_views(rows=2)
    assert torch.isfinite(loss(first, second))
    with pytest.raises(ValueError, match="N >= 2"):
        loss(first[:1], second[:1])


@pytest.mark.parametrize("loss", [barlow_twins_loss, ntxent_loss, vicreg_terms])
def test_views_are_rows_of_features(loss) -> None:
    for shape in ((4,), (4, 3, 2)):
        with pytest.raises(ValueError, match="tensors"):
            loss(torch.ones(shape), torch.ones(shape))


def test_a_feature_that_never_changes_costs_barlow_twins_one_and_is_finite() -> None:
    first, second = two_views(size=3)
    first[:, 0] = second[:, 0] = 5.0
    alone = barlow_twins_loss(first[:, 1:], second[:, 1:])
    assert barlow_twins_loss(first, second) == pytest.approx(float(alone) + 1, rel=1e-5)


def test_dino_needs_two_views_of_the_student_and_one_of_the_teacher() -> None:
    logits = torch.zeros(3, 4)
    for student, teacher in (([logits], [logits]), ([logits, logits], [])):
        with pytest.raises(ValueError, match="two views of the student"):
            dino_loss(student, teacher, torch.zeros(4))
    assert dino_loss([logits, logits], [logits], torch.zeros(4)) == pytest.approx(math.log(4))


def vicreg(first: torch.Tensor, second: torch.Tensor) -> torch.Tensor:
    return vicreg_loss(vicreg_terms(first, second))


@pytest.mark.parametrize("loss", [barlow_twins_loss, ntxent_loss, vicreg])
def test_two_view_losses_do_not_care_about_order_and_fall_when_views_agree(loss) -> None:
    first, second = two_views()
    shuffled = torch.randperm(len(first), generator=torch.Generator().manual_seed(4))
    assert loss(first[shuffled], second[shuffled]) == pytest.approx(float(loss(first, second)), rel=1e-5)
    assert loss(first, first) < loss(first, second)
    with pytest.raises(ValueError, match="tensors"):
        loss(first, second[:3])
