"""Runs as processes: queued, stopped, killed, found again, resumed. Real interpreters, tiny trainings."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import psutil
import pytest

from isimed.core.errors import InputError
from isimed.data.cohorts.cohort import Cohort
from isimed.training.optimise.allocator import ALLOCATOR_SETTINGS
from isimed.training.runs import jobs
from isimed.training.runs.folder import Run
from isimed.training.runs.status import Status
from tests.eventually import LONG
from tests.training.tiny import tiny, until_step

SERVER = """
import sys, time
from isimed.training.runs import jobs
from isimed.training.runs.folder import Run
jobs.start(Run(sys.argv[1]))
print("started", flush=True)
time.sleep(600)
"""


@pytest.fixture(autouse=True)
def nothing_left() -> Iterator[None]:
    yield
    for run in Run.all():
        if jobs.process(run):
            with suppress(InputError):  # it ended in between
                jobs.stop(run, wait_s=0)


@pytest.mark.slow
def test_two_runs_of_a_server_that_is_killed(cohort: Cohort) -> None:
    """The whole life: queue, server gone, stop in time, next one starts, killed is dead, resume finishes."""
    first, second = Run.create(tiny(cohort, epochs=5000)), Run.create(tiny(cohort, epochs=1))
    server = subprocess.Popen([sys.executable, "-c", SERVER, str(first.folder)], stdout=subprocess.PIPE)
    assert server.stdout.readline() == b"started\n"
    os.kill(server.pid, signal.SIGKILL)
    server.communicate()
    jobs.wait(first, "running", seconds=LONG)
    assert ALLOCATOR_SETTINGS.items() <= jobs.process(first).environ().items()
    with pytest.raises(InputError, match="already"):
        jobs.start(first)
    with pytest.raises(InputError, match="only a stopped, failed or dead run"):
        jobs.resume(first)

    jobs.start(second)
    assert jobs.wait(second, "queued", seconds=LONG).message == f"Waits for {first.id}."
    until_step(first, 1)
    began = time.monotonic()
    jobs.stop(first)
    assert time.monotonic() - began < 25
    assert jobs.process(first) is None
    stopped = jobs.status(first)
    assert stopped.state == "stopped"
    assert stopped.step >= 1
    assert (first.last / "progress.json").is_file()
    assert jobs.wait(second, "finished", seconds=LONG).step == 2
    assert "step 2/2" in second.log_tail()

    jobs.resume(first)
    jobs.wait(first, "running", seconds=LONG)
    process = jobs.process(first)
    assert process is not None
    process.send_signal(signal.SIGKILL)
    psutil.wait_procs([process], timeout=LONG)
    dead = jobs.status(first)
    assert dead.state == "dead"
    assert dead.resumable
    assert dead.step >= stopped.step


@pytest.mark.slow
def test_a_run_is_stopped_without_signals_where_there_are_none(cohort: Cohort, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(jobs, "ASKS_BY_SIGNAL", False)
    run = Run.create(tiny(cohort, epochs=5000))
    jobs.start(run)
    jobs.wait(run, "running", seconds=LONG)
    jobs.stop(run)
    ended = jobs.status(run)
    assert (ended.state, ended.resumable) == ("stopped", True)
    assert (run.folder / "checkpoints" / "last").is_dir()
    assert not (run.folder / "stop").exists()
    assert jobs.process(run) is None


def test_a_waiting_run_can_be_stopped(cohort: Cohort) -> None:
    from isimed.training.runs.device_queue import turn

    run = Run.create(tiny(cohort))
    with turn("cpu", "other", waiting=lambda _: None, stop=lambda: False):
        jobs.start(run)
        jobs.wait(run, "queued", seconds=LONG)
        jobs.stop(run)
    assert jobs.status(run).state == "stopped"
    assert jobs.process(run) is None


@pytest.mark.slow
def test_a_step_that_takes_too_long_is_left_and_what_was_there_is_saved(cohort: Cohort) -> None:
    slow = """
import sys, time
from isimed.training.optimise import loop
from isimed.training.runs import stopping, worker
from isimed.training.runs.folder import Run
stopping.GRACE_S = 1.0
forward = loop.Trainer._forward

def slow(self, batch):
    outputs = forward(self, batch)
    if self.step == 1:
        print("slow", flush=True)
        time.sleep(600)
    return outputs

loop.Trainer._forward = slow
worker.execute(Run(sys.argv[1]))
"""
    run = Run.create(tiny(cohort))
    child = subprocess.Popen([sys.executable, "-c", slow, str(run.folder)], stdout=subprocess.PIPE)
    assert child.stdout.readline() == b"slow\n"
    jobs.stop(run)
    assert child.wait(5) == 0
    child.communicate()
    assert (jobs.status(run).state, jobs.status(run).step) == ("stopped", 1)
    assert (run.last / "progress.json").read_text().startswith('{"step": 1')


def test_a_process_is_its_pid_and_its_start_time(cohort: Cohort) -> None:
    run = Run.create(tiny(cohort))
    assert jobs.status(run).state == "starting"
    run.write_status(Status(state="running"))
    run.write_job(psutil.Process())
    assert jobs.status(run).state == "running"
    job = run.job
    (run.folder / "job.json").write_text(f'{{"pid": {job["pid"]}, "created": {job["created"] - 100}}}')
    assert jobs.process(run) is None
    assert jobs.status(run).state == "dead"
    with pytest.raises(InputError, match="is not being worked on"):
        jobs.stop(run)


def test_a_run_that_cannot_start_says_why(cohort: Cohort, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "executable", str(Path(sys.executable).with_name("no-such-python")))
    run = Run.create(tiny(cohort))
    with pytest.raises(InputError, match="could not be started"):
        jobs.start(run)
    assert jobs.status(run).state == "failed"
