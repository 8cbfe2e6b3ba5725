"""Runs as processes of their own: started here, stopped from anywhere, found again by whoever looks.

Nothing is kept in memory: a run's folder says which process (pid and start time) or which SLURM job works on it. A
worker that has to wait for the device waits by itself (`device_queue`, or SLURM's), and ends by itself when told to
stop (`stopping`); killing is the last resort.
"""

import os
import platform
import shutil
import signal
import subprocess
import sys
import threading
import time
from contextlib import suppress

import psutil

from isimed.core import paths
from isimed.core.errors import InputError
from isimed.core.files import write_file, write_json
from isimed.core.priority import put_behind
from isimed.training.optimise.allocator import ALLOCATOR_SETTINGS
from isimed.training.optimise.config import TrainConfig
from isimed.training.runs import slurm
from isimed.training.runs.folder import Run
from isimed.training.runs.preflight import preflight
from isimed.training.runs.status import Status
from isimed.training.runs.stopping import STOP_FILE

ASKS_BY_SIGNAL = os.name == "posix"  # elsewhere a signal kills: there the file alone asks
GONE_WITHIN_S = 22.0

_children: list[subprocess.Popen] = []


def status(run: Run) -> Status:
    """What a run last said; a run whose process or SLURM job is gone is called dead, one that begins anew starting.

    Asks SLURM where one works on the run, which may take seconds.
    """
    said = run.read_status()
    if not said.active or _just_made(run, said):
        return said
    answer = _slurm_says(run)
    if answer and answer.waits:
        reason = f" ({answer.reason})" if answer.reason else ""
        said.state, said.message = "queued", f"SLURM job {run.job['slurm_job']} waits{reason}."
    elif answer and answer.alive and answer.began > said.updated:  # queued again: those words are the former life's
        said.state, said.message = "starting", ""
    elif not (answer.alive if answer else _seems_at_work(run, said)):
        said = run.read_status()  # its last word may have come while SLURM or the system was asked
        if said.active:
            said.state, said.message = _ended(run, answer)
    return said


def _ended(run: Run, answer: slurm.Answer | None) -> tuple[str, str]:
    """State and message of a run that ended without a word of its own."""
    if answer is None:
        return "dead", "The process ended without a word (killed, or out of memory): resume goes on."
    job = run.job.get("slurm_job")
    if answer.cancelled:
        return "stopped", f"SLURM job {job} was cancelled."
    return "dead", f"SLURM job {job} ended ({answer.state}): resume goes on."


def process(run: Run) -> psutil.Process | None:
    """The process of this machine that works on a run (same start time, no zombie), or None."""
    try:
        job = run.job
        found = psutil.Process(job["pid"])
        same = abs(found.create_time() - job["created"]) < 1 and found.status() != psutil.STATUS_ZOMBIE
        return found if same else None
    except (ValueError, KeyError, TypeError, psutil.Error):
        return None


def at_work(run: Run) -> bool:
    """Whether a process works on a run, or a SLURM job does or waits to."""
    answer = _slurm_says(run)
    return answer.alive if answer else process(run) is not None


def _slurm_says(run: Run) -> slurm.Answer | None:
    """What SLURM says of the job that works or worked on a run; None where there is none."""
    job = run.job.get("slurm_job")
    return slurm.ask(job) if job else None


def _just_made(run: Run, said: Status) -> bool:
    return said.state == "starting" and not run.job and time.time() - said.updated < 30


def _seems_at_work(run: Run, said: Status) -> bool:
    """Where no SLURM answers: by its process, or by its last word where the process is another machine's."""
    job = run.job
    if job.get("slurm_job") or job.get("host", platform.node()) != platform.node():  # its pid says nothing here
        return time.time() - said.updated < 600
    return process(run) is not None


def submit(config: TrainConfig) -> Run:
    """Make a run and start it in the background.

    Raises:
        InputError: it cannot start; no run is left behind.
    """
    if config.on == "slurm":
        slurm.require()
    preflight(config)
    run = Run.create(config)
    try:
        start(run)
    except InputError:
        shutil.rmtree(run.folder, ignore_errors=True)
        raise
    return run


def start(run: Run) -> None:
    """Work on a run where its config says: in a process that outlives this one, or in a SLURM job.

    It starts or resumes: where there is a checkpoint it goes on from it. The output goes to ``train.log``.

    Raises:
        InputError: it is being worked on already, or it cannot be started.
    """
    said, worker = run.read_status(), process(run)
    if worker and not said.active:  # it has said its last word and is about to leave
        psutil.wait_procs([worker], timeout=GONE_WITHIN_S)
    if at_work(run):
        raise InputError(f"{run.id} is being worked on already: stop it first.")
    (run.folder / "job.json").unlink(missing_ok=True)
    (run.folder / STOP_FILE).unlink(missing_ok=True)
    run.write_status(Status(step=said.step, total_steps=said.total_steps, epoch=said.epoch, best=said.best))
    try:
        if run.config.on == "slurm":
            job = {"slurm_job": slurm.submit(run), "host": platform.node()}
            if not run.job:  # else the worker was quicker, and has said more
                write_json(run.folder / "job.json", job)
        else:
            _start_process(run)
    except InputError as error:
        run.write_status(Status(state="failed", message=str(error), step=said.step, best=said.best))
        raise


