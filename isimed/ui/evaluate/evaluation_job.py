"""A measurement at work in the background of the server, and the last finished one of each cohort and kind."""

import hashlib
import logging
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeVar

import streamlit as st
from pydantic import ValidationError

from isimed.core.errors import InputError
from isimed.core.files import write_file
from isimed.core.text import plain
from isimed.data.cohorts.cohort import Cohort
from isimed.evaluation.context.context import evaluations_dir
from isimed.evaluation.results.result import Stored

log = logging.getLogger(__name__)
Finished = TypeVar("Finished", bound=Stored)


class Stopped(Exception):
    """The user stopped it; finished parts are kept."""


@dataclass(eq=False)
class Job:
    """An evaluation at work in the background.

    Attributes:
        done: percent.
        what: the part at work.
        takes: what all of it takes.
        error: one sentence, or empty.
    """

    done: int = 0
    what: str = ""
    takes: str = ""
    error: str = ""
    finished: bool = False
    stop: threading.Event = field(default_factory=threading.Event)


@st.cache_resource(show_spinner=False)
def _jobs() -> dict[str, Job]:
    return {}


def running(cohort: Cohort, kind: str) -> Job | None:
    """The work of a kind on a cohort that is going on or has failed, or None."""
    return _jobs().get(_key(cohort, kind))


def start(cohort: Cohort, kind: str, work: Callable[..., Stored]) -> Job:
    """Begin ``work(progress=..., say=...)`` in a thread; one of a kind a cohort at a time."""
    job = running(cohort, kind)
    if job is None or job.finished:
        job = _jobs()[_key(cohort, kind)] = Job()
        threading.Thread(target=_run, args=(job, cohort, kind, work), daemon=True).start()
    return job


def forget(cohort: Cohort, kind: str) -> None:
    _jobs().pop(_key(cohort, kind), None)


def latest(cohort: Cohort, kind: str, of: type[Finished]) -> Finished | None:
    """The result that was finished last, also before a restart or by an older version."""
    try:
        return of.model_validate_json(_latest_file(cohort, kind).read_bytes())
    except (OSError, ValidationError):
        return None


def keep(cohort: Cohort, kind: str, result: Stored) -> None:
    write_file(_latest_file(cohort, kind), result.to_json(indent=None))


def _run(job: Job, cohort: Cohort, kind: str, work: Callable[..., Stored]) -> None:
    def progress(done: int, total: int) -> None:
        if job.stop.is_set():
            raise Stopped
        job.done = round(100 * done / total)

    def say(what: str) -> None:
        if what.endswith("."):
            job.takes = what
        else:
            job.what = what

    try:
        keep(cohort, kind, work(progress=progress, say=say))
    except Stopped:
        job.error = "Stopped. What was finished is kept: measuring again goes on from there."
    except InputError as error:
        job.error = str(error)
    except Exception:
        log.exception("A measurement broke off")
        job.error = "The measurement broke off; what was finished is kept. The server's log says why."
    finally:
        job.finished = True


@st.fragment(run_every=1.0)
def show(cohort: Cohort, kind: str) -> None:
    """Progress of the work, a button to stop it, and its error if it had one."""
    job = running(cohort, kind)
    if job is None:
        return
    if job.finished and not job.error:
        forget(cohort, kind)
        st.rerun()
    elif job.error:
        st.warning(plain(job.error))
        if st.button("OK"):
            forget(cohort, kind)
            st.rerun()
    else:
        bar, button = st.columns([6, 1], vertical_alignment="center")
        bar.progress(
            job.done / 100, f"{job.done} % · {plain(job.what) or 'loading networks and volumes, timing this machine'}"
        )
        if job.takes:
            st.caption(plain(job.takes))
        if button.button("Stop", icon=":material/stop:", disabled=job.stop.is_set()):
            job.stop.set()


def _key(cohort: Cohort, kind: str) -> str:
    return f"{kind}\0{cohort.root}\0{cohort.fingerprint}"


def _latest_file(cohort: Cohort, kind: str) -> Path:
    return evaluations_dir() / "latest" / f"{kind}-{hashlib.sha256(cohort.fingerprint.encode()).hexdigest()[:16]}.json"
