"""Long work in a thread of the server, its progress on the page. The page may be left and comes back to the result."""

import logging
import threading
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, TypeVar

import streamlit as st

from isimed.core.errors import InputError
from isimed.core.progress import Progress, Say
from isimed.core.text import plain

T = TypeVar("T")
KEPT = 12
PATIENCE = 1.5  # seconds until a progress bar is worth the flicker
log = logging.getLogger(__name__)


@dataclass
class Work:
    share: float = 0.0
    text: str = "Starting"
    result: Any = None
    error: str = ""
    finished: threading.Event = field(default_factory=threading.Event)


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
    works = _works()
    work = works.get(key)
    if work is None:
        works[key] = work = Work()
        threading.Thread(target=_run, args=(work, job), daemon=True).start()
    works.move_to_end(key)
    while len(works) > KEPT and next(iter(works.values())).finished.is_set():
        works.popitem(last=False)
    if work.finished.wait(patience) and not work.error:
        return work.result
    _show(key)
    return None


def forget(start: str) -> None:
    """Drop the results whose key starts so: what they came from has changed."""
    for key in [key for key in _works() if key.startswith(start)]:
        _works().pop(key, None)


def _run(work: Work, job: Callable) -> None:
    def progress(done: int, total: int) -> None:
        work.share = min(max(done / max(total, 1), 0.0), 1.0)

    def say(text: str) -> None:
        work.text = text

    try:
        work.result = job(progress, say)
    except InputError as error:
        work.error = str(error)
    except Exception:
        log.exception("Background work broke off")
        work.error = "This broke off. The server's log says why."
    finally:
        work.finished.set()


@st.fragment(run_every=0.5)
def _show(key: str) -> None:
    work = _works().get(key)
    if work is None or (work.finished.is_set() and not work.error):
        st.rerun()
    elif work.error:
        st.error(plain(work.error))
        if st.button("Try again", key=f"again-{key}"):
            forget(key)
            st.rerun()
    else:
        st.progress(work.share, f"{plain(work.text)}, once…")
