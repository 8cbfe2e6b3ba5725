"""An evaluation at work in the background of the server, and the last finished one of each cohort."""

import hashlib
import json
import logging
import os
import threading
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import streamlit as st

from isimed.data.cohort import Cohort
from isimed.errors import InputError
from isimed.evaluation.bench import evaluations_dir
from isimed.evaluation.evaluate import evaluate

log = logging.getLogger(__name__)


class Stopped(Exception):
    """The user stopped the evaluation; finished parts are kept."""


@dataclass(eq=False)
class Job:
    """Attributes:
    done: percent. what: the part at work. error: one sentence, or empty.
    """

    options: dict[str, Any]
    done: int = 0
    what: str = ""
    error: str = ""
    finished: bool = False
    stop: threading.Event = field(default_factory=threading.Event)


@st.cache_resource(show_spinner=False)
def _jobs() -> dict[str, Job]:
    return {}


def running(cohort: Cohort) -> Job | None:
    """The evaluation of a cohort that is at work or has failed, or None."""
    return _jobs().get(_key(cohort))


def start(cohort: Cohort, names: list[str], **options: Any) -> Job:
    """Begin in a thread; one evaluation a cohort at a time."""
    job = running(cohort)
    if job is None or job.finished:
        job = _jobs()[_key(cohort)] = Job({"checkpoint_names": names, **options})
        threading.Thread(target=_work, args=(job, cohort), daemon=True).start()
    return job


def forget(cohort: Cohort) -> None:
    _jobs().pop(_key(cohort), None)


def latest(cohort: Cohort) -> dict[str, Any] | None:
    """The result that was finished last for this cohort, also before a restart."""
    try:
        return json.loads(_latest_file(cohort).read_bytes())
    except (OSError, ValueError):
        return None


def keep(cohort: Cohort, result: dict[str, Any]) -> None:
    file = _latest_file(cohort)
    file.parent.mkdir(parents=True, exist_ok=True)
    temporary = file.with_suffix(f".{os.getpid()}.tmp")
    temporary.write_text(json.dumps(result))
    temporary.replace(file)


def _work(job: Job, cohort: Cohort) -> None:
    def progress(done: int, total: int) -> None:
        if job.stop.is_set():
            raise Stopped
        job.done = round(100 * done / total)

    def say(what: str) -> None:
        job.what = what

    try:
        keep(cohort, evaluate(cohort, progress=progress, say=say, **job.options))
    except Stopped:
        job.error = "Stopped. What was finished is kept: measuring again goes on from there."
    except InputError as error:
        job.error = str(error)
    except Exception:
        log.exception("An evaluation broke off")
        job.error = "The evaluation broke off; what was finished is kept. The server's log says why."
    finally:
        job.finished = True


@st.fragment(run_every=1.0)
def show(cohort: Cohort) -> None:
    """Progress of the cohort's evaluation, a button to stop it, and its error if it had one."""
    job = running(cohort)
    if job is None:
        return
    if job.finished and not job.error:
        forget(cohort)
        st.rerun()
    elif job.error:
        st.warning(job.error)
        if st.button("OK"):
            forget(cohort)
            st.rerun()
    else:
        bar, button = st.columns([6, 1], vertical_alignment="center")
        bar.progress(job.done / 100, f"{job.done} % · {job.what or 'preparing volumes'}")
        if button.button("Stop", icon=":material/stop:", disabled=job.stop.is_set()):
            job.stop.set()


def _key(cohort: Cohort) -> str:
    return f"{cohort.root}\0{cohort.fingerprint}"


def _latest_file(cohort: Cohort) -> Path:
    return evaluations_dir() / "latest" / f"{hashlib.sha256(cohort.fingerprint.encode()).hexdigest()[:16]}.json"
