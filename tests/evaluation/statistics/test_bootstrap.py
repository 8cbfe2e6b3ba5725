import numpy as np
import pytest

from isimed.evaluation.statistics.bootstrap import (
    Figure,
    bootstrap,
    bootstrap_means,
    difference,
    drawn_patients,
    jackknife,
)


def test_interval_of_a_mean_is_that_of_the_normal_distribution() -> None:
    rng = np.random.default_rng(0)
    values = rng.normal(5, 2, 400)
    subjects = np.array([f"S{i}" for i in range(400)])
    figure = bootstrap(subjects, lambda rows: {"mean": values[rows].mean()}, draws=800)["mean"]
    low, high = figure.interval()
    half = 1.96 * values.std() / np.sqrt(400)
    assert figure.value == pytest.approx(values.mean())
    assert (high - low) / 2 == pytest.approx(half, rel=0.12)
    assert figure.n == 400


def test_crops_of_a_patient_stay_together() -> None:
    subjects = np.repeat(["a", "b", "c"], 50)
    values = np.repeat([0.0, 1.0, 2.0], 50)
    figure = bootstrap(subjects, lambda rows: {"mean": values[rows].mean()})["mean"]
    assert set(np.round(np.asarray(figure.draws) * 3).astype(int)) <= set(range(7))
    assert np.ptp(np.asarray(figure.draws)) > 1


def test_means_give_every_patient_the_same_weight() -> None:
    rows = [{"x": 0.0}, {"x": 2.0}, {"x": 4.0}]
    figure = bootstrap_means(["a", "a", "b"], rows)["x"]
    assert figure.value == pytest.approx(2.5)
    assert figure.n == 2


def test_a_patient_without_a_figure_is_left_out_of_its_mean() -> None:
    rows = [{"x": 1.0, "y": np.nan}, {"x": 2.0, "y": np.nan}, {"x": 3.0, "y": 5.0}, {"x": 4.0, "y": 7.0}]
    found = bootstrap_means(["a", "b", "c", "c"], rows)
    assert found["x"].value == pytest.approx((1 + 2 + 3.5) / 3)
    assert found["y"].value == pytest.approx(6)
    assert (found["x"].n, found["y"].n) == (3, 1)
    more = bootstrap_means(["a", "b", "c", "d"], rows)
    assert (more["y"].value, more["y"].n) == (6, 2)
    assert np.isnan(more["y"].interval()).all()  # of two patients nobody knows how patients differ
    nobody = bootstrap_means(["a", "b"], [{"x": np.nan}, {"x": np.nan}])["x"]
    assert nobody.to_json() == {"value": None, "low": None, "high": None, "n": 0}


def test_one_patient_has_no_interval() -> None:
    figure = bootstrap(["a", "a"], lambda rows: {"x": 1.0})["x"]
    assert figure.to_json() == {"value": 1.0, "low": None, "high": None, "n": 1}


def test_paired_difference_is_tighter_than_either_interval() -> None:
    rng = np.random.default_rng(1)
    subjects = np.array([f"S{i}" for i in range(60)])
    a = rng.normal(0, 5, 60)
    b = a + 1 + rng.normal(0, 0.1, 60)
    first, second = (bootstrap(subjects, lambda rows, v=v: {"x": v[rows].mean()})["x"] for v in (b, a))
    gap = difference(first, second)
    low, high = gap.interval()
    assert gap.value == pytest.approx(1, abs=0.1)
    assert 0.9 < low < high < 1.1


def test_figures_of_other_patients_are_never_paired_however_many_they_are() -> None:
    values = np.arange(8.0)
    ours, theirs, again = ([f"{letter}{i}" for i in range(8)] for letter in ("a", "b", "a"))
    for measure in (
        lambda names: bootstrap(names, lambda rows: {"x": values[rows].mean()})["x"],
        lambda names: jackknife(names, lambda rows: {"x": values[rows].mean()})["x"],
        lambda names: bootstrap_means(names, [{"x": value} for value in values])["x"],
    ):
        assert np.isnan(difference(measure(ours), measure(theirs)).interval()).all()
        assert np.isfinite(difference(measure(ours), measure(again)).interval()).all()
    one_missing = [[{"x": np.nan if i == missing else 1.0 * i} for i in range(8)] for missing in (0, 1)]
    first, second = (bootstrap_means(ours, rows)["x"] for rows in one_missing)
    assert first.n == second.n == 7
    assert np.isnan(difference(first, second).interval()).all()


