"""One training as a folder that says everything about it, and survives the process that works on it.

``runs/<id>/``: ``config.yaml`` reproduces it, ``job.json`` says which process works on it, ``status.json``
how far it is, ``metrics.jsonl`` a line a step, ``train.log``, and ``checkpoints/{best,last}``.

Run as a module (``python -m isimed.training.run FOLDER``) it starts or resumes the run of a folder.
"""

import json
import os
import platform
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import psutil
import yaml
from pydantic import ValidationError

from isimed import settings
from isimed.errors import InputError
from isimed.training.config import TrainConfig

ACTIVE = ("starting", "preparing", "running", "stopping")
SAVE_EVERY_S = 60.0
Report = Callable[[dict[str, Any]], None]


@dataclass
class Status:
    """How far a run is. ``state``: starting, preparing, running, stopping, finished, stopped or failed."""

    state: str = "starting"
    step: int = 0
    total_steps: int = 0
    epoch: int = 0
    seconds_left: float | None = None
    message: str = ""
    best: dict[str, float] = field(default_factory=dict)
    updated: float = field(default_factory=time.time)


class Run:
    """A run's folder."""

    def __init__(self, folder: str | Path) -> None:
        self.folder = Path(folder)

    @property
    def id(self) -> str:
        return self.folder.name

    @classmethod
    def create(cls, config: TrainConfig) -> "Run":
        """Make the folder of a new run; its id is readable and never given twice."""
        name = config.name or f"{Path(config.cohort.removesuffix('/dataset.json')).name}-{config.method}"
        stem = f"{datetime.now():%Y%m%d-%H%M%S}-{re.sub(r'[^A-Za-z0-9.-]+', '-', name)[:60]}"
        for number in range(1, 1000):
            folder = settings.runs_dir() / (stem if number == 1 else f"{stem}-{number}")
            try:
                folder.mkdir(parents=True)
                break
            except FileExistsError:
                continue
        run = cls(folder)
        text = yaml.safe_dump(config.model_dump(mode="json"), sort_keys=False, allow_unicode=True)
        (folder / "config.yaml").write_text(text, encoding="utf-8")
        run.write_status(Status())
        return run

    @classmethod
    def find(cls, run_id: str) -> "Run":
        folder = settings.runs_dir() / run_id
        if not re.fullmatch(r"[\w.-]+", run_id) or not (folder / "config.yaml").is_file():
            raise InputError(f"There is no run {run_id}: see `python -m isimed runs list`.")
        return cls(folder)

    @classmethod
    def all(cls) -> list["Run"]:
        """Every run, newest first."""
        folders = [path.parent for path in settings.runs_dir().glob("*/config.yaml")]
        return [cls(folder) for folder in sorted(folders, key=lambda folder: folder.name, reverse=True)]

    @property
    def config(self) -> TrainConfig:
        return read_config(self.folder / "config.yaml")

    @property
    def status(self) -> Status:
        """What the run last said; an active run whose process is gone is called dead."""
        try:
            status = Status(**json.loads((self.folder / "status.json").read_bytes()))
        except (OSError, ValueError, TypeError):
            status = Status(state="failed", message="status.json cannot be read; resume the run.")
        fresh = status.state == "starting" and time.time() - status.updated < 30
        if status.state in ACTIVE and not fresh and self.process() is None:
            status.message = "The process ended without a word; resume goes on from the last checkpoint."
            status.state = "dead"
        return status

    def write_status(self, status: Status) -> None:
        status.updated = time.time()
        _write_json(self.folder / "status.json", asdict(status))

    def process(self) -> psutil.Process | None:
        """The process that works on this run (same pid and start time, not a zombie), or None."""
        try:
            job = json.loads((self.folder / "job.json").read_bytes())
            process = psutil.Process(job["pid"])
            same = abs(process.create_time() - job["created"]) < 1 and process.status() != psutil.STATUS_ZOMBIE
            return process if same else None
        except (OSError, ValueError, KeyError, psutil.Error):
            return None

    def metrics(self) -> list[dict[str, Any]]:
        """Every complete line of ``metrics.jsonl``."""
        try:
            lines = (self.folder / "metrics.jsonl").read_text().splitlines()
        except OSError:
            return []
        found = []
        for line in lines:
            try:
                found.append(json.loads(line))
            except ValueError:
                continue
        return found

    def log_tail(self, lines: int = 20) -> str:
        try:
            text = (self.folder / "train.log").read_text(errors="replace").replace("\r", "\n")
            return "\n".join(text.splitlines()[-lines:])
        except OSError:
            return ""

    @property
    def last(self) -> Path:
        return self.folder / "checkpoints" / "last"

    @property
    def best(self) -> Path:
        return self.folder / "checkpoints" / "best"


