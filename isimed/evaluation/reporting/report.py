"""One HTML file that says everything about a result, with no link to any other host."""

from pathlib import Path
from typing import Any

import plotly.graph_objects as go
from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup
from plotly.offline import get_plotlyjs

from isimed.core.files import write_file
from isimed.evaluation.reporting import labels
from isimed.evaluation.results.controls import pair_label
from isimed.evaluation.results.numbers import with_interval
from isimed.evaluation.results.result import Result

TEMPLATE = "report.html"


def write_html(result: Result, path: str | Path) -> Path:
    """Write the report of a result.

    Raises:
        InputError: the file cannot be written.
    """
    return write_file(Path(path), to_html(result))


def to_html(result: Result) -> str:
    """The report as one page: data, patients, protocol, tables, charts, versions, date. plotly.js is inside.

    Every name comes from data: jinja2 escapes all of them, and nothing but the charts is taken as markup.
    """
    names = Environment(
        loader=PackageLoader("isimed.evaluation.reporting", "."), autoescape=True, undefined=StrictUndefined
    )
    return names.get_template(TEMPLATE).render(
        result=result,
        plotly=Markup(get_plotlyjs()),
        sections=[section(result, group) for group in labels.groups(result)],
        likeness=labels.likeness_table(result.likeness),
        differences=[
            [pair_label(pair), labels.group_label(group), labels.figure_label(figure), with_interval(value)]
            for pair, group, figure, value in result.measured_differences()
        ],
    )


def section(result: Result, group: str) -> dict[str, Any]:
    """A group as the template shows it: its title, table and charts, and the tables folded under it."""
    return {
        "title": labels.group_label(group),
        "table": labels.table(result, group),
        "charts": [[chart_html(chart) for chart in row] for row in labels.chart_rows(result, group)],
        "folded": [
            (labels.group_label(child), labels.table(result, child)) for child in labels.children(result, group)
        ],
    }


def chart_html(chart: go.Figure) -> Markup:
    chart.update_layout(template="plotly_white")
    options = {"displayModeBar": False, "responsive": True}
    return Markup(chart.to_html(full_html=False, include_plotlyjs=False, config=options))
