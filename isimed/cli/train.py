"""Pretraining."""

from pathlib import Path
from typing import Any

from isimed.cli.terminal.output import bar, print_json, say
from isimed.cli.terminal.parser import Commands, Options, Parser
from isimed.core.errors import InputError
from isimed.training.optimise.config import Option, TrainConfig, options
from isimed.training.optimise.methods import METHODS
from isimed.training.optimise.presets import PRESETS, preset_options
from isimed.training.runs.pretrain import refusal


def add(commands: Commands) -> None:
    _add_options(
        commands.add(
            "train",
            run,
            "Pretrain a network on a cohort.",
            example="train mine --method isimed --epochs 50 --name first",
        )
    )


def run(options: Options) -> None:
    from isimed.core.sharding import launched
    from isimed.training.runs import jobs
    from isimed.training.runs.preflight import passed_over, preflight
    from isimed.training.runs.worker import create_together, execute

    config = _config(options)
    ready = preflight(config)
    for warning in ready.warnings:
        say(f"isimed: {warning}")
    for name, why in passed_over(config, _given(options), modality=ready.cohort.modality).items():
        say(f"isimed: --{name.replace('_', '-')} counts for nothing: {why}.")
    if config.on == "slurm":
        run = jobs.submit(config)
        print_json({"run": run.id, "state": jobs.status(run).state, "slurm_job": run.job["slurm_job"]})
        return
    run = create_together(config)
    alone_or_first = launched()[0] == 0
    if alone_or_first:
        say(f"run {run.id} in {run.folder}")
    with bar("step", config.method) as progress:

        def report(line: dict[str, Any]) -> None:
            if validation := line.get("validation"):
                figures = ", ".join(f"{name} {value:.3g}" for name, value in validation.items())
                say(f"epoch {line['epoch']}: held-out patients: {figures}")
            else:
                progress(line["number"], line["total_steps"])

        status = execute(run, report=report)
    if alone_or_first:
        print_json({"run": run.id, "state": status.state, "step": status.step, "best": status.best})


def _config(options: Options) -> TrainConfig:
    """What was given on the command line, before a preset's options, before those of a file."""
    from isimed.data.cohorts.cohort import Cohort
    from isimed.training.runs.folder import read_config

    given = _given(options)
    stored = read_config(options.config).model_dump(mode="json") if options.config else {}
    if "cohort" not in stored | given:
        raise InputError("train needs a cohort: give its name, the path of a dataset.json, or --config.")
    config = _checked(stored | given)
    if not options.preset:
        return config
    framed = Cohort.load(config.cohort).frame is not None
    preset = preset_options(options.preset, common_frame=framed, spacing_mm=config.spacing_mm)
    return _checked(stored | preset | given)


def _given(options: Options) -> dict[str, Any]:
    """The options of a training that stand on the command line."""
    return {name: getattr(options, name) for name in TrainConfig.model_fields if getattr(options, name) is not None}


def _checked(values: dict[str, Any]) -> TrainConfig:
    from pydantic import ValidationError

    try:
        return TrainConfig.model_validate(values)
    except ValidationError as error:
        raise InputError(refusal(error, option="--{}")) from None


def _add_options(parser: Parser) -> None:
    parser.add_argument("cohort", nargs="?", help=TrainConfig.model_fields["cohort"].description)
    parser.add_argument(
        "--config", type=Path, help="YAML file of options, such as a run's config.yaml; options given here override it"
    )
    parser.add_argument("--json", action="store_true", help="the result is JSON in any case; this is for scripts' sake")
    about = "every option as the paper has it, or as its authors' code has it: docs/paper.md; options here win"
    parser.add_argument("--preset", choices=list(PRESETS), help=about)
    for option in options():
        if option.name != "cohort":
            parser.add_argument("--" + option.name.replace("_", "-"), metavar=option.name.upper(), help=_help(option))


def _help(option: Option) -> str:
    """What an option is, its choices, and its default with its unit."""
    choices = tuple(METHODS) if option.name == "method" else option.choices
    said = f" One of: {', '.join(choices)}." if choices else ""
    if option.default is not None:
        unit = f" {option.unit}" if option.unit not in ("", "share") else ""
        said += f" (default {option.default}{unit})"
    return f"{option.description}{said}".replace("%", "%%")
