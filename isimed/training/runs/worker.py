"""Working on a run: from the folder's config to its checkpoints, in this process (or in this one of torchrun's).

As a module (``python -m isimed.training.runs.worker FOLDER``, also under torchrun and srun) it starts or resumes a
folder's run.
"""

import os
import platform
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import lightning_fabric as lf
import psutil
import torch

from isimed.core import paths
from isimed.core.errors import InputError
from isimed.core.files import recover_folder, remove_unfinished
from isimed.data.cohorts.cohort import Cohort
from isimed.data.cohorts.suspicions import refuse_unfit
from isimed.data.prepared.cache import prepare_cohort
from isimed.data.prepared.preprocess import Preparation, Prepared
from isimed.data.prepared.source import digests_of
from isimed.models.card import Card, read_card, versions
from isimed.models.checkpoint import save_checkpoint
from isimed.models.dense import CT_WINDOWS_HU
from isimed.models.device import choose_device, device_key
from isimed.training.optimise import engine
from isimed.training.optimise.config import TrainConfig
from isimed.training.optimise.loop import Trainer
from isimed.training.optimise.patients import check_frame, check_pairs, choose_patients
from isimed.training.optimise.recipe import preparation_for
from isimed.training.optimise.validation import validation_figures
from isimed.training.runs.device_queue import Cancelled, try_lock, turn
from isimed.training.runs.failures import failures_in_words
from isimed.training.runs.folder import Run
from isimed.training.runs.preflight import preflight
from isimed.training.runs.resume import restore, save_state
from isimed.training.runs.run_log import Report, RunLog, describe
from isimed.training.runs.status import Status
from isimed.training.runs.stopping import STOP_FILE, StopRequest

SAVE_EVERY_S = 60.0


def main(folder: str) -> None:
    """What a process does that was started for a run: work, say so on stdout, end with one line where it fails."""
    try:
        execute(Run(folder), report=lambda line: print(describe(line), flush=True))
    except InputError as error:
        sys.exit(f"isimed: {error}")


def train(config: TrainConfig, *, report: Report | None = None) -> Run:
    """Make a run and work on it in this process; under torchrun every process calls this and they share one run."""
    run = create_together(config)
    execute(run, report=report)
    return run


def execute(run: Run, *, report: Report | None = None) -> Status:
    """Work on a run in this process until it is finished or told to stop (SIGTERM, SIGINT).

    One process works on a run, and on a device one run at a time.

    Raises:
        InputError: the training cannot go on; the reason is kept in ``status.json`` too.
    """
    config = run.config
    fabric = engine.make_fabric(config)
    first = fabric.is_global_zero
    device, why = choose_device(config.device)
    log = RunLog(run, report, writes=first)
    with StopRequest(run.folder / STOP_FILE) as stop, _only_worker(run) if first else nullcontext():
        try:
            with failures_in_words(log):
                if first:
                    run.write_job(psutil.Process(), **_machine(device))
                log.say(state="preparing", device=f"{device}: {why}")
                stop.at_last = lambda: log.say(state="stopped", message="Stopped while it prepared.")
                queue = turn(
                    device_key(device),
                    run.id,
                    waiting=lambda other: log.say(state="queued", message=f"Waits for {other or 'another run'}."),
                    stop=lambda: stop.asked,
                )
                with queue if first else nullcontext():
                    fabric.barrier()
                    _train(run, config, fabric, log, stop)
        except Cancelled:
            stop.answered()
            log.say(state="stopped", message="Stopped while it waited.")
        finally:
            log.close()
    return log.status


def create_together(config: TrainConfig) -> Run:
    """A new run; under torchrun the first process makes it and the others are told which.

    Raises:
        InputError: it cannot start; no run is left behind.
    """
    preflight(config)
    fabric = engine.make_fabric(config)
    folder = str(Run.create(config).folder) if fabric.is_global_zero else ""
    return Run(fabric.broadcast(folder))


