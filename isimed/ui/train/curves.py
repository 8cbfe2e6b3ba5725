"""Curves of one training, or of several side by side."""

import math
from collections.abc import Mapping, Sequence
from typing import Any

import plotly.graph_objects as go
from plotly.subplots import make_subplots

from isimed.core.text import plain_html

PANELS = {
    "loss": "Loss",
    "spearman": "Spearman",
    "rankme": "RankMe",
    "rmse_mm": "Distance error, mm",
    "learning_rate": "Learning rate",
    "crops_per_second": "Crops a second",
}
COLOURS = ("#5cc8e0", "#f2b84b", "#e8718d", "#7fd17f", "#b792e8", "#f08a4b", "#6f9cf0", "#d9d25a")
MOST_POINTS = 600
HELP = (
    "Spearman: whether pairs of crops that lie farther apart also have codes that lie farther apart (1: always). "
    "RankMe: how many dimensions the embeddings use. Both, and the error, of crops of patients that are held out."
)
Metrics = Sequence[Mapping[str, Any]]


def curves(runs: Mapping[str, Metrics]) -> go.Figure:
    """A panel a quantity, a colour a run; of a single run also the loss's terms, dashed."""
    figure = make_subplots(rows=2, cols=3, subplot_titles=list(PANELS.values()), vertical_spacing=0.16)
    for place, (run_id, metrics) in enumerate(runs.items()):
        colour = COLOURS[place % len(COLOURS)]
        for panel, name in enumerate(PANELS):
            for number, (term, points) in enumerate(series(metrics, name, terms=len(runs) == 1).items()):
                whole = term == name
                figure.add_scatter(
                    x=[x for x, _ in points],
                    y=[y for _, y in points],
                    name=plain_html(run_id if whole else term.replace("_", " ")),
                    legendgroup=run_id if whole else term,
                    showlegend=name == "loss",
                    mode="lines+markers" if len(points) < 30 else "lines",
                    line={"color": colour if whole else COLOURS[(place + number) % len(COLOURS)], "width": 2}
                    | ({} if whole else {"dash": "dot"}),
                    marker={"size": 5},
                    row=panel // 3 + 1,
                    col=panel % 3 + 1,
                )
    figure.update_layout(
        height=450, margin={"l": 10, "r": 10, "t": 60, "b": 40}, legend={"orientation": "h", "y": 1.14}
    )
    figure.update_xaxes(matches="x", rangemode="tozero")
    figure.update_xaxes(title={"text": "step", "standoff": 6}, row=2)
    figure.update_yaxes(tickformat="~g")
    losses = [y for trace in figure.data if trace.yaxis == "y" for y in trace.y if y > 0]
    figure.update_yaxes(type="log", tickvals=_ticks(losses), row=1, col=1)
    figure.update_yaxes(rangemode="tozero", row=2, col=3)
    return figure


def series(metrics: Metrics, name: str, *, terms: bool = False) -> dict[str, list[tuple[int, float]]]:
    """Points (step, value) of a quantity, thinned to a few hundred; with ``terms`` those of the loss beside it."""
    found: dict[str, list[tuple[int, float]]] = {name: []}
    for line in metrics:
        values = line.get("validation") or {**line.get("terms", {}), **line}
        if name in values and isinstance(values[name], (int, float)):
            found[name].append((line["number"], values[name]))
        if terms and name == "loss":
            for term, value in line.get("terms", {}).items():
                if term != "loss":
                    found.setdefault(term, []).append((line["number"], value))
    return {key: _thinned(_once(points)) for key, points in found.items()}


def _ticks(values: Sequence[float]) -> list[float] | None:
    """1, 2, 5, 10 … (or powers of ten alone) within the values; None where fewer than two of them are."""
    if not values:
        return None
    low, high = min(values), max(values)
    tens = [10.0**power for power in range(math.floor(math.log10(low)), math.ceil(math.log10(high)) + 1)]
    fine = [ten * digit for ten in tens for digit in (1, 2, 5) if low <= ten * digit <= high]
    return (fine if len(fine) <= 7 else [ten for ten in tens if low <= ten <= high]) if len(fine) > 1 else None


def _once(points: list[tuple[int, float]]) -> list[tuple[int, float]]:
    return sorted(dict(points).items())


def _thinned(points: list[tuple[int, float]]) -> list[tuple[int, float]]:
    every = max(1, len(points) // MOST_POINTS)
    return points[::every] if every == 1 else [*points[::every], points[-1]]
