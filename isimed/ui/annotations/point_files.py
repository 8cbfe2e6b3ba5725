"""Points and distances from files: .mrk.json and .fcsv of 3D Slicer, and the CSV that isimed writes.

Whether a file's axes are R A S or L P S is read in it; a file that does not say is refused, never guessed.
"""

import csv
import io
import json
import math
from collections.abc import Iterable, Sequence
from typing import Any

from isimed.core.errors import InputError
from isimed.data.cohorts.cohort import Cohort
from isimed.ui.annotations.exporting import COLUMNS
from isimed.ui.annotations.on_disk import Thing
from isimed.ui.annotations.things import Measurement, Mm, NamedPoint, Place

SUFFIXES = ("json", "fcsv", "csv")
TO_RAS = {"RAS": (1, 1, 1), "LPS": (-1, -1, 1), "0": (1, 1, 1), "1": (-1, -1, 1)}  # Slicer once wrote numbers


def from_file(name: str, content: bytes, cohort: Cohort, volume: str) -> list[Thing]:
    """Read points and distances.

    Args:
        name: the file's name; its ending says the format.
        volume: the scan whose millimetres Slicer's files mean; a CSV names its own volumes.

    Raises:
        InputError: another format, axes that are not said, a number that is none, an unknown volume, or nothing in it.
    """
    try:
        text = content.decode("utf-8-sig")
        if name.endswith(".mrk.json"):
            found = _from_markups(name, text, cohort, volume)
        elif name.endswith(".fcsv"):
            found = _from_fcsv(name, text, cohort, volume)
        elif name.endswith(".csv"):
            found = _from_csv(name, text, cohort)
        else:
            raise InputError(f"{name} is none of .mrk.json, .fcsv and .csv: save it as one of these.")
    except (UnicodeDecodeError, json.JSONDecodeError, csv.Error) as error:
        raise InputError(f"{name} cannot be read ({error}): save it again as .mrk.json, .fcsv or .csv.") from None
    if not found:
        raise InputError(f"{name} holds no points: choose a file with points or lines.")
    return found


def _from_markups(name: str, text: str, cohort: Cohort, volume: str) -> list[Thing]:
    content = json.loads(text)
    markups = content.get("markups") if isinstance(content, dict) else None
    if not isinstance(markups, list) or not all(isinstance(one, dict) for one in markups):
        raise InputError(f"{name} has no list of markups: export it from 3D Slicer as .mrk.json.")
    found: list[Thing] = []
    for markup in markups:
        signs = _signs(name, markup.get("coordinateSystem"))
        if markup.get("coordinateUnits", "mm") not in ("mm", "millimeter"):
            raise InputError(f"{name} is in {markup['coordinateUnits']}, not in mm: export it in millimetres.")
        controls = [one for one in markup.get("controlPoints") or [] if isinstance(one, dict)]
        places = [_mm(name, one.get("position"), signs) for one in controls]
        if markup.get("type") == "Line" and len(places) == 2:
            label = str(markup.get("name") or controls[0].get("label") or "Line")
            found.append(Measurement(label, volume, "distance", "axial", (places[0], places[1])))
        elif markup.get("type") in ("Fiducial", None):
            labels = [str(one.get("label") or f"Point {n}") for n, one in enumerate(controls, start=1)]
            found += _points(zip(labels, places, strict=True), cohort, volume)
        else:
            raise InputError(f"{name} holds a {markup.get('type')}: only points and lines can be imported.")
    return found


def _from_fcsv(name: str, text: str, cohort: Cohort, volume: str) -> list[Thing]:
    said = [line.partition("=")[2].strip() for line in text.splitlines() if line.startswith("# CoordinateSystem")]
    signs = _signs(name, said[0] if said else None)
    rows = [row for row in csv.reader(line for line in text.splitlines() if not line.startswith("#")) if row]
    if any(len(row) < 12 for row in rows):
        raise InputError(f"{name} has a row of fewer than 12 columns: export it from 3D Slicer as .fcsv.")
    named = [(row[11] or f"Point {n}", _mm(name, row[1:4], signs)) for n, row in enumerate(rows, start=1)]
    return _points(named, cohort, volume)


def _from_csv(name: str, text: str, cohort: Cohort) -> list[Thing]:
    reader = csv.DictReader(io.StringIO(text))
    missing = [column for column in COLUMNS[:7] if column not in (reader.fieldnames or ())]
    if missing:
        raise InputError(f"{name} has no column {missing[0]}: it needs {', '.join(COLUMNS[:7])}.")
    found: list[NamedPoint] = []
    known = {entry.id for entry in cohort.volumes}
    for row in reader:
        label, role, volume = (_as_written(row[column]) for column in ("name", "role", "volume"))
        if volume not in known:
            raise InputError(f"{name} names a volume {volume}, which {cohort.name} does not have: open its cohort.")
        figures = [_figure(name, row.get(column)) for column in COLUMNS[7:]]
        mm = _mm(name, [row[axis] for axis in ("x_mm", "y_mm", "z_mm")], (1, 1, 1))
        place = Place(volume, mm, role, figures[0], figures[1])
        if role == "found" and found and found[-1].name == label:
            last = found.pop()
            found.append(NamedPoint(last.name, last.cohort, last.clicked, (*last.found, place)))
        else:
            found.append(NamedPoint(label, cohort.name, place))
    return list(found)


def _points(named: Iterable[tuple[str, Mm]], cohort: Cohort, volume: str) -> list[Thing]:
    return [NamedPoint(label, cohort.name, Place(volume, mm)) for label, mm in named]


def _signs(name: str, said: Any) -> Sequence[int]:
    if str(said).upper() not in TO_RAS:
        raise InputError(f"{name} does not say whether its axes are RAS or LPS: export it again, with its axes.")
    return TO_RAS[str(said).upper()]


def _mm(name: str, values: Any, signs: Sequence[int]) -> Mm:
    try:
        x, y, z = (sign * float(value) + 0.0 for sign, value in zip(signs, values, strict=True))
    except (TypeError, ValueError):
        x = math.nan
    if not all(map(math.isfinite, (x, y, z) if x == x else (x,))):
        raise InputError(f"{name} has a point that is not three numbers ({values}): correct it.")
    return x, y, z


def _figure(name: str, value: str | None) -> float | None:
    try:
        return float(value) if value else None
    except ValueError:
        raise InputError(f"{name} has {value!r} where a number belongs: correct it.") from None


def _as_written(cell: str | None) -> str:
    """Without the apostrophe that keeps spreadsheets from taking it for a formula."""
    cell = cell or ""
    return cell[1:] if len(cell) > 1 and cell[0] == "'" and cell[1] in "=+-@\t\r" else cell
