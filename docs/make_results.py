"""Write docs/results.md from the JSON files that `python -m isimed evaluate --json` left in docs/results.

python -m docs.make_results
"""

import json
from pathlib import Path
from typing import Any

from isimed.evaluation import words

DOCS = Path(__file__).parent
HEAD = """# Results

What was measured, whatever came out. Written by `python -m docs.make_results` from the JSON files in
[results](results); each of them is what `python -m isimed evaluate … --json` wrote. What each figure means, its formula
and its baseline: [evaluation](evaluation.md). Trainings, also those that did not help: [trials](trials.md).

In parentheses: 95 % interval, patients drawn with replacement, all their crops with them.
"""
LONGEST_LIST = 12


def main() -> None:
    parts = [HEAD]
    for path in sorted((DOCS / "results").glob("*.json")):
        parts.append(section(json.loads(path.read_text(encoding="utf-8")), path.name))
    (DOCS / "results.md").write_text("\n".join(parts), encoding="utf-8")


def section(result: dict[str, Any], file: str) -> str:
    """One result: its data, split and protocol, then a table a group of figures."""
    cohort = result["cohort"]
    lines = [
        f"## {', '.join(result['checkpoints'])} on {cohort['name']}, protocol {result['protocol']}",
        "",
        f"{cohort['subjects']} patients{' (synthetic)' if result.get('synthetic') else ''}, {result['crops']} crops a "
        f"volume, seed {result['seed']}, {result['created'][:10]}, isimed {result['versions']['isimed']}. "
        f"File: [{file}](results/{file}).",
        "",
        *[f"- {name}: {card}" for name, card in map(described, result["cards"].items())],
        *[f"- {note}" for note in result["notes"]],
        "",
    ]
    for group in words.groups(result):
        header, rows = words.table(result, group)
        if len(rows) > LONGEST_LIST * 3:
            continue  # every figure under every change: in the JSON
        lines += [f"### {words.group_label(group)}", "", *markdown(header, rows), ""]
    header, rows = words.likeness_table(result)
    if rows:
        lines += ["### How alike the spaces are", "", *markdown(header, rows), ""]
    return "\n".join(lines)


def described(item: tuple[str, dict[str, Any]]) -> tuple[str, str]:
    name, card = item
    trained = f"trained on {card['trained_on']}" if card["trained_on"] else "not trained"
    size = f"{card['preparation']['spacing_mm']:g} mm, crops of {card['crop_size']}³ voxels"
    return name, f"{card['method']}, {trained}, {size}, fingerprint {card['fingerprint']}"


def markdown(header: list[str], rows: list[list[str]]) -> list[str]:
    lines = [header, ["---"] * len(header), *rows]
    return [f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in line)} |" for line in lines]


if __name__ == "__main__":
    main()
