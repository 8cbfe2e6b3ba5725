"""Write the tables of docs/map.md from the JSON files that the map's benchmarks left in docs/map.

python -m docs.scripts.make_map
"""

import json
from collections.abc import Callable, Iterable, Mapping
from functools import partial
from pathlib import Path
from typing import Any

DOCS = Path(__file__).parents[1]
PAGE, DATA = DOCS / "map.md", DOCS / "map"
AXES = ("sagittal", "coronal", "axial")
STEPS = {
    "pca": "PCA fitted",
    "points": "all crops placed, axes turned, quality in 2D and 3D",
    "umap": "UMAP fitted, all crops placed, its quality",
    "quality": "one trustworthiness and continuity",
    "opening": "second opening, all the page reads",
}


def main() -> None:
    text = PAGE.read_text(encoding="utf-8")
    for name, lines in {"scale": scale(), "page": pages(), "axes": axes()}.items():
        start, end = f"<!-- {name} -->", f"<!-- end of {name} -->"
        before, rest = text.split(start)
        table = list(lines) or ["Not measured yet: run the command above."]
        text = before + "\n".join([start, "", *table, "", end]) + rest.split(end)[1]
    PAGE.write_text(text, encoding="utf-8")


def scale() -> Iterable[str]:
    """Seconds and peak memory of each step, whether it is the same again, and who moves; a column a table size."""
    rows = {words: partial(_seconds, step) for step, words in STEPS.items()} | {
        "fitted again in a fresh home and process: the same to the last bit": lambda data: _same(data.get("again")),
        "a patient more: largest move of an old crop, PCs and UMAP": lambda data: _moves(data.get("newcomer")),
        "load before (2 cores)": lambda data: f"{data['machine']['load_before'][0]:.1f}",
    }
    return _table("step", "× 1024", _read("scale-*.json"), rows)


def pages() -> Iterable[str]:
    """What a person waits for in Chromium, a column a table size."""
    rows = {
        "opening, new server": lambda data: f"{data['opening_new_server_s']:.1f} s",
        "opening again, slowest of 5": lambda data: f"{max(data['opening_again_s']):.2f} s",
        "change of colour, median / 95 %": lambda data: _spread(data["colour"]),
        "lasso to gallery, median / 95 %": lambda data: _spread(data["lasso_to_gallery"]),
        "the server's memory, at most": lambda data: f"{data['server_peak_gb']:.2f} GB",
    }
    return _table("in Chromium", "crops", _read("page-*.json"), rows)


def axes() -> Iterable[str]:
    """The 3×3 matrix of every checkpoint and of the true positions, and the readings."""
    for path in sorted(DATA.glob("axes-*.json")):
        data = json.loads(path.read_text(encoding="utf-8"))
        first = next(iter(data.values()))
        yield f"**{path.stem.removeprefix('axes-')}**: {first['patients']} patients, {first['crops']:,} crops"
        yield ""
        yield _row("r of", "", *AXES, "variance", "trustworthiness, continuity of PC1-2")
        yield _row(*["---"] * 7)
        for name, one in data.items():
            quality = one["quality"]["pca2"]
            yield from _matrix(
                name, one, one["explained"], f"{quality['trustworthiness']:.3f}, {quality['continuity']:.3f}"
            )
        yield from _matrix("true positions", first["true_positions"], None, "")
        yield ""
        yield _row("position read linearly", *[f"R² {axis}" for axis in AXES], "angles", "latent distance per mm")
        yield _row(*["---"] * 6)
        for name, one in data.items():
            r2 = [f"{one['r2_on_patients_left_out'][axis]:.3f}" for axis in AXES]
            angles = ", ".join(f"{angle:.0f}°" for angle in one["angles_degrees"])
            yield _row(name, *r2, angles, ", ".join(f"{value:.2g}" for value in one["latent_distance_per_mm"]))
        yield ""


def _table(
    corner: str, unit: str, found: list[dict[str, Any]], rows: Mapping[str, Callable[[dict[str, Any]], str]]
) -> Iterable[str]:
    """A row a figure, a column a table size; nothing where nothing was measured."""
    if not found:
        return
    yield _row(corner, *[f"{data['rows']:,} {unit}" for data in found])
    yield _row(*["---"] * (len(found) + 1))
    for words, figure in rows.items():
        yield _row(words, *[figure(data) for data in found])


def _matrix(name: str, one: dict[str, Any], explained: list[float] | None, quality: str) -> Iterable[str]:
    """Three rows; matched pairs are bold."""
    for n, (pc, r) in enumerate(one["r"].items()):
        cells = [f"**{r[axis]:+.2f}**" if one["matched"][axis] == pc else f"{r[axis]:+.2f}" for axis in AXES]
        share = f"{explained[n]:.0%}" if explained else ""
        yield _row("" if n else name, pc, *cells, share, "" if n else quality)


def _seconds(step: str, found: dict[str, Any]) -> str:
    if step not in found:
        return ""
    data = found[step]
    seconds = {"quality": "quality_s", "opening": "second_opening_s"}.get(step, "seconds")
    return f"{data[seconds]:.1f} s, {data['peak_gb']:.1f} GB" if seconds == "seconds" else f"{data[seconds]:.2f} s"


def _same(again: dict[str, Any] | None) -> str:
    return (
        ""
        if again is None
        else ", ".join(f"{name} {'yes' if same else 'NO'}" for name, same in again["identical"].items())
    )


def _moves(newcomer: dict[str, Any] | None) -> str:
    return "" if newcomer is None else ", ".join(f"{move:g}" for move in newcomer["largest_move"].values())


def _spread(data: dict[str, Any]) -> str:
    return f"{data['median_s']:.2f} / {data['p95_s']:.2f} s"


def _read(pattern: str) -> list[dict[str, Any]]:
    found = [json.loads(path.read_text(encoding="utf-8")) for path in DATA.glob(pattern)]
    return sorted(found, key=lambda data: data["rows"])


def _row(*cells: str) -> str:
    return f"| {' | '.join(cells)} |"


if __name__ == "__main__":
    main()
