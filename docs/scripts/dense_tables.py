"""The dense network's part of docs/results.md, from what its studies left in docs/dense."""

import json
from pathlib import Path
from typing import Any

DENSE = Path(__file__).parents[1] / "dense"
LANDMARKS = """## Landmarks by codes alone, in whole scans and in halves

{targets} targets among the {patients} test patients of headneck-ct, each looked into from four others; no voxel is
compared. Half: the target ends in the middle of an axis, all six halves, asked for what they show. In parentheses: 95 %
over patients. `python -m benchmarks.studies.dense_landmarks` ([file](dense/landmarks.json)); what it means:
[dense](dense.md).
"""
ABLATION = """## What tells the border: the training of isimed-dense with one thing changed

{steps} steps of two virtual patients at 8 mm, a small network, one CPU core; 26 validation patients. **No row has
learned the body**: they show what a network picks up first. The difference from the full recipe of seed 0 is paired
over patients. `python -m benchmarks.studies.dense_ablation` ([file](dense/ablation.json)).
"""
COLUMNS = {
    "nearest, median mm": "nearest_{}_mm",
    "agreed, median mm": "agreed_{}_mm",
    "nearest beyond 30 mm": "nearest_{}_beyond_30",
    "agreed beyond 30 mm": "agreed_{}_beyond_30",
}


def tables() -> list[str]:
    """Both tables, as Markdown; those that there are."""
    found = {name: _read(name) for name in ("landmarks", "ablation")}
    return [
        *([_landmarks(found["landmarks"])] if found["landmarks"] else ()),
        *([_ablation(found["ablation"])] if found["ablation"] else ()),
    ]


def _read(name: str) -> Any:
    file = DENSE / f"{name}.json"
    return json.loads(file.read_text(encoding="utf-8")) if file.is_file() else None


def _landmarks(found: dict[str, Any]) -> str:
    header = ["", "landmarks", *COLUMNS, "nearest, without the spinal cord", "beyond 30 mm, without"]
    rows = []
    for row in found["rows"]:
        for part in ("whole", "half"):
            figures = row["figures"]
            keys = [key.format(part) for key in COLUMNS.values()]
            keys += [f"nearest_{part}_mm_without_cord", f"nearest_{part}_beyond_30_without_cord"]
            name = f"{row['checkpoint']}, codes every {row['step_mm']:g} mm, {part}"
            rows.append([name, str(row["landmarks"][part]), *(_told(key, figures[key]) for key in keys)])
    threads, clock = found["seconds"]["threads"], {n: one for n, one in found["seconds"].items() if n != "threads"}
    seconds = "; ".join(
        f"{name}: {one['processor_seconds']:.2g} s of the processor ({one['seconds']:.2g} s by the clock) for "
        f"{one['codes']:,} codes"
        for name, one in clock.items()
    )
    load = f"at a load of {found['machine']['load_before'][0]:.0f}"
    said = f"One scan of middling size, {threads} threads, the least of some turns on a machine {load}: {seconds}."
    return "\n".join([LANDMARKS.format(**found["about"]), *_markdown(header, rows), "", said, ""])


def _ablation(found: dict[str, Any]) -> str:
    keys = [f"{way}_{part}_mm" for way in ("nearest", "agreed") for part in ("whole", "half")]
    titles = [key.replace("_mm", ", mm").replace("_", ", ") for key in keys]
    header = ["", *titles, "nearest, half less whole", "Spearman within", "whole, beside", "half, beside"]
    rows = []
    for row in found["rows"]:
        beside = row["beside_full"]
        differences = [_told(key, beside[key], sign=True) if beside else "" for key in keys[:2]]
        told = [_told(key, row["figures"][key]) for key in keys]
        less = _told("mm", row["half_less_whole"]["nearest"], sign=True)
        rows.append([row["says"], *told, less, f"{row['within']['spearman']:.2f}", *differences])
    said = ABLATION.format(steps=f"{found['rows'][0]['steps']:,}")
    return "\n".join([said, *_markdown(header, rows), ""])


def _told(key: str, figure: dict[str, Any], *, sign: bool = False) -> str:
    """A figure with its interval: shares as per cent."""
    values = [figure["value"], figure["low"], figure["high"]]
    if "beyond" in key:
        value, low, high = (f"{100 * max(value, 0):.1f}" for value in values)
        return f"{value} % ({low} – {high})"
    value, low, high = (f"{value:+.1f}" if sign else f"{value:.1f}" for value in values)
    return f"{value} ({low} – {high})"


def _markdown(header: list[str], rows: list[list[str]]) -> list[str]:
    return [f"| {' | '.join(line)} |" for line in [header, ["---"] * len(header), *rows]]
