"""A folder, zip or DICOM tree becomes a cohort."""

from isimed.cli.terminal.output import bar, print_json, print_lines
from isimed.cli.terminal.parser import Commands, Options


def add(commands: Commands) -> None:
    importing = commands.add(
        "import",
        run,
        "Turn a folder, zip or DICOM tree into a cohort; copies nothing, says what becomes of each.",
        example="import /data/scans --name mine --dry-run",
    )
    importing.add_argument("path", help="folder, zip or file on this machine")
    importing.add_argument("--name", help="what to call the cohort (default: the folder's name)")
    importing.add_argument("--layout", default="auto", help="how the folder is laid out (default: recognise it)")
    importing.add_argument("--channel", help="which channel: a number from 0, or a name such as flair, CT or SUV")
    importing.add_argument(
        "--patient-from",
        metavar="RULE",
        help="who the patient is: folder:N, the N-th folder below PATH, or a regular expression with one group",
    )
    importing.add_argument("--modality", help="of every scan, where names do not say it or are wrong: CT, MRI or PET")
    importing.add_argument("--region", help="part of the body of every scan, such as head or abdomen")
    importing.several(
        "--role", metavar="PATTERN=ROLE", help="what the files of a name are: image, organs, tumour or skip"
    )
    importing.add_argument(
        "--register-to-mean",
        action="store_true",
        help="lay copies of the scans rigidly on their mean, no voxel resampled: a common frame",
    )
    importing.add_argument("--copy", action="store_true", help="copy the files into ISIMED_HOME")
    importing.add_argument(
        "--dry-run", action="store_true", help="only print what would be imported, as what, and what left out"
    )
    importing.add_argument("--json", action="store_true", help="print every file with its role as JSON")


def run(options: Options) -> None:
    from isimed.data.cohorts.cohort import Cohort
    from isimed.data.cohorts.corrections import Corrections
    from isimed.data.cohorts.importing import forget_plan, plan_import, write_plan
    from isimed.data.cohorts.mean_frame import register_to_mean

    by_hand = (options.patient_from, options.modality, options.region, tuple(options.role or ()))
    corrections = Corrections(*by_hand) if any(by_hand) else None
    with bar("file", "Reading") as progress:
        plan = plan_import(
            options.path, layout=options.layout, channel=options.channel, corrections=corrections, progress=progress
        )
    try:
        manifest = None if options.dry_run else write_plan(plan, name=options.name, copy=options.copy)
    finally:
        forget_plan(plan)
    if manifest and options.register_to_mean:
        with bar("scan", "Registering") as progress:
            register_to_mean(Cohort.load(manifest), progress=progress)
    if options.json:
        print_json(plan.to_json() | {"manifest": str(manifest or "")}, indent=1)
        return
    print_lines(plan.lines())
    if manifest is None:
        print("Nothing was written (--dry-run).")
        return
    cohort = Cohort.load(manifest)
    print(f"{cohort.name}: {len(cohort.volumes)} volumes of {len(cohort.subjects)} patients in {manifest}")
