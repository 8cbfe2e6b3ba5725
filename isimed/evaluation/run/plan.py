"""What one evaluation will do, in order: who is measured, with what, and about how many crops that takes."""

import hashlib
import json
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import combinations
from pathlib import Path
from typing import Any

from isimed.core.errors import InputError
from isimed.core.files import write_file
from isimed.data.cohorts.cohort import Cohort
from isimed.evaluation.context.context import Context, evaluations_dir
from isimed.evaluation.context.networks import baseline
from isimed.evaluation.context.outcome import Outcome
from isimed.evaluation.context.subjects import Chosen, choose_subjects
from isimed.evaluation.run.registry import find_tasks
from isimed.evaluation.sampling.sample import CROPS_A_VOLUME
from isimed.evaluation.statistics.intervals import FEWEST
from isimed.evaluation.statistics.protocol import find_protocol
from isimed.evaluation.tasks.landmarks import GRID_STEP_MM
from isimed.evaluation.tasks.task import Sample, Task
from isimed.explore.tables.cost import crops_a_second
from isimed.models.card import UNTRAINED, Card
from isimed.models.checkpoint import Checkpoint

ALL_PAIRS = 6  # checkpoints of which every two are compared


@dataclass(frozen=True, eq=False)
class Part:
    """One task of one network, of one control, or of a pair of networks.

    Attributes:
        role: ``checkpoint``, ``control`` or ``pair``.
        name: the column it stands in.
        measure, of: ``measure(context, *of)`` makes the outcome.
        file: where the outcome is kept.
        crops: about how many crops it embeds that no part before it does; 0 where the outcome is kept.
    """

    role: str
    name: str
    task: Task
    measure: Callable[..., Outcome]
    of: tuple[Any, ...]
    file: Path
    crops: int

    def outcome(self, context: Context) -> tuple[Outcome, float]:
        """The outcome and its seconds, from an earlier evaluation where there was one."""
        try:
            packed = json.loads(self.file.read_bytes())
            return Outcome.unpack(packed), packed["seconds"]
        except (OSError, ValueError, KeyError, TypeError):
            pass
        started = time.monotonic()
        made = self.measure(context, *self.of)
        took = round(time.monotonic() - started, 1)
        text = json.dumps({**made.pack(), "seconds": took})
        write_file(self.file, text)
        return Outcome.unpack(json.loads(text)), took


@dataclass(frozen=True, eq=False)
class Plan:
    """What an evaluation will do, part by part.

    Attributes:
        parts: in the order of work.
        lacking: task -> why it cannot measure the cohort, or some patients of it.
    """

    context: Context
    checkpoints: dict[str, Checkpoint]
    chosen: Chosen
    parts: list[Part]
    lacking: dict[str, str]

    @property
    def crops(self) -> int:
        return sum(part.crops for part in self.parts)

    @cached_property
    def crops_a_second(self) -> float:
        """Measured here and now, on a few crops of noise."""
        return crops_a_second(next(iter(self.checkpoints.values())))

    @property
    def notes(self) -> list[str]:
        """What a reader must know about who is measured."""
        few = f"Fewer than {FEWEST} patients are measured: figures stand without intervals."
        return [
            *[f"{name}: {reason}" for name, reason in self.lacking.items()],
            *self.chosen.notes,
            *([few] if len(self.chosen.used) < FEWEST else []),
        ]

    def sentence(self) -> str:
        """What it takes, who is left out and why, before it starts."""
        count = len(self.chosen.left_out)
        held = [f"{count} patients are left out: a checkpoint was trained or selected on them."] if count else []
        return " ".join([self._takes(), *held, *self.notes])

    def _takes(self) -> str:
        who, kept = f"{len(self.context.subjects)} patients", sum(part.file.is_file() for part in self.parts)
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
    if len(checkpoints) < 2 and not any(task.measure for task in wanted):
        raise InputError("One checkpoint cannot be compared: choose two or more.")
    cards = [checkpoint.card for checkpoint in checkpoints.values()]
    chosen = choose_subjects(cohort, cards, subjects=subjects, split=split, parts=parts, limit=limit, seed=seed)
    context = Context(cohort, cohort.subset(chosen.used), rules, seed, crops)
    lacking = {task.name: reason for task in wanted if (reason := task.cannot(context))}
    able = [task for task in wanted if task.name not in lacking]
    lacking |= {task.name: reason for task in able if (reason := task.leaves_out(context))}
    return Plan(context, checkpoints, chosen, _parts(context, checkpoints, able), lacking)