def _start_process(run: Run) -> None:
    """A fresh interpreter in a session of its own."""
    _reap()
    code = str(paths.PACKAGE.parent)
    path = os.pathsep.join(filter(None, [code, os.environ.get("PYTHONPATH")]))
    home = str(paths.home().resolve())
    environment = ALLOCATOR_SETTINGS | os.environ | {"PYTHONPATH": path, "ISIMED_HOME": home}
    command = [sys.executable, "-m", "isimed.training.runs.worker", str(run.folder.resolve())]
    try:
        with (run.folder / "train.log").open("ab") as log:
            child = subprocess.Popen(
                command, env=environment, stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True
            )
        _children.append(child)
        worker = psutil.Process(child.pid)
        put_behind(worker)
        run.write_job(worker, command=command)
    except (OSError, psutil.Error) as error:
        raise InputError(f"{run.id} could not be started ({error}): see {run.folder / 'train.log'}.") from None


def resume(run: Run) -> None:
    """Go on with a run that was stopped, failed or died.

    Raises:
        InputError: it is at work, or finished.
    """
    state = status(run)
    if not state.resumable:
        raise InputError(f"{run.id} is {state.state}: only a stopped, failed or dead run can be resumed.")
    start(run)


def stop(run: Run, *, wait_s: float = GONE_WITHIN_S) -> None:
    """Ask a run to save and end; kill it where it has not after ``wait_s`` seconds.

    Raises:
        InputError: nobody that this machine can reach works on it.
    """
    _check_reach(run)
    if job := _slurm_job(run):
        slurm.cancel(job, wait_s=wait_s)
    elif worker := process(run):
        _stop_process(run, worker, wait_s)
    _call_stopped(run)


def stop_soon(run: Run) -> None:
    """`stop` without waiting: a thread sees it through, and the worker ends by itself should this process die."""
    _check_reach(run)
    threading.Thread(target=_stop_quietly, args=(run,), daemon=True).start()


def _check_reach(run: Run) -> None:
    if not (at_work(run) if _slurm_job(run) else process(run)):
        raise InputError(f"{run.id} is not being worked on here; it is {status(run).state}.")


def _slurm_job(run: Run) -> str | None:
    """The job that `start` queued; not one of somebody's own script that happens to work on the run."""
    return run.job.get("slurm_job") if run.config.on == "slurm" else None


def _stop_process(run: Run, worker: psutil.Process, wait_s: float) -> None:
    write_file(run.folder / STOP_FILE, "")
    try:
        if ASKS_BY_SIGNAL:
            worker.terminate()
        psutil.wait_procs([worker], timeout=wait_s)
        if _alive(worker):
            _kill_group(worker)
            worker.wait(5)
    except (psutil.NoSuchProcess, psutil.TimeoutExpired):
        pass
    (run.folder / STOP_FILE).unlink(missing_ok=True)
    _reap()


def wait(run: Run, *states: str, seconds: float = 60.0) -> Status:
    """Wait until a run is in one of the states (by default: no longer active) and return its status.

    Raises:
        TimeoutError: it is not within ``seconds``.
    """
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        now = status(run)
        if now.state in states or (not states and not now.active):
            return now
        time.sleep(0.1)
    raise TimeoutError(f"{run.id} is still {status(run).state} after {seconds:g} s; its log ends: {run.log_tail(5)}")


def _stop_quietly(run: Run) -> None:
    with suppress(InputError):  # it ended by itself in between
        stop(run)


def _call_stopped(run: Run) -> None:
    """A worker that ended before it could say so (still importing, or killed) is stopped, as was asked for."""
    if not at_work(run) and (said := run.read_status()).active:
        said.state, said.message = "stopped", ""
        run.write_status(said)


def _kill_group(worker: psutil.Process) -> None:
    try:
        if hasattr(os, "killpg") and os.getpgid(worker.pid) == worker.pid:  # a session of its own, started by `start`
            os.killpg(worker.pid, signal.SIGKILL)
        else:
            for one in (*worker.children(recursive=True), worker):
                one.kill()
    except (ProcessLookupError, psutil.NoSuchProcess):
        pass


def _alive(worker: psutil.Process) -> bool:
    try:
        return worker.is_running() and worker.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def _reap() -> None:
    """Forget children that ended, so that they do not stay zombies."""
    _children[:] = [child for child in _children if child.poll() is None]
