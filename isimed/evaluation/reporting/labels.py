"""Figures in words: labels, units, and the rows of a result for tables and CSV."""

import csv
import io
from collections.abc import Iterator
from typing import Any

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


BARS = {
    "distance": ["pearson", "spearman"],
    "distance_between": ["pearson", "spearman"],
    "position": ["r2_sagittal", "r2_coronal", "r2_axial"],
    "landmarks": ["coarse_median_mm", "agreed_median_mm", "median_mm", "mean_mm"],
    "collapse": ["rankme", "code_rankme", "participation_ratio", "code_participation_ratio"],
} | {probe: ["auc", "average_precision", "sensitivity_at_90"] for probe in ("probe", "probe_near", "probe_matched")}

UNITS = {  # of the figures that share a bar chart
    "distance": "correlation",
    "distance_between": "correlation",
    "position": "R²",
    "landmarks": "mm",
    "landmarks_by_organ": "mm",
    "organs": "0 to 1",
    "collapse": "dimensions",
    "robustness": "mm",
    "segmentation": "Dice, 0 to 1",
    "segmentation_by_organ": "Dice, 0 to 1",
}


def bar_figures(group: str, found: list[str]) -> list[str]:
    """Which figures of a group share one bar chart: those of one unit."""
    return BARS.get(group, found)


def figure_label(name: str) -> str:
    if name in FIGURES:
        return FIGURES[name]
    if name.startswith("code_") and name[5:] in FIGURES:
        return f"{FIGURES[name[5:]]} of the code"
    if ": " in name:
        change, figure = name.split(": ", 1)
        return f"{change}: {figure_label(figure)}"
    return name.replace("_", " ")


def group_label(name: str) -> str:
    return GROUPS.get(name, name.replace("_", " "))


def number(value: float | None) -> str:
    """A number as people read it: three digits, no exponent."""
    if value is None:
        return "–"
    if value == 0 or abs(value) >= 100:
        return f"{value:.0f}"
    if abs(value) < 0.0005:
        return "0.000"
    return f"{value:.1f}" if abs(value) >= 10 else f"{value:.3f}" if abs(value) < 1 else f"{value:.2f}"


def with_interval(figure: dict[str, Any] | None) -> str:
    """``0.951 (0.940 – 0.960)``."""
    if not figure:
        return ""
    if figure["low"] is None:
        return number(figure["value"])
    return f"{number(figure['value'])} ({number(figure['low'])} – {number(figure['high'])})"


def pair_label(pair: str) -> str:
    """``"mine - position_only"`` -> ``"mine - position only"``."""
    first, _, second = pair.rpartition(" - ")
    return f"{first} - {CONTROLS.get(second, second)}"


def measured(result: dict[str, Any]) -> str:
    """Whose figures these are: ``"50 patients of mine, test of split.json"``."""
    split = result.get("split")
    part = f", {' and '.join(split['parts'])} of {split['file']}" if split else ""
    return f"{result['cohort']['subjects']} patients of {result['cohort']['name']}{part}"


def columns(result: dict[str, Any]) -> list[str]:
    """Checkpoints, then controls that hold figures, those first that must be beaten first."""
    controls = [n for n, found in result["controls"].items() if found and n not in result["checkpoints"]]
    order = list(CONTROLS)
    return [*result["checkpoints"], *sorted(controls, key=lambda n: (order + [base_name(n)]).index(base_name(n)))]


def base_name(control: str) -> str:
    """``"untrained (2 mm, for mine)"`` -> ``"untrained"``."""
    return control.partition(" (")[0]


def figures_of(result: dict[str, Any], name: str) -> dict[str, dict]:
    return result["checkpoints"].get(name) or result["controls"].get(name) or {}


def groups(result: dict[str, Any]) -> list[str]:
    """Groups that a result holds, in the order of GROUPS."""
    found = {group for name in columns(result) for group in figures_of(result, name)}
    return [*[g for g in GROUPS if g in found], *sorted(found - set(GROUPS))]


def children(result: dict[str, Any], group: str) -> list[str]:
    """Groups that stand folded under a group."""
    return [g for g in groups(result) if PARENTS.get(g) == group]


def table(result: dict[str, Any], group: str) -> tuple[list[str], list[list[str]]]:
    """Header and rows of one group: a figure a row, a checkpoint or control a column."""
    names = [name for name in columns(result) if group in figures_of(result, name)]
    figures = list(dict.fromkeys(f for name in names for f in figures_of(result, name)[group]))
    rows = [[figure_label(f), *[with_interval(figures_of(result, n)[group].get(f)) for n in names]] for f in figures]
    return ["", *[CONTROLS.get(name, name) for name in names]], rows


def likeness_table(result: dict[str, Any]) -> tuple[list[str], list[list[str]]]:
    """Header and rows: a pair of checkpoints a row."""
    pairs = result.get("likeness", {}).items()
    return ["", *LIKENESS.values()], [[pair, *[with_interval(found.get(k)) for k in LIKENESS]] for pair, found in pairs]


def rows(result: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """One dictionary a figure."""
    for pair, found in result.get("likeness", {}).items():
        for figure, values in found.items():
            yield {"name": pair, "role": "pair", "group": "compare", "figure": figure, **values}
    for role in ("checkpoints", "controls"):
        for name, found in result[role].items():
            for group, figures in found.items():
                for figure, values in figures.items():
                    yield {"name": name, "role": role[:-1], "group": group, "figure": figure, **values}


def to_text(result: dict[str, Any]) -> str:
    """The tables in columns, for a terminal; those that stand folded elsewhere are left out."""
    lines = [f"{measured(result)}, protocol {result['protocol']}, seed {result['seed']}; 95 % intervals over patients"]
    tables = [(group_label(g), *table(result, g)) for g in groups(result) if g not in PARENTS]
    tables.append(("How alike the spaces are", *likeness_table(result)))
    for title, header, found in tables:
        if not found:
            continue
        widths = [max(map(len, column)) for column in zip(header, *found, strict=True)]
        lines += ["", title]
        for row in (header, *found):
            lines.append("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip())
    return "\n".join(lines)


def to_csv(result: dict[str, Any]) -> str:
    """Every figure with its interval, a line each."""
    stream = io.StringIO()
    writer = csv.DictWriter(
        stream, ["name", "role", "group", "figure", "value", "low", "high", "n"], lineterminator="\n"
    )
    writer.writeheader()
    writer.writerows(rows(result))
    return stream.getvalue()
