"""The Compare page without a browser."""

from pathlib import Path

import pytest
from streamlit.testing.v1 import AppTest

from isimed.data.cohorts.cohort import Cohort, register
from isimed.evaluation.results.result import Comparison, MeasuredCohort
from isimed.ui.evaluate import evaluation_job
from isimed.ui.evaluate.compare_view import axis_shown, maps

PAGE = Path(__file__).resolve().parents[2] / "pages" / "compare.py"


@pytest.fixture
def page(cohort: Cohort) -> AppTest:
    register(cohort.root, name="small")
    return AppTest.from_file(str(PAGE), default_timeout=120)


def test_two_checkpoints_are_needed(page: AppTest) -> None:
    page.run()
    assert not page.exception
    page.multiselect[0].set_value(["untrained"]).run()
    assert page.button[0].disabled


def test_a_kept_comparison_is_shown(page: AppTest) -> None:
    saved = Cohort.load("small")
    one = {"value": 0.9, "low": 0.8, "high": 1.0, "n": 3}
    names = ("cka", "code_cka", "neighbour_overlap", "procrustes")
    result = {
        "cohort": {"name": "small", "fingerprint": saved.fingerprint, "subjects": 3},
        "seed": 0,
        "created": "2026-01-01T00:00:00",
        "left_out": ["S9"],
        "pairs": {"a | b": dict.fromkeys(names, one)},
        "maps": {"a": [[0.0, 1.0], [1.0, 2.0]], "b": [[0.0, 1.0], [1.0, 2.0]]},
        "position": [[0.0, 1.0, 2.0], [3.0, 4.0, 5.0]],
        "subject": ["S0", "S1"],
        "options": [{"option": "method", "a": "isimed", "b": "vicreg"}],
    }
    evaluation_job.keep(saved, "compare", Comparison.model_validate(result))
    page.run()
    assert not page.exception
    assert "0.900 (0.800 – 1.00)" in page.dataframe[0].value.to_string()
    assert "vicreg" in page.dataframe[1].value.to_string()
    assert any("1 left out, on whom a checkpoint was trained or selected" in caption.value for caption in page.caption)


def test_the_axis_that_the_map_shows_is_coloured_first_and_the_bar_says_where_it_points() -> None:
    position = [[0.0, 10.0, 5.0], [5.0, 20.0, -5.0], [0.0, 30.0, 5.0]]
    points = {"a": [[0.1, 1.0], [0.0, 2.0], [0.3, 3.0]]}
    result = Comparison(
        cohort=MeasuredCohort(name="small", fingerprint="f", subjects=3),
        seed=0,
        created="",
        left_out=[],
        pairs={},
        options=[],
        maps=points,
        position=position,
        subject=["S0", "S1", "S2"],
    )
    assert axis_shown(result) == "coronal"
    bar = maps(result, 1).layout.coloraxis.colorbar
    assert bar.title.text == "front, mm"
