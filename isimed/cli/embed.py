"""A grid of crops becomes an embedding table."""

from isimed.cli.terminal.output import bar, print_json, say, writable
from isimed.cli.terminal.parser import CHECKPOINT_HELP, JSON_HELP, STEP_HELP, Commands, Options, at_least, length_mm


def add(commands: Commands) -> None:
    embed = commands.add_on_cohort(
        "embed",
        run,
        "Embed a grid of crops of every volume; under torchrun, its share.",
        example="embed mine --checkpoint headneck-ct-dense --out crops.parquet",
    )
    embed.add_argument("--checkpoint", help=CHECKPOINT_HELP)
    embed.add_argument("--step-mm", type=length_mm, help=STEP_HELP)
    about = "also write the rows to one file, .parquet or .csv; not under torchrun"
    embed.add_argument("--out", metavar="FILE", help=about)
    embed.add_argument("--json", action="store_true", help=JSON_HELP)
    embed.add_argument("--limit", type=at_least(1), help="only the first N patients")


def run(options: Options) -> None:
    from isimed.core.errors import InputError
    from isimed.core.sharding import place, share
    from isimed.data.cohorts.cohort import Cohort
    from isimed.explore.one_scan.describe import best_checkpoint
    from isimed.explore.tables.embed import checkpoint_for, embed_cohort

    writable(options.out)
    cohort = Cohort.load(options.cohort)
    checkpoint = checkpoint_for(options.checkpoint or best_checkpoint(cohort), cohort)
    rank, world = place()
    if options.out and (world > 1 or not options.out.endswith((".parquet", ".csv"))):
        raise InputError(f"--out {options.out}: give a .parquet or .csv file, in a process alone.")
    part = f", part {rank + 1} of {world}" if world > 1 else ""
    entries = share(cohort.subset(cohort.subjects[: options.limit]))
    if not entries:
        say(f"Nothing to embed{part}: fewer volumes than parts.")
        if options.json:
            print_json({"crops": 0, "volumes": []})
        return
    with bar("crop", f"Embedding with {checkpoint.name}{part}") as progress:
        table = embed_cohort(cohort, checkpoint, step_mm=options.step_mm, entries=entries, progress=progress, say=say)
    if options.out:
        table.save(options.out)
    if options.json:
        print_json(table.info.model_dump() | {"crops": len(table), "volumes": table.volumes, "table": table.folder})
        return
    print(f"{len(table)} crops of {len(table.volumes)} volumes in {table.folder}{part}", flush=True)