def crops_needed(cohort: Cohort, tasks: Sequence[str], *, patients: int, networks: int, crops: int) -> int:
    """About how many crops an evaluation embeds at most, before any network is loaded; the untrained one is added."""
    context = Context(cohort, cohort.subset(cohort.subjects[:patients]), find_protocol("strict"), 0, crops)
    samples = {sample for task in find_tasks(tasks) if not task.cannot(context) for sample in task.samples}
    return (networks + 1) * sum(sample.crops(context, GRID_STEP_MM) for sample in samples)


def _parts(context: Context, checkpoints: dict[str, Checkpoint], tasks: list[Task]) -> list[Part]:
    """Every checkpoint's tasks, the controls once a preparation, and the pairs of checkpoints."""
    found: list[Part] = []
    embedded: set[tuple[str, Sample]] = set()

    def add(role: str, name: str, task: Task, measure: Callable[..., Outcome] | None, of: tuple, file: Path) -> None:
        crops = 0
        for network in [one for one in of if isinstance(one, Checkpoint) and not file.is_file()]:
            new = [sample for sample in task.samples if (network.fingerprint, sample) not in embedded]
            embedded.update((network.fingerprint, sample) for sample in new)
            crops += sum(sample.crops(context, network.card.step_mm) for sample in new)
        if measure is not None:
            found.append(Part(role, name, task, measure, of, file, crops))

    prepared: set[str] = set()
    for name, checkpoint in checkpoints.items():
        card, single = checkpoint.card, [task for task in tasks if task.measure]
        for task in single:
            file = outcome_file(context, task, checkpoint.fingerprint, card)
            add("checkpoint", name, task, task.measure, (checkpoint,), file)
        preparation = card.preparation.model_dump_json()
        if (key := f"{preparation}{card.crop_size}") in prepared:
            continue
        suffix = f" ({card.preparation.spacing_mm:g} mm, for {name})" if prepared else ""
        prepared.add(key)
        plain = baseline(checkpoint)
        for task in single:
            file = outcome_file(context, task, plain.fingerprint, card)
            add("control", UNTRAINED + suffix, task, task.measure, (plain,), file)
            for control, measure in task.controls.items():
                file = outcome_file(context, task, preparation + control + suffix, card)
                add("control", control + suffix, task, measure, (card.preparation, card.crop_size), file)
    for task in [task for task in tasks if task.measure_pair]:
        for a, b in chosen_pairs(list(checkpoints)):
            pair = (checkpoints[a], checkpoints[b])
            file = kept_file(context, task.name, str(task.version), *(network.fingerprint for network in pair))
            add("pair", f"{a} | {b}", task, task.measure_pair, pair, file)
    return found


def chosen_pairs(names: Sequence[str]) -> list[tuple[str, str]]:
    """Every two, or every one and the first where these would be too many to read."""
    return list(combinations(names, 2)) if len(names) <= ALL_PAIRS else [(names[0], other) for other in names[1:]]


def outcome_file(context: Context, task: Task, made_by: str, card: Card) -> Path:
    """Where the outcome of one task is kept; ``made_by``: a network, or a control, which depends on none."""
    return kept_file(context, task.name, str(task.version), made_by, str(card.crop_size))


def kept_file(context: Context, name: str, *made_by: str) -> Path:
    """A file under ``ISIMED_HOME/evaluations`` for what these words, the cohort, its patients and the draw make.

    What the manifest says of modality, frame and organs counts as the voxels do: tasks measure by it.
    """
    drawn, cohort = (str(context.seed), str(context.crops_a_volume), *context.subjects), context.cohort
    said = json.dumps([cohort.modality, cohort.frame, sorted(cohort.organs.items())])  # beside the voxels, by a person
    parts = (cohort.fingerprint, said, context.protocol.name, name, *made_by, *drawn)
    digest = hashlib.sha256("\0".join(parts).encode()).hexdigest()[:24]
    return evaluations_dir() / "results" / f"{name}-{digest}.json"
