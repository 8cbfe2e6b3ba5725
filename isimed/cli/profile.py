"""What a network was trained on, measured once and put beside its weights."""

from isimed.cli.terminal.output import bar, print_json
from isimed.cli.terminal.parser import JSON_HELP, Commands, Options


def add(commands: Commands) -> None:
    text = "Measure what a checkpoint was trained on, so that it can say of a new scan whether it fits."
    profile = commands.add_on_cohort("profile", run, text, example="profile mine --checkpoint RUN")
    profile.add_argument("--checkpoint", required=True, help="name, run id or folder; the cohort is that of its card")
    profile.add_argument("--json", action="store_true", help=JSON_HELP)


def run(options: Options) -> None:
    from isimed.core.errors import InputError
    from isimed.data.cohorts.cohort import Cohort
    from isimed.explore.one_scan.fit import limit_of
    from isimed.explore.one_scan.profile import FILE, make_profile, save_profile
    from isimed.models.checkpoint import load_checkpoint

    cohort, checkpoint = Cohort.load(options.cohort), load_checkpoint(options.checkpoint)
    if checkpoint.folder is None:
        raise InputError(f"{checkpoint.name} has no folder to put a profile into: give a trained checkpoint.")
    with bar("scan", f"Looking at {cohort.name}") as progress:
        profile = make_profile(checkpoint, cohort, progress=progress)
    file = save_profile(profile, checkpoint.folder / FILE)
    _, coverage = limit_of(profile.scan_misfits)
    if options.json:
        info = profile.info
        print_json({"file": file, "crops": len(profile.features), "patients": info.patients, "scans": info.scans,
                    "fitting_scans_that_pass": coverage})  # fmt: skip
        return
    print(
        f"{file}: {len(profile.features)} crops of {profile.info.patients} patients; the limit lets {coverage:.0%} of "
        f"fitting scans pass, measured on {profile.info.scans}."
    )
