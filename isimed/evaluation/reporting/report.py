"""One HTML file that says everything about a result, with no link to any other host."""

from html import escape
from pathlib import Path
from typing import Any

import plotly.graph_objects as go
from plotly.offline import get_plotlyjs

from isimed.core.files import write_file
from isimed.evaluation.reporting import charts, labels

STYLE = """
body { font: 15px/1.5 system-ui, sans-serif; color: #1c2530; background: #fff; margin: 0 auto; max-width: 1120px;
       padding: 32px 24px 64px }
h1 { font-size: 28px; margin: 0 0 4px } h2 { font-size: 19px; margin: 40px 0 8px; border-bottom: 1px solid #d8dee6 }
h3 { font-size: 15px; margin: 20px 0 4px }
table { border-collapse: collapse; margin: 8px 0 16px; font-size: 13.5px; font-variant-numeric: tabular-nums }
th, td { text-align: left; padding: 4px 14px 4px 0; border-bottom: 1px solid #e8ecf1; vertical-align: top }
th { font-weight: 600 } .quiet { color: #5b6673; font-size: 13.5px } .row { display: flex; gap: 16px; flex-wrap: wrap }
.row > div { flex: 1 1 460px; min-width: 0 } .limits { background: #fff5e0; padding: 8px 12px; border-radius: 6px }
details { margin: 8px 0 } code { font-size: 13px }
"""

# A chart is drawn when the browser reads it, before its neighbours take their share of the row.
SETTLE = '<script>addEventListener("load", () => dispatchEvent(new Event("resize")))</script>'


def write_html(result: dict[str, Any], path: str | Path) -> Path:
    """Write the report of a result.

    Raises:
        InputError: the file cannot be written.
    """
    return write_file(Path(path), to_html(result))


def to_html(result: dict[str, Any]) -> str:
    """The report as one page: data, patients, protocol, tables, charts, versions, date. plotly.js is inside."""
    name = escape(result["cohort"]["name"])
    body = [
        f"<h1>Evaluation on {name}</h1>",
        f'<p class="quiet">{_subtitle(result)}</p>',
        f'<p class="limits"><b>{escape(result["limits"])}</b> {_synthetic(result)}</p>',
        _about(result),
        *[_group(result, group) for group in labels.groups(result) if group not in labels.PARENTS],
        _likeness(result),
        _differences(result),
        _appendix(result),
    ]
    head = f'<meta charset="utf-8"><title>isimed: {name}</title><style>{STYLE}</style>'
    return (
        f'<!doctype html><html lang="en"><head>{head}<script>{get_plotlyjs()}</script></head>'
        f"<body>{''.join(body)}{SETTLE}</body></html>\n"
    )


def _subtitle(result: dict[str, Any]) -> str:
    drawn = f"seed {result['seed']} · {result.get('crops', 32)} crops a volume"
    return escape(f"{labels.measured(result)} · protocol {result['protocol']} · {drawn} · {result['created']}")


def _synthetic(result: dict[str, Any]) -> str:
    return "These patients are synthetic, made from the MNI152 template." if result.get("synthetic") else ""


def _about(result: dict[str, Any]) -> str:
    left_out, rows = result["subjects"]["left_out"], []
    for name, card in result["cards"].items():
        preparation = card["preparation"]
        trained = f"trained on {card['trained_on']}" if card["trained_on"] else "not trained"
        text = f"{card['method']}, {trained}, {preparation['spacing_mm']:g} mm, crops of {card['crop_size']}³ voxels"
        rows.append([name, text, card["fingerprint"]])
    held = (
        f"{len(left_out)} patients were left out because a checkpoint was trained or selected on them."
        if left_out
        else "No patient had to be left out: no checkpoint was trained or selected on this cohort's patients."
    )
    notes = "".join(f"<li>{escape(note)}</li>" for note in [held, *result["notes"]])
    intervals = (
        "Figures stand with their 95 % interval: patients drawn with replacement, all their crops with them; "
        "of ranks and likeness: blocks of patients left out."
    )
    table = _table(["checkpoint", "", "fingerprint"], rows)
    return f"<h2>What was measured</h2>{table}<ul>{notes}<li>{intervals}</li></ul>"