def read_config(path: Path) -> TrainConfig:
    """A training's options from YAML.

    Raises:
        InputError: the file is missing or an option in it is unknown or out of range.
    """
    try:
        return TrainConfig.model_validate(yaml.safe_load(path.read_text(encoding="utf-8")) or {})
    except OSError as error:
        raise InputError(f"{path} cannot be read ({error.strerror}): check the path.") from None
    except yaml.YAMLError:
        raise InputError(f"{path} is not YAML: correct it or copy another run's config.yaml.") from None
    except ValidationError as error:
        first = error.errors()[0]
        raise InputError(f"{path}: {'.'.join(map(str, first['loc'])) or 'options'}: {first['msg']}.") from None


def execute(run: Run, *, report: Report | None = None) -> Status:
    """Work on a run in this process until it is finished or told to stop (SIGTERM, SIGINT).

    Args:
        report: called with each line of metrics.

    Raises:
        InputError: the training cannot go on; the reason is kept in ``status.json`` too.
    """
    process = psutil.Process()
    job = {"pid": process.pid, "created": process.create_time(), "host": platform.node(), "command": sys.argv}
    job["code"] = _code_version()
    _write_json(run.folder / "job.json", job)
    status = Status(state="preparing")
    run.write_status(status)
    try:
        with _stop_requested() as stop:
            _train(run, status, stop, report or (lambda line: None))
    except InputError as error:
        status.state, status.message = "failed", str(error)
        raise
    except MemoryError:
        status.state, status.message = "failed", "Out of memory: use fewer crops a step; the last checkpoint is kept."
        raise InputError(status.message) from None
    except BaseException:
        status.state, status.message = "failed", "The training broke off unexpectedly; train.log says where."
        raise
    finally:
        run.write_status(status)
    return status


def _train(run: Run, status: Status, stop: Callable[[], bool], report: Report) -> None:
    from isimed.data.cache import prepare_cohort
    from isimed.data.cohort import Cohort
    from isimed.data.preprocess import Preparation
    from isimed.evaluation.metrics import distance_figures, rankme
    from isimed.models.checkpoint import Card, save_checkpoint, versions
    from isimed.training.loop import Trainer, validation_codes
    from isimed.training.state import restore, save_state

    config = run.config
    cohort = Cohort.load(config.cohort)
    train_subjects, held_out = choose_patients(cohort, config)
    preparation = Preparation.for_modality(cohort.modality, spacing_mm=config.spacing_mm)
    train_entries, held_out_entries = cohort.subset(train_subjects), cohort.subset(held_out)
    entries = train_entries + held_out_entries

    def prepared_some(done: int, total: int) -> None:
        status.message = f"Prepared {done} of {total} volumes."
        run.write_status(status)

    volumes = prepare_cohort(cohort, preparation, entries=entries, progress=prepared_some)
    train_volumes, held_out_volumes = volumes[: len(train_entries)], volumes[len(train_entries) :]
    trainer = Trainer(config, train_volumes)
    card = Card(
        name=run.id,
        method=config.method,
        description=f"Trained on {len(train_subjects)} patients of {cohort.name}.",
        modality=cohort.modality,
        crop_size=config.crop_size,
        heads=dict(trainer.method.heads),
        mm_per_unit=config.mm_per_unit,
        preparation=preparation,
        training=config.model_dump(mode="json"),
        cohort={
            "name": cohort.name,
            "fingerprint": cohort.fingerprint,
            "synthetic": cohort.synthetic,
            "train": train_subjects,
            "validation": held_out,
        },
        created=datetime.now(UTC).isoformat(timespec="seconds"),
        versions=versions(),
    )
    if run.last.is_dir():
        status.best = restore(run.last, trainer)
        _drop_lines_after(run.folder / "metrics.jsonl", trainer.step)
    status.state, status.message, status.total_steps = "running", "", trainer.total_steps
    first, started, saved = trainer.step, time.monotonic(), time.monotonic()

    def save() -> None:
        save_state(run.last, trainer, card, best=status.best)

    with (run.folder / "metrics.jsonl").open("a", buffering=1) as metrics:

        def write(line: dict[str, Any]) -> None:
            metrics.write(json.dumps(line) + "\n")
            report(line)

        while trainer.step < trainer.total_steps:
            for step in trainer.run_epoch():
                status.step, status.epoch = step.number, step.epoch
                status.seconds_left = (
                    (time.monotonic() - started) / (step.number - first) * (trainer.total_steps - step.number)
                )
                write({**asdict(step), "total_steps": trainer.total_steps, "seconds_left": status.seconds_left})
                run.write_status(status)
                if stop():
                    save()
                    status.state = "stopped"
                    return
                if time.monotonic() - saved > SAVE_EVERY_S:
                    save()
                    saved = time.monotonic()
            epoch = trainer.step // trainer.steps_per_epoch
            if held_out_volumes and (epoch % config.validate_every == 0 or trainer.step == trainer.total_steps):
                codes = validation_codes(trainer.encoder, held_out_volumes, config)
                figures = {**distance_figures(codes), "rankme": rankme([code for code, _ in codes])}
                write({"number": trainer.step, "epoch": epoch, "validation": figures})
                if figures["rmse_mm"] <= status.best.get("rmse_mm", float("inf")):
                    status.best = figures
                    card.results = {"validation": figures, "step": trainer.step}
                    save_checkpoint(run.best, trainer.encoder, card)
        if not held_out_volumes:
            save_checkpoint(run.best, trainer.encoder, card)
        save()
    status.state, status.seconds_left = "finished", 0.0


