"""Plots of the ablations in docs/results: one option against what it did, a row an option, a column a figure.

Used by `python -m docs.scripts.make_results`, which puts the picture into docs/results.md.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import plotly.graph_objects as go
from plotly.subplots import make_subplots

FAMILIES: dict[str, dict[str, str]] = {  # what is changed -> value -> row of docs/scripts/train_table.py
    "λ of isimed-bt": {"0.0001": "lambda-0.0001", "0.001": "lambda-0.001", "0.01": "lambda-0.01", "0.1": "lambda-0.1"},
    "penalty": {
        "L2": "seed-0",
        "L2<br>CPU": "seed-0-cpu",
        "Huber": "penalty-huber",
        "Huber<br>again": "penalty-huber-again",
        "smooth<br>L1 CPU": "penalty-smooth-l1",
    },
    "crops a volume": {"8": "seed-0", "16": "crops-16", "32": "crops-32"},
    "volumes a step": {"4": "volumes-4", "8": "seed-0", "16": "volumes-16"},
    "patients trained on": {"15": "patients-15", "30": "patients-30", "60": "patients-60", "120": "seed-0"},
    "seed": {"0": "seed-0", "1": "seed-1", "2": "seed-2"},
}
WIDEST = "λ of isimed-bt"  # has scales of its own, the others share those of the last
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
    figure = make_subplots(
        len(measured), len(FIGURES), subplot_titles=titles, horizontal_spacing=0.06, vertical_spacing=0.08
    )
    last = len(FIGURES) * (len(measured) - 1)
    for column, name in enumerate(FIGURES, start=1):
        group, metric = name.split(".")
        of = {family: [groups[group][metric] for groups in rows.values()] for family, rows in measured.items()}
        seeds = [one["value"] for one in of.get("seed", [])]
        for line, (family, figures) in enumerate(of.items(), start=1):
            place = {"row": line, "col": column}
            figure.add_trace(_points(list(measured[family]), figures), **place)
            figure.update_xaxes(type="category", tickangle=0, title_text=family, **place)
            if family == WIDEST:
                continue
            figure.update_yaxes(matches=f"y{last + column}", **place)
            if seeds:
                figure.add_hrect(min(seeds), max(seeds), fillcolor="grey", opacity=0.2, line_width=0, **place)
    size = {"width": 1200, "height": 80 + 200 * len(measured), "margin": {"t": 40, "b": 60, "l": 60, "r": 20}}
    figure.update_layout(template="plotly_white", showlegend=False, **size)
    picture.parent.mkdir(parents=True, exist_ok=True)
    figure.write_image(picture, scale=2)


def _points(values: list[str], figures: list[dict[str, Any]]) -> go.Scatter:
    """Figures with their intervals, where they have one."""
    ends = {"array": [_reach(one, "high") for one in figures], "arrayminus": [_reach(one, "low") for one in figures]}
    marker = {"color": "#1f4e79", "size": 8}
    middle = [one["value"] for one in figures]
    return go.Scatter(
        x=values, y=middle, error_y={"type": "data", "symmetric": False, **ends}, mode="markers", marker=marker
    )


def _reach(one: Mapping[str, float | None], end: str) -> float:
    """How far the interval reaches from the figure; 0 where there is none."""
    value, limit = one["value"], one[end]
    return 0.0 if value is None or limit is None else abs(limit - value)
