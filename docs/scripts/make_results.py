"""Write docs/results.md and a page of all figures a result, from the JSON that `evaluate --json` left in docs/results.

    python -m docs.scripts.make_results            # --slim after an evaluation: keeps what the document is made of

What it all means is written by hand in docs/results/discussion.md; its figures are filled in from the same files:
``{{FILE | NAME | GROUP.FIGURE}}``, where NAME is a checkpoint, a control or a difference; of the studies in other
folders of docs ``{{FOLDER/FILE | PATH > IN > IT | FIGURE}}``.
"""

import argparse
import json
import re
from pathlib import Path
from typing import Any

from pydantic import TypeAdapter

from docs.scripts import dense_tables, open_questions
from docs.scripts.ablation_plots import plot
from docs.scripts.train_table import COMMON
from isimed.evaluation.reporting import labels
from isimed.evaluation.results.controls import column_label
from isimed.evaluation.results.numbers import number, with_interval
from isimed.evaluation.results.result import Groups, Measured, Result

DOCS = Path(__file__).parents[1]
HEAD = """# Results

What was measured, whatever came out. Written by `python -m docs.scripts.make_results` from JSON files; each of them is
what `python -m isimed evaluate … --json` wrote, and has a [page of all its figures](#all-figures). What each figure
means, its formula and its baseline: [evaluation](evaluation.md). Trainings, also those that did not help:
[trials](trials.md).

In parentheses: 95 % interval, patients drawn with replacement, all their crops with them; above each table stands which
kind. Percentiles of the draws, which isimed no longer shows, are [too narrow](evaluation.md) for few patients, as the 5
of `brain-flair`. Networks were trained once unless seeds are named: no interval holds what another training would give.
On `headneck-ct` landmarks and changed crops are of 16 patients, segmentation is of 10, all else of 50. Landmarks
measured before 2026-11-28 go by one map of the whole body between two scans ("what all codes agree on", and what is
compared from there); it is now fitted around the place, which moves them by 1 to 3 mm
([search](search.md#what-was-tried)), those of an untrained network by 6.
"""
TRAININGS = """## What the trainings cost

Each row is one training of [train_table.py](scripts/train_table.py): the same backbone, crops, steps and split within
a cohort, one option changed. A step of a method with two views computes twice as many crops as it counts. Validation
is on the split's validation patients at the end; without a distance head its figures are of the embedding, not in mm.
Terms of the loss are means of the last epoch, before λ; not kept of the earlier trainings. Rows on a GPU shared it
with up to ten others (alone: [trials](trials.md)). What all rows of a cohort share where nothing else is said:

{common}
"""
FIGURES = "## All figures\n\nFigures by task, with the controls beside them: a page for each file.\n"
ABLATIONS = """## Ablations on {cohort}

One option of `isimed` (of `isimed-bt` for λ) changed at a time, as many crops for each, fewer than in the table above;
measured on the split's test patients, 95 % intervals over patients. Trained on a GPU in bfloat16 unless CPU is said.
Grey: from the least to the largest of three seeds with nothing else changed. Below λ all plots of a column have one
scale.

![Ablations on {cohort}](results/{cohort}-ablations.png)
"""
LONGEST_LIST = 12
SUMMARY = {
    "distance.spearman": "distance, Spearman",
    "distance.rmse_mm": "distance, RMSE mm",
    "position.pc_r_sagittal": "PC r, sagittal",
    "position.pc_r_coronal": "PC r, coronal",
    "position.pc_r_axial": "PC r, axial",
    "landmarks.median_mm": "landmarks, median mm",
    "landmarks.left_right_confusion": "left for right",
    "probe.auc": "tumour in crop, AUC",
    "probe_matched.auc": "tumour, same places, AUC",
    "organs.macro_f1": "organs, macro F1",
    "robustness.turned 15 degrees": "position, turned 15°, mm",
    "anomaly.healthy_distance_auc": "tumour by distance to healthy crops, AUC",
    "collapse.rankme": "RankMe",
}
SEEDED = {
    "-options": "Settings of the table and of the paper",
    "-own-settings": "DINO with settings nearer to its own",
    "-whole": "Barlow Twins beside distances of whole crops",
}
SLOT = re.compile(r"\{\{([^|}]+)\|([^|}]+)\|([^}]+)\}\}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument(
        "--slim", action="store_true", help="first leave out of the JSON what results.md is not made of"
    )
    if parser.parse_args().slim:
        for path in result_files():
            path.write_text(slim(path), encoding="utf-8")
    for cohort in trained_cohorts():
        plot(rows_of(cohort), picture_of(cohort))
    for page, text in documents().items():
        page.write_text(text, encoding="utf-8")


