"""One place in every other patient."""

import json
from typing import TYPE_CHECKING

from isimed.cli.terminal.output import bar, print_csv, say
from isimed.cli.terminal.parser import CHECKPOINT_HELP, STEP_HELP, Commands, Options, finite, length_mm

if TYPE_CHECKING:
    from isimed.explore.search.locate import Location

HEADER = ("volume", "x_mm", "y_mm", "z_mm", "latent_distance", "uncertainty_mm", "round_trip_mm", "note")


def add(commands: Commands) -> None:
    locate = commands.add_on_cohort(
        "locate", run, "Where is this point in every other patient? CSV: scanner mm, latent mm."
    )
    locate.add_argument("--checkpoint", help=CHECKPOINT_HELP)
    locate.add_argument("--volume", required=True, help="the volume that the point lies in")
    locate.add_argument("--reference", metavar="COHORT", help="look in this cohort instead (default: the volume's own)")
    locate.add_argument("--json", action="store_true", help="print JSON for scripts; null where there is no place")
    locate.add_argument("--coarse", action="store_true", help="leave out the last step, which compares voxels")
    locate.add_argument("--field", action="store_true", help="fit a smooth field between the scans; seconds a volume")
    locate.add_argument("--mm", required=True, type=finite, nargs=3, metavar=("X", "Y", "Z"), help="scanner mm, RAS+")
    locate.add_argument("--step-mm", type=length_mm, help=STEP_HELP)


def run(options: Options) -> None:
    from isimed.data.cohorts.cohort import Cohort
    from isimed.explore.one_scan.describe import best_checkpoint
    from isimed.explore.search.everywhere import locate

    cohort = Cohort.load(options.cohort)
    checkpoint = options.checkpoint or best_checkpoint(cohort, options.volume)
    with bar("crop", f"Embedding with {checkpoint}") as progress:
        found = locate(
            cohort,
            checkpoint,
            options.volume,
            options.mm,
            reference=options.reference,
            refine=not options.coarse,
            deform=options.field,
            round_trip=True,
            step_mm=options.step_mm,
            progress=progress,
        )
    if not found:
        say(f"{cohort.name} has one patient: give another cohort of such scans to look in, --reference COHORT.")
    if options.json:
        print(json.dumps([dict(zip(HEADER, row(place), strict=True)) for place in found], ensure_ascii=False))
    else:
        print_csv(HEADER, map(row, found))


def row(found: "Location") -> tuple[object, ...]:
    """A line of the table; a place that the volume does not show has no coordinates, and the note says why."""
    mm = (None, None, None) if found.note else found.mm
    return (found.volume, *mm, found.distance, found.uncertainty_mm, found.round_trip_mm, found.note)
