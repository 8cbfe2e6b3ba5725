"""What one scan is, which network fits it, and what lies at a place of it."""

from isimed.cli.terminal.output import bar, print_json
from isimed.cli.terminal.parser import JSON_HELP, Commands, Options, finite


def add(commands: Commands) -> None:
    where = commands.add(
        "where",
        run,
        "Say what a scan shows, which checkpoint fits it, and what lies at a place.",
        example="where scan.nii.gz --mm 12 -30 88",
    )
    where.add_argument("scan", help="any scan: NIfTI, NRRD, MetaImage, or DICOM as a file, folder or zip")
    where.add_argument("--mm", type=finite, nargs=3, metavar=("X", "Y", "Z"), help="a place, scanner mm, RAS+")
    where.add_argument("--checkpoint", help="use only this network (default: the one that fits best)")
    where.add_argument("--reference", metavar="COHORT", help="labelled cohort that names organs (default: any)")
    where.add_argument("--json", action="store_true", help=JSON_HELP)


def run(options: Options) -> None:
    from isimed.data.cohorts.cohort import Cohort
    from isimed.explore.one_scan.where import where

    reference = Cohort.load(options.reference) if options.reference else None
    with bar("crop", "Embedding") as progress:
        said = where(options.scan, mm=options.mm, checkpoint=options.checkpoint, reference=reference, progress=progress)
    if options.json:
        print_json(said.to_json())
    else:
        print("\n".join(said.lines()))
