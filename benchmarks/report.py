"""docs/benchmarks.md and its plot, made from docs/benchmarks/*.json and docs/benchmarks/log.md.

python -m benchmarks.report
"""

import importlib
import json
from pathlib import Path
from typing import Any

import plotly.graph_objects as go

from benchmarks import ROWS

START = """# Speed, beside what people would use instead

Most figures are ratios: ours over the other's, both run in turn in one process set, median of the repeats, least and
largest in brackets. The others are what a person meets: seconds, errors, memory. This page is made by
`python -m isimed bench` (all rows but the two hours of `soak`, or some by name; `--quick` to try), from one JSON file a
row in [benchmarks](benchmarks/), which also holds the values of all repeats and the machine. No GPU was lent for these
figures; on one, `benchmarks/gpu.sh FOLDER` measures the same ratios (targets there: 0.9, 3 and 2) on small and large
scans, all methods, how busy the GPU was and its memory at most, in about 15 minutes.

| what | against | figure | ours | other | target | met |
|---|---|---|---|---|---|---|
"""
APP = """| App: a click, the wheel | - | in [search](search.md#how-fast) | | | those of the page | |
| App: map, colour, lasso | - | in [map](map.md) | | | those of the page | |
"""


def write_report(folder: Path, *, plot: bool = True) -> None:
    """Write ``folder.md`` and ``folder/ratios.png`` from the rows that have been measured."""
    files = {name: folder / f"{name}.json" for name in ROWS}
    rows = [json.loads(path.read_bytes()) for path in files.values() if path.is_file()]
    text = START + "".join(f"{line}\n" for row in rows for line in _lines(row))
    text += "".join(f"{_missing(name)}\n" for name, path in files.items() if not path.is_file()) + APP
    if plot and any(ratio["target"] for row in rows for ratio in row["ratios"]):
        _plot(rows).write_image(folder / "ratios.png", scale=2)
        text += f"\n![Ratios over their targets]({folder.name}/ratios.png)\n"
    for row in rows:
        text += _section(row)
        if plot and row.get("curves"):
            _plot_curves(row["curves"]).write_image(folder / f"{row['row']}.png", scale=2)
            text += f"\n![Curves of {row['row']}]({folder.name}/{row['row']}.png)\n"
    log = folder / "log.md"
    if log.is_file():
        text += "\n" + log.read_text(encoding="utf-8")
    folder.with_suffix(".md").write_text(text, encoding="utf-8")


def _lines(row: dict[str, Any]) -> list[str]:
    module = importlib.import_module(f"benchmarks.rows.{row['row']}")
    lines = []
    for ratio in row["ratios"]:
        spread, sign = ratio["ratio"], "≤" if ratio["at_most"] else "≥"
        target = "stated" if ratio["target"] is None else f"{sign} {ratio['target']:g}"
        met = {None: "", True: "yes", False: "**no**"}[ratio["met"]]
        ours, other = (f"{_median(ratio[way]):.3g} {ratio['unit']}" for way in ("ours", "other"))
        figure = f"**{spread['median']:.2f}** ({spread['low']:.2f}-{spread['high']:.2f})"
        what = f"[{module.TITLE}](#{row['row']}): {ratio['what']}"
        lines.append(f"| {what} | {module.AGAINST} | {figure} | {ours} | {other} | {target} | {met} |")
    for one in row.get("figures", []):
        sign, met = "≥" if one["at_least"] else "≤", {None: "", True: "yes", False: "**no**"}[one["met"]]
        target = "stated" if one["target"] is None else f"{sign} {one['target']:g}"
        what, value = f"[{module.TITLE}](#{row['row']}): {one['what']}", f"**{one['value']:.3g}** {one['unit']}".strip()
        lines.append(f"| {what} | {module.AGAINST} | {value} | | | {target} | {met} |")
    return lines


def _missing(name: str) -> str:
    module = importlib.import_module(f"benchmarks.rows.{name}")
    return f"| {module.TITLE} | {module.AGAINST} | not measured yet: `python -m isimed bench {name}` | | | | |"