def _group(result: dict[str, Any], group: str) -> str:
    header, rows = labels.table(result, group)
    parts = [f"<h2>{escape(labels.group_label(group))}</h2>", _table(header, rows)]
    if group == "distance":
        parts += [_chart(charts.distance_scatter(result)), _chart(charts.distance_bins(result))]
    elif group == "position":
        matrices = [charts.component_matrix(result, name) for name in labels.columns(result)]
        parts.append(_side_by_side([charts.errors(result), *[m for m in matrices if m is not None]]))
    elif group == "collapse":
        parts.append(_side_by_side([charts.spectrum(result, "code"), charts.spectrum(result, "embedding")]))
    else:
        names = [n for n in labels.columns(result) if group in labels.figures_of(result, n)]
        figures = labels.bar_figures(group, list(labels.figures_of(result, names[0])[group]))
        parts.append(_chart(charts.bars(result, group, figures)))
    for child in labels.children(result, group):
        table = _table(*labels.table(result, child))
        parts.append(f"<details><summary>{escape(labels.group_label(child))}</summary>{table}</details>")
    return "".join(parts)


def _likeness(result: dict[str, Any]) -> str:
    header, rows = labels.likeness_table(result)
    if not rows:
        return ""
    return (
        "<h2>How alike the spaces of the checkpoints are</h2><p class='quiet'>On the same crops. CKA and shared "
        f"neighbours: 1 is the same space. Procrustes: 0 is the same map.</p>{_table(header, rows)}"
    )


def _differences(result: dict[str, Any]) -> str:
    rows = [
        [labels.pair_label(pair), labels.group_label(group), labels.figure_label(figure), labels.with_interval(value)]
        for pair, found in result["differences"].items()
        for group, figures in found.items()
        for figure, value in figures.items()
        if value["value"] is not None
    ]
    if not rows:
        return ""
    return (
        "<h2>Differences</h2><p class='quiet'>Paired over the same patients; an interval that does not hold 0 "
        f"is a difference.</p><details><summary>{len(rows)} figures</summary>"
        f"{_table(['difference', 'task', 'figure', 'value'], rows)}</details>"
    )


def _appendix(result: dict[str, Any]) -> str:
    versions = _table(["library", "version"], [[k, v] for k, v in result["versions"].items()])
    used, left_out = (", ".join(result["subjects"][key]) or "none" for key in ("used", "left_out"))
    cohort = result["cohort"]
    return (
        f"<h2>To repeat it</h2><p>Cohort {escape(cohort['name'])}, fingerprint <code>{cohort['fingerprint']}</code>, "
        f"protocol {result['protocol']}, seed {result['seed']}.</p><details><summary>Patients</summary>"
        f"<p>Measured: {escape(used)}.</p><p>Left out: {escape(left_out)}.</p></details>{versions}"
        f'<p class="quiet">Made by isimed. {escape(result["limits"])}</p>'
    )


def _table(header: list[str], rows: list[list[str]]) -> str:
    head = "".join(f"<th>{escape(cell)}</th>" for cell in header)
    lines = "".join("<tr>" + "".join(f"<td>{escape(str(cell))}</td>" for cell in row) + "</tr>" for row in rows)
    return f"<table><thead><tr>{head}</tr></thead><tbody>{lines}</tbody></table>"


def _side_by_side(figures: list[go.Figure]) -> str:
    return '<div class="row">' + "".join(f"<div>{_chart(figure)}</div>" for figure in figures) + "</div>"


def _chart(figure: go.Figure | None) -> str:
    if figure is None:
        return ""
    figure.update_layout(template="plotly_white")
    return figure.to_html(full_html=False, include_plotlyjs=False, config={"displayModeBar": False, "responsive": True})
