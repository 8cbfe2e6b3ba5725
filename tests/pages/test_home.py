"""The Home page on a cohort, and on the very first start."""

from pathlib import Path

import pytest
from streamlit.testing.v1 import AppTest

from isimed.data.cohorts.cohort import Cohort, cohort_names, register

APP = Path(__file__).resolve().parents[2] / "isimed" / "ui" / "main.py"  # home is its first page


def test_three_sentences_and_one_button(cohort: Cohort) -> None:
    register(cohort.root, name="mine")
    app = AppTest.from_file(str(APP), default_timeout=60).run()
    assert not app.exception
    assert app.title[0].value == "Where in the body is this?"
    assert [button.label for button in app.button] == [
        "Click into a scan",
        "Take the tour",
        "Add synthetic brains",
        "Add a chest CT demo",
    ]
    said = " ".join(caption.value for caption in app.caption)
    assert "3 patients" in said
    assert "Not for diagnosis" in said


def test_chest_demo_without_a_network_says_so(cohort: Cohort, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.delenv("PIP_FIND_LINKS", raising=False)
    register(cohort.root, name="mine")
    app = AppTest.from_file(str(APP), default_timeout=60).run()
    next(button for button in app.button if "CT" in button.label).click().run()
    assert not app.exception
    assert "connect to the network" in app.error[0].value
    assert "mine" in " ".join(caption.value for caption in app.caption)


def test_first_start_opens_real_patients_and_credits_them() -> None:
    app = AppTest.from_file(str(APP), default_timeout=120).run()
    assert not app.exception
    said = " ".join(caption.value for caption in app.caption)
    assert "**demo-flair**, 8 patients, MRI FLAIR" in said
    assert "Medical Segmentation Decathlon" in said
    assert "CC BY-SA 4.0" in said
    assert cohort_names() == ["demo-flair"]


def test_synthetic_patients_are_made_when_asked_for(cohort: Cohort, monkeypatch: pytest.MonkeyPatch) -> None:
    from isimed.ui import state

    real = state.make_demo
    monkeypatch.setattr(state, "make_demo", lambda folder, **options: real(folder, **options | {"patients": 2}))
    register(cohort.root, name="mine")
    app = AppTest.from_file(str(APP), default_timeout=120).run()
    next(button for button in app.button if button.label == "Add synthetic brains").click().run()
    assert not app.exception
    assert any("2 synthetic patients" in caption.value for caption in app.caption)
    assert "Add synthetic brains" not in [button.label for button in app.button]
