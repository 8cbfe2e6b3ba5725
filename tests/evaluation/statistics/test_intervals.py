import numpy as np
import pytest
from scipy import stats

from docs.scripts.coverage import coverage
from isimed.evaluation.statistics.intervals import (
    ANY,
    CORRELATION,
    POSITIVE,
    SHARE,
    jackknife_interval,
    range_of,
    t_interval,
)


def test_on_a_plain_scale_it_is_the_t_interval_of_a_mean() -> None:
    values = np.random.default_rng(0).normal(3, 2, 7)
    draws = np.random.default_rng(1).choice(values, (20_000, 7)).mean(axis=1)
    half = stats.t.ppf(0.975, 6) * values.std(ddof=1) / np.sqrt(7)
    assert t_interval(values.mean(), draws, 7) == pytest.approx((values.mean() - half, values.mean() + half), rel=0.02)


@pytest.mark.parametrize(("bounds", "value"), [(SHARE, 0.93), (CORRELATION, -0.9), (POSITIVE, 0.4)])
def test_an_interval_never_leaves_what_the_figure_can_be(bounds: tuple[float, float], value: float) -> None:
    draws = np.clip(np.random.default_rng(0).normal(value, 0.2, 500), bounds[0] + 1e-3, bounds[1] - 1e-3)
    low, high = t_interval(value, draws, 5, bounds)
    assert bounds[0] < low < value < high < bounds[1]
    plain = t_interval(value, draws, 5, ANY)
    assert not bounds[0] <= plain[0] <= plain[1] <= bounds[1]


@pytest.mark.parametrize("bounds", [SHARE, CORRELATION, POSITIVE, ANY])
def test_an_interval_holds_its_value_to_the_last_digit(bounds: tuple[float, float]) -> None:
    for value in np.random.default_rng(5).uniform(0.01, 0.99, 300).tolist():
        for low, high in (
            t_interval(value, np.full(500, value), 9, bounds),
            jackknife_interval(value, np.full(10, value), bounds),
        ):
            assert low <= value <= high


def test_where_draws_reach_the_end_the_interval_does_not_pass_it() -> None:
    draws = np.array([0.9, 0.95, 1.0, 1.0] * 50)
    assert t_interval(1.0, draws, 6, SHARE) == (0.9, 1.0)
    assert t_interval(1.0, np.ones(100), 6, SHARE) == (1.0, 1.0)


@pytest.mark.parametrize("patients", [1, 2])
def test_of_fewer_than_three_patients_there_is_no_interval(patients: int) -> None:
    assert np.isnan(t_interval(1.0, np.linspace(0.5, 1.5, 100), patients)).all()


def test_names_say_what_figures_can_be() -> None:
    for name in (
        "beyond_30mm",
        "start_beyond_30mm",
        "organ_recall1",
        "auc",
        "knn_auc",
        "with_position_accuracy",
        "dice_5_shot",
        "within_20mm",
        "pc_r_axial",
        "macro_f1",
    ):
        assert range_of(name) == SHARE, name
    assert range_of("code_median_mm") == POSITIVE
    assert range_of("spearman") == CORRELATION
    assert range_of("r2_axial") == (-np.inf, 1.0)
    assert range_of("left thalamus") == ANY


def test_five_patients_are_covered_where_percentiles_are_not() -> None:
    found = coverage("mean", patients=5, studies=300)
    assert found["percentiles"] < 0.85
    assert 0.91 < found["t"] < 0.99
