"""A result in words: which tables it holds, how they are called, and their rows for a terminal, a page and CSV."""

import csv
import io
from collections.abc import Iterator
from typing import Any

import plotly.graph_objects as go

from isimed.core.text import plain_cell
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