def choose_patients(cohort: Any, config: TrainConfig) -> tuple[list[str], list[str]]:
    """Patients to train on and to hold out: from the split file, or drawn with the seed."""
    from isimed.data.cohort import split_subjects

    subjects = cohort.subjects[: config.limit]
    if not config.split:
        return split_subjects(subjects, validation=config.validation, seed=config.seed)
    try:
        split = json.loads(Path(config.split).read_bytes())
        wanted = {part: set(split[part]) for part in ("train", "validation")}
    except (OSError, ValueError, KeyError, TypeError):
        raise InputError(f"{config.split} is not a split: give a JSON file with `train` and `validation`.") from None
    if both := wanted["train"] & wanted["validation"]:
        raise InputError(f"{config.split} has {sorted(both)[0]} in training and validation: a patient belongs to one.")
    chosen = tuple([s for s in subjects if s in wanted[part]] for part in ("train", "validation"))
    if not chosen[0]:
        raise InputError(f"{config.split} names no training patient of {cohort.name}: check that they match.")
    return chosen[0], chosen[1]


@contextmanager
def _stop_requested() -> Iterator[Callable[[], bool]]:
    """Turn SIGTERM and SIGINT into a question that the loop asks after each step."""
    asked = []
    before = {}
    try:
        for name in (signal.SIGTERM, signal.SIGINT):
            before[name] = signal.signal(name, lambda *_: asked.append(True))
    except ValueError:  # not the main thread: nothing to catch
        pass
    try:
        yield lambda: bool(asked)
    finally:
        for name, handler in before.items():
            signal.signal(name, handler)


def _write_json(path: Path, value: object) -> None:
    temporary = path.with_suffix(f".{os.getpid()}.tmp")
    temporary.write_text(json.dumps(value))
    temporary.replace(path)


def _drop_lines_after(path: Path, step: int) -> None:
    """Forget metrics of steps that a resumed run will do again."""
    kept = [line for line in Run(path.parent).metrics() if line["number"] <= step]
    temporary = path.with_suffix(".tmp")
    temporary.write_text("".join(json.dumps(line) + "\n" for line in kept))
    temporary.replace(path)


def _code_version() -> str:
    command = ["git", "-C", str(settings.PACKAGE), "describe", "--always", "--dirty"]
    try:
        return subprocess.run(command, capture_output=True, text=True, timeout=5, check=True).stdout.strip()
    except (OSError, subprocess.SubprocessError):
        return "installed"


if __name__ == "__main__":
    try:
        execute(Run(sys.argv[1]), report=lambda line: print(json.dumps(line), flush=True))
    except InputError as error:
        sys.exit(f"isimed: {error}")
