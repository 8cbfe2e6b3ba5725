"""Trainings: listed, stopped, resumed, exported."""

from pathlib import Path

from isimed.cli.terminal.output import print_json, say
from isimed.cli.terminal.parser import JSON_HELP, Commands, Options
from isimed.core.errors import InputError


def add(commands: Commands) -> None:
    runs = commands.add(
        "runs",
        run,
        "List, stop or resume trainings; export what one left.",
        example='runs export RUN --to my-network --about "what it was trained on"',
    )
    runs.add_argument(
        "action",
        nargs="?",
        default="list",
        choices=["list", "stop", "resume", "export"],
        help="default: list",
    )
    runs.add_argument("id", nargs="?", help="the run, as the list names it")
    runs.add_argument("--json", action="store_true", help=JSON_HELP)
    runs.add_argument("--to", metavar="FOLDER", help="export: where to; the folder's name becomes the checkpoint's")
    runs.add_argument("--about", default="", help="export: what it was trained on")
    runs.add_argument("--provenance", default="", help="export: where the data come from, and their licence")


def run(options: Options) -> None:
    from isimed.training.runs import jobs
    from isimed.training.runs.folder import Run

    if options.action == "list":
        listed = [(run, jobs.status(run)) for run in Run.all()]
        if options.json:
            print_json([{"run": run.id, **vars(status)} for run, status in listed])
            return
        if not listed:
            say("There are no runs yet: `isimed train COHORT` makes one.")
        for run, status in listed:
            figures = ", ".join(f"{name} {value:.3g}" for name, value in status.best.items())
            print(f"{run.id}  {status.state}  step {status.step}/{status.total_steps}  {figures}  {status.message}")
        return
    if not options.id:
        raise InputError(f"runs {options.action} needs a run: see `python -m isimed runs list`.")
    if options.action == "export":
        from isimed.models.sharing.export import export_checkpoint

        if not options.to:
            raise InputError("runs export needs --to FOLDER: where the checkpoint goes.")
        folder = Path(options.to).absolute()
        made = export_checkpoint(options.id, folder, description=options.about, provenance=options.provenance)
        if options.json:
            print_json({"checkpoint": made})
        else:
            print(made)
        return
    run = Run.find(options.id)
    (jobs.stop if options.action == "stop" else jobs.resume)(run)
    state = jobs.status(run).state
    if options.json:
        print_json({"run": run.id, "state": state})
    else:
        print(f"{run.id}: {state}")