def _made_ready(run: Run, config: TrainConfig, fabric: lf.Fabric, log: RunLog) -> tuple[Trainer, Card, list[Prepared]]:
    """A trainer at its first step, the card of what it will leave, and the held-out volumes."""
    cohort = Cohort.load(config.cohort)
    check_pairs(cohort, config)
    train_subjects, held_out_subjects = choose_patients(cohort, config)
    preparation = preparation_for(config, cohort.modality)
    volumes, held_out = _prepared(cohort, preparation, [train_subjects, held_out_subjects], fabric, log)
    parts = {"training": train_subjects, "validation": held_out_subjects}
    digests = digests_of(cohort, cohort.subset(train_subjects + held_out_subjects))
    refuse_unfit(cohort, parts, digests)
    check_frame(cohort, config, cohort.subset(train_subjects), volumes)
    trainer = Trainer(config, volumes, fabric=fabric)
    card = _card(run, trainer, cohort, preparation, train_subjects, held_out_subjects)
    if log.writes:
        card.cohort["voxels"] = _digests(cohort, digests, train=train_subjects, validation=held_out_subjects)
        _mend(run)
        run.add_to_job(cohort=card.cohort)
    return trainer, card, held_out


def _train(run: Run, config: TrainConfig, fabric: lf.Fabric, log: RunLog, stop: StopRequest) -> None:
    """Train from where the run stands to its end, or until it is told to stop."""
    trainer, card, held_out = _made_ready(run, config, fabric, log)
    status = log.status
    fabric.barrier()
    if run.last.is_dir():
        _check_same(run, card)
        status.best = restore(run.last, trainer)
    log.open(step=trainer.step)
    log.say(state="running", message="", step=trainer.step, total_steps=trainer.total_steps)
    first, started, saved = trainer.step, time.monotonic(), time.monotonic()

    def save() -> None:
        if log.writes:
            with trainer.between_steps:
                save_state(run.last, trainer, card, best=status.best)

    def at_last() -> None:
        if trainer.step:
            save()
        log.say(state="stopped", message="", step=trainer.step)

    def validate() -> None:
        epoch = trainer.step // trainer.steps_per_epoch
        due = epoch % config.validate_every == 0 or trainer.step == trainer.total_steps
        if trainer.step % trainer.steps_per_epoch or not trainer.step or not due or not log.writes:
            return
        if held_out:
            figures = validation_figures(trainer.encoder, held_out, config)
            log.line({"number": trainer.step, "epoch": epoch, "validation": figures})
            if _better(figures, status.best, trainer):
                status.best = figures
                card.results = {"validation": figures, "step": trainer.step}
                save_checkpoint(run.best, trainer.encoder, card)
        elif trainer.step == trainer.total_steps:
            save_checkpoint(run.best, trainer.encoder, card)

    stop.at_last = at_last
    validate()  # a run that was stopped right before a validation catches up
    while trainer.step < trainer.total_steps:
        for step in trainer.run_epoch():
            left = (time.monotonic() - started) / (step.number - first) * (trainer.total_steps - step.number)
            log.line({**asdict(step), "total_steps": trainer.total_steps, "seconds_left": left})
            state = "stopping" if stop.asked else "running"
            log.say(state=state, step=step.number, epoch=step.epoch, seconds_left=left)
            if engine.any_process(fabric.device, answer=stop.asked):
                stop.answered()
                save()
                log.say(state="stopped")
                return
            if time.monotonic() - saved > SAVE_EVERY_S:
                save()
                saved = time.monotonic()
        validate()
    save()
    log.say(state="finished", seconds_left=0.0)


def _prepared(
    cohort: Cohort, preparation: Preparation, parts: list[list[str]], fabric: lf.Fabric, log: RunLog
) -> list[list[Prepared]]:
    """Prepared volumes of each part of the patients; several processes prepare a share each, then open all."""
    entries = [cohort.subset(part) for part in parts]
    together = [entry for part in entries for entry in part]

    def said(done: int, total: int) -> None:
        log.say(state="preparing", message=f"Prepared {done} of {total} volumes.")

    if engine.world_size() > 1:
        prepare_cohort(cohort, preparation, entries=together[engine.rank() :: engine.world_size()], progress=said)
        fabric.barrier()
    volumes = prepare_cohort(cohort, preparation, entries=together, progress=said)
    return [volumes[: len(entries[0])], volumes[len(entries[0]) :]]