def documents() -> dict[Path, str]:
    """Each page and its text: docs/results.md, and all figures of each file beside it."""
    found = {path.stem: read(path) for path in result_files()}
    results = {name: result for name, result in found.items() if isinstance(result, Result)}
    figures = {DOCS / "results" / f"{name}.md": section(result, name) for name, result in results.items()}
    return {DOCS / "results.md": document(found, results)} | figures


def document(found: dict[str, Result | list[Result]], results: dict[str, Result]) -> str:
    """The text of docs/results.md."""
    parts = [HEAD, SLOT.sub(lambda slot: filled(results, *slot.groups()), discussion())]
    parts += [
        f"## The table on {result.cohort.name}\n\n{summary(result)}"
        for name, result in results.items()
        if name.endswith("-methods")
    ]
    parts += [cross_validation(folds) for folds in found.values() if isinstance(folds, list) and folds]
    parts += [
        f"{ABLATIONS.format(cohort=result.cohort.name)}\n{summary(result)}"
        for name, result in results.items()
        if name.endswith("-ablations")
    ]
    parts += [
        by_seed(result, title)
        for name, result in results.items()
        for ending, title in SEEDED.items()
        if name.endswith(ending)
    ]
    parts += [*dense_tables.tables(), *open_questions.tables()]
    parts += [TRAININGS.format(common="\n".join(f"- `{cohort}`: {said(common)}" for cohort, common in COMMON.items()))]
    parts += [*costs(sorted((DOCS / "results" / "trainings").glob("*/*.json"))), "", FIGURES]
    parts += [f"- [{name}](results/{name}.md): {contents(result)}" for name, result in results.items()]
    return "\n".join([*parts, ""])


def discussion() -> str:
    return (DOCS / "results" / "discussion.md").read_text(encoding="utf-8")


def result_files() -> list[Path]:
    return sorted((DOCS / "results").glob("*.json"))


def read(file: Path) -> Result | list[Result]:
    """A result, or those of the folds of a cross-validation."""
    return TypeAdapter(Result | list[Result]).validate_json(file.read_bytes())


def slim(file: Path) -> str:
    """The same result in one line, without details, seconds and the differences that the discussion does not name.

    ``evaluate --details`` writes what is left out here.
    """
    found = read(file)
    named = {name.strip() for stem, name, _ in SLOT.findall(discussion()) if stem.strip() == file.stem}
    for result in found if isinstance(found, list) else [found]:
        result.details, result.seconds = {}, {}
        result.differences = {pair: groups for pair, groups in result.differences.items() if pair in named}
    lines = [result.to_json(indent=None) for result in (found if isinstance(found, list) else [found])]
    return f"[{', '.join(lines)}]\n" if isinstance(found, list) else f"{lines[0]}\n"


def trained_cohorts() -> list[str]:
    return sorted(folder.name for folder in (DOCS / "results" / "trainings").iterdir())


def picture_of(cohort: str) -> Path:
    return DOCS / "results" / f"{cohort}-ablations.png"


