"""A result in words: which tables it holds, how they are called, and their rows for a terminal, a page and CSV."""

import csv
import io
from collections.abc import Iterator
from typing import Any

<<<<<<< HEAD
import plotly.graph_objects as go
=======
from isimed.core.text import plain_cell

GROUPS = {
    "distance": "Distance, within patients",
    "distance_between": "Distance, between patients",
    "position": "Position from a linear map",
    "landmarks": "Landmark transfer",
    "landmarks_by_organ": "Landmark transfer by organ, median mm",
    "landmarks_within_20mm_by_organ": "Landmarks within 20 mm, by organ",
    "left_right_by_organ": "Left taken for right, by organ",
    "probe": "Tumour in the crop, any voxel (the paper's question)",
    "probe_near": "Tumour within 12 mm of the centre, same crops",
    "probe_matched": "Tumour within 12 mm, healthy crops at the same places",
    "organs": "Organ at the crop's centre",
    "collapse": "Dimensions in use",
    "robustness": "Position error under changes, median mm",
    "robustness_full": "Position under changes, all figures",
    "anomaly": "Tumour crops found without tumour labels, any voxel",
    "anomaly_matched": "The same, healthy crops at the same places",
    "segmentation": "Few-shot organ segmentation, Dice",
    "segmentation_by_organ": "Five-shot Dice by organ",
}
FIGURES = {
    "pearson": "Pearson r",
    "spearman": "Spearman r",
    "stress": "Kruskal stress",
    "rmse_mm": "RMSE, mm",
    "r2_sagittal": "R² sagittal",
    "r2_coronal": "R² coronal",
    "r2_axial": "R² axial",
    "median_mm": "median, mm",
    "mean_mm": "mean, mm",
    "p95_mm": "95th percentile, mm",
    "pc_r_sagittal": "|r| of one PC, sagittal",
    "pc_r_coronal": "|r| of one PC, coronal",
    "pc_r_axial": "|r| of one PC, axial",
    "pc_r_within_sagittal": "|r| of one PC within patients, sagittal",
    "pc_r_within_coronal": "|r| of one PC within patients, coronal",
    "pc_r_within_axial": "|r| of one PC within patients, axial",
    "pcs_r_sagittal": "r of three PCs together, sagittal",
    "pcs_r_coronal": "r of three PCs together, coronal",
    "pcs_r_axial": "r of three PCs together, axial",
    "position_gap_auc": "AUC of the position gap",
    "healthy_distance_auc": "AUC of the distance to healthy crops",
    "dice_1_shot": "Dice, 1 labelled patient",
    "dice_3_shot": "Dice, 3 labelled patients",
    "dice_5_shot": "Dice, 5 labelled patients",
    "coarse_median_mm": "median of the nearest crop, or of a control's map, mm",
    "agreed_median_mm": "median of what all codes agree on, mm",
    "within_5mm": "within 5 mm",
    "within_10mm": "within 10 mm",
    "within_20mm": "within 20 mm",
    "left_right_confusion": "left-right confusion",
    "auc": "AUC",
    "average_precision": "average precision",
    "sensitivity_at_90": "sensitivity at 90 % specificity",
    "knn_auc": "AUC, kNN",
    "with_position_auc": "AUC, embedding + position",
    "with_position_accuracy": "accuracy, embedding + position",
    "share_positive": "share of positive crops",
    "accuracy": "accuracy",
    "macro_f1": "macro F1",
    "rankme": "RankMe",
    "effective_rank": "effective rank",
    "participation_ratio": "participation ratio",
    "dimensions_99": "dimensions at 99 % variance",
    "share_99": "share of dimensions at 99 %",
    "uniformity": "uniformity",
    "alignment": "alignment",
}
PARENTS = {  # tables that stand folded under another
    "landmarks_within_20mm_by_organ": "landmarks_by_organ",
    "left_right_by_organ": "landmarks_by_organ",
    "robustness_full": "robustness",
}
LIKENESS = {
    "cka": "CKA of embeddings",
    "code_cka": "CKA of codes",
    "neighbour_overlap": "shared 10 nearest neighbours",
    "procrustes": "Procrustes disparity",
}
CONTROLS = {
    "untrained": "untrained network",
    "position_only": "position only",
    "mean_position": "mean position",
    "intensity_histogram": "intensity histogram",
    "body_box": "same place in the body box",
    "affine_registration": "affine registration",
}
HEADLINES = (
    ("distance", "spearman"),
    ("distance", "rmse_mm"),
    ("position", "median_mm"),
    ("landmarks", "median_mm"),
    ("probe", "auc"),
    ("probe_matched", "auc"),
    ("organs", "accuracy"),
    ("collapse", "code_participation_ratio"),
)
>>>>>>> 0731732 (Names are text: tables, charts and the command line use the one module; tests)

