"""How a result looks on a page: headlines, tables, charts, worst crops, downloads."""

import pandas as pd
import plotly.graph_objects as go
import streamlit as st

from isimed.core.text import plain
from isimed.data.cohorts.cohort import Cohort
from isimed.evaluation.reporting import labels
from isimed.evaluation.reporting.report import to_html
from isimed.evaluation.results.numbers import number, with_interval
from isimed.evaluation.results.result import Result
from isimed.evaluation.run.registry import HEADLINES
from isimed.ui import state, style
from isimed.ui.pages import page_file
from isimed.ui.viewer import search
from isimed.ui.viewer.slices import slice_picture

SIDE_BY_SIDE = 3  # charts
BESIDE = {"untrained": "untrained", "position_only": "position only"}


def show_result(result: Result, cohort: Cohort) -> None:
    """Everything about a result, top down: what, headline, then a tab a task."""
    _about(result)
    _headlines(result)
    _downloads(result)
    groups = labels.groups(result)
    for tab, group in zip(st.tabs([_short(group) for group in groups]), groups, strict=True):
        with tab:
            _group(result, group, cohort)


def result_table(result: Result, group: str) -> None:
    header, rows = labels.table(result, group)
    frame = pd.DataFrame(rows, columns=["figure", *header[1:]])
    style.table(frame, height="content")


def plot(chart: go.Figure, key: str) -> None:
    st.plotly_chart(chart, key=key, width="stretch", config={"displayModeBar": False})


def _about(result: Result) -> None:
    left_out = len(result.subjects.left_out)
    parts = [result.who]
    if left_out:
        parts.append(f"{left_out} left out because a checkpoint was trained or selected on them")
    parts += [f"protocol {result.protocol}", f"seed {result.seed}", result.created[:10]]
    st.caption(plain(" · ".join([*parts, result.limits])))
    if result.intervals != "t":
        st.caption("Note: these intervals are of version 0.1.0, too narrow where patients are few. Measure again.")
    for note in result.notes[1:]:
        st.caption(f"Note: {plain(note)}")


def _headlines(result: Result) -> None:
    """One card a headline figure: the first checkpoint, and what must be beaten beside it."""
    first = next(iter(result.checkpoints))
    found = {(g, f): result.figure(first, g, f) for g, f in HEADLINES}
    shown = [(g, f, ours) for (g, f), ours in found.items() if ours and ours.value is not None][:5]
    for column, (group, figure, ours) in zip(st.columns(max(len(shown), 1)), shown, strict=False):
        column.metric(
            f"{_short(group)}: {labels.figure_label(figure)}",
            number(ours.value),
            help=f"{plain(first)}: {with_interval(ours)}, 95 % interval over patients.",
        )
        beside = {text: result.figure(name, group, figure) for name, text in BESIDE.items()}
        column.caption(" · ".join(f"{text} {number(f.value)}" for text, f in beside.items() if f) or " ")


def _downloads(result: Result) -> None:
    name = f"{result.cohort.name}-{result.protocol}"
    row = st.container(horizontal=True)
    row.download_button("CSV", labels.to_csv(result), f"{name}.csv", icon=":material/download:", on_click="ignore")
    row.download_button("JSON", result.to_json, f"{name}.json", icon=":material/download:", on_click="ignore")
    row.download_button(
        "Report", lambda: to_html(result), f"{name}.html", "text/html", icon=":material/download:", on_click="ignore"
    )


def _group(result: Result, group: str, cohort: Cohort) -> None:
    result_table(result, group)
    for line, row in enumerate(labels.chart_rows(result, group)):
        for start in range(0, len(row), SIDE_BY_SIDE):
            charts = row[start : start + SIDE_BY_SIDE]
            columns = style.halves([1] * len(charts), of=f"{group}-{line}-{start}")
            for i, (column, chart) in enumerate(zip(columns, charts, strict=True)):
                with column:
                    plot(chart, f"{group}-{line}-{start + i}")
    for child in labels.children(result, group):
        with st.expander(labels.group_label(child)):
            result_table(result, child)
    worst_crops(result, group, cohort)


def worst_crops(result: Result, group: str, cohort: Cohort) -> None:
    """The crops that the first checkpoint gets most wrong, as slices; a button opens one in the viewer."""
    name = next(iter(result.checkpoints))
    tasks = result.details.get(name, {}).values()
    known = {entry.id for entry in cohort.volumes}
    cases = [case for found in tasks for case in found.get("worst", {}).get(group, [])[:6]]
    cases = [case for case in cases if case.get("volume") in known]
    if not cases:
        return
    edge = result.cards[name].crop_size * result.cards[name].preparation["spacing_mm"]
    st.markdown(f"**Where {plain(name)} is most wrong**")
    for column, case in zip(st.columns(6), cases, strict=False):
        picture = slice_picture(
            state.scan(cohort, case["volume"]), case["centre_mm"], edge_mm=edge, modality=cohort.modality
        )
        with column:
            off = f"{number(case['score'])} {case.get('unit', 'mm off')}"
            st.image(picture, caption=f"{plain(case['subject'])} · {off}", alt=f"Found in {case['subject']}")
            x, y, z = case["centre_mm"]
            if st.button(
                "Open", key=f"{group}-{case['row']}", help=f"{plain(case['volume'])} at {x:g}, {y:g}, {z:g} mm"
            ):
                search.set_point(case["volume"], (x, y, z))
                st.switch_page(page_file("viewer"))


def _short(group: str) -> str:
    return group.replace("_", " ").capitalize()
