import numpy as np
import pytest
from sklearn.linear_model import Ridge as SklearnRidge
from sklearn.metrics import r2_score

from isimed.evaluation.statistics.protocol import STRICT
from isimed.evaluation.statistics.ridge import Ridge
from isimed.evaluation.tasks.position import component_figures, position_figures, position_outcome
from tests.evaluation.made import crops, lifted


def test_linear_features_give_r2_of_one() -> None:
    position, subject = crops()
    outcome = position_outcome(lifted(position), position, subject, STRICT, codes=lifted(position))
    figures = outcome.figures["position"]
    assert figures["r2_axial"].value == pytest.approx(1, abs=1e-3)
    assert figures["median_mm"].value < 0.5
    for axis in ("sagittal", "coronal", "axial"):
        assert figures[f"pc_r_{axis}"].value > 0.95


def test_noise_gives_r2_of_zero() -> None:
    position, subject = crops()
    noise = np.random.default_rng(0).normal(size=(200, 8))
    figures = position_outcome(noise, position, subject, STRICT).figures["position"]
    assert figures["r2_axial"].value == pytest.approx(0, abs=0.1)
    assert "pc_r_axial" not in figures


def test_r2_agrees_with_scikit_learn() -> None:
    position, subject = crops()
    predicted = position + np.random.default_rng(1).normal(0, 20, position.shape)
    figures = position_figures(predicted, position, subject)
    theirs = r2_score(position, predicted, multioutput="raw_values")
    ours = [figures[f"r2_{axis}"].value for axis in ("sagittal", "coronal", "axial")]
    np.testing.assert_allclose(ours, theirs)
    low, high = figures["r2_axial"].interval()
    assert low < figures["r2_axial"].value < high


@pytest.mark.parametrize("rows", [30, 200])
def test_ridge_agrees_with_scikit_learn_on_both_sides(rows: int) -> None:
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(rows, 80)), rng.normal(size=(rows, 3))
    x = (x - x.mean(axis=0)) / x.std(axis=0)
    ours = Ridge(x, y).predict(x[:5], 7.0)
    theirs = SklearnRidge(alpha=7.0).fit(x, y).predict(x[:5])
    np.testing.assert_allclose(ours, theirs, atol=1e-8)


def test_components_are_matched_one_to_one() -> None:
    rng = np.random.default_rng(0)
    position = rng.normal(size=(300, 3)) * [1, 5, 20]
    figures, details = component_figures(position, position, np.repeat(np.arange(10), 30))
    assert sorted(details["matched"].values()) == [1, 2, 3]
    assert details["matched"]["axial"] == 1
    assert figures["pc_r_sagittal"].value == pytest.approx(1, abs=0.05)


def test_correlated_axes_turn_the_components_of_the_true_positions_too() -> None:
    """A perfect code reaches no higher |r| than the positions themselves: that is what position_only says."""
    rng = np.random.default_rng(0)
    position = rng.normal(size=(600, 3)) * [80, 50, 80]
    position[:, 1] += 0.5 * position[:, 2]  # the head stands before the shoulders
    subject = np.repeat(np.arange(10), 60)
    truth, _ = component_figures(position, position, subject)
    code, _ = component_figures(lifted(position), position, subject)
    assert truth["pc_r_coronal"].value < 0.9
    assert code["pc_r_coronal"].value == pytest.approx(truth["pc_r_coronal"].value, abs=1e-6)
    assert code["pcs_r_coronal"].value == pytest.approx(1)


def test_components_within_patients_do_not_mind_other_fields_of_view() -> None:
    """Codes say where in the anatomy a crop is; the centre of the body box moves with the field of view."""
    anatomy, subject = crops()
    moved = anatomy + np.repeat(np.random.default_rng(1).normal(0, 60, (10, 3)), 20, axis=0)
    figures, _ = component_figures(lifted(anatomy), moved, subject)
    for axis in ("sagittal", "coronal", "axial"):
        assert figures[f"pc_r_{axis}"].value < 0.9
        assert figures[f"pc_r_within_{axis}"].value > 0.93
        assert figures[f"pc_r_within_{axis}"].n == 10


def test_three_components_together_do_not_mind_a_turn() -> None:
    rng = np.random.default_rng(0)
    position = rng.normal(size=(400, 3)) * [10, 30, 10]  # two axes of the same width: their components turn freely
    turn = np.linalg.qr(rng.normal(size=(3, 3)))[0]
    figures, _ = component_figures(position @ turn, position, np.repeat(np.arange(10), 40))
    for axis in ("sagittal", "coronal", "axial"):
        assert figures[f"pcs_r_{axis}"].value == pytest.approx(1)


def test_worst_crops_hold_at_most_two_a_patient() -> None:
    position, subject = crops()
    worst = position_outcome(np.zeros((200, 1)), position, subject, STRICT).details["worst"]["position"]
    names = [case["subject"] for case in worst]
    assert max(names.count(name) for name in names) <= 2
    assert worst[0]["score"] >= worst[-1]["score"]
