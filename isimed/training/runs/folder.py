"""One training as a folder that says everything about it, and survives the process that works on it.

``runs/<id>/``: ``config.yaml`` reproduces it, ``job.json`` says which process works on it, on which machine, data
and code, ``status.json`` how far it is, ``metrics.jsonl`` a line a step, ``tensorboard/``, ``train.log``, and
``checkpoints/{best,last}``.

Files only: `worker` fills them, `jobs` says whether somebody is at work on them.
"""

import json
import os
import platform
import re
import time
from contextlib import suppress
from dataclasses import asdict
from datetime import datetime
from pathlib import Path
from typing import Any

import psutil
import yaml
from pydantic import ValidationError

from isimed.core import paths
from isimed.core.errors import InputError
from isimed.core.files import write_file, write_json
from isimed.training.optimise.config import TrainConfig
from isimed.training.runs.status import Status


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
            folder = paths.runs_dir() / (stem if number == 1 else f"{stem}-{number}")
            try:
                folder.mkdir(parents=True)
                break
            except FileExistsError:
                continue
        run = cls(folder)
        config = _found_from_anywhere(config)
        run.write_status(Status())
        run._write_config(config)  # last: a folder without it is no run yet, to whoever lists them meanwhile
        return run

    @classmethod
    def find(cls, run_id: str) -> "Run":
        """A run by its id, or by its name where no other has it."""
        folder = paths.run_folder(run_id)
        if not re.fullmatch(r"[\w.-]+", run_id) or not (folder / "config.yaml").is_file():
            raise InputError(f"There is no run {run_id}: see `python -m isimed runs list`.")
        return cls(folder)

    @classmethod
    def all(cls) -> list["Run"]:
        """Every run, newest first."""
        folders = [path.parent for path in paths.runs_dir().glob("*/config.yaml")]
        return [cls(folder) for folder in sorted(folders, key=lambda folder: folder.name, reverse=True)]

    @property
    def config(self) -> TrainConfig:
        return read_config(self.folder / "config.yaml")

    def _write_config(self, config: TrainConfig) -> None:
        text = yaml.safe_dump(config.model_dump(mode="json"), sort_keys=False, allow_unicode=True)
        write_file(self.folder / "config.yaml", text)

    def read_status(self) -> Status:
        """What the run last said of itself; whether that is still true `jobs.status` finds out."""
        try:
            return Status(**json.loads((self.folder / "status.json").read_bytes()))
        except (OSError, ValueError, TypeError):
            return Status(state="failed", message="status.json cannot be read; resume the run.")

    def write_status(self, status: Status) -> None:
        status.updated = time.time()
        write_json(self.folder / "status.json", asdict(status), flush=False)  # said anew at every step

    @property
    def job(self) -> dict[str, Any]:
        """Which process works or worked on this run, where, and from which code and data."""
        try:
            said = json.loads((self.folder / "job.json").read_bytes())
        except (OSError, ValueError):
            return {}
        return said if isinstance(said, dict) else {}

    def write_job(self, process: psutil.Process, **about: Any) -> None:
        """Say that a process works on this run; a process is its pid and its start time."""
        job = {"pid": process.pid, "created": process.create_time(), "host": platform.node(), **about}
        write_json(self.folder / "job.json", job)

    def add_to_job(self, **about: Any) -> None:
        """Say more about the work that is being done."""
        write_json(self.folder / "job.json", self.job | about)

    def metrics(self) -> list[dict[str, Any]]:
        """Every complete line of ``metrics.jsonl``."""
        try:
            lines = (self.folder / "metrics.jsonl").read_text(encoding="utf-8", errors="replace").splitlines()
        except OSError:
            return []
        found = []
        for line in lines:
            try:
                found.append(json.loads(line))
            except ValueError:
                continue
        return found

    def options_text(self) -> str:
        """``config.yaml`` as it stands."""
        try:
            return (self.folder / "config.yaml").read_text(encoding="utf-8", errors="replace")
        except OSError:
            return ""

    def log_tail(self, lines: int = 20) -> str:
        try:
            with self._log_file().open("rb") as file:
                file.seek(max(0, file.seek(0, os.SEEK_END) - 20_000))
                text = file.read().decode(errors="replace").replace("\r", "\n")
            return "\n".join(text.splitlines()[-lines:])
        except OSError:
            return ""

    def _log_file(self) -> Path:
        """``train.log``; what submitit and the batch script said where the run itself said nothing."""
        log = self.folder / "train.log"
        slurm_logs = [] if log.is_file() else self.folder.glob("slurm/*_log.out")
        return max(slurm_logs, default=log, key=lambda file: file.stat().st_mtime)

    @property
    def last(self) -> Path:
        return self.folder / "checkpoints" / "last"

    @property
    def best(self) -> Path:
        return self.folder / "checkpoints" / "best"


def rename_cohort(name: str, new: str) -> int:
    """Let the runs of a cohort follow it to another name, so that they can be resumed; returns how many.

    Those that name its ``dataset.json``, as trainings from Python do, follow too.
    """
    folder = paths.cohorts_dir() / name
    called = {name, *(str(one / "dataset.json") for one in (folder, folder.absolute(), folder.resolve()))}
    followed = 0
    for run in Run.all():
        with suppress(InputError, ValueError, OSError, TypeError):  # a run that cannot be read has nothing to follow
            config = run.config
            if config.cohort in called:
                run._write_config(config.model_copy(update={"cohort": new}))
                followed += 1
    return followed


def _found_from_anywhere(config: TrainConfig) -> TrainConfig:
    """The config with absolute paths: a run may be resumed, and its config used again, from any folder."""
    from isimed.data.cohorts.cohort import (  # reads images: not for those who only look at runs
        cohort_names,
        find_manifest,
    )

    changes = {}
    if config.split:
        changes["split"] = str(Path(config.split).expanduser().absolute())
    if config.cohort not in cohort_names() and Path(config.cohort).expanduser().exists():
        changes["cohort"] = str(find_manifest(config.cohort))
    return config.model_copy(update=changes)


def read_config(path: Path) -> TrainConfig:
    """A training's options from YAML.

    Raises:
        InputError: the file is missing or an option in it is unknown or out of range.
    """
    try:
        return TrainConfig.model_validate(yaml.safe_load(path.read_text(encoding="utf-8")) or {})
    except OSError as error:
        raise InputError(f"{path} cannot be read ({error.strerror}): check the path.") from None
    except ValidationError as error:
        first = error.errors()[0]
        raise InputError(f"{path}: {'.'.join(map(str, first['loc'])) or 'options'}: {first['msg']}.") from None
    except (yaml.YAMLError, ValueError):  # no text, or a date that is none
        raise InputError(f"{path} is not YAML: correct it or copy another run's config.yaml.") from None
