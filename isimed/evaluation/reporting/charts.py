"""Plotly figures of a result, for the app and for the report."""

from textwrap import wrap
from typing import Any

import plotly.graph_objects as go
from plotly.subplots import make_subplots

from isimed.core.text import plain_html
from isimed.evaluation.reporting.labels import (
    CONTROLS,
    UNITS,
    base_name,
    columns,
    figure_label,
    figures_of,
    group_label,
)

COLOURS = ("#3b9fd6", "#f2a93b", "#e8718d", "#5fbf77", "#b792e8", "#f08a4b")
GREY = "#8a94a3"
MUTED = {
    "untrained": GREY,
    "position_only": "#a8946a",
    "mean_position": "#a8946a",
    "body_box": "#a8946a",
    "intensity_histogram": "#c3cad4",
    "affine_registration": "#6f9a89",
}
HEIGHT = 340
MARGIN = {"l": 10, "r": 10, "t": 44, "b": 10}


def bars(result: dict[str, Any], group: str, figures: list[str]) -> go.Figure:
    """Bars with intervals: checkpoints in colour, controls in greys beside them."""
    chart = go.Figure()
    names = [name for name in columns(result) if group in figures_of(result, name)]
    for name in names:
        found = figures_of(result, name)[group]
        shown = [f for f in figures if f in found and found[f]["value"] is not None]
        if not shown:
            continue
        value = [found[f]["value"] for f in shown]
        up = [max(0.0, _or(found[f]["high"], v) - v) for f, v in zip(shown, value, strict=True)]
        down = [max(0.0, v - _or(found[f]["low"], v)) for f, v in zip(shown, value, strict=True)]
        chart.add_bar(
            x=["<br>".join(wrap(figure_label(f), 18)) for f in shown],
            y=value,
            name=_shown(name),
            marker_color=colour(result, name),
            error_y={
                "type": "data",
                "symmetric": False,
                "array": up,
                "arrayminus": down,
                "thickness": 1.2,
                "width": 3,
                "color": GREY,
            },
            hovertemplate="%{x}: %{y:.3f}<extra>%{fullData.name}</extra>",
        )
    chart.update_layout(title=group_label(group), barmode="group", yaxis_title=UNITS.get(group, "0 to 1"))
    chart.update_xaxes(tickangle=0 if len(figures) < 7 else None, automargin=True)
    return _sized(chart)


def distance_scatter(result: dict[str, Any], names: list[str] | None = None) -> go.Figure | None:
    """Latent against physical distance, one panel a network; the line is where both are equal."""
    details = {n: d["distance"] for n, d in result["details"].items() if "distance" in d}
    names = [name for name in (names or columns(result)) if name in details][:4]
    if not names:
        return None
    titles = []
    for name in names:
        found = figures_of(result, name)["distance"]
        titles.append(f"{_shown(name)}<br>Spearman {found['spearman']['value']:.3f}")
    chart = make_subplots(1, len(names), subplot_titles=titles, horizontal_spacing=0.07)
    for column, name in enumerate(names, start=1):
        pairs = details[name]["scatter"]
        chart.add_scatter(
            x=pairs["physical_mm"],
            y=pairs["latent"],
            mode="markers",
            marker={"size": 3, "opacity": 0.35 if len(pairs["latent"]) > 500 else 0.9, "color": colour(result, name)},
            showlegend=False,
            row=1,
            col=column,
            hovertemplate="body %{x:.0f} mm, latent %{y:.0f}<extra></extra>",
        )
        top = max(pairs["physical_mm"])
        line = {"color": GREY, "dash": "dot", "width": 1}
        chart.add_scatter(x=[0, top], y=[0, top], mode="lines", line=line, showlegend=False, row=1, col=column)
        chart.update_xaxes(title_text="distance in the body, mm", row=1, col=column)
    chart.update_yaxes(title_text="latent distance", row=1, col=1)
    chart.update_annotations(font_size=13)
    return _sized(chart, height=400, top=70)


