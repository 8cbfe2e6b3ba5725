"""Long work asks before it begins, short work begins at once."""

import threading

import pytest
from streamlit.testing.v1 import AppTest

from isimed.ui import background
from tests.eventually import LONG


@pytest.fixture(autouse=True)
def works():
    yield
    background.forget("")


def page(seconds: float) -> None:
    import streamlit as st

    from isimed.ui import long_work

    st.write("begun" if long_work.may_begin("it", seconds, "8 scans are not embedded yet", "Embed") else "asked")


def said(app: AppTest) -> str:
    assert not app.exception
    return app.markdown[0].value


def opened(seconds: float) -> AppTest:
    return AppTest.from_function(page, args=(seconds,), default_timeout=60).run()


def test_half_a_minute_begins_at_once() -> None:
    app = opened(30)
    assert said(app) == "begun"
    assert not app.button


@pytest.mark.parametrize(("seconds", "words"), [(31, "31 s"), (400, "7 min"), (9000, "2 h 30 min")])
def test_what_takes_longer_says_how_long_and_waits_for_its_button(seconds: float, words: str) -> None:
    app = opened(seconds)
    assert said(app) == "asked"
    assert app.caption[0].value == f"8 scans are not embedded yet: about {words} on this machine."
    app.button[0].click().run()
    assert said(app) == "begun"


def test_work_that_is_under_way_is_not_asked_for_again() -> None:
    end = threading.Event()
    background.start("it", lambda progress, say: end.wait(LONG))
    assert said(opened(4000)) == "begun"
    end.set()
