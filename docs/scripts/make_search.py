"""Write the tables of docs/search.md from the JSON files that the studies left in docs/search and docs/results.

python -m docs.scripts.make_search
"""

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

DOCS = Path(__file__).parents[1]
PAGE, DATA = DOCS / "search.md", DOCS / "search"
COHORTS = ("headneck-ct", "brain-t1")
NAMES = {
    "affine_registration": "no network: affine registration",
    "deformable_registration": "no network: centres of mass, twice",
    "untrained": "untrained network",
}
GROUPS = {"fields": "points and closed organs", "fields_points": "points", "fields_centroids": "centroids"}

HEAD = ("what starts the field", "the start, median mm", "field, median mm", "mean", "90 %", "within 5 mm",
        "within 10 mm", "beyond 30 mm", "Dice")  # fmt: skip


def main() -> None:
    PAGE.write_text(document(), encoding="utf-8")


def document() -> str:
    """The page, its tables made anew."""
    text = PAGE.read_text(encoding="utf-8")
    for name, lines in {"fields": fields(), "shared": shared(), "stress": stress(), "uncertainty": told()}.items():
        start, end = f"<!-- {name} -->", f"<!-- end of {name} -->"
        before, rest = text.split(start)
        table = list(lines) or ["Not measured yet."]
        text = before + "\n".join([start, "", *table, "", end]) + rest.split(end)[1]
    return text


def fields() -> Iterable[str]:
    """Landmarks by a smooth field, by what starts it."""
    for cohort in COHORTS:
        result = _read(DOCS / "results" / f"{cohort}-fields.json")
        if not result:
            continue
        ways = {name: groups for name, groups in (result["checkpoints"] | result["controls"]).items() if groups}
        first = next(iter(ways.values()))
        groups = GROUPS if "fields_points" in first else ("fields",)  # centroids alone are the same twice
        for group in groups:
            yield f"**{cohort}, {GROUPS[group]}** ([all figures](results/{cohort}-fields.json))"
            yield ""
            yield _row(*HEAD)
            yield _row(*["---"] * 9)
            for name, found in ways.items():
                one = found[group]
                yield _row(NAMES.get(name, name), _mm(one["start_median_mm"]), f"**{_mm(one['median_mm'])}**",
                           _mm(one["mean_mm"]), _mm(one["p90_mm"]), *[_share(one[key]) for key in
                           ("within_5mm", "within_10mm", "beyond_30mm")],
                           _number(one["dice"], 2) if "dice" in one else "")  # fmt: skip
            yield ""


def shared() -> Iterable[str]:
    """What a network and a registration without one miss alike."""
    for cohort in COHORTS:
        found = _read(DATA / f"shared-{cohort}.json")
        if not found:
            continue
        yield _row(cohort, "and", "places", "both miss alike, RMS mm", "codes", "own", "registration", "own",
                   "codes, then field", "own")  # fmt: skip
        yield _row(*["---"] * 10)
        for one in found:
            ways = [_number(one[key], 1) for way in ("codes", "registration", "codes_and_field") for key in
                    (f"{way}_mm", f"{way}_own_mm")]  # fmt: skip
            yield _row(one["network"], NAMES[one["registration"]], f"{one['places']} of {one['of']}",
                       f"**{_mm(one['shared_mm'])}**", *ways)  # fmt: skip
        yield ""


def stress() -> Iterable[str]:
    """A row a change, a column a way: median mm, and the share beyond 30 mm."""
    found = _read(DATA / "stress.json")
    if not found:
        return
    ways = list(dict.fromkeys(one["way"] for one in found))
    yield _row("the scan looked into is", "places", *ways)
    yield _row(*["---"] * (len(ways) + 2))
    for change in dict.fromkeys(one["change"] for one in found):
        of = {one["way"]: one for one in found if one["change"] == change}
        cells = [f"{_mm(of[way]['median_mm'])}; {_share(of[way]['beyond_30mm'])}" for way in ways]
        yield _row(change, str(of[ways[0]]["places"]), *cells)


def told() -> Iterable[str]:
    """How well a signal tells the error."""
    found = _read(DATA / "uncertainty.json")
    if not found:
        return
    yield _row(
        "signal",
        "Spearman with the error",
        "told limit for 80 %, from the surest tenth to the least sure",
        "true share within",
    )
    yield _row(*["---"] * 4)
    for name, figure in found["spearman_with_error"].items():
        calibrated = found["calibrated_on_the_other_half"][name]
        low, _, high = calibrated["limit_mm"]
        yield _row(name.replace("_", " "), _number(figure, 2), f"{low} to {high} mm", f"{calibrated['share']:.0%}")


def _mm(figure: dict[str, Any]) -> str:
    return f"{figure['value']:.1f} ({_bound(figure['low'], 1)} to {_bound(figure['high'], 1)})"


def _number(figure: dict[str, Any], digits: int) -> str:
    low, high = _bound(figure["low"], digits), _bound(figure["high"], digits)
    return f"{figure['value']:.{digits}f} ({low} to {high})"


def _share(figure: dict[str, Any]) -> str:
    return f"{figure['value']:.0%}" if figure["value"] == 0 or figure["value"] >= 0.01 else f"{figure['value']:.1%}"


def _bound(value: float | None, digits: int) -> str:
    return "?" if value is None else f"{value:.{digits}f}"


def _read(file: Path) -> Any:
    return json.loads(file.read_text(encoding="utf-8")) if file.exists() else None


def _row(*cells: str) -> str:
    return f"| {' | '.join(cells)} |"


if __name__ == "__main__":
    main()
