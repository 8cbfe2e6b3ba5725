import numpy as np
import pytest
from scipy.spatial.distance import pdist, squareform
from sklearn.manifold import smacof

from isimed.evaluation.statistics.metrics import within_volume_figures
from isimed.evaluation.tasks.distance import between_patients, distance_outcome
from tests.evaluation.made import crops, lifted


def test_an_isometric_code_is_perfect() -> None:
    position, subject = crops()
    figures = distance_outcome(lifted(position), position, subject, subject).figures["distance"]
    assert figures["pearson"].value == pytest.approx(1)
    assert figures["spearman"].value == pytest.approx(1)
    assert figures["stress"].value == pytest.approx(0, abs=1e-9)
    assert figures["rmse_mm"].value == pytest.approx(0, abs=1e-6)
    assert figures["rmse_mm"].n == 10


def test_a_scaled_code_keeps_ranks_and_has_the_stress_of_its_scale() -> None:
    position, subject = crops()
    figures = distance_outcome(1.5 * lifted(position), position, subject, subject).figures["distance"]
    assert figures["spearman"].value == pytest.approx(1)
    assert figures["stress"].value == pytest.approx(0.5)


def test_a_monotonic_distortion_keeps_spearman_not_pearson() -> None:
    line = np.linspace(0, 1, 30)[:, None]
    figures = within_volume_figures(np.exp(8 * line), np.pad(100 * line, ((0, 0), (0, 2))))
    assert figures["pearson"] < 0.8


def test_a_collapsed_code_is_zero_not_nan() -> None:
    position, subject = crops(3)
    figures = distance_outcome(np.ones((60, 4)), position, subject, subject).figures["distance"]
    assert figures["pearson"].value == figures["spearman"].value == 0
    assert figures["stress"].value == pytest.approx(1)


def test_between_patients_needs_a_common_frame() -> None:
    position, subject = crops()
    shared = between_patients(lifted(position), position, subject)
    assert shared["rmse_mm"].value == pytest.approx(0, abs=1e-6)
    moved = position + 30 * np.random.default_rng(0).normal(size=(10, 3)).repeat(20, axis=0)
    assert between_patients(lifted(moved), position, subject)["rmse_mm"].value > 10


def test_crops_without_a_common_place_are_left_out() -> None:
    position, subject = crops()
    known = position.copy()
    known[::2] = np.nan
    assert between_patients(lifted(position), known, subject)["rmse_mm"].value == pytest.approx(0, abs=1e-6)


def test_stress_agrees_with_scikit_learn() -> None:
    position, _ = crops(1, 25)
    physical = squareform(pdist(position))
    found, theirs = smacof(physical, n_components=2, n_init=1, random_state=0, normalized_stress=True)[:2]
    assert theirs > 0.05
    # theirs is that of the step before the last, which hardly moves
    assert within_volume_figures(found, position)["stress"] == pytest.approx(theirs, rel=0.01)


def test_details_hold_pairs_to_draw() -> None:
    position, subject = crops()
    details = distance_outcome(lifted(position), position, subject, subject).details
    assert len(details["scatter"]["latent"]) == len(details["scatter"]["physical_mm"]) == 1900
    assert sum(row["pairs"] for row in details["bins"]) == 1900
