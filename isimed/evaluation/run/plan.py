"""What one evaluation will do, in order: who is measured, with what, and about how many crops that takes."""

import hashlib
import json
import time
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import torch

from isimed.core.errors import InputError
from isimed.core.files import write_file
from isimed.data.cohorts.cohort import Cohort
from isimed.evaluation.context.context import Bench, evaluations_dir
from isimed.evaluation.context.networks import baseline
from isimed.evaluation.context.outcome import Outcome
from isimed.evaluation.context.subjects import Chosen, choose_subjects
from isimed.evaluation.run.registry import GRID_STEP_MM, SAMPLES, Control, Task, compares, find_tasks
from isimed.evaluation.sampling.sample import CROPS_A_VOLUME
from isimed.evaluation.statistics.protocol import find_protocol
from isimed.models.card import UNTRAINED
from isimed.models.checkpoint import Checkpoint

TIMED = 8  # crops; a full batch took half a minute on a busy machine


@dataclass(frozen=True, eq=False)
class Part:
    """One task of one network, or of one control.

    Attributes:
        role: ``checkpoint`` or ``control``. name: the column it stands in.
        work: makes a control's outcome; None where a network is measured.
        file: where the outcome is kept.
        crops: about how many crops it embeds that no part before it does; 0 where the outcome is kept.
    """

    role: str
    name: str
    task: Task
    checkpoint: Checkpoint
    work: Control | None
    file: Path
    crops: int

    def outcome(self, bench: Bench) -> tuple[Outcome, float]:
        """The outcome and its seconds, from an earlier evaluation where there was one."""
        try:
            packed = json.loads(self.file.read_bytes())
            return Outcome.unpack(packed), packed["seconds"]
        except (OSError, ValueError, KeyError, TypeError):
            pass
        started, card = time.monotonic(), self.checkpoint.card
        made = (
            self.work(bench, card.preparation, card.crop_size)
            if self.work
            else self.task.measure(bench, self.checkpoint)
        )
        took = round(time.monotonic() - started, 1)
        text = json.dumps({**made.pack(), "seconds": took})
        write_file(self.file, text)
        return Outcome.unpack(json.loads(text)), took


@dataclass(frozen=True, eq=False)
class Plan:
    """Attributes:
    parts: in the order of work. lacking: task -> why the cohort cannot be measured by it.
    compares: whether the checkpoints' spaces are compared too.
    """

    bench: Bench
    checkpoints: dict[str, Checkpoint]
    chosen: Chosen
    parts: list[Part]
    lacking: dict[str, str]
    compares: bool

    @property
    def crops(self) -> int:
        return sum(part.crops for part in self.parts)

    @cached_property
    def crops_a_second(self) -> float:
        """Measured here and now, on a few crops of noise."""
        return crops_a_second(next(iter(self.checkpoints.values())))

    def sentence(self) -> str:
        """What it takes, before it starts."""
        who, kept = f"{len(self.bench.subjects)} patients", sum(part.file.is_file() for part in self.parts)
        known = f" {kept} of {len(self.parts)} parts are kept from before." if kept else ""
        if not self.crops:
            return f"{who}, no crop to embed.{known}"
        minutes = self.crops / self.crops_a_second / 60
        return (
            f"{who}, at most about {self.crops} crops to embed: {minutes:.0f} min at {self.crops_a_second:.0f} a "
            f"second on this machine, and the fits between.{known} Fewer patients, crops or tasks take less."
        )


def make_plan(
    cohort: Cohort,
    checkpoints: dict[str, Checkpoint],
    *,
    tasks: str | Sequence[str] = "all",
    protocol: str = "strict",
    seed: int = 0,
    subjects: Sequence[str] | None = None,
    split: str | Path | None = None,
    parts: Sequence[str] = ("test",),
    limit: int | None = None,
    crops: int = CROPS_A_VOLUME,
) -> Plan:
    """Who is measured and what is to do; arguments as in ``evaluate``.

    Raises:
        InputError: a task or protocol is not known, or nobody remains.
    """
    rules, wanted = find_protocol(protocol), find_tasks(tasks)
    if crops < 4:
        raise InputError(f"{crops} crops a volume are too few to measure: give at least 4.")
    compared = compares(tasks, len(checkpoints))
    cards = [checkpoint.card for checkpoint in checkpoints.values()]
    chosen = choose_subjects(cohort, cards, subjects=subjects, split=split, parts=parts, limit=limit, seed=seed)
    bench = Bench(cohort, cohort.subset(chosen.used), rules, seed, crops)
    lacking = {task.name: reason for task in wanted if (reason := task.lacks(bench))}
    able = [task for task in wanted if task.name not in lacking]
    return Plan(bench, checkpoints, chosen, _parts(bench, checkpoints, able), lacking, compared)


