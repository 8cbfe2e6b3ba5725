"""SLURM as the second place to work, through submitit: a job that runs out of time is queued again and goes on.

A run's ``job.json`` names its job; what became of it SLURM is asked (``squeue``: it needs no accounting). The
run's folder, the cohort and this code must lie where the nodes see them.
"""

import functools
import os
import shlex
import shutil
import signal
import subprocess
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from isimed.core import paths
from isimed.core.errors import InputError
from isimed.training.optimise.allocator import ALLOCATOR_SETTINGS
from isimed.training.runs.folder import Run

if TYPE_CHECKING:
    from submitit.helpers import DelayedSubmission

WAITS = ("PENDING", "REQUEUED", "REQUEUE_HOLD", "REQUEUE_FED", "SPECIAL_EXIT", "RESV_DEL_HOLD")
WORKS = ("RUNNING", "CONFIGURING", "COMPLETING", "SUSPENDED", "RESIZING", "SIGNALING", "STAGE_OUT", "STOPPED")
ASK_EVERY_S = 2.0
OFTEN_ENOUGH = 1_000_000  # how often a job may run out of time and be queued again


@dataclass(frozen=True)
class Answer:
    """What SLURM says of a job: its word for the state, why it waits, and when it began (seconds since 1970)."""

    state: str
    reason: str = ""
    began: float = 0.0

    @property
    def waits(self) -> bool:
        return self.state in WAITS

    @property
    def alive(self) -> bool:
        return self.waits or self.state in WORKS

    @property
    def cancelled(self) -> bool:
        return self.state.startswith("CANCELLED")


@dataclass(frozen=True)
class Job:
    """What SLURM is given to do; `checkpoint` makes submitit queue it again before its time is over."""

    folder: str

    def __call__(self) -> None:
        # submitit ignores SIGTERM; a job that is cancelled while it still imports torch must end.
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
        from isimed.training.runs.worker import main

        main(self.folder)

    def checkpoint(self) -> "DelayedSubmission":
        from submitit.helpers import DelayedSubmission

        return DelayedSubmission(self)


def available() -> bool:
    """Whether this machine can give jobs to a SLURM."""
    return shutil.which("sbatch") is not None


def require() -> None:
    """Refuse where this machine cannot give jobs to a SLURM.

    Raises:
        InputError: there is no SLURM here.
    """
    if not available():
        raise InputError("There is no SLURM here (no sbatch): log in to the cluster, or train with --on here.")


def submit(run: Run) -> str:
    """Queue a job that works on a run: one process a node, or one a GPU.

    Returns:
        The job's number.

    Raises:
        InputError: there is no SLURM here, or it refuses the job.
    """
    require()
    try:
        import submitit
    except ImportError:
        raise InputError("SLURM needs the package submitit: `pip install isimed[slurm]`.") from None

    config, folder = run.config, run.folder.resolve()
    path = os.pathsep.join(filter(None, [str(paths.PACKAGE.parent), os.environ.get("PYTHONPATH")]))
    wishes: dict[str, Any] = {
        "partition": config.partition,
        "gpus_per_node": config.gpus or None,
        "cpus_per_task": config.threads,
    }
    executor = submitit.SlurmExecutor(folder / "slurm", max_num_timeout=OFTEN_ENOUGH)
    executor.update_parameters(
        job_name=run.id,
        time=max(1, round(config.hours * 60)),
        nodes=config.nodes,
        ntasks_per_node=max(1, config.gpus),
        stderr_to_stdout=True,
        # Without the last, what is left of the processes would wait for one that failed until the time is over.
        srun_args=["--output", str(folder / "train.log"), "--open-mode=append", "--kill-on-bad-exit=1"],
        setup=[
            f"export PYTHONPATH={shlex.quote(path)}",
            f"export ISIMED_HOME={shlex.quote(str(paths.home().resolve()))}",
            *(f"export {name}=${{{name}:-{value}}}" for name, value in ALLOCATOR_SETTINGS.items()),
        ],
        additional_parameters={"requeue": True},
        **{name: value for name, value in wishes.items() if value is not None},
    )
    try:
        return executor.submit(Job(str(folder))).job_id
    except (submitit.core.utils.FailedJobError, submitit.core.utils.FailedSubmissionError) as error:
        last = str(error).strip().splitlines()[-1]
        raise InputError(f"SLURM refuses the job ({last}): change --partition, --gpus, --nodes or --hours.") from None


def ask(job: str, *, fresh: bool = False) -> Answer | None:
    """What SLURM says of a job, at most two seconds old; None where it cannot be asked.

    A job that it has forgotten (it keeps those that ended for minutes) is ``GONE``.
    """
    if fresh:
        _ask.cache_clear()
    return _ask(job, int(time.monotonic() / ASK_EVERY_S))


@functools.lru_cache(maxsize=64)
def _ask(job: str, _: int) -> Answer | None:
    command = ["squeue", "--jobs", job, "--states", "all", "--noheader", "--format", "%T %S %r"]
    times = {"SLURM_TIME_FORMAT": "%s"}  # seconds since 1970, in whatever zone the cluster lies
    try:
        done = subprocess.run(
            command, env=os.environ | times, capture_output=True, text=True, encoding="utf-8", timeout=20, check=False
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    if done.returncode:
        return Answer("GONE") if "Invalid job id" in done.stderr else None
    state, began, reason = [*done.stdout.strip().split(maxsplit=2), "", "", ""][:3]
    return Answer(state or "GONE", reason.removeprefix("None"), float(began) if began.isdigit() else 0.0)


def cancel(job: str, *, wait_s: float) -> None:
    """End a job and wait for that: SLURM tells its processes to save and end, and kills them soon (30 s by default).

    Raises:
        InputError: SLURM does not do so, as with another user's job.
    """
    try:
        done = subprocess.run(
            ["scancel", job], capture_output=True, text=True, encoding="utf-8", timeout=20, check=False
        )
        said = done.stderr.strip() if done.returncode else ""
    except (OSError, subprocess.TimeoutExpired) as error:
        said = str(error)
    if said and (answer := ask(job, fresh=True)) and answer.alive and answer.state != "COMPLETING":
        raise InputError(f"SLURM does not end job {job} ({said.splitlines()[-1]}): use scancel where you may.")
    deadline = time.monotonic() + wait_s
    while (answer := ask(job, fresh=True)) and answer.alive and time.monotonic() < deadline:
        time.sleep(0.2)
