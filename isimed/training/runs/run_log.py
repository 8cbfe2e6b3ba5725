"""What a run writes down while it is worked on: status, metrics, TensorBoard."""

import json
import shutil
from collections.abc import Callable
from contextlib import suppress
from typing import Any

from isimed.core.files import write_file
from isimed.training.runs.folder import Run
from isimed.training.runs.status import Status

Report = Callable[[dict[str, Any]], None]


class RunLog:
    """Writes into a run's folder; of several processes only the first one writes.

    Args:
        run: whose folder.
        report: called with each line of metrics.
        writes: False in the other processes.
    """

    def __init__(self, run: Run, report: Report | None, *, writes: bool) -> None:
        self.run, self.report, self.writes = run, report, writes
        before = run.read_status()  # where a resumed run stands until its checkpoint is read
        self.status = Status(step=before.step, total_steps=before.total_steps, epoch=before.epoch)
        self._metrics: Any = None
        self._events: Any = None

    def open(self, *, step: int) -> None:
        """Go on after a step: lines of steps that will be done again are forgotten."""
        if not self.writes:
            return
        from torch.utils.tensorboard import SummaryWriter

        _drop_lines_after(self.run, step)
        self._metrics = (self.run.folder / "metrics.jsonl").open("a", buffering=1)
        self._events = SummaryWriter(str(self.run.folder / "tensorboard"), purge_step=step + 1)

    def say(self, **changes: Any) -> None:
        """Change fields of the status and write it."""
        for name, value in changes.items():
            setattr(self.status, name, value)
        if self.writes:
            self.run.write_status(self.status)

    def line(self, line: dict[str, Any]) -> None:
        """A line of metrics: to the file, to TensorBoard, to whoever reports."""
        if not self.writes:
            return
        self._metrics.write(json.dumps(line) + "\n")
        for name, value in scalars(line).items():
            self._events.add_scalar(name, value, line["number"])
        if self.report:
            self.report(line)

    def close(self) -> None:
        for file in (self._metrics, self._events):
            if file:
                with suppress(OSError):  # a full disk, which the training itself has met and said
                    file.close()


def scalars(line: dict[str, Any]) -> dict[str, float]:
    """A line of metrics as flat names: ``loss/distance``, ``validation/rankme``, ``learning_rate`` …"""
    if "validation" in line:
        return {f"validation/{name}": value for name, value in line["validation"].items()}
    terms = {f"loss/{name}": value for name, value in line["terms"].items()}
    return terms | {name: line[name] for name in ("learning_rate", "crops_per_second", "gradient_norm")}


def describe(line: dict[str, Any]) -> str:
    """A line of metrics as a person reads it in train.log."""
    if "validation" in line:
        figures = ", ".join(f"{name} {value:.4g}" for name, value in line["validation"].items())
        return f"validation after epoch {line['epoch']}: {figures}"
    terms = ", ".join(f"{name} {value:.4g}" for name, value in line["terms"].items())
    minutes, seconds = divmod(int(line["seconds_left"]), 60)
    hours, minutes = divmod(minutes, 60)
    return (
        f"step {line['number']}/{line['total_steps']}, epoch {line['epoch'] + 1}: {terms}, "
        f"{line['crops_per_second']:.1f} crops/s, {hours:02d}:{minutes:02d}:{seconds:02d} left"
    )


def _drop_lines_after(run: Run, step: int) -> None:
    """Forget the metrics of steps that will be done again, and a validation right at ``step``: it is repeated."""
    kept = [line for line in run.metrics() if line["number"] + ("validation" in line) <= step]
    write_file(run.folder / "metrics.jsonl", "".join(json.dumps(line) + "\n" for line in kept))
    if step == 0:
        shutil.rmtree(run.folder / "tensorboard", ignore_errors=True)
