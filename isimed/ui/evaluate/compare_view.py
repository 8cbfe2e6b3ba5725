"""How a comparison of checkpoints looks on a page."""

import numpy as np
import pandas as pd
import plotly.graph_objects as go
import streamlit as st
from plotly.subplots import make_subplots

from isimed.core.text import plain, plain_html
from isimed.evaluation.reporting import labels
from isimed.evaluation.results.controls import pair_label
from isimed.evaluation.results.numbers import with_interval
from isimed.evaluation.results.result import Comparison, Result
from isimed.explore.maps.axes import axis_correlation
from isimed.explore.tables.store import AXES
from isimed.ui import style
from isimed.ui.evaluate.evaluation_view import plot
from isimed.ui.map.colours import ENDS, SCALE

NOT_SET = "not set"  # an option that a checkpoint knows and that has no value


def show_comparison(result: Comparison, evaluation: Result | None) -> None:
    """Maps side by side, likeness, differences of figures, differing options."""
    left_out = len(result.left_out)
    st.caption(
        f"{len(result.position)} crops of {result.cohort.subjects} patients of {plain(result.cohort.name)}"
        + (f" · {left_out} left out, on whom a checkpoint was trained or selected" if left_out else "")
        + f" · seed {result.seed} · {result.created[:10]} · research use only"
    )
    axis = st.segmented_control("Colour by position", AXES, default=axis_shown(result), required=True)
    plot(maps(result, AXES.index(axis)), "maps")
    st.subheader("How alike the spaces are")
    header, rows = labels.likeness_table(result.pairs)
    frame = pd.DataFrame(rows, columns=["pair", *header[1:]])
    style.table(frame)
    st.caption(
        "CKA and shared neighbours: 1 is the same space. Procrustes: 0 is the same map. 95 % intervals over patients."
    )
    _differences(evaluation)
    st.subheader("Options that differ")
    if result.options:
        style.table(
            [{name: NOT_SET if value == "None" else value for name, value in row.items()} for row in result.options]
        )
    else:
        st.caption("None.")


def axis_shown(result: Comparison) -> str:
    """The body axis that the two components of the first map follow best."""
    first = next(iter(result.maps.values()))
    return AXES[int(np.abs(axis_correlation(first, result.position)).max(axis=0).argmax())]


def maps(result: Comparison, axis: int) -> go.Figure:
    """Leading two components of every code, turned onto the first, coloured by position."""
    names = list(result.maps)
    columns = min(3, len(names))
    titles = [plain_html(name) for name in names]
    chart = make_subplots(-(-len(names) // columns), columns, subplot_titles=titles, horizontal_spacing=0.03)
    position = [row[axis] for row in result.position]
    marker = {"size": 4, "color": position, "coloraxis": "coloraxis"}
    for i, name in enumerate(names):
        x, y = zip(*result.maps[name], strict=True)
        text = [f"{plain_html(s)}, {AXES[axis]} {p:.0f} mm" for s, p in zip(result.subject, position, strict=True)]
        chart.add_scattergl(
            x=x,
            y=y,
            mode="markers",
            marker=marker,
            text=text,
            hovertemplate="%{text}<extra></extra>",
            showlegend=False,
            row=i // columns + 1,
            col=i % columns + 1,
        )
    chart.update_xaxes(showticklabels=False, showgrid=False, zeroline=False)
    chart.update_yaxes(showticklabels=False, showgrid=False, zeroline=False)
    low, high = np.percentile(position, (1, 99))
    bar = {"title": {"text": f"{ENDS[AXES[axis]][1]}, mm"}, "thickness": 10, "outlinewidth": 0}
    return chart.update_layout(
        height=380 * -(-len(names) // columns),
        margin={"l": 10, "r": 10, "t": 40, "b": 10},
        coloraxis={"colorscale": SCALE, "cmin": low, "cmax": high, "colorbar": bar},
    )


def _differences(evaluation: Result | None) -> None:
    st.subheader("Differences of figures")
    rows = [
        {
            "difference": pair_label(pair),
            "task": labels.group_label(group),
            "figure": labels.figure_label(figure),
            "value (95 % interval)": with_interval(value),
            "clear": "yes" if value.clear else "",
        }
        for pair, group, figure, value in (evaluation.measured_differences() if evaluation else ())
    ]
    if not rows:
        st.caption("Measure the checkpoints together on the Evaluate page to see paired differences here.")
        return
    style.table(rows, height=320)
    st.caption(
        "From the last evaluation of this cohort; paired over the same patients. Clear: the interval leaves out 0."
    )
