"""Which patients train, choose and test, drawn once for every training and evaluation."""

from isimed.cli.terminal.output import print_json, writable
from isimed.cli.terminal.parser import JSON_HELP, Commands, Options, at_least, share


def add(commands: Commands) -> None:
    text = "Draw which patients train, validate and test, into a file that `train` and `evaluate` take as --split."
    split = commands.add_on_cohort("split", run, text, example="split mine --validation 0.2 --test 0.2")
    split.add_argument("--validation", type=share, default=0.2, help="share to choose epochs on (default: 0.2)")
    split.add_argument("--test", type=share, default=0.2, help="share that nothing sees before (default: 0.2)")
    split.add_argument("--seed", type=at_least(0), default=0, help="of the draw (default: 0)")
    split.add_argument("--file", help="where to write it (default: in ISIMED_HOME, where the app reads it)")
    split.add_argument("--replace", action="store_true", help="draw anew where the file holds another split")
    split.add_argument("--json", action="store_true", help=JSON_HELP)


def run(options: Options) -> None:
    from collections import Counter
    from pathlib import Path

    from isimed.core.errors import InputError
    from isimed.data.cohorts.cohort import Cohort
    from isimed.data.cohorts.splits import PARTS, draw_split, read_split, split_path, write_split

    cohort = Cohort.load(options.cohort)
    parts = draw_split(cohort, validation=options.validation, test=options.test, seed=options.seed)
    file = Path(options.file or split_path(cohort))
    writable(options.file, reads=[options.cohort])
    if file.exists() and not options.replace and read_split(cohort, file) != parts:
        raise InputError(f"{file} holds another split already: give --replace to draw it anew, or --file for another.")
    write_split(cohort, parts, file)
    counts = Counter(parts.values())
    if options.json:
        print_json({"file": file, **{part: counts[part] for part in PARTS}})
        return
    print(f"{file}: {', '.join(f'{counts[part]} {part}' for part in PARTS)}; patients, drawn with seed {options.seed}.")