from isimed.evaluation.results import charts
from isimed.evaluation.results.controls import column_label
from isimed.evaluation.results.numbers import with_interval
from isimed.evaluation.results.result import Figures, Result
from isimed.evaluation.run.registry import FIGURES, GROUPS, TASKS
from isimed.evaluation.tasks.task import Group

Table = tuple[list[str], list[list[str]]]
LIKENESS = TASKS["compare"].figures


def figure_label(name: str) -> str:
    """What people read for a figure's name, also for one of the code or under a change of the image."""
    if name in FIGURES:
        return FIGURES[name]
    if name.removeprefix("code_") in FIGURES:
        return f"{FIGURES[name.removeprefix('code_')]} of the code"
    if ": " in name:
        change, figure = name.split(": ", 1)
        return f"{change}: {figure_label(figure)}"
    return name.replace("_", " ")


def group_of(name: str) -> Group:
    """A group's description; results of other versions may hold groups that no task has."""
    return GROUPS.get(name) or Group(name.replace("_", " "))


def group_label(name: str) -> str:
    return group_of(name).label


def groups(result: Result) -> list[str]:
    """Groups that stand by themselves in a result, in the order of the tasks."""
    return [name for name in all_groups(result) if not group_of(name).parent]


def all_groups(result: Result) -> list[str]:
    """Groups that a result holds, in the order of the tasks."""
    found = {group for name in result.columns for group in result.of(name)}
    return [*[name for name in GROUPS if name in found], *sorted(found - set(GROUPS))]


def children(result: Result, group: str) -> list[str]:
    """Groups that stand folded under a group."""
    return [name for name in all_groups(result) if group_of(name).parent == group]


def chart_rows(result: Result, group: str) -> list[list[go.Figure]]:
    """A group's charts, as rows of charts that stand side by side: the same on a page and in the report."""
    about, figures = group_of(group), result.figures_in(group)
    bars = charts.bars(result, group, about.bars or figures, title=about.label, unit=about.unit, label=figure_label)
    beside = [chart for charts_of in about.beside for chart in charts_of(result)]
    return [row for row in ([*charts_of(result)] for charts_of in about.rows) if row] + [[bars, *beside]]


def table(result: Result, group: str) -> Table:
    """Header and rows of one group: a figure a row, a checkpoint or control a column."""
    names = result.columns_with(group)
    rows = [
        [figure_label(figure), *[with_interval(result.figure(name, group, figure)) for name in names]]
        for figure in result.figures_in(group)
    ]
    return ["", *map(column_label, names)], rows


def likeness_table(pairs: dict[str, Figures]) -> Table:
    """Header and rows: a pair of checkpoints a row."""
    rows = [[pair, *[with_interval(found.get(name)) for name in LIKENESS]] for pair, found in pairs.items()]
    return ["", *LIKENESS.values()], rows


def rows(result: Result) -> Iterator[dict[str, Any]]:
    """One dictionary a figure."""
    columns = [("pair", pair, {"compare": found}) for pair, found in result.likeness.items()]
    columns += [("checkpoint", name, found) for name, found in result.checkpoints.items()]
    columns += [("control", name, found) for name, found in result.controls.items()]
    for role, name, groups_of in columns:
        for group, figures in groups_of.items():
            for figure, values in figures.items():
                yield {"name": name, "role": role, "group": group, "figure": figure, **values.model_dump()}


def to_text(result: Result) -> str:
    """The tables in columns, for a terminal; those that stand folded elsewhere are left out."""
    lines = [f"{result.who}, protocol {result.protocol}, seed {result.seed}; 95 % intervals over patients"]
    tables = [(group_label(group), *table(result, group)) for group in groups(result)]
    tables.append(("How alike the spaces are", *likeness_table(result.likeness)))
    for title, header, found in tables:
        if not found:
            continue
        widths = [max(map(len, column)) for column in zip(header, *found, strict=True)]
        lines += ["", title]
        for row in (header, *found):
            lines.append("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip())
    return "\n".join(lines)


def to_csv(result: Result) -> str:
    """Every figure with its interval, a line each."""
    stream = io.StringIO()
    columns = ["name", "role", "group", "figure", "value", "low", "high", "n"]
    writer = csv.DictWriter(stream, columns, lineterminator="\n", extrasaction="ignore")
    writer.writeheader()
    writer.writerows({**row, "name": plain_cell(row["name"])} for row in rows(result))
    return stream.getvalue()
