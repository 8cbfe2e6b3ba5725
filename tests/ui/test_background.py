"""Work in the background of a page: its result, its progress, its end."""

import sys
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from isimed.core.errors import InputError
from isimed.ui import background
from tests.eventually import LONG


@pytest.fixture(autouse=True)
def works():
    yield
    background.forget("")


def test_a_job_runs_once_and_its_result_is_kept():
    calls = []

    def job(progress, say):
        calls.append(1)
        say("Counting")
        progress(1, 4)
        return "done"

    assert background.result("one", job, patience=LONG) == "done"
    assert background.result("one", job, patience=LONG) == "done"
    assert calls == [1]
    work = background.of("one")
    assert (work.share, work.text) == (0.25, "Counting")


@pytest.mark.parametrize(
    ("before", "done", "seconds", "words"),
    [(0, 25, 20, "about 60 s left"), (50, 60, 30, "about 2 min left"), (0, 1, 60, ""), (0, 50, 1, ""),
     (0, 99, 500, "about 10 s left")],
)  # fmt: skip
def test_the_time_left_is_told_from_what_was_made_since_the_work_began(monkeypatch, before, done, seconds, words):
    work = background.Work(done=done, total=100, first_report=(1000.0, before / 100))
    monkeypatch.setattr(background.time, "monotonic", lambda: 1000.0 + seconds)
    assert work.time_left() == words


def test_sessions_that_ask_and_forget_together_begin_a_work_once_and_none_breaks_off(monkeypatch):
    monkeypatch.setattr(background, "KEPT", 1000)
    switch, begun, together = sys.getswitchinterval(), [], threading.Barrier(8)

    def session(number: int) -> None:
        together.wait(LONG)
        background.start("shared", lambda progress, say: begun.append(number))
        for turn in range(60):
            background.start(f"own-{number}-{turn % 5}", lambda progress, say: None)
            background.forget(f"own-{(number + 1) % 8}")

    sys.setswitchinterval(1e-6)
    try:
        with ThreadPoolExecutor(8) as sessions:
            list(sessions.map(session, range(8)))
    finally:
        sys.setswitchinterval(switch)
    assert len(begun) == 1


def test_stop_ends_a_job_at_its_next_step():
    begun, go = threading.Event(), threading.Event()

    def job(progress, say):
        begun.set()
        go.wait(LONG)
        progress(1, 2)
        raise AssertionError("went on")

    work = background.start("two", job)
    assert begun.wait(LONG)
    work.stop.set()
    go.set()
    assert work.finished.wait(LONG)
    assert work.error.startswith("Stopped")


@pytest.mark.parametrize(
    ("error", "said"), [(InputError("x.nii is empty: copy it again."), "x.nii is empty"), (KeyError("k"), "broke off")]
)
def test_an_error_is_one_sentence(error, said):
    def job(progress, say):
        raise error

    work = background.start("three", job)
    assert work.finished.wait(LONG)
    assert said in work.error
