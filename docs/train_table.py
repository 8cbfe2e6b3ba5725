"""Train what docs/results.md compares, one row after the other, and measure all rows on the same test patients.

    python -m docs.train_table headneck-ct path/to/dataset.json                   # every method, then every ablation
    python -m docs.train_table brain-flair path/to/dataset.json --only methods    # or rows by name: isimed simclr

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

from isimed import settings
from isimed.data.cohort import Cohort
from isimed.evaluation.evaluate import evaluate
from isimed.models.card import CARD, checkpoint_names
from isimed.models.export import export_checkpoint
from isimed.training.config import TrainConfig
from isimed.training.run import Run, execute

DOCS = Path(__file__).parent
COMMON: dict[str, dict[str, Any]] = {  # the same for every row of a cohort
    "headneck-ct": {"spacing_mm": 4.0, "noise": 0.02, "epochs": 20, "crops_per_volume": 8, "volumes_per_step": 8},
    "brain-flair": {"spacing_mm": 2.0, "noise": 0.05, "epochs": 50, "crops_per_volume": 16, "volumes_per_step": 4},
}
METHODS: dict[str, dict[str, Any]] = {
    name: {"method": name} for name in ("isimed", "isimed-bt", "regression", "barlow-twins", "simclr", "vicreg", "dino")
}
ABLATIONS: dict[str, dict[str, Any]] = {
    **{f"lambda-{value:g}": {"method": "isimed-bt", "barlow_twins_weight": value} for value in (1e-4, 1e-2, 1e-1)},
    **{f"penalty-{name}": {"method": "isimed", "penalty": name} for name in ("huber", "smooth-l1")},
    **{  # as many steps of as many crops, from fewer or more volumes: other pairs
        f"crops-{crops}": {"method": "isimed", "crops_per_volume": crops, "volumes_per_step": 64 // crops}
        for crops in (16, 32)
    },
    **{  # fewer crops a step: fewer pairs, more steps
        f"volumes-{count}": {"method": "isimed", "volumes_per_step": count} for count in (4, 16)
    },
    **{f"patients-{count}": {"method": "isimed", "patients": count} for count in (15, 30, 60)},
}
GROUPS = {"methods": METHODS, "ablations": ABLATIONS}
TASKS = {
    "methods": ["distance", "position", "landmarks", "probe", "organs", "collapse", "robustness", "anomaly", "compare"],
    "ablations": ["distance", "position", "landmarks", "probe", "collapse"],
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("cohort", choices=list(COMMON))
    parser.add_argument("manifest", help="the cohort's dataset.json")
    parser.add_argument("--only", nargs="+", help="rows or groups; all by default", default=list(GROUPS))
    parser.add_argument("--epochs", type=int, help="fewer, to see that it runs: results go nowhere")
    options = parser.parse_args()
    manifest = str(Path(options.manifest).absolute())
    for group, rows in GROUPS.items():
        chosen = [name for name in rows if name in options.only or group in options.only]
        for name in chosen:
            train(options.cohort, manifest, name, rows[name], epochs=options.epochs)
        if chosen and not options.epochs:
            measure(options.cohort, manifest, group)


def train(cohort: str, manifest: str, row: str, changes: dict[str, Any], *, epochs: int | None) -> None:
    """Train a row, or what is left of it, and keep its checkpoint and its cost."""
    name = f"{cohort}-{row}"
    if (settings.home() / "checkpoints" / name / CARD).is_file():
        return
    values = COMMON[cohort] | changes | {"cohort": manifest, "name": f"table-{name}"}
    values["split"] = str(split_of(cohort, values.pop("patients", None)))
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
    export_checkpoint(run.id, settings.home() / "checkpoints" / name, description=f"Row {row} of docs/train_table.py.")
    file = DOCS / "results" / "trainings" / cohort / f"{row}.json"
    file.parent.mkdir(parents=True, exist_ok=True)
    cost = {"row": row, "options": COMMON[cohort] | changes, **cost_of(run)}
    file.write_text(json.dumps(cost, indent=1) + "\n", encoding="utf-8")


def cost_of(run: Run) -> dict[str, Any]:
    """What a finished run took; seconds by its median step, so that a pause does not count."""
    lines = run.metrics()
    rates = [line["crops_per_second"] for line in lines if "terms" in line]
    crops = len(run.job["cohort"]["train"]) * run.config.crops_per_volume * run.config.epochs
    return {
        "views": run.config.views,
        "steps": len(rates),
        "crops": crops,
        "seconds": round(crops / float(np.median(rates))),
        "validation": [{"step": line["number"], **line["validation"]} for line in lines if "validation" in line],
        "machine": {key: run.job[key] for key in ("device", "threads", "versions")},
    }


def split_of(cohort: str, patients: int | None) -> Path:
    """The cohort's split, or the same with fewer patients to train on."""
    file = DOCS / "splits" / f"{cohort}.json"
    if not patients:
        return file
    split = json.loads(file.read_bytes())
    smaller = settings.home() / "splits" / f"{cohort}-train-{patients}.json"
    smaller.parent.mkdir(parents=True, exist_ok=True)
    smaller.write_text(json.dumps(split | {"train": split["train"][:patients]}), encoding="utf-8")
    return smaller


def measure(cohort: str, manifest: str, group: str) -> None:
    """Every row of a group that has been trained, in one evaluation: the same crops, paired differences.

    Beside the methods stands the shipped checkpoint of the cohort, which may have been trained for longer.
    """
    wanted, there = [f"{cohort}-{row}" for row in GROUPS[group]] + [cohort] * (group == "methods"), checkpoint_names()
    names = [name for name in wanted if name in there]
    result = evaluate(
        Cohort.load(manifest), names, tasks=TASKS[group], split=DOCS / "splits" / f"{cohort}.json", say=print
    )
    file = DOCS / "results" / f"{cohort}-{group}.json"
    file.write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
