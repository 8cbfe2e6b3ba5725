"""Points and measurements as files for tables (scanner mm, R A S) and for 3D Slicer (L P S, as it writes itself)."""

import csv
import io
import json
import zipfile
from collections.abc import Sequence

from isimed.core.text import plain_cell
from isimed.ui.annotations.things import Measurement, Mm, NamedPoint

COLUMNS = ("name", "role", "cohort", "volume", "x_mm", "y_mm", "z_mm", "latent_distance", "uncertainty_mm")
MEASURE_COLUMNS = (
    "name", "kind", "volume", "plane", "x1_mm", "y1_mm", "z1_mm", "x2_mm", "y2_mm", "z2_mm", "length_mm", "area_mm2",
    "mean", "sd", "unit", "voxels",
)  # fmt: skip
SCHEMA = (
    "https://raw.githubusercontent.com/slicer/slicer/master/Modules/Loadable/Markups/Resources/Schema/"
    "markups-schema-v1.0.3.json#"
)


def as_csv(points: Sequence[NamedPoint]) -> str:
    """One row a place, scanner mm with R A S axes."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(COLUMNS)
    for point in points:
        for place in point.places:
            figures = ["" if v is None else f"{v:.2f}" for v in (place.distance, place.uncertainty_mm)]
            mm = [f"{v:.3f}" for v in place.mm]
            names = [plain_cell(name) for name in (point.name, place.role, point.cohort, place.volume)]
            writer.writerow([*names, *mm, *figures])
    return text.getvalue()


def measurements_as_csv(measurements: Sequence[Measurement]) -> str:
    """One row a measurement: both places in scanner mm with R A S axes, and its figures with their units."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(MEASURE_COLUMNS)
    for one in measurements:
        ends = [f"{v:.3f}" for end in one.ends_mm for v in end]
        area = "" if one.area_mm2 is None else f"{one.area_mm2:.2f}"
        statistics = ["" if v is None else f"{v:.4f}" for v in (one.mean, one.sd)]
        names = [plain_cell(name) for name in (one.name, one.kind, one.volume, one.plane)]
        writer.writerow([*names, *ends, f"{one.length_mm:.3f}", area, *statistics, one.unit, one.voxels or ""])
    return text.getvalue()


def as_fcsv(points: Sequence[tuple[str, Mm]]) -> str:
    """Named R A S points as a Slicer markups file. It is written in L P S, and says so: Slicer 4.11 and later's way.

    Args:
        points: (name, (x, y, z) R A S mm), all of one volume.
    """
    text = io.StringIO()
    text.write("# Markups fiducial file version = 4.11\n# CoordinateSystem = LPS\n")
    text.write("# columns = id,x,y,z,ow,ox,oy,oz,vis,sel,lock,label,desc,associatedNodeID\n")
    writer = csv.writer(text, lineterminator="\n")
    for number, (name, mm) in enumerate(points, start=1):
        writer.writerow([number, *(f"{v:.3f}" for v in to_lps(mm)), 0, 0, 0, 1, 1, 1, 0, name, "", ""])
    return text.getvalue()


def as_markups(points: Sequence[tuple[str, Mm]], lines: Sequence[tuple[str, tuple[Mm, Mm]]] = ()) -> str:
    """The same as ``.mrk.json``, Slicer 5's own format, which has lines as well.

    Args:
        points: (name, (x, y, z) R A S mm), all of one volume.
        lines: (name, both ends in R A S mm), of the same volume.
    """
    markups = [_markup("Fiducial", points)] if points else []
    markups += [_markup("Line", [(name, end) for end in ends], name=name) for name, ends in lines]
    return json.dumps({"@schema": SCHEMA, "markups": markups}, indent=1) + "\n"


def _markup(kind: str, points: Sequence[tuple[str, Mm]], *, name: str = "") -> dict:
    controls = [
        {
            "id": str(number),
            "label": name,
            "position": to_lps(mm),
            "orientation": [-1.0, 0.0, 0.0, 0.0, -1.0, 0.0, 0.0, 0.0, 1.0],
            "selected": True,
            "locked": False,
            "visibility": True,
            "positionStatus": "defined",
        }
        for number, (name, mm) in enumerate(points, start=1)
    ]
    markup = {"type": kind, "coordinateSystem": "LPS", "coordinateUnits": "mm", "controlPoints": controls}
    return markup | ({"name": name} if name else {})


def to_lps(mm: Sequence[float]) -> list[float]:
    """R A S mm -> L P S mm, the axes of DICOM, ITK and Slicer's files."""
    x, y, z = mm
    return [0.0 - x, 0.0 - y, float(z)]


def as_slicer_zip(points: Sequence[NamedPoint], measurements: Sequence[Measurement] = ()) -> bytes:
    """Both Slicer formats in a zip, a file a volume: every scan has millimetres of its own.

    Distances are lines in ``.mrk.json``; Slicer has no circle, so circles stand in the CSV alone.
    """
    volumes: dict[str, list[tuple[str, Mm]]] = {}
    lines: dict[str, list[tuple[str, tuple[Mm, Mm]]]] = {}
    for point in points:
        for place in point.places:
            volumes.setdefault(place.volume, []).append((point.name, place.mm))
    for one in measurements:
        if one.kind == "distance":
            lines.setdefault(one.volume, []).append((one.name, one.ends_mm))
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for volume in dict.fromkeys([*volumes, *lines]):
            named = volumes.get(volume, [])
            if named:
                archive.writestr(f"{volume}.fcsv", as_fcsv(named))
            archive.writestr(f"{volume}.mrk.json", as_markups(named, lines.get(volume, [])))
    return buffer.getvalue()
