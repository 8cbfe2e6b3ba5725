"""The Evaluate page without a browser, on a small cohort and kept results."""

import threading
import time
from pathlib import Path
from typing import Any

import pytest
from streamlit.testing.v1 import AppTest

from isimed.core.errors import InputError
from isimed.core.progress import Progress, Say
from isimed.data.cohorts.cohort import Cohort, register
from isimed.evaluation.reporting import labels
from isimed.evaluation.results.numbers import with_interval
from isimed.evaluation.results.result import Comparison, Measured, Result
from isimed.ui.evaluate import evaluation_job
from tests.eventually import LONG

PAGE = Path(__file__).resolve().parents[2] / "pages" / "evaluate.py"


def figure(value: float) -> dict[str, Any]:
    return {"value": value, "low": value - 0.1, "high": value + 0.1, "n": 3}


def kept_result(cohort: Cohort) -> Result:
    """A result as an older version wrote it, small."""
    groups = {
        "distance": {name: figure(0.9) for name in ("pearson", "spearman", "stress", "rmse_mm")},
        "probe": {"auc": figure(0.8), "average_precision": figure(0.7)},
    }
    bins = [{"from_mm": 0.0, "to_mm": 20.0, "pairs": 3, "low": 1.0, "median": 9.0, "high": 12.0, "rmse_mm": 3.0}]
    scatter = {"physical_mm": [1.0, 5.0, 9.0], "latent": [2.0, 4.0, 9.0]}
    case = {"row": 0, "subject": "S0", "score": 12.0, "volume": "P0", "centre_mm": [0.0, 0.0, 0.0]}
    details = {"distance": {"scatter": scatter, "bins": bins, "worst": {"distance": [case]}}}
    old = {
        "cohort": {"name": cohort.name, "fingerprint": cohort.fingerprint, "subjects": 3},
        "protocol": "strict",
        "seed": 0,
        "versions": {"numpy": "2"},
        "checkpoints": {"mine": groups},
        "controls": {"untrained": groups, "position_only": {"probe": {"auc": figure(0.75)}}},
        "differences": {},
        "subjects": {"used": ["S0", "S1", "S2"], "left_out": [], "seen": []},
        "cards": {
            "mine": {
                "method": "isimed",
                "trained_on": "other",
                "crop_size": 32,
                "preparation": {"spacing_mm": 3.0},
                "fingerprint": "f",
            }
        },
        "notes": ["rules", "something to know"],
        "details": {"mine": details, "untrained": details},
        "seconds": {},
        "created": "2026-01-01T00:00:00",
        "limits": "Research use only.",
    }
    return Result.model_validate(old)


@pytest.fixture
def page(cohort: Cohort) -> AppTest:
    register(cohort.root, name="small")
    return AppTest.from_file(str(PAGE), default_timeout=120)


def test_nothing_measured_yet(page: AppTest) -> None:
    page.run()
    assert not page.exception
    assert "Nothing measured yet" in page.info[0].value
    assert page.button[0].label == "Measure"


def test_a_kept_result_is_shown_with_its_controls(page: AppTest, cohort: Cohort) -> None:
    saved = Cohort.load("small")
    evaluation_job.keep(saved, "evaluate", kept_result(saved))
    page.run()
    assert not page.exception
    assert [tab.label for tab in page.tabs] == ["Distance", "Probe"]
    assert page.metric[0].value == "0.900"
    tables = [table.value for table in page.dataframe]
    assert list(tables[1].columns) == ["figure", "mine", "untrained network", "position only"]
    assert "0.750 (0.650 – 0.850)" in tables[1].to_string()
    captions = [caption.value for caption in page.caption]
    assert any("something to know" in caption for caption in captions)
    assert any("too narrow where patients are few" in caption for caption in captions)  # made by an older version


def test_measure_starts_one_job(page: AppTest, monkeypatch: pytest.MonkeyPatch) -> None:
    started: list[Any] = []
    monkeypatch.setattr(evaluation_job, "start", lambda cohort, kind, work: started.append((kind, work)))
    page.run()
    page.button[0].click().run()
    kind, work = started[0]
    assert kind == "evaluate"
    assert work.keywords["tasks"] == ["distance", "position", "collapse"]
    assert work.keywords["protocol"] == "strict"


def test_a_measurement_that_fails_says_why_until_it_is_begun_again(cohort: Cohort) -> None:
    def refused(**options: Any) -> Result:
        raise InputError("Every patient was seen.")

    job = evaluation_job.start(cohort, "evaluate", refused)
    assert job.finished.wait(LONG)
    assert job.error == "Every patient was seen."
    assert evaluation_job.running(cohort, "evaluate") is job
    assert evaluation_job.start(cohort, "evaluate", refused) is not job


def test_a_measurement_can_be_stopped_and_leaves_no_result(cohort: Cohort) -> None:
    begun = threading.Event()

    def endless(progress: Progress, say: Say) -> Result:
        say("3 patients, about a minute.")
        say("distance")
        for done in range(10_000):
            progress(done, 10_000)
            begun.set()
            time.sleep(0.01)
        raise AssertionError("it was not stopped")

    job = evaluation_job.start(cohort, "compare", endless)
    assert begun.wait(LONG)
    assert job.text == "distance · 3 patients, about a minute."
    assert evaluation_job.start(cohort, "compare", endless) is job  # one at a time
    job.stop.set()
    assert job.finished.wait(LONG)
    assert job.error.startswith("Stopped")
    assert evaluation_job.latest(cohort, "compare", Comparison) is None


def test_charts_hold_controls_beside_checkpoints(cohort: Cohort) -> None:
    result = kept_result(cohort)
    (bars,) = labels.chart_rows(result, "probe")[-1]
    assert [bar.name for bar in bars.data] == ["mine", "untrained network", "position only"]
    scatter, beside = labels.chart_rows(result, "distance")
    assert [len(row) for row in (scatter, beside)] == [1, 2]
    assert with_interval(Measured(**figure(0.5))) == "0.500 (0.400 – 0.600)"
    assert with_interval(Measured(value=12.345, low=None, high=None, n=1)) == "12.3"