def distance_bins(result: dict[str, Any]) -> go.Figure:
    """Median latent distance by true distance, with 10th to 90th percentile."""
    chart = go.Figure()
    top = 0.0
    for name in columns(result):
        if bins := result["details"].get(name, {}).get("distance", {}).get("bins"):
            middle = [(b["from_mm"] + b["to_mm"]) / 2 for b in bins]
            top = max(top, middle[-1])
            chart.add_scatter(
                x=middle,
                y=[b["median"] for b in bins],
                name=_shown(name),
                mode="lines+markers",
                line={"color": colour(result, name)},
                error_y={
                    "type": "data",
                    "symmetric": False,
                    "array": [b["high"] - b["median"] for b in bins],
                    "arrayminus": [b["median"] - b["low"] for b in bins],
                    "thickness": 1,
                },
            )
    chart.add_scatter(
        x=[0, top], y=[0, top], mode="lines", name="equal", line={"color": GREY, "dash": "dot", "width": 1}
    )
    chart.update_layout(
        title="Latent by true distance<br><sup>median, 10th to 90th percentile</sup>",
        xaxis_title="distance in the body, mm",
        yaxis_title="latent distance",
    )
    return _sized(chart)


def spectrum(result: dict[str, Any], kind: str = "code") -> go.Figure:
    """Singular values of the centred code or embedding, the greatest set to 1."""
    chart = go.Figure()
    for name in columns(result):
        values = result["details"].get(name, {}).get("collapse", {}).get("singular_values", {}).get(kind)
        if values:
            line = {"color": colour(result, name)}
            chart.add_scatter(x=list(range(1, len(values) + 1)), y=values, name=_shown(name), line=line)
    chart.update_layout(
        title=f"Singular values of the {kind}", xaxis_title="component", yaxis_title="relative to the first"
    )
    chart.update_yaxes(type="log", range=[-4, 0.1])
    chart.update_xaxes(type="log")
    return _sized(chart)


def errors(result: dict[str, Any], task: str = "position") -> go.Figure:
    """How many crops are placed within how many mm."""
    chart = go.Figure()
    for name in columns(result):
        values = result["details"].get(name, {}).get(task, {}).get("error_mm")
        if values:
            share = [100 * (i + 1) / len(values) for i in range(len(values))]
            line = {"color": colour(result, name)}
            chart.add_scatter(x=values, y=share, name=_shown(name), mode="lines", line=line)
    chart.update_layout(title="Crops placed within a distance", xaxis_title="error, mm", yaxis_title="% of crops")
    return _sized(chart)


def component_matrix(result: dict[str, Any], name: str) -> go.Figure | None:
    """|r| of the first three principal components with the three axes."""
    matrix = result["details"].get(name, {}).get("position", {}).get("pc_matrix")
    if not matrix:
        return None
    rows = [f"PC {i + 1} ({100 * v:.0f} %)" for i, v in enumerate(matrix["variance"])]
    text = [[f"{value:.2f}" for value in row] for row in matrix["abs_r"]]
    chart = go.Figure(
        go.Heatmap(
            z=matrix["abs_r"],
            x=matrix["axes"],
            y=rows,
            zmin=0,
            zmax=1,
            text=text,
            texttemplate="%{text}",
            colorscale=[[0, "#1d2631"], [1, "#3b9fd6"]],
            showscale=False,
        )
    )
    chart.update_layout(title=f"{_shown(name)}<br><sup>|r| of components with axes</sup>")
    chart.update_yaxes(autorange="reversed")
    return _sized(chart, height=280, top=60)


def colour(result: dict[str, Any], name: str) -> str:
    """A colour a checkpoint, a muted one a control."""
    if name in result["checkpoints"]:
        return COLOURS[list(result["checkpoints"]).index(name) % len(COLOURS)]
    return MUTED.get(base_name(name), GREY)


def _shown(name: str) -> str:
    """A network's name as plotly shows it letter for letter."""
    return plain_html(CONTROLS.get(name, name))


def _or(value: float | None, otherwise: float) -> float:
    return otherwise if value is None else value


def _sized(chart: go.Figure, *, height: int = HEIGHT, top: int = 44) -> go.Figure:
    return chart.update_layout(height=height, margin={**MARGIN, "t": top})
