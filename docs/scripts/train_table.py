"""Train what docs/results.md compares, one row after the other, and measure all rows on the same test patients.

    python -m docs.scripts.train_table headneck-ct path/to/dataset.json                # every group of rows
    python -m docs.scripts.train_table brain-flair path/to/dataset.json --only methods # or rows by name: isimed simclr

Pairs across patients (rows `pairs-across-…`) need a cohort that declares a `frame`.

An earlier call's work is kept: a finished row is not trained again, one that was stopped goes on. Each row leaves its
options, cost and curve in ``docs/results/trainings/<cohort>/<row>.json`` and a checkpoint ``<cohort>-<row>`` in
ISIMED_HOME; the last step writes ``docs/results/<cohort>-<group>.json``, as ``python -m isimed evaluate`` does.
"""

import argparse
import json
from pathlib import Path
from typing import Any

import numpy as np
from tqdm import tqdm

from isimed.core import paths
from isimed.data.cohorts.cohort import Cohort
from isimed.evaluation.run.evaluate import evaluate
from isimed.models.card import CARD, checkpoint_names
from isimed.models.sharing.export import export_checkpoint
from isimed.training.optimise.config import TrainConfig
from isimed.training.optimise.methods import find_method
from isimed.training.optimise.presets import AUTHORS_WEIGHT, our_weight
from isimed.training.runs.folder import Run
from isimed.training.runs.worker import execute

DOCS = Path(__file__).parents[1]
COMMON: dict[str, dict[str, Any]] = {  # the same for every row of a cohort
    "headneck-ct": {
        "spacing_mm": 4.0,
        "noise": 0.02,
        "epochs": 50,
        "validate_every": 10,
        "crops_per_volume": 8,
        "volumes_per_step": 8,
    },
    "brain-flair": {"spacing_mm": 2.0, "noise": 0.05, "epochs": 50, "crops_per_volume": 16, "volumes_per_step": 4},
}
METHODS: dict[str, dict[str, Any]] = {
    name: {"method": name} for name in ("isimed", "isimed-bt", "regression", "barlow-twins", "simclr", "vicreg", "dino")
}
ABLATED_EPOCHS = 20
SEEDS = (0, 1, 2)
CHANGES: dict[str, dict[str, Any]] = {  # `patients` and `fold` choose the split, the rest are a training's options
    **{
        f"lambda-{value:g}": {"method": "isimed-bt", "barlow_twins_weight": value} for value in (1e-4, 1e-3, 1e-2, 1e-1)
    },
    **{f"penalty-{name}": {"penalty": name} for name in ("huber", "smooth-l1")},
    "penalty-huber-again": {"penalty": "huber"},  # how far two runs of the same are apart on a GPU
    **{  # as many steps of as many crops, from fewer volumes a step: other pairs
        f"crops-{crops}": {
            "crops_per_volume": crops,
            "volumes_per_step": 64 // crops,
            "epochs": ABLATED_EPOCHS * 8 // crops,
        }
        for crops in (16, 32)
    },
    **{  # as many crops in smaller or larger steps: fewer or more pairs a step, more or fewer steps
        f"volumes-{count}": {"volumes_per_step": count} for count in (4, 16)
    },
    **{  # as many steps of as many crops, from fewer patients
        f"patients-{count}": {
            "patients": count,
            "epochs": ABLATED_EPOCHS * 120 // count,
            "validate_every": 5 * 120 // count,
        }
        for count in (15, 30, 60)
    },
    **{f"seed-{seed}": {"seed": seed} for seed in SEEDS},  # the first changes nothing: what the others stand beside
}
SHORTER = {"method": "isimed", "epochs": ABLATED_EPOCHS, "validate_every": 5}


def shorter(rows: dict[str, dict[str, Any]]) -> dict[str, dict[str, Any]]:
    """Every row as `isimed` at 19,200 crops, but for what it changes."""
    return {row: SHORTER | changes for row, changes in rows.items()}


ABLATIONS = shorter(CHANGES)
FOLDS = 5
CROSS_VALIDATED = ("isimed", "barlow-twins")  # of a small cohort: every patient is a test patient once
CROSS: dict[str, dict[str, Any]] = {
    f"{method}-fold-{fold}": {"method": method, "fold": fold} for method in CROSS_VALIDATED for fold in range(FOLDS)
}


