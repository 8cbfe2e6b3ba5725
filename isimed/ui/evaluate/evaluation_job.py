"""A measurement at work behind the page, and the last finished one of each cohort and kind."""

import hashlib
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

import streamlit as st
from pydantic import ValidationError

from isimed.core.files import write_file
from isimed.core.progress import Progress, Say
from isimed.data.cohorts.cohort import Cohort
from isimed.evaluation.context.context import evaluations_dir
from isimed.evaluation.results.result import Stored
from isimed.explore.tables.cost import crops_a_second
from isimed.ui import background, long_work, state
from isimed.ui.background import Work

Finished = TypeVar("Finished", bound=Stored)


def running(cohort: Cohort, kind: str) -> Work | None:
    """The work of a kind on a cohort that is going on or has failed, or None."""
    work = background.of(_key(cohort, kind))
    return work if work and (work.error or not work.finished.is_set()) else None


def start(cohort: Cohort, kind: str, measure: Callable[..., Stored]) -> Work:
    """Begin ``measure(progress=..., say=...)`` behind the page; one of a kind a cohort at a time."""
    key, before = _key(cohort, kind), background.of(_key(cohort, kind))
    if before and before.finished.is_set():
        background.forget(key)

    def job(progress: Progress, say: Say) -> None:
        takes = ""

        def told(what: str) -> None:
            nonlocal takes
            if what.endswith("."):  # how long all of it takes, said once
                takes = f" · {what}"
            say(f"{what}{takes}" if not what.endswith(".") else what)

        say("Loading networks and volumes, timing this machine")
        keep(cohort, kind, measure(progress=progress, say=told))

    return background.start(key, job)


def takes(cohort: Cohort, name: str, crops: int) -> str:
    """About how long it takes to embed so many crops, with a checkpoint of this name; in words."""
    with st.spinner("Timing this machine…"):
        return long_work.takes(crops / crops_a_second(state.checkpoint(cohort, name)))


def latest(cohort: Cohort, kind: str, of: type[Finished]) -> Finished | None:
    """The result that was finished last, also before a restart or by an older version."""
    try:
        return of.model_validate_json(_latest_file(cohort, kind).read_bytes())
    except (OSError, ValidationError):
        return None


def keep(cohort: Cohort, kind: str, result: Stored) -> None:
    write_file(_latest_file(cohort, kind), result.to_json(indent=None))


@st.fragment(run_every=1.0)
def show(cohort: Cohort, kind: str) -> None:
    """Progress of the work, a button to stop it, and its error if it had one."""
    work = running(cohort, kind)
    if work is None:
        background.forget(_key(cohort, kind))
        st.rerun()
    else:
        background.show(_key(cohort, kind), work, f"{work.share:.0%} · {work.text}", again="OK")


def _key(cohort: Cohort, kind: str) -> str:
    return f"{kind}\0{cohort.root}\0{cohort.fingerprint}"


def _latest_file(cohort: Cohort, kind: str) -> Path:
    return evaluations_dir() / "latest" / f"{kind}-{hashlib.sha256(cohort.fingerprint.encode()).hexdigest()[:16]}.json"