def test_an_auc_rests_on_the_patients_of_the_rarer_class() -> None:
    rng = np.random.default_rng(0)
    values = rng.uniform(0.6, 0.8, 20)
    all_tell, few_tell = (
        bootstrap([f"S{i}" for i in range(20)], lambda rows: {"auc": values[rows].mean()}, rests_on=count)["auc"]
        for count in (None, 4)
    )
    assert np.ptp(few_tell.interval()) > 1.4 * np.ptp(all_tell.interval())
    assert few_tell.n == all_tell.n == 20


def test_draws_are_the_same_for_the_same_patients() -> None:
    assert (drawn_patients(7, seed=3) == drawn_patients(7, seed=3)).all()
    assert (drawn_patients(7, seed=3) != drawn_patients(7, seed=4)).any()


def test_packing_keeps_everything_to_six_digits() -> None:
    figure = Figure(1.5, 3, np.array([1.0, np.nan, 2.0]), None)
    back = Figure.unpack(figure.pack())
    assert back.value == 1.5
    np.testing.assert_array_equal(back.draws, figure.draws)
    blocks = Figure(1.0, 4, left_out=np.array([0.5, 1.5, 0.5, 1.5]), who="them", bounds=(0.0, np.inf), rests_on=3)
    again = Figure.unpack(blocks.pack())
    half = 3.18245 * np.sqrt(3 / 4 * 4 * (np.log(3) / 2) ** 2)  # t with 3 degrees of freedom, on a scale without ends
    assert again.interval() == blocks.interval() == pytest.approx((np.exp(-half), np.exp(half)), rel=1e-5)
    assert (again.who, again.bounds, again.rests_on) == ("them", (0.0, np.inf), 3)
    assert back.bounds == figure.bounds == (-np.inf, np.inf)


def test_jackknife_of_a_mean_is_the_standard_error() -> None:
    values = np.random.default_rng(0).normal(0, 1, 200)
    subjects = np.array([f"S{i:03d}" for i in range(200)])
    low, high = jackknife(subjects, lambda rows: {"x": values[rows].mean()}, blocks=200)["x"].interval()
    assert (high - low) / 2 == pytest.approx(1.96 * values.std() / np.sqrt(200), rel=0.02)


def test_differences_of_ranks_are_paired_block_by_block() -> None:
    rng = np.random.default_rng(0)
    subjects = np.array([f"S{i:02d}" for i in range(40)])
    a = rng.normal(0, 5, 40)
    b = a + 1 + rng.normal(0, 0.1, 40)
    first, second = (jackknife(subjects, lambda rows, v=v: {"x": v[rows].mean()})["x"] for v in (b, a))
    low, high = difference(first, second).interval()
    assert 0.9 < low < high < 1.1
    assert np.ptp(first.interval()) > 1.5


@pytest.mark.parametrize(("name", "ends"), [("rankme", (0, np.inf)), ("share_99", (0, 1)), ("procrustes", (0, 1))])
@pytest.mark.parametrize("values", [[0.5, 0.02, 0.6, 0.4, 0.03], [1.0, 0.0, 1.0, 0.9, 0.1]])
def test_an_interval_of_a_jackknife_holds_no_value_that_cannot_be(
    name: str, ends: tuple[float, float], values: list[float]
) -> None:
    subjects, found = np.array(list("abcde")), np.array(values)
    figure = jackknife(subjects, lambda rows: {name: found[rows].mean() if len(rows) == 5 else found[rows].min()})[name]
    low, high = figure.interval()
    assert ends[0] <= low <= figure.value <= high <= ends[1]
    assert low < high
