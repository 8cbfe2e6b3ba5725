"""The geometry and quality report."""

from isimed.cli.terminal.output import bar, print_json, print_lines
from isimed.cli.terminal.parser import JSON_HELP, Commands, Options


def add(commands: Commands) -> None:
    check = commands.add_on_cohort(
        "check",
        run,
        "Geometry and quality report, problems first; lengths in mm. Exits 1 where it finds errors.",
        example="check mine",
    )
    check.add_argument("--json", action="store_true", help=JSON_HELP)
    check.add_argument("--exit-zero", action="store_true", help="exit 0 whatever was found, for reports")


def run(options: Options) -> int:
    from isimed.data.cohorts.cohort import Cohort
    from isimed.data.quality.report import check_cohort

    with bar("volume", "Checking") as progress:
        report = check_cohort(Cohort.load(options.cohort), progress=progress)
    if options.json:
        print_json(report.told(), indent=1)
    else:
        print_lines(report.lines())
    return int(report.state == "error" and not options.exit_zero)
