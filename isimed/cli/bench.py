"""Speed beside what people would use instead."""

import importlib
import sys

from isimed.cli.terminal.parser import Commands, Options
from isimed.core import paths
from isimed.core.errors import InputError


def add(commands: Commands) -> None:
    bench = commands.add(
        "bench",
        run,
        "Speed beside what people would use instead; figures are ratios.",
        example="bench query --quick --json rows.json",
    )
    bench.add_argument("names", nargs="*", metavar="NAME", help="which rows (default: all); see docs/benchmarks.md")
    bench.add_argument("--cohort", help="real scans (default: headneck-ct in ISIMED_SHARED or ../shared, or the demo)")
    bench.add_argument(
        "--checkpoint", help="checkpoint that embeds (default: one that fits the cohort, or `untrained`)"
    )
    bench.add_argument(
        "--quick", action="store_true", help="a short try to see that rows run; writes only the file of --json"
    )
    bench.add_argument("--device", default="cpu", choices=["cpu", "cuda"], help="of the pretraining rows (default cpu)")
    bench.add_argument("--json", metavar="FILE", help="also write what was measured here")


def run(options: Options) -> None:
    root = paths.PACKAGE.parent
    if not (root / "benchmarks" / "run.py").is_file():
        raise InputError("bench needs the source tree, where benchmarks/ is: clone the repository and run it there.")
    sys.path.insert(0, str(root))
    rows = importlib.import_module("benchmarks.run")
    rows.run(
        options.names, cohort=options.cohort, checkpoint=options.checkpoint, quick=options.quick,
        json_file=options.json, device=options.device,
    )  # fmt: skip
