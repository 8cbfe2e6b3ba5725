"""How figures are drawn: the colours of columns, bars with intervals, and lines, a column each."""

from collections.abc import Callable, Sequence
from textwrap import wrap

import plotly.graph_objects as go

from isimed.core.text import plain_html
from isimed.evaluation.results.controls import GREY, MUTED, base_name, column_label
from isimed.evaluation.results.result import Measured, Result

COLOURS = ("#3b9fd6", "#f2a93b", "#e8718d", "#5fbf77", "#b792e8", "#f08a4b")
HEIGHT = 340
MARGIN = {"l": 10, "r": 10, "t": 44, "b": 10}


def bars(
    result: Result, group: str, figures: Sequence[str], *, title: str, unit: str, label: Callable[[str], str]
) -> go.Figure:
    """Bars with intervals: checkpoints in colour, controls in greys beside them."""
    chart = go.Figure()
    for name in result.columns_with(group):
        found = result.of(name)[group]
        shown = {label(f): found[f] for f in figures if f in found and found[f].value is not None}
        if shown:
            chart.add_bar(
                x=["<br>".join(wrap(text, 18)) for text in shown],
                y=[figure.value for figure in shown.values()],
                name=chart_label(name),
                marker_color=colour(result, name),
                error_y=_reach(list(shown.values())),
                hovertemplate="%{x}: %{y:.3f}<extra>%{fullData.name}</extra>",
            )
    chart.update_layout(title=title, barmode="group", yaxis_title=unit)
    chart.update_xaxes(tickangle=0 if len(figures) < 7 else None, automargin=True)
    return sized(chart)


def lines(
    result: Result,
    values: Callable[[str], tuple[Sequence[float], Sequence[float]] | None],
    *,
    title: str,
    x: str,
    y: str,
) -> go.Figure:
    """A line for each column that ``values`` has an x and a y for."""
    chart = go.Figure()
    for name in result.columns:
        if found := values(name):
            line = {"color": colour(result, name)}
            chart.add_scatter(x=found[0], y=found[1], name=chart_label(name), mode="lines", line=line)
    return sized(chart.update_layout(title=title, xaxis_title=x, yaxis_title=y))


def chart_label(name: str) -> str:
    """A column's name as plotly shows it letter for letter."""
    return plain_html(column_label(name))


def colour(result: Result, name: str) -> str:
    """A colour for a checkpoint, a muted one for a control."""
    if name in result.checkpoints:
        return COLOURS[list(result.checkpoints).index(name) % len(COLOURS)]
    return MUTED.get(base_name(name), GREY)


def sized(chart: go.Figure, *, height: int = HEIGHT, top: int = 44) -> go.Figure:
    return chart.update_layout(height=height, margin={**MARGIN, "t": top})


def _reach(figures: Sequence[Measured]) -> dict:
    """Error bars to both ends of the intervals."""
    triples = [(f.value or 0.0, f.low, f.high) for f in figures]
    return {
        "type": "data",
        "symmetric": False,
        "array": [0.0 if high is None else max(0.0, high - value) for value, _, high in triples],
        "arrayminus": [0.0 if low is None else max(0.0, value - low) for value, low, _ in triples],
        "thickness": 1.2,
        "width": 3,
        "color": GREY,
    }
