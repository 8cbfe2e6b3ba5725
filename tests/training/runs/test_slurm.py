"""SLURM as the second place to work: a real one of one node, with room for one training, so that the next one waits."""

import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pytest

from isimed.core.errors import InputError
from isimed.data.cohorts.cohort import Cohort, register
from isimed.explore.tables.store import table_folder, tables_of
from isimed.models.checkpoint import load_checkpoint
from isimed.training.optimise.config import TrainConfig
from isimed.training.runs import jobs, slurm
from isimed.training.runs.folder import Run
from isimed.training.runs.status import Status
from tests.eventually import LONG, until
from tests.training.one_node_slurm import one_node_slurm
from tests.training.tiny import tiny, until_step

ROOT = Path(__file__).resolve().parents[3]


@pytest.fixture(scope="module")
def conf() -> Iterator[Path]:
    with tempfile.TemporaryDirectory(prefix="slurm-") as folder, one_node_slurm(Path(folder), cpus=2) as conf:
        yield conf


@pytest.fixture
def cluster(conf: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setenv("SLURM_CONF", str(conf))
    yield
    for run in Run.all():
        if jobs.at_work(run):
            with suppress(InputError):  # it ended in between: SLURM's word is up to two seconds old
                jobs.stop(run, wait_s=0)


def on_slurm(cohort: Cohort, **changes: Any) -> TrainConfig:
    return tiny(cohort, on="slurm", hours=1, threads=2, **changes)


def told(*command: str) -> str:
    done = subprocess.run(command, capture_output=True, text=True, encoding="utf-8", check=False, cwd=ROOT)
    assert done.returncode == 0, done.stderr[-2000:]
    return done.stdout


def until_gone(run: Run) -> None:
    """Until SLURM has cleared up after a job; its worker has saved and ended before."""
    until(lambda: not jobs.at_work(run), otherwise=lambda: jobs.status(run))


def test_a_dense_network_is_trained_by_a_job(cohort: Cohort, cluster: None) -> None:
    run = jobs.submit(on_slurm(cohort, method="isimed-dense", epochs=1, largest_window=32))
    assert jobs.wait(run, "finished", seconds=LONG).step == 2
    until_gone(run)
    assert load_checkpoint(run.id).encoder.is_dense


def test_the_whole_life_in_slurm(cohort: Cohort, cluster: None) -> None:
    """Queued, running, found by others, stopped in time, out of time and back in the queue, killed is dead, resumed."""
    first, second = jobs.submit(on_slurm(cohort, epochs=5000)), jobs.submit(on_slurm(cohort, epochs=1))
    jobs.wait(first, "running", seconds=LONG)
    waiting = jobs.status(second)
    assert waiting.state == "queued"
    assert waiting.message == f"SLURM job {second.job['slurm_job']} waits (Resources)."
    with pytest.raises(InputError, match="already"):
        jobs.start(first)
    jobs.stop(second)  # before its turn
    assert jobs.status(second).state == "stopped"

    until_step(first, 1)
    assert f"{first.id}  running" in told(sys.executable, "-m", "isimed", "runs")  # found again by another process
    began = time.monotonic()
    jobs.stop(first)
    assert time.monotonic() - began < 25
    stopped = jobs.status(first)
    assert stopped.state == "stopped"
    assert (first.last / "progress.json").is_file()
    until_gone(first)

    jobs.resume(second)
    assert jobs.wait(second, "finished", seconds=LONG).step == 2
    assert "step 2/2" in second.log_tail()
    assert second.job["slurm_job"]

    jobs.resume(first)
    job = first.job["slurm_job"]
    until_step(first, stopped.step + 2)
    told("scancel", "--signal=USR2", job)  # what SLURM sends before the time is over
    assert "waits" in jobs.wait(first, "queued", seconds=LONG).message
    assert first.job["slurm_job"] == job
    told("scontrol", "update", f"jobid={job}", "StartTime=now")  # SLURM lets those that come back wait for minutes
    back = jobs.wait(first, "running", seconds=LONG)  # the new process says so: until then the run is starting
    assert back.step >= stopped.step
    until_step(first, back.step + 1)

    process = jobs.process(first)  # the node is this machine
    assert process is not None
    process.kill()
    dead = jobs.wait(first, seconds=LONG)
    assert dead.state == "dead"
    assert "FAILED" in dead.message
    assert dead.resumable


def test_what_slurm_refuses_is_one_sentence(cohort: Cohort, cluster: None) -> None:
    run = Run.create(on_slurm(cohort, partition="nowhere"))
    with pytest.raises(InputError, match=r"SLURM refuses the job \(.*partition.*\): change --partition"):
        jobs.start(run)
    assert jobs.status(run).state == "failed"
    assert "refuses" in jobs.status(run).message


def test_the_command_line_queues(cohort: Cohort, cluster: None) -> None:
    command = [sys.executable, "-m", "isimed", "train", str(cohort.root), "--on", "slurm", "--gpus", "0"]
    said = json.loads(told(*command, "--epochs", "1", "--spacing-mm", "5", "--threads", "2"))
    run = Run.find(said["run"])
    assert run.job["slurm_job"] == said["slurm_job"]
    assert said["state"] in ("starting", "queued")
    jobs.stop(run)
    assert jobs.status(run).state == "stopped"


def test_tasks_of_srun_are_one_training(cohort: Cohort, cluster: None) -> None:
    run = Run.create(tiny(cohort, epochs=1, volumes_per_step=2))
    srun = ["srun", "--ntasks-per-node", "2", "--chdir", str(ROOT)]
    said = told(*srun, sys.executable, "-m", "isimed.training.runs.worker", str(run.folder))
    assert said.count("step 1/1") == 1  # only the first one talks
    assert jobs.status(run).state == "finished"
    assert run.job["processes"] == 2


def test_an_array_embeds_one_table_and_a_lost_job_is_redone(cohort: Cohort, cluster: None) -> None:
    name = register(cohort.root).parent.name
    embed = f"{sys.executable} -m isimed embed {name} --checkpoint untrained --step-mm 60"
    array = ["sbatch", "--wait", "--array", "0-1", "--chdir", str(ROOT), "--output", "/dev/null", "--wrap", embed]
    told(*array)
    folder = table_folder(tables_of(name)[0])
    assert {file.stem for file in folder.glob("*.parquet")} == {"P0", "P1", "P2"}
    kept = folder / "P0.parquet"
    before = kept.stat().st_mtime_ns
    (folder / "P1.parquet").unlink()  # of the second job
    told(*array)
    assert {file.stem for file in folder.glob("*.parquet")} == {"P0", "P1", "P2"}
    assert kept.stat().st_mtime_ns == before


def in_a_job(cohort: Cohort, folder: Path, monkeypatch: pytest.MonkeyPatch, *, squeue: str) -> Run:
    """A run that said half a minute ago that it works in job 7, of which squeue tells what a line of shell does."""
    run = Run.create(on_slurm(cohort))
    run.add_to_job(slurm_job="7")
    program = folder / "bin" / "squeue"
    program.parent.mkdir()
    program.write_text(f"#!/bin/sh\n{squeue.format(status=run.folder / 'status.json')}\n")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{program.parent}{os.pathsep}{os.environ['PATH']}")
    monkeypatch.setattr(slurm, "ASK_EVERY_S", 1e-6)
    said = Status(state="running", step=5, total_steps=9, updated=time.time() - 30)
    (run.folder / "status.json").write_text(json.dumps(asdict(said)))
    return run


@pytest.mark.parametrize(
    ("squeue", "state", "message"),
    [
        ("echo RUNNING $(date +%s) None", "starting", ""),  # in its second life, which has not spoken yet
        ("echo RUNNING $(($(date +%s) - 60)) None", "running", ""),
        ("echo PENDING N/A BeginTime", "queued", "SLURM job 7 waits (BeginTime)."),
        ("echo COMPLETING $(($(date +%s) - 60)) None", "running", ""),
        ("echo CANCELLED $(($(date +%s) - 60)) None", "stopped", "SLURM job 7 was cancelled."),
        ("echo OUT_OF_MEMORY $(($(date +%s) - 60)) OutOfMemory", "dead", "SLURM job 7 ended (OUT_OF_MEMORY): "),
        ("echo 'slurm_load_jobs error: Invalid job id specified' >&2; exit 1", "dead", "SLURM job 7 ended (GONE): "),
        ("echo 'no controller' >&2; exit 1", "running", ""),
    ],
)
def test_what_slurm_says_of_a_job_is_the_state_of_its_run(
    cohort: Cohort, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, squeue: str, state: str, message: str
) -> None:
    said = jobs.status(in_a_job(cohort, tmp_path, monkeypatch, squeue=squeue))
    assert (said.state, said.step) == (state, 5)
    assert said.message.startswith(message)
    assert bool(message) == bool(said.message)


def test_the_last_word_of_a_run_counts_where_it_comes_while_slurm_is_asked(
    cohort: Cohort, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ends = """sed -i 's/"running"/"finished"/' '{status}' && echo COMPLETED 1 None"""
    run = in_a_job(cohort, tmp_path, monkeypatch, squeue=ends)
    assert jobs.status(run).state == "finished"


@pytest.mark.parametrize("said", ["echo 'Access denied' >&2; exit 1", "exec no-such-program"])
def test_a_job_that_slurm_does_not_end_is_said(
    cohort: Cohort, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, said: str
) -> None:
    run = in_a_job(cohort, tmp_path, monkeypatch, squeue="echo RUNNING $(($(date +%s) - 60)) None")
    scancel = tmp_path / "bin" / "scancel"
    scancel.write_text(f"#!/bin/sh\n{said}\n")
    scancel.chmod(0o755)
    with pytest.raises(InputError, match=r"SLURM does not end job 7 \(.*\): use scancel where you may\."):
        jobs.stop(run)
    assert jobs.status(run).state == "running"


def test_no_slurm_is_said(cohort: Cohort, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "")
    assert not slurm.available()
    assert slurm.ask("1", fresh=True) is None
    with pytest.raises(InputError, match="There is no SLURM here"):
        jobs.submit(on_slurm(cohort))