def filled(results: dict[str, Result], file: str, name: str, figure: str) -> str:
    """The figure that a slot of the discussion names, with its interval.

    Raises:
        KeyError: there is none.
    """
    if "/" in file:
        return open_questions.told(file.strip(), name, figure.strip())
    result, (group, metric) = results[file.strip()], figure.strip().split(".", 1)
    groups = result.differences.get(name.strip()) or result.of(name.strip())
    return with_interval(groups[group][metric])


def summary(result: Result) -> str:
    """One table of a result: a checkpoint or control a row, a figure of each task a column."""
    cells = {
        column_label(name): [with_interval(one(result.of(name), figure)) for figure in SUMMARY]
        for name in result.columns
    }
    return "\n".join([f"{result.who}, {drawn(result)}.", "", *summarised(cells), ""])


def cross_validation(folds: list[Result]) -> str:
    """A method a row: the mean of its folds, each measured on patients of its own, and the least and largest fold."""
    methods: dict[str, list[Groups]] = {}
    untrained: dict[tuple[str, ...], Groups] = {}  # by the fold's patients
    for result in folds:
        (name,) = result.checkpoints
        methods.setdefault(name.partition("-fold-")[0], []).append(result.checkpoints[name])
        untrained[tuple(result.subjects.used)] = result.controls["untrained"]
    found = methods | {column_label("untrained"): [*untrained.values()]}
    cells = {name: [spread(groups, figure) for figure in SUMMARY] for name, groups in found.items()}
    text = (
        f"Every one of {sum(map(len, untrained))} patients is tested on once, by a network neither trained nor "
        f"selected on that patient; {drawn(folds[0])}. Mean of the folds, and the least and largest of them: no "
        "interval, since their trainings share patients."
    )
    title = f"## Cross-validation on {folds[0].cohort.name}"
    return "\n".join([title, "", text, "", *summarised(cells), ""])


def by_seed(result: Result, title: str) -> str:
    """A row of several seeds a line: the mean of its trainings, and the least and largest of them."""
    rows: dict[str, list[Groups]] = {}
    for name, groups in result.checkpoints.items():
        rows.setdefault(row_of(name, result), []).append(groups)
    rows |= {column_label(name): [groups] for name, groups in result.controls.items()}
    cells = {
        name: [
            spread(groups, figure, "seeds") if len(groups) > 1 else with_interval(one(groups[0], figure))
            for figure in SUMMARY
        ]
        for name, groups in rows.items()
    }
    text = (
        f"{result.who}, {drawn(result)}; cost and options of each training are below. Of several seeds "
        "the mean, and the least and largest: what differs by less says nothing. Of one, its interval over patients."
    )
    return "\n".join([f"## {title}, on {result.cohort.name}", "", text, "", *summarised(cells), ""])


def row_of(checkpoint: str, result: Result) -> str:
    """A checkpoint's row in the table of trainings, whatever its seed."""
    return checkpoint.removeprefix(f"{result.cohort.name}-").partition("-seed-")[0]


def drawn(result: Result) -> str:
    kind = {"t": "t-intervals", "percentiles": "percentile intervals"}[result.intervals]
    measured = f"measured {result.created[:10]}, {kind}"
    return f"protocol {result.protocol}, seed {result.seed}, {result.crops} crops a volume, {measured}"


def one(groups: Groups, figure: str) -> Measured | None:
    """The figure ``group.metric``; None where it was not measured."""
    group, metric = figure.split(".", 1)
    return groups.get(group, {}).get(metric)


def spread(found: list[Groups], figure: str, each: str = "folds") -> str:
    values = [measured.value for groups in found if (measured := one(groups, figure))]
    if not values:
        return ""
    mean, low, high = (number(value) for value in (sum(values) / len(values), min(values), max(values)))
    return f"{mean} ({low} – {high}, {len(values)} {each})"


def summarised(cells: dict[str, list[str]]) -> list[str]:
    """A Markdown table of rows with a cell for every figure of `SUMMARY`, without rows and columns that are empty."""
    kept = [column for column in range(len(SUMMARY)) if any(row[column] for row in cells.values())]
    titles = [*SUMMARY.values()]
    rows = [[name, *(row[column] for column in kept)] for name, row in cells.items() if any(row)]
    return markdown(["", *(titles[column] for column in kept)], rows)