def _digests(cohort: Cohort, digests: dict[str, str], **parts: list[str]) -> dict[str, list[str]]:
    """The volumes of each part by their voxels: an evaluation knows them again under any name."""
    return {part: sorted(digests[entry.id] for entry in cohort.subset(names)) for part, names in parts.items()}


def _better(figures: dict[str, float], best: dict[str, float], trainer: Trainer) -> bool:
    """By error in mm; where the code has no millimetres the last is kept: what it is trained for is not measured."""
    return not trainer.encoder.has_distance_head or figures["rmse_mm"] <= best.get("rmse_mm", float("inf"))


def _card(
    run: Run, trainer: Trainer, cohort: Cohort, preparation: Preparation, train: list[str], held_out: list[str]
) -> Card:
    config = trainer.config
    return Card(
        name=run.id,
        method=config.method,
        description=f"Trained on {len(train)} patients of {cohort.name}.",
        modality=cohort.modality,
        architecture="dense" if trainer.encoder.is_dense else "crop",
        windows_hu=CT_WINDOWS_HU if trainer.encoder.is_dense and trainer.encoder.backbone.windows else (),
        crop_size=config.crop_size,
        heads=dict(trainer.method.heads),
        mm_per_unit=config.mm_per_unit,
        preparation=preparation,
        training=config.model_dump(mode="json"),
        cohort={
            "name": cohort.name,
            "fingerprint": cohort.fingerprint,
            "synthetic": cohort.synthetic,
            "train": train,
            "validation": held_out,
        },
        created=datetime.now(UTC).isoformat(timespec="seconds"),
        versions=versions(),
    )


def _check_same(run: Run, card: Card) -> None:
    """Refuse to go on with other patients, or with scans that are prepared otherwise: the card would say half."""
    last = read_card(run.last)
    before, now = ({"crop_size": one.crop_size, **one.preparation.model_dump()} for one in (last, card))
    if changed := [f"{name} {before[name]}, now {now[name]}" for name in now if before[name] != now[name]]:
        raise InputError(
            f"{run.id} cannot go on: its scans were prepared otherwise when it began ({'; '.join(changed)}). Put its "
            "config.yaml and the cohort's modality back, or start a new training."
        )
    if any(last.cohort.get(part) != card.cohort[part] for part in ("train", "validation")):
        raise InputError(
            f"{run.id} cannot go on: {card.cohort['name']} or its split has other patients than when it began, and "
            "those held out might be trained on. Put them back, or start a new training."
        )


def _mend(run: Run) -> None:
    """What a killed process left half done."""
    for folder in (run.last, run.best):
        recover_folder(folder)
    remove_unfinished(run.last.parent, alone=True)


@contextmanager
def _only_worker(run: Run) -> Iterator[None]:
    with (run.folder / "worker.lock").open("w") as lock:
        if not try_lock(lock.fileno()):
            raise InputError(f"Another process works on {run.id}: stop it first.")
        yield


def _machine(device: str) -> dict[str, Any]:
    """What a run's folder says about where it was worked on."""
    name = torch.cuda.get_device_name() if device == "cuda" else platform.processor() or platform.machine()
    return {
        "command": sys.argv,
        "code": _code_version(),
        "device": f"{device} ({name})",
        "processes": engine.world_size(),
        "threads": torch.get_num_threads(),
        "system": platform.platform(),
        "python": platform.python_version(),
        "versions": versions(),
        "slurm_job": os.environ.get("SLURM_JOB_ID"),
    }


def _code_version() -> str:
    folder: Path = paths.PACKAGE
    command = ["git", "-C", str(folder), "describe", "--always", "--dirty"]
    try:
        return subprocess.run(
            command, capture_output=True, text=True, encoding="utf-8", timeout=5, check=True
        ).stdout.strip()
    except (OSError, subprocess.SubprocessError):
        return "installed"


if __name__ == "__main__":
    main(sys.argv[1])
