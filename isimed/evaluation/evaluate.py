"""Measure checkpoints on a cohort: one result, of which nothing is computed twice."""

import hashlib
import json
import os
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from itertools import combinations
from pathlib import Path
from typing import Any

from isimed import settings
from isimed.data.cohort import Cohort
from isimed.evaluation.bench import Bench, evaluations_dir
from isimed.evaluation.bootstrap import difference
from isimed.evaluation.outcome import Outcome
from isimed.evaluation.protocol import find_protocol
from isimed.evaluation.subjects import choose_subjects
from isimed.evaluation.tasks import Task, find_tasks
from isimed.explore.embed import checkpoint_for
from isimed.models.checkpoint import UNTRAINED, Checkpoint, untrained, versions

Progress = Callable[[int, int], None]
Outcomes = dict[str, Outcome]


def evaluate(
    cohort: Cohort,
    checkpoint_names: Sequence[str],
    *,
    tasks: str | list[str] = "all",
    protocol: str = "strict",
    seed: int = 0,
    subjects: Sequence[str] | None = None,
    split: str | Path | None = None,
    limit: int | None = None,
    progress: Progress | None = None,
    say: Callable[[str], None] | None = None,
) -> dict[str, Any]:
    """Every figure of every checkpoint, beside its controls, with 95 % intervals over patients.

    Patients that any of the checkpoints was trained or selected on are left out, unless ``subjects`` names them.
    Results are kept under ``ISIMED_HOME/evaluations`` by cohort, checkpoint, protocol, task, seed and patients.

    Args:
        checkpoint_names: names, run ids or folders, or ``untrained``.
        tasks: ``all`` or names, see ``tasks.TASKS``.
        protocol: ``strict`` or ``paper``.
        seed: draws crops, folds and resampled patients.
        subjects: exactly these patients. split: JSON file whose ``test`` lists patients.
        limit: at most so many patients, drawn with the seed.
        progress: called with (percent done, 100).
        say: called with what is being done, in words.

    Returns:
        The result as JSON can hold it: ``cohort``, ``protocol``, ``seed``, ``versions``, ``checkpoints`` and
        ``controls`` (name -> group -> figure -> ``{value, low, high, n}``), and besides ``subjects``,
        ``differences``, ``notes``, ``details`` (what plots need) and ``seconds``.

    Raises:
        InputError: a name is not known, a checkpoint does not fit, or no patient remains.
    """
    rules, wanted = find_protocol(protocol), find_tasks(tasks)
    checkpoints = load_all(cohort, checkpoint_names)
    chosen = choose_subjects(
        cohort, [c.card for c in checkpoints.values()], subjects=subjects, split=split, limit=limit, seed=seed
    )
    bench = Bench(cohort, cohort.subset(chosen.used), rules, seed)
    lacking = {task.name: reason for task in wanted if (reason := task.lacks(bench))}
    wanted = [task for task in wanted if task.name not in lacking]
    jobs = _jobs(checkpoints, wanted)
    measured: dict[str, Outcomes] = {}
    seconds: dict[str, dict[str, float]] = {}
    for number, (kind, name, task, checkpoint, control) in enumerate(jobs):
        if say:
            say(f"{task.name}: {name}")
        bench.advance = _advance(progress, number, len(jobs))
        bench.advance(0.0)
        outcome, took = _kept(bench, task, checkpoint, name if kind == "control" else "", control)
        measured.setdefault(f"{kind}\0{name}", {})[task.name] = outcome
        seconds.setdefault(name, {})[task.name] = took
    if progress:
        progress(100, 100)
    of = {name: measured.get(f"checkpoint\0{name}", {}) for name in checkpoints}
    controls = {key.split("\0")[1]: found for key, found in measured.items() if key.startswith("control")}
    notes = [rules.note, *[f"{name}: {reason}" for name, reason in lacking.items()]]
    if chosen.seen:
        notes.append(f"{len(chosen.seen)} measured patients were seen in training: these figures are too good.")
    for found in (*of.values(), *controls.values()):
        notes += [note for outcome in found.values() for note in outcome.details.get("notes", [])]
    return {
        "cohort": {"name": cohort.name, "fingerprint": cohort.fingerprint, "subjects": len(chosen.used)},
        "protocol": protocol,
        "seed": seed,
        "versions": versions(),
        "checkpoints": {name: _figures(found) for name, found in of.items()},
        "controls": {name: _figures(found) for name, found in controls.items()},
        "differences": _differences(of, controls),
        "subjects": {"used": chosen.used, "left_out": chosen.left_out, "seen": chosen.seen},
        "cards": {name: _about(checkpoint) for name, checkpoint in checkpoints.items()},
        "synthetic": cohort.synthetic,
        "notes": list(dict.fromkeys(notes)),
        "details": {
            name: {task: outcome.details for task, outcome in found.items()} for name, found in (of | controls).items()
        },
        "seconds": seconds,
        "created": datetime.now(UTC).isoformat(timespec="seconds"),
        "limits": settings.RESEARCH_ONLY,
    }


