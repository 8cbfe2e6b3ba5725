import numpy as np
import pytest

from isimed.evaluation.statistics.metrics import rankme
from isimed.evaluation.tasks.collapse import alignment, collapse_outcome, spectrum_figures, uniformity


def orthonormal(rows: int, columns: int) -> np.ndarray:
    basis, _ = np.linalg.qr(np.random.default_rng(0).normal(size=(rows, columns)))
    return basis


@pytest.mark.parametrize("rows", [40, 400])
def test_rank_of_k_equal_directions_is_k(rows: int) -> None:
    x = orthonormal(rows, 8)
    x = np.vstack([x, -x]) @ orthonormal(64, 8).T
    figures = spectrum_figures(x)
    assert figures["rankme"] == pytest.approx(8, rel=1e-3)
    assert figures["effective_rank"] == pytest.approx(8, rel=1e-3)
    assert figures["participation_ratio"] == pytest.approx(8, rel=1e-3)
    assert figures["dimensions_99"] == 8
    assert figures["share_99"] == pytest.approx(8 / 64)


def test_agrees_with_the_svd() -> None:
    x = np.random.default_rng(0).normal(size=(100, 30)) * np.logspace(0, -3, 30)
    assert spectrum_figures(x)["rankme"] == pytest.approx(rankme([x]), rel=1e-6)


@pytest.mark.parametrize("x", [np.zeros((10, 4)), np.ones((10, 4))])
def test_a_point_has_rank_one(x: np.ndarray) -> None:
    figures = spectrum_figures(x)
    assert figures["rankme"] == pytest.approx(1, abs=0.01)
    assert figures["participation_ratio"] == pytest.approx(1)


def test_rankme_leaves_its_input_alone() -> None:
    x = np.zeros((5, 3))
    before = x.copy()
    assert rankme([x]) == 1.0
    np.testing.assert_array_equal(x, before)


def test_alignment_and_uniformity() -> None:
    x = np.random.default_rng(0).normal(size=(200, 16))
    assert alignment(x, 3 * x) == pytest.approx(0, abs=1e-9)
    assert alignment(x, -x) == pytest.approx(4, rel=1e-6)
    assert uniformity(np.ones((20, 4))) == pytest.approx(0, abs=1e-6)
    assert uniformity(x) < -2
    assert uniformity(np.eye(12)) == pytest.approx(-4, rel=1e-6)  # every pair at a right angle: |x - y|^2 = 2
    assert uniformity(np.array([[1.0, 0], [-5, 0]])) == pytest.approx(-8, rel=1e-6)


def test_interval_holds_the_value() -> None:
    x = np.random.default_rng(0).normal(size=(200, 16))
    outcome = collapse_outcome(x, x[:, :8], np.repeat(np.arange(20), 10))
    for figure in outcome.figures["collapse"].values():
        low, high = figure.interval()
        assert low <= figure.value <= high
