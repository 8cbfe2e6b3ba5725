"""Long work in a thread of the server, its progress on the page. The page may be left and comes back to the result."""

import logging
import threading
import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, TypeVar

import streamlit as st

from isimed.core.errors import InputError
from isimed.core.priority import give_way
from isimed.core.progress import Progress, Say
from isimed.core.text import plain
from isimed.ui.errors import of_the_page

T = TypeVar("T")
KEPT = 12
LEAST_SHARE, LEAST_SECONDS = 0.02, 3.0  # of a work that is done before the rest can be told
PATIENCE = 1.5  # seconds until a progress bar is worth the flicker
log = logging.getLogger(__name__)
_guard = threading.Lock()  # sessions begin and forget works at the same moment


class Stopped(Exception):
    """The user stopped it."""


@dataclass
class Work:
    """A task behind a page, as its thread and the page see it.

    Attributes:
        done, total: how far it is.
        text: what is being done.
        error: one sentence, or empty.
        finished: also where it failed.
        first_report: seconds on the clock that never goes back, and the share that was there then.
        stop: set to end it at its next step.
    """

    done: int = 0
    total: int = 0
    text: str = "Starting"
    result: Any = None
    error: str = ""
    finished: threading.Event = field(default_factory=threading.Event)
    stop: threading.Event = field(default_factory=threading.Event)
    first_report: tuple[float, float] | None = None

    def time_left(self) -> str:
        """About how long it still takes, in words; "" until that can be told."""
        if self.first_report is None:
            return ""
        begun, had = self.first_report  # what was there before took no time now
        gone, made = time.monotonic() - begun, self.share - had
        if gone < LEAST_SECONDS or made < LEAST_SHARE:
            return ""
        seconds = gone * (1 - self.share) / made
        return (
            f"about {seconds / 60:.0f} min left" if seconds > 90 else f"about {max(5, round(seconds, -1)):.0f} s left"
        )

    @property
    def share(self) -> float:
        return min(max(self.done / max(self.total, 1), 0.0), 1.0)


@st.cache_resource(show_spinner=False)
def _works() -> OrderedDict[str, Work]:
    return OrderedDict()


def result(key: str, job: Callable[[Progress, Say], T], *, patience: float = PATIENCE) -> T | None:
    """The result of a job, or None while it is at work; then a progress bar stands on the page.

    Args:
        key: what the result is; the same key is worked out once and kept for all sessions.
        job: gets two functions to report to: (done, total), and what is being done.
        patience: seconds to wait for it before the bar is shown.
    """
    work = start(key, job)
    if work.finished.wait(patience) and not work.error:
        return work.result
    _show(key)
    return None


def start(key: str, job: Callable[[Progress, Say], Any]) -> Work:
    """Begin a job in a thread of the server, unless it was begun before."""
    with _guard:
        works = _works()
        work = works.get(key)
        if work is None:
            works[key] = work = Work()
            threading.Thread(target=_run, args=(work, job), daemon=True, name=f"isimed: {key[:40]}").start()
        works.move_to_end(key)
        while len(works) > KEPT and next(iter(works.values())).finished.is_set():
            works.popitem(last=False)
        return work


def of(key: str) -> Work | None:
    """The work of a key that was begun and not forgotten."""
    return _works().get(key)


def forget(beginning: str) -> None:
    """Drop the works whose key begins so: what they came from has changed."""
    with _guard:
        for key in [key for key in _works() if key.startswith(beginning)]:
            del _works()[key]


def _run(work: Work, job: Callable) -> None:
    def progress(done: int, total: int) -> None:
        if work.stop.is_set():
            raise Stopped
        work.done, work.total = done, total
        work.first_report = work.first_report or (time.monotonic(), work.share)

    def say(text: str) -> None:
        work.text = text

    give_way()
    try:
        work.result = job(progress, say)
    except Stopped:
        work.error = "Stopped. What was finished is kept."
    except InputError as error:
        work.error = str(error)
    except Exception:
        log.exception("Background work broke off")
        work.error = "This broke off; what was finished is kept. The server's log says why."
    finally:
        work.finished.set()


@st.fragment(run_every=0.5)
def _show(key: str) -> None:
    work = _works().get(key)
    if work is None or (work.finished.is_set() and not work.error):
        st.rerun()
    else:
        show(key, work, f"{work.text}, once…")


def show(key: str, work: Work, text: str, *, again: str = "Try again") -> None:
    """How far a work is, with a button to stop it; or why it ended, with a button to go on. For a fragment."""
    if work.error:
        st.error(plain(of_the_page(work.error)))
        st.button(again, key=f"again-{key}", on_click=forget, args=(key,))
        return
    row = st.container(horizontal=True, vertical_alignment="center")
    row.progress(work.share, plain(" · ".join(filter(None, [text.rstrip("."), work.time_left()]))))
    can_stop = work.total > 0  # at its next step: one that reports none has none
    if can_stop:  # a callback, since the page that looks again may end the run that the click began
        row.button(
            "Stop", key=f"stop-{key}", icon=":material/stop:", on_click=work.stop.set, disabled=work.stop.is_set()
        )
