"""The Home page on a cohort, and on the very first start."""

from pathlib import Path

import pytest
from streamlit.testing.v1 import AppTest

from isimed.data.cohort import Cohort, register

PAGE = Path(__file__).resolve().parents[2] / "pages" / "home.py"


def test_three_sentences_and_one_button(cohort: Cohort) -> None:
    register(cohort.root, name="mine")
    app = AppTest.from_file(str(PAGE), default_timeout=60).run()
    assert not app.exception
    assert app.title[0].value == "Where in the body is this?"
    assert [button.label for button in app.button] == ["Click into a scan"]
    assert "3 patients" in app.caption[-1].value
    assert "Not for diagnosis" in app.caption[-1].value


def test_first_start_makes_the_demo(monkeypatch: pytest.MonkeyPatch) -> None:
    from isimed.ui import state

    real = state.make_demo
    monkeypatch.setattr(state, "make_demo", lambda folder, **options: real(folder, patients=2, **options))
    app = AppTest.from_file(str(PAGE), default_timeout=120).run()
    assert not app.exception
    assert "2 synthetic patients" in app.caption[-1].value
