"""Plots of the ablations in docs/results: one option against what it did, a row an option, a column a figure.

Used by `python -m docs.make_results`, which puts the picture into docs/results.md.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import plotly.graph_objects as go
from plotly.subplots import make_subplots

FAMILIES: dict[str, dict[str, str]] = {  # what is changed -> value -> row of docs/train_table.py
    "λ of isimed-bt": {"0.0001": "lambda-0.0001", "0.001": "isimed-bt", "0.01": "lambda-0.01", "0.1": "lambda-0.1"},
    "penalty": {"L2": "isimed", "Huber": "penalty-huber", "smooth L1": "penalty-smooth-l1"},
    "crops a volume": {"8": "isimed", "16": "crops-16", "32": "crops-32"},
    "volumes a step": {"4": "volumes-4", "8": "isimed", "16": "volumes-16"},
    "patients trained on": {"15": "patients-15", "30": "patients-30", "60": "patients-60", "120": "isimed"},
    "seed": {"0": "isimed", "1": "seed-1", "2": "seed-2"},
}
FIGURES = {
    "distance.spearman": "distance, Spearman",
    "landmarks.median_mm": "landmarks, median mm",
    "probe.auc": "tumour, AUC",
    "collapse.rankme": "RankMe",
}


def plot(found: Mapping[str, Mapping[str, Any]], picture: Path) -> None:
    """Write the picture of those options that have at least two measured rows, if there are any.

    Args:
        found: row -> its groups of figures, as in a result's ``checkpoints``.
    """
    measured = {
        family: {value: found[row] for value, row in rows.items() if row in found} for family, rows in FAMILIES.items()
    }
    measured = {family: rows for family, rows in measured.items() if len(rows) > 1}
    if not measured:
        return
    titles = [title if line == 0 else "" for line in range(len(measured)) for title in FIGURES.values()]
    figure = make_subplots(len(measured), len(FIGURES), subplot_titles=titles, horizontal_spacing=0.06)
    for line, (family, rows) in enumerate(measured.items(), start=1):
        for column, name in enumerate(FIGURES, start=1):
            group, metric = name.split(".")
            figures = [groups[group][metric] for groups in rows.values()]
            figure.add_trace(_points(list(rows), figures), row=line, col=column)
            figure.update_xaxes(type="category", title_text=family, row=line, col=column)
    figure.update_layout(template="plotly_white", width=1200, height=80 + 230 * len(measured), showlegend=False)
    picture.parent.mkdir(parents=True, exist_ok=True)
    figure.write_image(picture, scale=2)


def _points(values: list[str], figures: list[dict[str, float | None]]) -> go.Scatter:
    """Figures with their intervals, where they have one."""
    middle = [one["value"] or 0.0 for one in figures]
    ends = {end: [one[end] if one[end] is not None else one["value"] for one in figures] for end in ("low", "high")}
    above = [high - value for high, value in zip(ends["high"], middle, strict=True)]
    below = [value - low for low, value in zip(ends["low"], middle, strict=True)]
    error = {"type": "data", "symmetric": False, "array": above, "arrayminus": below}
    return go.Scatter(x=values, y=middle, error_y=error, mode="lines+markers")
