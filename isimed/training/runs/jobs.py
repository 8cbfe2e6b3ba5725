"""Runs as processes of their own: started here, stopped from anywhere, found again by whoever looks.

Nothing is kept in memory: a run's folder says which process (pid and start time) or which SLURM job works on it. A
worker that has to wait for the device waits by itself (`queue`, or SLURM's), and ends by itself when told to stop
(`stopping`); killing is the last resort.
"""

import os
import platform
import signal
import subprocess
import sys
import threading
import time
from contextlib import suppress

import psutil

from isimed.core import paths
from isimed.core.errors import InputError
from isimed.training.optimise.allocator import KEPT_MEMORY
from isimed.training.optimise.config import TrainConfig
from isimed.training.runs import slurm
from isimed.training.runs.folder import Run, Status, write_json

GONE_WITHIN_S = 22.0

_children: list[subprocess.Popen] = []


def submit(config: TrainConfig) -> Run:
    """Make a run and start it in the background."""
    run = Run.create(config)
    start(run)
    return run


def start(run: Run) -> None:
    """Work on a run where its config says: in a process that outlives this one, or in a SLURM job.

    It starts or resumes: where there is a checkpoint it goes on from it. The output goes to ``train.log``.

    Raises:
        InputError: it is being worked on already, or it cannot be started.
    """
    process = run.process()
    if process and not run.status.active:  # it has said its last word and is about to leave
        psutil.wait_procs([process], timeout=GONE_WITHIN_S)
    if run.worked_on:
        raise InputError(f"{run.id} is being worked on already: stop it first.")
    (run.folder / "job.json").unlink(missing_ok=True)
    status = run.status
    run.write_status(Status(step=status.step, total_steps=status.total_steps, epoch=status.epoch, best=status.best))
    try:
        if run.config.on == "slurm":
            job = {"slurm_job": slurm.submit(run), "host": platform.node()}
            if not run.job:  # else the worker was quicker, and has said more
                write_json(run.folder / "job.json", job)
        else:
            _start_process(run)
    except InputError as error:
        run.write_status(Status(state="failed", message=str(error), step=status.step, best=status.best))
        raise


def _start_process(run: Run) -> None:
    """A fresh interpreter in a session of its own."""
    _reap()
    code = str(paths.PACKAGE.parent)
    path = os.pathsep.join(filter(None, [code, os.environ.get("PYTHONPATH")]))
    home = str(paths.home().resolve())
    environment = KEPT_MEMORY | os.environ | {"PYTHONPATH": path, "ISIMED_HOME": home}
    command = [sys.executable, "-m", "isimed.training.runs.folder", str(run.folder.resolve())]
    try:
        with (run.folder / "train.log").open("ab") as log:
            child = subprocess.Popen(
                command, env=environment, stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True
            )
        _children.append(child)
        run.write_job(psutil.Process(child.pid), command=command)
    except (OSError, psutil.Error) as error:
        raise InputError(f"{run.id} could not be started ({error}): see {run.folder / 'train.log'}.") from None


def resume(run: Run) -> None:
    """Go on with a run that was stopped, failed or died.

    Raises:
        InputError: it is at work, or finished.
    """
    status = run.status
    if not status.resumable:
        raise InputError(f"{run.id} is {status.state}: only a stopped, failed or dead run can be resumed.")
    start(run)


def stop(run: Run, *, wait_s: float = GONE_WITHIN_S) -> None:
    """Ask a run to save and end; kill it where it has not after ``wait_s`` seconds.

    Raises:
        InputError: nobody that this machine can reach works on it.
    """
    _check_reach(run)
    if job := _slurm_job(run):
        slurm.cancel(job, wait_s=wait_s)
    elif process := run.process():
        _stop_process(process, wait_s)
    _call_stopped(run)


def stop_soon(run: Run) -> None:
    """`stop` without waiting: a thread sees it through, and the worker ends by itself should this process die."""
    _check_reach(run)
    threading.Thread(target=_stop_quietly, args=(run,), daemon=True).start()


def _check_reach(run: Run) -> None:
    if not (run.worked_on if _slurm_job(run) else run.process()):
        raise InputError(f"{run.id} is not being worked on here; it is {run.status.state}.")


def _slurm_job(run: Run) -> str | None:
    """The job that `start` queued; not one of somebody's own script that happens to work on the run."""
    return run.job.get("slurm_job") if run.config.on == "slurm" else None


def _stop_process(process: psutil.Process, wait_s: float) -> None:
    try:
        process.terminate()
        psutil.wait_procs([process], timeout=wait_s)
        if _alive(process):
            _kill_group(process)
            process.wait(5)
    except (psutil.NoSuchProcess, psutil.TimeoutExpired):
        pass
    _reap()


def wait(run: Run, *states: str, seconds: float = 60.0) -> Status:
    """Wait until a run is in one of the states (by default: no longer active) and return its status.

    Raises:
        TimeoutError: it is not within ``seconds``.
    """
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        status = run.status
        if status.state in states or (not states and not status.active):
            return status
        time.sleep(0.1)
    raise TimeoutError(f"{run.id} is still {run.status.state} after {seconds:g} s; its log ends: {run.log_tail(5)}")


def _stop_quietly(run: Run) -> None:
    with suppress(InputError):  # it ended by itself in between
        stop(run)


def _call_stopped(run: Run) -> None:
    """A worker that ended before it could say so (still importing, or killed) is stopped, as was asked for."""
    status = run.status
    if not run.worked_on and status.state in ("dead", "starting"):
        status.state, status.message = "stopped", ""
        run.write_status(status)


def _kill_group(process: psutil.Process) -> None:
    try:
        if os.getpgid(process.pid) == process.pid:  # a session of its own, started by `start`
            os.killpg(process.pid, signal.SIGKILL)
        else:
            process.kill()
    except ProcessLookupError:
        pass


def _alive(process: psutil.Process) -> bool:
    try:
        return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def _reap() -> None:
    """Forget children that ended, so that they do not stay zombies."""
    _children[:] = [child for child in _children if child.poll() is None]
