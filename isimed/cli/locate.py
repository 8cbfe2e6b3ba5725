"""One place, or a list of them, in every other patient."""

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from isimed.cli.terminal.output import bar, print_csv, print_json, say, writable
from isimed.cli.terminal.parser import CHECKPOINT_HELP, STEP_HELP, Commands, Options, finite, length_mm
from isimed.core.errors import InputError

if TYPE_CHECKING:
    from isimed.data.cohorts.cohort import Cohort
    from isimed.explore.search.locate import Location
    from isimed.ui.annotations.things import NamedPoint, Place

HEADER = ("volume", "x_mm", "y_mm", "z_mm", "latent_distance", "uncertainty_mm", "round_trip_mm", "note")
OUT = (".csv", ".zip")


def add(commands: Commands) -> None:
    locate = commands.add_on_cohort(
        "locate",
        run,
        "Where is this point, or each of these, in every other patient? CSV: scanner mm, latent mm.",
        example="locate mine --volume scan1 --mm 12 -30 88",
    )
    locate.add_argument("--checkpoint", help=CHECKPOINT_HELP)
    locate.add_argument("--volume", help="the volume that the point lies in; a CSV of points names its own")
    locate.add_argument("--reference", metavar="COHORT", help="look in this cohort instead (default: the volume's own)")
    locate.add_argument("--json", action="store_true", help="print JSON for scripts; null where there is no place")
    locate.add_argument("--coarse", action="store_true", help="leave out the last step, which compares voxels")
    locate.add_argument("--field", action="store_true", help="fit a smooth field between the scans; seconds a volume")
    asked = locate.add_mutually_exclusive_group(required=True)
    asked.add_argument("--mm", type=finite, nargs=3, metavar=("X", "Y", "Z"), help="scanner mm, RAS+")
    about = "points of 3D Slicer (.mrk.json, .fcsv) or the CSV that isimed writes: all of them at once"
    asked.add_argument("--points", metavar="FILE", help=about)
    about = "also write them: .csv, or a .zip with the files of 3D Slicer for each scan"
    locate.add_argument("--out", metavar="FILE", help=about)
    locate.add_argument("--step-mm", type=length_mm, help=STEP_HELP)


def run(options: Options) -> None:
    from isimed.data.cohorts.cohort import Cohort
    from isimed.explore.one_scan.describe import best_checkpoint, by_registration
    from isimed.explore.search.everywhere import locate

    cohort = Cohort.load(options.cohort)
    asked = _asked(options, cohort)
    if options.out and not options.out.endswith(OUT):
        raise InputError(f"--out {options.out}: give a file that ends in .csv or .zip.")
    writable(options.out, reads=[options.points])
    chosen = options.checkpoint or options.reference
    volumes = list(dict.fromkeys(point.clicked.volume for point in asked))
    registered = {volume: [] if chosen else by_registration(cohort, volume) for volume in volumes}
    known = [volume for volume in volumes if not registered[volume]]
    if len(known) < len(volumes):
        say("No network fits this scan: the place is found by registration in the labelled scans that came along.")
    checkpoint = options.checkpoint or (best_checkpoint(cohort, known[0]) if known else "")
    answered = []
    for point in asked:
        if there := registered[point.clicked.volume]:
            answered.append((point, [one.locate(point.clicked.mm, deform=not options.coarse) for one in there]))
            continue
        with bar("crop", f"Embedding with {checkpoint}") as progress:
            found = locate(
                cohort,
                checkpoint,
                point.clicked.volume,
                point.clicked.mm,
                reference=options.reference,
                refine=not options.coarse,
                deform=options.field,
                round_trip=True,
                step_mm=options.step_mm,
                progress=progress,
            )
        answered.append((point, found))
    if not answered[0][1]:
        say(f"{cohort.name} has one patient: give another cohort of such scans to look in, --reference COHORT.")
    named = bool(options.points)
    header = ("point", *HEADER) if named else HEADER
    rows = [(point.name, *row(place)) if named else row(place) for point, found in answered for place in found]
    if options.out:
        _write(Path(options.out), answered)
    if options.json:
        print_json([dict(zip(header, one, strict=True)) for one in rows])
    else:
        print_csv(header, rows)


def _asked(options: Options, cohort: "Cohort") -> list["NamedPoint"]:
    """The points that are looked for.

    Raises:
        InputError: a file cannot be read or holds none, or nothing says whose they are.
    """
    from isimed.ui.annotations.point_files import from_file
    from isimed.ui.annotations.things import NamedPoint, Place

    if not options.volume and not (options.points or "").endswith(".csv"):
        raise InputError("locate needs --volume: the scan whose millimetres these are.")
    if options.volume:
        cohort.entry(options.volume)
    if options.mm:
        x, y, z = options.mm
        return [NamedPoint("point", cohort.name, Place(options.volume, (x, y, z)))]
    file = Path(options.points)
    try:
        content = file.read_bytes()
    except OSError as error:
        raise InputError(f"{file} cannot be read ({error.strerror}): give a .mrk.json, .fcsv or .csv file.") from None
    found = [one for one in from_file(file.name, content, cohort, options.volume or "") if isinstance(one, NamedPoint)]
    if not found:
        raise InputError(f"{file} holds lines alone: give a file with points.")
    return found


def _write(file: Path, answered: list[tuple["NamedPoint", list["Location"]]]) -> None:
    from isimed.core.files import write_file
    from isimed.ui.annotations.exporting import as_csv, as_slicer_zip
    from isimed.ui.annotations.things import NamedPoint

    kept = [NamedPoint(one.name, one.cohort, one.clicked, tuple(_places(found))) for one, found in answered]
    write_file(file, as_csv(kept) if file.suffix == ".csv" else as_slicer_zip(kept))


def _places(found: list["Location"]) -> Iterator["Place"]:
    from isimed.ui.annotations.things import Place

    for one in found:
        if not one.note:  # a place that a scan does not show is none
            yield Place(one.volume, one.mm, "found", one.distance, one.uncertainty_mm)


def row(found: "Location") -> tuple[object, ...]:
    """A line of the table; a place that the volume does not show has no coordinates, and the note says why."""
    mm = (None, None, None) if found.note else found.mm
    return (found.volume, *mm, found.distance, found.uncertainty_mm, found.round_trip_mm, found.note)
