"""SLURM as the second place to work: a real one of one node, with room for one training, so that the next one waits."""

import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import suppress
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
from tests.training.one_node_slurm import one_node_slurm
from tests.training.tiny import tiny

LONG = 240
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


def until_step(run: Run, step: int) -> None:
    deadline = time.monotonic() + LONG
    while jobs.status(run).step < step:
        assert jobs.status(run).active, (jobs.status(run), run.log_tail())
        assert time.monotonic() < deadline, (jobs.status(run), run.log_tail())
        time.sleep(0.2)


def until_gone(run: Run) -> None:
    """Until SLURM has cleared up after a job; its worker has saved and ended before."""
    deadline = time.monotonic() + LONG
    while jobs.at_work(run):
        assert time.monotonic() < deadline, jobs.status(run)
        time.sleep(0.2)


def test_a_dense_network_is_trained_by_a_job(cohort: Cohort, cluster: None) -> None:
    run = jobs.submit(on_slurm(cohort, method="isimed-dense", epochs=1, largest_window=32))
    assert jobs.wait(run, "finished", seconds=LONG).step == 2
    until_gone(run)
    assert load_checkpoint(run.id).encoder.is_dense


def test_the_whole_life_in_slurm(cohort: Cohort, cluster: None) -> None:
    """Queued, running, found by others, stopped in time, out of time and back in the queue, killed is dead, resumed."""
    first, second = jobs.submit(on_slurm(cohort, epochs=500)), jobs.submit(on_slurm(cohort, epochs=1))
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
    queued = jobs.wait(first, "queued", seconds=30)
    assert "waits" in queued.message
    assert first.job["slurm_job"] == job
    told("scontrol", "update", f"jobid={job}", "StartTime=now")  # SLURM lets those that come back wait for minutes
    jobs.wait(first, "running", seconds=LONG)
    until_step(first, queued.step + 1)  # one that only the new process can have made

    process = jobs.process(first)  # the node is this machine
    assert process is not None
    process.kill()
    dead = jobs.wait(first, seconds=30)
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


def test_no_slurm_is_said(cohort: Cohort, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "")
    assert not slurm.available()
    assert slurm.ask("1", fresh=True) is None
    with pytest.raises(InputError, match="There is no SLURM here"):
        jobs.submit(on_slurm(cohort))