def _section(row: dict[str, Any]) -> str:
    module = importlib.import_module(f"benchmarks.rows.{row['row']}")
    machine = row["machine"]
    where = (
        f"{row['cohort']}, {row['date']}, {machine['cpu']}, {machine['cores']} cores, {machine['instructions']}, "
        f"{machine['threads']} threads, load before {(machine['load_before'] or ['?'])[0]}, {row['seconds']:.0f} s."
    )
    about = " ".join((module.__doc__ or "").split())
    text = f"\n## {row['row']}\n\n{about}\n\nRun on {where}\n"
    if why := getattr(module, "WHY", ""):
        text += f"\n{why}\n"
    plain = {name: value for name, value in row["facts"].items() if not isinstance(value, dict)}
    if plain:
        text += "\n" + "\n".join(f"- {name}: {value}" for name, value in plain.items()) + "\n"
    for value in row["facts"].values():
        if isinstance(value, dict):
            text += "\n" + _table(value)
    return text


def _table(found: dict[str, dict[str, Any]]) -> str:
    names = list(next(iter(found.values())))
    lines = [f"| | {' | '.join(names)} |", "|---" * (len(names) + 1) + "|"]
    lines += [f"| {key} | {' | '.join(str(one[name]) for name in names)} |" for key, one in found.items()]
    return "\n".join(lines) + "\n"


def _plot(rows: list[dict[str, Any]]) -> go.Figure:
    """How far each ratio is beyond its target: 1 is the target, right of it is better, on a logarithmic axis."""
    figure = go.Figure()
    bars = [(row["row"], ratio) for row in rows for ratio in row["ratios"] if ratio["target"]]
    shares = [_beyond(ratio, ratio["ratio"]["median"]) for _, ratio in bars]
    ends = [sorted(_beyond(ratio, ratio["ratio"][end]) for end in ("low", "high")) for _, ratio in bars]
    figure.add_scatter(
        x=shares,
        y=[f"{row}: {ratio['what']}" for row, ratio in bars],
        mode="markers",
        marker={"size": 10, "color": ["#1b7f4b" if ratio["met"] else "#c0392b" for _, ratio in bars]},
        error_x={
            "type": "data",
            "symmetric": False,
            "array": [high - share for (_, high), share in zip(ends, shares, strict=True)],
            "arrayminus": [share - low for (low, _), share in zip(ends, shares, strict=True)],
        },
    )
    figure.add_vline(x=1, line_dash="dash")
    figure.update_xaxes(type="log", title="ratio / target (at most: target / ratio); right of 1 is met")
    figure.update_yaxes(autorange="reversed")
    figure.update_layout(template="plotly_white", width=1000, height=140 + 30 * len(bars), margin={"l": 10, "t": 20})
    return figure


def _plot_curves(curves: dict[str, dict[str, list[float]]]) -> go.Figure:
    """Lines; over several orders of magnitude as multiples of their first value, on logarithmic axes."""
    figure = go.Figure()
    ends = [end for curve in curves.values() for end in (min(curve["x"]), max(curve["x"]))]
    wide = min(ends) > 0 and max(ends) >= 20 * min(ends)
    for name, curve in curves.items():
        values = [value / curve["y"][0] for value in curve["y"]] if wide else curve["y"]
        figure.add_scatter(x=curve["x"], y=values, name=name, mode="lines+markers" if len(values) < 20 else "lines")
    if wide:
        figure.update_xaxes(type="log", title="volumes")
        figure.update_yaxes(type="log", title="multiple of the smallest size")
    else:
        figure.update_yaxes(rangemode="tozero")
    figure.update_layout(template="plotly_white", width=900, height=320, showlegend=True, margin={"l": 10, "t": 20})
    return figure


def _beyond(ratio: dict[str, Any], value: float) -> float:
    return ratio["target"] / value if ratio["at_most"] else value / ratio["target"]


def _median(values: list[float]) -> float:
    return sorted(values)[len(values) // 2]


if __name__ == "__main__":
    write_report(Path(__file__).resolve().parents[1] / "docs" / "benchmarks")
