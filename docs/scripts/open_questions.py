"""The part of docs/results.md about what the paper left open, from what its studies left in docs/paper."""

import json
from pathlib import Path
from typing import Any

from isimed.evaluation.results.numbers import with_interval
from isimed.evaluation.results.result import Measured

PAPER = Path(__file__).parents[1] / "paper"
QUESTIONS = {
    "any": "tumour in the crop, AUC",
    "near": "tumour near the centre, AUC",
    "matched": "the same places, AUC",
    "rankme": "RankMe",
}
LOOK = """## Where and how it looks, side by side from one network

Look: 512 numbers of the first dense block of the same network, over the crop and over its middle; block and pooling
were chosen on the validation patients. The code, and so distances and landmarks, are the network's own in every row.
RankMe of features that each have a standard deviation of one. Less: paired difference to the embedding alone.
`python -m benchmarks.studies.look`.
"""
PATHOLOGY = """## The place of sick tissue

Error of the position that a linear map reads off the embedding, at tumours and at the same places of other patients
where these are healthy, median mm. `python -m benchmarks.studies.pathology`.
"""
DEFORMATION = """## Where two bodies differ most

Synthetic brains, so that every true place is known; the places of all pairs in three parts by what no affine map
explains of their shift. Median mm. `python -m benchmarks.studies.deformation`.
"""


def tables() -> list[str]:
    """Those that there are, as Markdown."""
    looks, sick, bent = (_read(f"{name}*.json") for name in ("look-", "pathology-", "deformation"))
    return [
        *([LOOK, *_looks(looks), ""] if looks else ()),
        *([PATHOLOGY, *_sick(sick), ""] if sick else ()),
        *([DEFORMATION, *_bent(next(iter(bent.values()))), ""] if bent else ()),
    ]


def told(file: str, path: str, figure: str) -> str:
    """One figure of a file in docs with its interval; ``path``: what it lies in, outermost first, ``>`` between.

    Raises:
        KeyError: there is none.
    """
    found = json.loads((PAPER.parent / f"{file}.json").read_text(encoding="utf-8"))
    for name in filter(None, map(str.strip, path.split(">"))):
        found = found[name]
    return _cell(found[figure])


def _read(pattern: str) -> dict[str, Any]:
    return {file.stem: json.loads(file.read_text(encoding="utf-8")) for file in sorted(PAPER.glob(pattern))}


def _cell(figure: dict[str, Any]) -> str:
    return with_interval(Measured.model_validate(figure))


def _row(*cells: str) -> str:
    return f"| {' | '.join(cells)} |"


def _looks(found: dict[str, Any]) -> list[str]:
    lines = [_row("", "features", *QUESTIONS.values()), _row(*["---"] * (len(QUESTIONS) + 2))]
    for name, one in found.items():
        where = f"{name.removeprefix('look-')}, {one['checkpoint']}, {one['patients']} patients"
        for part, said in (("rows", ""), ("less embedding", ", less embedding")):
            for kind, figures in one[part].items():
                lines.append(_row(where, f"{kind}{said}", *(_cell(figures[question]) for question in QUESTIONS)))
    return lines


def _sick(found: dict[str, Any]) -> list[str]:
    lines = [_row("", "network", "tumour", "healthy", "difference"), _row(*["---"] * 5)]
    for name, one in found.items():
        where = f"{name.removeprefix('pathology-')}, {one['patients']} patients"
        for network, figures in one["networks"].items():
            keys = ("tumour_mm", "healthy_mm", "tumour_less_healthy_mm")
            lines.append(_row(where, network, *(_cell(figures[key]) for key in keys)))
    return lines


def _bent(found: dict[str, Any]) -> list[str]:
    ways = {
        "deformation": "deformation",
        "codes": "codes agree on",
        "field": "codes, then field",
        "affine": "affine registration",
    }
    lines = [_row("deformation", *ways.values()), _row(*["---"] * (len(ways) + 1))]
    parts = {name: figures for name, figures in found.items() if isinstance(figures, dict)}
    return lines + [_row(name, *(_cell(figures[way]) for way in ways)) for name, figures in parts.items()]