def contents(result: Result) -> str:
    """What a result is about, in a line."""
    rows = dict.fromkeys(row_of(name, result) for name in result.checkpoints)
    return f"{', '.join(rows)} on {result.cohort.name}, protocol {result.protocol}"


def section(result: Result, name: str) -> str:
    """All figures of one result: its data, split and protocol, then a table a group of figures."""
    cohort = result.cohort
    lines = [
        f"# {name}, all figures",
        "",
        f"{len(result.checkpoints)} checkpoint(s) on {cohort.name}, protocol {result.protocol}: "
        f"{cohort.subjects} patients{' (synthetic)' if result.synthetic else ''}, {result.crops} crops a "
        f"volume, seed {result.seed}, {result.created[:10]}, isimed {result.versions['isimed']}. "
        f"File: [{name}.json]({name}.json). What came out: [results](../results.md).",
        "",
        *[f"- {name}: {network}, fingerprint {network.fingerprint}" for name, network in result.cards.items()],
        *[f"- {note}" for note in result.notes],
        "",
    ]
    for group in labels.all_groups(result):
        header, rows = labels.table(result, group)
        if len(rows) > LONGEST_LIST * 3:
            continue  # every figure under every change: in the JSON
        lines += [f"## {labels.group_label(group)}", "", *markdown(header, rows), ""]
    header, rows = labels.likeness_table(result.likeness)
    if rows:
        lines += ["## How alike the spaces are", "", *markdown(header, rows), ""]
    return "\n".join(lines)


def rows_of(cohort: str) -> dict[str, Any]:
    """Row of docs/scripts/train_table.py -> its figures, from whatever was measured of the cohort's ablations."""
    found: dict[str, Any] = {}
    for group in ("ablations", "ablations-cpu"):
        file = DOCS / "results" / f"{cohort}-{group}.json"
        if file.is_file():
            checkpoints = json.loads(file.read_text(encoding="utf-8"))["checkpoints"]
            found |= {name.removeprefix(f"{cohort}-"): figures for name, figures in checkpoints.items()}
    return found


def costs(files: list[Path]) -> list[str]:
    """A line a training: what was changed, how long it took and where, what validation said last."""
    header = ["cohort", "row", "method", "changed", "epochs", "views", "steps", "crops", "minutes", "crops/s"]
    header += ["validation", "terms of the loss", "machine"]
    rows = []
    for file in files:
        found = json.loads(file.read_text(encoding="utf-8"))
        cohort, options, views, machine = file.parent.name, found["options"], found["views"], found["machine"]
        changed = {name: value for name, value in options.items() if COMMON[cohort].get(name) != value}
        last = found["validation"][-1] if found["validation"] else {}
        minutes, rate = found["seconds"] / 60, found["crops"] * views / found["seconds"]
        cells = [cohort, found["row"], options["method"], said(changed), options["epochs"], views, found["steps"]]
        cells += [found["crops"], f"{minutes:.1f}", f"{rate:.1f}", said(last), said(found.get("terms", {}))]
        cells += [f"{machine['device']}, {machine['threads']} thread(s)"]
        rows.append([str(cell) for cell in cells])
    return markdown(header, rows)


def said(values: dict[str, Any]) -> str:
    """Names and values of options, terms or figures, but for those that have columns of their own."""
    apart = ("method", "epochs", "step", "threads", "validate_every")
    named = [(name, value) for name, value in values.items() if name not in apart]
    return ", ".join(f"{name} {value:.3g}" if isinstance(value, float) else f"{name} {value}" for name, value in named)


def markdown(header: list[str], rows: list[list[str]]) -> list[str]:
    lines = [header, ["---"] * len(header), *rows]
    return [f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in line)} |" for line in lines]


if __name__ == "__main__":
    main()
