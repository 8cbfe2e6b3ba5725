"""Checkpoints measured on held-out patients."""

from pathlib import Path
from typing import Any

from isimed.cli.terminal.output import bar, say, writable
from isimed.cli.terminal.parser import Commands, Options, at_least
from isimed.core.files import write_file


def add(commands: Commands) -> None:
    evaluate = commands.add_on_cohort(
        "evaluate",
        run,
        "Measure checkpoints on held-out patients; distances in mm.",
        example="evaluate mine --checkpoint RUN untrained --json out.json --html report.html",
    )
    several = "names, run ids, folders or `untrained`; several are compared"
    evaluate.several("--checkpoint", required=True, help=several)
    evaluate.several("--task", help="which tasks (default: all)")
    evaluate.add_argument("--protocol", default="strict", help="strict or paper (default: strict)")
    evaluate.add_argument("--seed", type=at_least(0), default=0, help="seed of crops, folds and bootstrap (default 0)")
    evaluate.add_argument(
        "--split", metavar="FILE", help="JSON file that lists patients by part (default: all unseen ones)"
    )
    parts = ["train", "validation", "test"]
    evaluate.several("--part", choices=parts, help="parts of the split to measure (default: test)")
    evaluate.several("--subjects", metavar="ID", help="exactly these patients")
    evaluate.add_argument("--limit", type=at_least(1), help="at most N patients, drawn with the seed")
    evaluate.add_argument(
        "--crops",
        type=at_least(4),
        default=32,
        help="crops of a volume; other samples change in proportion (default 32)",
    )
    evaluate.add_argument("--dry-run", action="store_true", help="only say how many crops and minutes it would take")
    evaluate.add_argument("--json", metavar="FILE", help="write the result here and print its tables instead")
    about = "write details for charts and paired differences here, and leave them out of the JSON"
    evaluate.add_argument("--details", metavar="FILE", help=about)
    evaluate.add_argument("--html", metavar="FILE", help="also write a self-contained report")


def run(options: Options) -> None:
    from isimed.data.cohorts.cohort import Cohort
    from isimed.evaluation.context.networks import load_all
    from isimed.evaluation.reporting.labels import to_text
    from isimed.evaluation.reporting.report import write_html
    from isimed.evaluation.run.evaluate import evaluate
    from isimed.evaluation.run.plan import make_plan

    cohort = Cohort.load(options.cohort)
    asked: dict[str, Any] = {
        "tasks": options.task or ["all"],
        "protocol": options.protocol,
        "seed": options.seed,
        "subjects": options.subjects,
        "split": options.split,
        "parts": options.part or ["test"],
        "limit": options.limit,
        "crops": options.crops,
    }
    if options.dry_run:
        print(make_plan(cohort, load_all(cohort, options.checkpoint), **asked).sentence())
        return
    writable(options.json, options.details, options.html, reads=[options.split, options.cohort])
    with bar("%", "Evaluating") as progress:
        result = evaluate(cohort, options.checkpoint, **asked, progress=progress, say=say)
    if options.html:
        write_html(result, Path(options.html))
    if options.details:
        write_file(Path(options.details), result.only_details().to_json(indent=None) + "\n")
        result = result.without_details()
    if options.json:
        write_file(Path(options.json), result.to_json() + "\n")
    print(to_text(result) if options.json else result.to_json())