def crops_needed(cohort: Cohort, tasks: Sequence[str], *, patients: int, networks: int, crops: int) -> int:
    """About how many crops an evaluation embeds at most, before any network is loaded; the untrained one is added."""
    bench = Bench(cohort, cohort.subset(cohort.subjects[:patients]), find_protocol("strict"), 0, crops)
    samples = {sample for task in find_tasks(tasks) if not task.lacks(bench) for sample in task.samples}
    return (networks + 1) * sum(SAMPLES[sample](bench, GRID_STEP_MM) for sample in samples)


def _parts(bench: Bench, checkpoints: dict[str, Checkpoint], tasks: list[Task]) -> list[Part]:
    """Every checkpoint's tasks, and the controls once a preparation."""
    found: list[Part] = []
    embedded: set[tuple[str, str]] = set()

    def add(role: str, name: str, task: Task, checkpoint: Checkpoint, work: Control | None = None) -> None:
        file, crops = result_file(bench, task, checkpoint, name if work else ""), 0
        if not work and not file.is_file():
            new = [s for s in task.samples if (checkpoint.fingerprint, s) not in embedded]
            embedded.update((checkpoint.fingerprint, sample) for sample in new)
            crops = sum(SAMPLES[sample](bench, checkpoint.card.step_mm) for sample in new)
        found.append(Part(role, name, task, checkpoint, work, file, crops))

    preparations: dict[str, str] = {}
    for name, checkpoint in checkpoints.items():
        for task in tasks:
            add("checkpoint", name, task, checkpoint)
        card = checkpoint.card
        key = f"{card.preparation.model_dump_json()}{card.crop_size}"
        if key in preparations:
            continue
        suffix = f" ({card.preparation.spacing_mm:g} mm, for {name})" if preparations else ""
        preparations[key] = suffix
        plain = baseline(checkpoint)
        for task in tasks:
            add("control", UNTRAINED + suffix, task, plain)
            for control, work in task.controls.items():
                add("control", control + suffix, task, checkpoint, work)
    return found


def result_file(bench: Bench, task: Task, checkpoint: Checkpoint, control: str = "") -> Path:
    """Where the outcome of one task is kept; a control's does not depend on any network."""
    card = checkpoint.card
    made_by = card.preparation.model_dump_json() + control if control else checkpoint.fingerprint
    return kept_file(bench, task.name, str(task.version), made_by, str(card.crop_size))


def kept_file(bench: Bench, name: str, *made_by: str) -> Path:
    """A file under ``ISIMED_HOME/evaluations`` for what these words, the cohort, its patients and the draw make."""
    drawn = (str(bench.seed), str(bench.crops_a_volume), *bench.subjects)
    parts = (bench.cohort.fingerprint, bench.protocol.name, name, *made_by, *drawn)
    digest = hashlib.sha256("\0".join(parts).encode()).hexdigest()[:24]
    return evaluations_dir() / "results" / f"{name}-{digest}.json"


@torch.inference_mode()
def crops_a_second(checkpoint: Checkpoint) -> float:
    """Crops that the network embeds in a second, on this machine and under its load of this moment."""
    device = next(checkpoint.encoder.parameters()).device
    noise = torch.rand(TIMED, 1, *[checkpoint.card.crop_size] * 3, device=device)
    checkpoint.backbone(noise[:2])
    started = time.monotonic()
    checkpoint.backbone(noise).sum().item()
    return TIMED / max(time.monotonic() - started, 1e-6)