def seeded(rows: dict[str, dict[str, Any]]) -> dict[str, dict[str, Any]]:
    """Every row with several seeds."""
    return {f"{name}-seed-{seed}": changes | {"seed": seed} for name, changes in rows.items() for seed in SEEDS}


DIFFERS: dict[str, dict[str, Any]] = {"noise-none": {"noise": 0.0}, "schedule-exponential": {"schedule": "exponential"}}
PREPARED_AS_IN_THE_PAPER = {"scaling": "percentiles", "foreground_above": 0.0}
AUTHORS_LAMBDA = our_weight(AUTHORS_WEIGHT, COMMON["headneck-ct"]["spacing_mm"])
OPTIONS_CT = shorter(  # where the paper's default is another than here
    seeded({"default": {}, "preparation-paper": PREPARED_AS_IN_THE_PAPER} | DIFFERS)
    | {"authors-lambda-seed-0": {"method": "isimed-bt", "barlow_twins_weight": AUTHORS_LAMBDA, "seed": 0}}
)
OPTIONS_FLAIR = {
    row: {"method": "isimed"} | changes
    for row, changes in seeded({"default": {}} | DIFFERS | {"pairs-across": {"pairs": "across"}}).items()
}
WHOLE = {"whole": {"method": "isimed-bt-whole"}}  # Barlow Twins beside distances of whole crops: beside `isimed-bt`
WHOLE_CT = shorter(seeded(WHOLE))
WHOLE_FLAIR = seeded({"default": {"method": "isimed"}} | WHOLE)
# DINO's learning rate (0.0005 × crops / 256), weight decay and teacher's momentum are those of its paper, without its
# warm-up and schedules; VICReg's decay is its paper's, but that trains with LARS: its rate here is only a lower one.
OWN_SETTINGS = shorter(
    seeded(
        {
            "dino-own": {"method": "dino", "learning_rate": 1.25e-4, "weight_decay": 0.04, "teacher_momentum": 0.996},
            "dino-shared": {"method": "dino"},
            "vicreg-own": {"method": "vicreg", "learning_rate": 3e-4, "weight_decay": 1e-6},
            "vicreg-shared": {"method": "vicreg"},
        }
    )
)
GROUPS = {
    "headneck-ct": {
        "methods": METHODS,
        "ablations": ABLATIONS,
        "options": OPTIONS_CT,
        "whole": WHOLE_CT,
        "own-settings": OWN_SETTINGS,
    },
    "brain-flair": {"methods": METHODS, "cross": CROSS, "options": OPTIONS_FLAIR, "whole": WHOLE_FLAIR},
}
ABLATED = ["distance", "position", "landmarks", "probe", "collapse"]
TASKS = {
    "methods": ["all"],
    "ablations": ABLATED,
    "cross": ABLATED,
    "options": ABLATED,
    "whole": ABLATED,
    "own-settings": ABLATED,
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("cohort", choices=list(COMMON))
    parser.add_argument("manifest", help="the cohort's dataset.json")
    parser.add_argument("--only", nargs="+", help="rows or groups; all by default")
    parser.add_argument("--epochs", type=int, help="fewer, to see that it runs: results go nowhere")
    options = parser.parse_args()
    manifest = str(Path(options.manifest).absolute())
    for group, rows in GROUPS[options.cohort].items():
        chosen = [name for name in rows if not options.only or name in options.only or group in options.only]
        for name in chosen:
            train(options.cohort, manifest, name, rows[name], epochs=options.epochs)
        if chosen and not options.epochs:
            measure(options.cohort, manifest, group)


def train(cohort: str, manifest: str, row: str, changes: dict[str, Any], *, epochs: int | None) -> None:
    """Train a row, or what is left of it, and keep its checkpoint and its cost."""
    name = f"{cohort}-{row}"
    if (paths.home() / "checkpoints" / name / CARD).is_file():
        return
    chosen = options_of(cohort, changes)
    values = chosen | {"cohort": manifest, "name": f"table-{name}", "split": str(split_of(cohort, changes))}
    config = TrainConfig.model_validate(values | ({"epochs": epochs} if epochs else {}))
    begun = [run for run in Run.all() if run.id.endswith(f"-{config.name}") and run.config == config]
    run = begun[0] if begun else Run.create(config)
    with tqdm(desc=name, unit="step") as bar:

        def report(line: dict[str, Any]) -> None:
            bar.total = line.get("total_steps", bar.total)
            bar.update(line["number"] - bar.n)

        status = execute(run, report=report)
    if status.state != "finished" or epochs:
        return
    export_checkpoint(
        run.id, paths.home() / "checkpoints" / name, description=f"Row {row} of docs/scripts/train_table.py."
    )
    file = DOCS / "results" / "trainings" / cohort / f"{row}.json"
    file.parent.mkdir(parents=True, exist_ok=True)
    cost = {"row": row, "options": chosen, **cost_of(run)}
    file.write_text(json.dumps(cost, indent=1) + "\n", encoding="utf-8")


def cost_of(run: Run) -> dict[str, Any]:
    """What a finished run took; seconds by its median step, so that a pause does not count."""
    lines = run.metrics()
    rates = [line["crops_per_second"] for line in lines if "terms" in line]
    crops = len(run.job["cohort"]["train"]) * run.config.crops_per_volume * run.config.epochs
    return {
        "views": find_method(run.config.method).full_views(run.config),
        "steps": len(rates),
        "crops": crops,
        "seconds": round(crops / float(np.median(rates))),
        "terms": last_terms(lines, run.config.steps_per_epoch(len(run.job["cohort"]["train"]))),
        "validation": [{"step": line["number"], **line["validation"]} for line in lines if "validation" in line],
        "machine": {key: run.job[key] for key in ("device", "threads", "versions")},
    }


def last_terms(lines: list[dict[str, Any]], count: int) -> dict[str, float]:
    """Each term of the loss, mean over the last epoch: what a weight such as λ stands between."""
    terms = [line["terms"] for line in lines if "terms" in line][-count:]
    return {name: float(np.mean([step[name] for step in terms])) for name in terms[0]} if terms else {}


def options_of(cohort: str, changes: dict[str, Any]) -> dict[str, Any]:
    """A row's options of training, without those that choose its patients."""
    values = COMMON[cohort] | changes
    return {name: value for name, value in values.items() if name not in ("patients", "fold")}


def split_of(cohort: str, changes: dict[str, Any]) -> Path:
    """The cohort's split, the same with fewer patients to train on, or a fold of all its patients."""
    file = DOCS / "splits" / f"{cohort}.json"
    split = json.loads(file.read_bytes())
    if "patients" in changes:
        name, changed = f"patients-{changes['patients']}", split | {"train": split["train"][: changes["patients"]]}
    elif "fold" in changes:
        everyone = [*split["train"], *split["validation"], *split["test"]]
        name, changed = f"fold-{changes['fold']}", fold_of(everyone, changes["fold"])
    else:
        return file
    of_a_row = paths.home() / "splits" / f"{cohort}-{name}.json"
    of_a_row.parent.mkdir(parents=True, exist_ok=True)
    of_a_row.write_text(json.dumps(changed), encoding="utf-8")
    return of_a_row


def fold_of(patients: list[str], fold: int) -> dict[str, list[str]]:
    """Every fifth patient to test on, the next one of each five to validate on, the others to train on."""
    parts = [patients[start::FOLDS] for start in range(FOLDS)]
    validation = (fold + 1) % FOLDS
    train = [name for number, part in enumerate(parts) if number not in (fold, validation) for name in part]
    return {"train": train, "validation": parts[validation], "test": parts[fold]}


def measure(cohort: str, manifest: str, group: str) -> None:
    """Every row of a group that has been trained, in one evaluation: the same crops, paired differences.

    Beside the methods stands the shipped checkpoint of the cohort, which may have been trained for longer. The folds of
    a cross-validation have patients of their own: an evaluation each, in one list.
    """
    there = checkpoint_names()
    names = [f"{cohort}-{row}" for row in GROUPS[cohort][group] if f"{cohort}-{row}" in there]
    found: Any
    if group == "cross":
        found = [measured(cohort, manifest, [name], group, CROSS[name.removeprefix(f"{cohort}-")]) for name in names]
    else:
        shipped = [cohort] if group == "methods" and cohort in there else []
        found = measured(cohort, manifest, names + shipped, group, {})
    file = DOCS / "results" / f"{cohort}-{group}.json"
    file.write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")


def measured(cohort: str, manifest: str, names: list[str], group: str, changes: dict[str, Any]) -> dict[str, Any]:
    """One evaluation of checkpoints that share their test patients, those of the split of a row with these changes."""
    split = split_of(cohort, changes)
    return evaluate(Cohort.load(manifest), names, tasks=TASKS[group], split=split, say=print).model_dump(mode="json")


if __name__ == "__main__":
    main()
