"""How a result looks on a page: headlines, tables, charts, worst crops, downloads."""

import json
from typing import Any

import pandas as pd
import plotly.graph_objects as go
import streamlit as st

from isimed.data.cohorts.cohort import Cohort
from isimed.evaluation.reporting import charts, labels
from isimed.evaluation.reporting.report import to_html
from isimed.ui import state
from isimed.ui.pages import page_file
from isimed.ui.viewer import search
from isimed.ui.viewer.slices import slice_picture

BESIDE = {"untrained": "untrained", "position_only": "position only"}


def show_result(result: dict[str, Any], cohort: Cohort) -> None:
    """Everything about a result, top down: what, headline, then a tab a task."""
    _about(result)
    _headlines(result)
    _downloads(result)
    groups = [group for group in labels.groups(result) if group not in labels.PARENTS]
    for tab, group in zip(st.tabs([_short(group) for group in groups]), groups, strict=True):
        with tab:
            _group(result, group, cohort)


def result_table(result: dict[str, Any], group: str) -> None:
    header, rows = labels.table(result, group)
    frame = pd.DataFrame(rows, columns=["figure", *header[1:]])
    st.dataframe(frame, hide_index=True, width="stretch", height="content")


def plot(chart: go.Figure | None, key: str) -> None:
    if chart is not None:
        st.plotly_chart(chart, key=key, width="stretch", config={"displayModeBar": False})


def _about(result: dict[str, Any]) -> None:
    left_out = len(result["subjects"]["left_out"])
    parts = [labels.measured(result)]
    if left_out:
        parts.append(f"{left_out} left out because a checkpoint was trained or selected on them")
    parts += [f"protocol {result['protocol']}", f"seed {result['seed']}", result["created"][:10]]
    st.caption(" · ".join([*parts, result["limits"]]))
    for note in result["notes"][1:]:
        st.caption(f"Note: {note}")


def _headlines(result: dict[str, Any]) -> None:
    """One card a headline figure: the first checkpoint, and what must be beaten beside it."""
    first = next(iter(result["checkpoints"]))
    ours = labels.figures_of(result, first)
    shown = [(g, f) for g, f in labels.HEADLINES if ours.get(g, {}).get(f, {}).get("value") is not None][:5]
    for column, (group, figure) in zip(st.columns(max(len(shown), 1)), shown, strict=False):
        column.metric(
            f"{_short(group)}: {labels.figure_label(figure)}",
            labels.number(ours[group][figure]["value"]),
            help=f"{first}: {labels.with_interval(ours[group][figure])}, 95 % interval over patients.",
        )
        beside = {name: labels.figures_of(result, name).get(group, {}).get(figure) for name in BESIDE}
        column.caption(" · ".join(f"{BESIDE[n]} {labels.number(f['value'])}" for n, f in beside.items() if f) or " ")


def _downloads(result: dict[str, Any]) -> None:
    name = f"{result['cohort']['name']}-{result['protocol']}"
    a, b, c, _ = st.columns([1, 1, 1, 4])
    a.download_button("CSV", labels.to_csv(result), f"{name}.csv", icon=":material/download:", on_click="ignore")
    b.download_button(
        "JSON", json.dumps(result, indent=1), f"{name}.json", icon=":material/download:", on_click="ignore"
    )
    c.download_button(
        "Report", lambda: to_html(result), f"{name}.html", "text/html", icon=":material/download:", on_click="ignore"
    )


def _group(result: dict[str, Any], group: str, cohort: Cohort) -> None:
    if group == "distance":
        plot(charts.distance_scatter(result), "scatter")
    result_table(result, group)
    if group == "position":
        names = [n for n in labels.columns(result) if charts.component_matrix(result, n) is not None]
        for start in range(0, len(names), 3):
            for column, name in zip(st.columns(3), names[start : start + 3], strict=False):
                with column:
                    plot(charts.component_matrix(result, name), f"pc-{name}")
    paired = group in ("distance", "position", "collapse")
    left, right = st.columns(2) if paired else (st.container(), st.container())
    with left:
        first = next(f[group] for n in labels.columns(result) if group in (f := labels.figures_of(result, n)))
        plot(charts.bars(result, group, labels.bar_figures(group, list(first))), f"bars-{group}")
    with right:
        if group == "distance":
            plot(charts.distance_bins(result), "bins")
        elif group == "position":
            plot(charts.errors(result), "errors")
        elif group == "collapse":
            plot(charts.spectrum(result), "spectrum")
    for child in labels.children(result, group):
        with st.expander(labels.group_label(child)):
            result_table(result, child)
    worst_crops(result, group, cohort)


def worst_crops(result: dict[str, Any], group: str, cohort: Cohort) -> None:
    """The crops that the first checkpoint gets most wrong, as slices; a button opens one in the viewer."""
    name = next(iter(result["checkpoints"]))
    tasks = result["details"].get(name, {}).values()
    cases = [case for found in tasks for case in found.get("worst", {}).get(group, [])[:6]]
    card = result["cards"][name]
    edge = card["crop_size"] * card["preparation"]["spacing_mm"]
    cases = [case for case in cases if case.get("volume") in {entry.id for entry in cohort.volumes}]
    if not cases:
        return
    st.markdown(f"**Where {name} is most wrong**")
    for column, case in zip(st.columns(6), cases, strict=False):
        picture = slice_picture(
            state.scan(cohort, case["volume"]), case["centre_mm"], edge_mm=edge, modality=cohort.modality
        )
        with column:
            st.image(
                picture, caption=f"{case['subject']} · {labels.number(case['score'])} {case.get('unit', 'mm off')}"
            )
            x, y, z = case["centre_mm"]
            if st.button("Open", key=f"{group}-{case['row']}", help=f"{case['volume']} at {x:g}, {y:g}, {z:g} mm"):
                search.set_point(case["volume"], (x, y, z))
                st.switch_page(page_file("viewer"))


def _short(group: str) -> str:
    return group.replace("_", " ").capitalize()
