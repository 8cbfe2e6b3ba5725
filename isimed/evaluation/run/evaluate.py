"""Measure checkpoints on a cohort: one result, of which nothing is computed twice."""

from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from itertools import combinations
from pathlib import Path

from isimed.core import paths
from isimed.core.progress import Progress
from isimed.data.cohorts.cohort import Cohort
from isimed.evaluation.context.networks import about, load_all
from isimed.evaluation.context.outcome import Outcome, with_intervals
from isimed.evaluation.results.result import Groups, MeasuredCohort, Result, Split
from isimed.evaluation.run.plan import Plan, make_plan
from isimed.evaluation.sampling.sample import CROPS_A_VOLUME
from isimed.evaluation.statistics.bootstrap import difference
from isimed.models.card import UNTRAINED, versions

CONTROLS = (UNTRAINED, "position_only", "body_box", "affine_registration")  # in every result, empty if not asked for
WITHOUT_A_NETWORK = ("position_only", "affine_registration", "deformable_registration")  # what a checkpoint must beat
Outcomes = dict[str, Outcome]
FIT = 200  # what a part costs besides its crops, in crops; for the progress bar only


def evaluate(
    cohort: Cohort,
    checkpoint_names: Sequence[str],
    *,
    tasks: str | Sequence[str] = "all",
    protocol: str = "strict",
    seed: int = 0,
    subjects: Sequence[str] | None = None,
    split: str | Path | None = None,
    parts: Sequence[str] = ("test",),
    limit: int | None = None,
    crops: int = CROPS_A_VOLUME,
    progress: Progress | None = None,
    say: Callable[[str], None] | None = None,
) -> Result:
    """Every figure of every checkpoint, beside its controls, with 95 % intervals over patients.

    Patients that any of the checkpoints was trained or selected on are left out, unless they are asked for.
    Results are kept under ``ISIMED_HOME/evaluations`` by cohort, checkpoint, protocol, task, draw and patients.

    Args:
        checkpoint_names: names, run ids or folders, or ``untrained``.
        tasks: ``all`` or names, see ``registry.TASKS``; ``compare`` compares the checkpoints' spaces.
        protocol: ``strict`` or ``paper``.
        seed: draws crops, folds and resampled patients.
        subjects: exactly these patients, also those that were seen in training.
        split: JSON file that lists patients by part.
        parts: which of them; ``validation`` keeps patients on whom
            a training chose its best epoch.
        limit: at most so many patients, drawn with the seed.
        crops: of a volume, in the samples ``body`` and ``tumour``; the other samples keep their proportion.
        progress: called with (percent done, 100).
        say: called with what is being done, in words; the first sentence says what all of it takes.

    Returns:
        The figures with their intervals, what stands beside them, and what a reader must know.

    Raises:
        InputError: a name is not known, a checkpoint does not fit, or no patient remains.
    """
    checkpoints = load_all(cohort, checkpoint_names)
    plan = make_plan(
        cohort,
        checkpoints,
        tasks=tasks,
        protocol=protocol,
        seed=seed,
        subjects=subjects,
        split=split,
        parts=parts,
        limit=limit,
        crops=crops,
    )
    if say:
        say(plan.sentence())
    measured, seconds = _measure(plan, progress, say)
    if progress:
        progress(100, 100)
    of: dict[str, Outcomes] = {name: measured["checkpoint"].get(name, {}) for name in checkpoints}
    controls, chosen = measured["control"], plan.chosen
    notes = [
        plan.context.protocol.note,
        *plan.notes,
        *[
            note
            for column in (of | controls).values()
            for task in column.values()
            for note in task.details.get("notes", [])
        ],
    ]
    return Result(
        cohort=MeasuredCohort(name=cohort.name, fingerprint=cohort.fingerprint, subjects=len(chosen.used)),
        split=Split(file=Path(split).name, parts=list(parts)) if split else None,
        protocol=protocol,
        seed=seed,
        crops=crops,
        intervals="t",
        versions=versions(),
        checkpoints={name: _figures(found) for name, found in of.items()},
        controls={name: {} for name in CONTROLS} | {name: _figures(found) for name, found in controls.items()},
        differences=_differences(of, controls),
        likeness={pair: _figures(found)["compare"] for pair, found in measured["pair"].items()},
        subjects=chosen.stored(),
        cards={name: about(checkpoint) for name, checkpoint in checkpoints.items()},
        synthetic=cohort.synthetic,
        notes=list(dict.fromkeys(notes)),
        details={
            name: {task: outcome.details for task, outcome in found.items()} for name, found in (of | controls).items()
        },
        seconds=seconds,
        created=datetime.now(UTC).isoformat(timespec="seconds"),
        limits=paths.RESEARCH_ONLY,
    )


def _measure(
    plan: Plan, progress: Progress | None, say: Callable[[str], None] | None
) -> tuple[dict[str, dict[str, Outcomes]], dict[str, dict[str, float]]]:
    """Role -> name -> task -> outcome, and name -> task -> seconds. Progress goes by crops."""
    measured: dict[str, dict[str, Outcomes]] = {"checkpoint": {}, "control": {}, "pair": {}}
    seconds: dict[str, dict[str, float]] = {}
    total, before = sum(part.crops + FIT for part in plan.parts) or 1, 0
    for part in plan.parts:
        if say:
            say(f"{part.task.name}: {part.name}")
        share = part.crops + FIT
        plan.context.advance = _advance(progress, before / total, share / total)
        plan.context.advance(0.0)
        outcome, took = part.outcome(plan.context)
        before += share
        measured[part.role].setdefault(part.name, {})[part.task.name] = outcome
        seconds.setdefault(part.name, {})[part.task.name] = took
    return measured, seconds


def _figures(found: Outcomes) -> Groups:
    return {group: figures for outcome in found.values() for group, figures in outcome.measured().items()}


def _differences(checkpoints: dict[str, Outcomes], controls: dict[str, Outcomes]) -> dict[str, Groups]:
    """Paired differences: every two checkpoints, and every checkpoint and what needs no training."""
    pairs = [(a, checkpoints[a], b, checkpoints[b]) for a, b in combinations(checkpoints, 2)]
    plain = {name: found for name, found in controls.items() if name.startswith(UNTRAINED)}
    if len(plain) == 1 and UNTRAINED not in checkpoints:
        pairs += [(a, checkpoints[a], UNTRAINED, plain[UNTRAINED]) for a in checkpoints]
    for name in WITHOUT_A_NETWORK:
        if name in controls:
            pairs += [(a, checkpoints[a], name, controls[name]) for a in checkpoints]
    found: dict[str, Groups] = {}
    for a, ours, b, theirs in pairs:
        rows: Groups = {}
        for task in [name for name in ours if name in theirs]:
            for group, figures in ours[task].figures.items():
                others = theirs[task].figures.get(group, {})
                rows[group] = with_intervals({k: difference(figures[k], others[k]) for k in figures if k in others})
        found[f"{a} - {b}"] = rows
    return found


def _advance(progress: Progress | None, start: float, share: float) -> Callable[[float], None]:
    furthest = 0.0

    def advance(done: float) -> None:
        nonlocal furthest
        furthest = max(furthest, done)  # a task may embed several samples, each from 0 to 1
        if progress:
            progress(int(100 * (start + share * furthest)), 100)

    return advance