def load_all(cohort: Cohort, names: Sequence[str]) -> dict[str, Checkpoint]:
    """Checkpoints by the name they are shown under; the untrained one is prepared like the first of the others."""
    trained = [checkpoint_for(name, cohort) for name in dict.fromkeys(names) if name != UNTRAINED]
    found: dict[str, Checkpoint] = {}
    for checkpoint in trained:
        twice = checkpoint.name in found
        found[f"{checkpoint.name} {checkpoint.fingerprint[:6]}" if twice else checkpoint.name] = checkpoint
    if UNTRAINED in names:
        found[UNTRAINED] = checkpoint_for(UNTRAINED, cohort, like=trained[0] if trained else None)
    return found


def baseline(checkpoint: Checkpoint) -> Checkpoint:
    """The untrained network under the same preparation and crop size."""
    plain = untrained(checkpoint.card.preparation, modality=checkpoint.card.modality)
    return replace(plain, card=plain.card.model_copy(update={"crop_size": checkpoint.card.crop_size}))


def _jobs(checkpoints: dict[str, Checkpoint], tasks: list[Task]) -> list[tuple[str, str, Task, Checkpoint, Any]]:
    """(kind, name, task, checkpoint, control function) of everything to measure; controls once a preparation."""
    jobs: list[tuple[str, str, Task, Checkpoint, Any]] = []
    preparations: dict[str, str] = {}
    for name, checkpoint in checkpoints.items():
        jobs += [("checkpoint", name, task, checkpoint, None) for task in tasks]
        card = checkpoint.card
        key = f"{card.preparation.model_dump_json()}{card.crop_size}"
        if key in preparations:
            continue
        suffix = f" ({card.preparation.spacing_mm:g} mm, for {name})" if preparations else ""
        preparations[key] = suffix
        plain = baseline(checkpoint)
        for task in tasks:
            jobs.append(("control", UNTRAINED + suffix, task, plain, None))
            jobs += [("control", control + suffix, task, plain, work) for control, work in task.controls.items()]
    return jobs


def _kept(bench: Bench, task: Task, checkpoint: Checkpoint, control_name: str, control: Any) -> tuple[Outcome, float]:
    """An outcome and its seconds, from an earlier evaluation where there was one."""
    file = result_file(bench, task, checkpoint, control_name if control else "")
    try:
        packed = json.loads(file.read_bytes())
        return Outcome.unpack(packed), packed["seconds"]
    except (OSError, ValueError, KeyError, TypeError):
        pass
    started = time.monotonic()
    if control:
        outcome = control(bench, checkpoint.card.preparation, checkpoint.card.crop_size)
    else:
        outcome = task.measure(bench, checkpoint)
    took = round(time.monotonic() - started, 1)
    text = json.dumps({**outcome.pack(), "seconds": took})
    file.parent.mkdir(parents=True, exist_ok=True)
    temporary = file.with_suffix(f".{os.getpid()}.tmp")
    temporary.write_text(text, encoding="utf-8")
    temporary.replace(file)
    return Outcome.unpack(json.loads(text)), took


def result_file(bench: Bench, task: Task, checkpoint: Checkpoint, control: str = "") -> Path:
    """Where the outcome of one task is kept."""
    card, network = checkpoint.card, checkpoint.fingerprint
    parts = (
        bench.cohort.fingerprint,
        card.preparation.model_dump_json() + control if control else network,
        str(card.crop_size),
        bench.protocol.name,
        f"{task.name}-{task.version}",
        str(bench.seed),
        *bench.subjects,
    )
    digest = hashlib.sha256("\0".join(parts).encode()).hexdigest()[:24]
    return evaluations_dir() / "results" / f"{task.name}-{digest}.json"


def _figures(found: Outcomes) -> dict[str, dict]:
    merged: dict[str, dict] = {}
    for outcome in found.values():
        merged |= outcome.to_json()
    return merged


def _differences(checkpoints: dict[str, Outcomes], controls: dict[str, Outcomes]) -> dict[str, dict]:
    """Paired differences: every two checkpoints, and every checkpoint and the untrained network."""
    pairs = [(a, checkpoints[a], b, checkpoints[b]) for a, b in combinations(checkpoints, 2)]
    plain = {name: found for name, found in controls.items() if name.startswith(UNTRAINED)}
    if len(plain) == 1 and UNTRAINED not in checkpoints:
        pairs += [(a, checkpoints[a], UNTRAINED, plain[UNTRAINED]) for a in checkpoints]
    found: dict[str, dict] = {}
    for a, ours, b, theirs in pairs:
        rows: dict[str, dict] = {}
        for task in [name for name in ours if name in theirs]:
            for group, figures in ours[task].figures.items():
                others = theirs[task].figures.get(group, {})
                rows[group] = {k: difference(figures[k], others[k]).to_json() for k in figures if k in others}
        found[f"{a} - {b}"] = rows
    return found


def _advance(progress: Progress | None, number: int, count: int) -> Callable[[float], None]:
    furthest = 0.0

    def advance(share: float) -> None:
        nonlocal furthest
        furthest = max(furthest, share)  # a task may embed several samples, each from 0 to 1
        if progress:
            progress(int(100 * (number + furthest) / count), 100)

    return advance


def _about(checkpoint: Checkpoint) -> dict[str, Any]:
    card = checkpoint.card
    return {
        "fingerprint": checkpoint.fingerprint,
        "method": card.method,
        "description": card.description,
        "preparation": card.preparation.model_dump(mode="json"),
        "crop_size": card.crop_size,
        "training": card.training,
        "trained_on": card.cohort.get("name", ""),
    }
