"""Work in the background of a page: its result, its progress, its end."""

import threading

import pytest

from isimed.core.errors import InputError
from isimed.ui import background


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

    assert background.result("one", job, patience=5) == "done"
    assert background.result("one", job, patience=5) == "done"
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


def test_stop_ends_a_job_at_its_next_step():
    begun, go = threading.Event(), threading.Event()

    def job(progress, say):
        begun.set()
        go.wait(5)
        progress(1, 2)
        raise AssertionError("went on")

    work = background.start("two", job)
    begun.wait(5)
    work.stop.set()
    go.set()
    assert work.finished.wait(5)
    assert work.error.startswith("Stopped")


@pytest.mark.parametrize(
    ("error", "said"), [(InputError("x.nii is empty: copy it again."), "x.nii is empty"), (KeyError("k"), "broke off")]
)
def test_an_error_is_one_sentence(error, said):
    def job(progress, say):
        raise error

    work = background.start("three", job)
    assert work.finished.wait(5)
    assert said in work.error
