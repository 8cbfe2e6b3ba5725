"""Runs rows and keeps what they found: a JSON file a row in docs/benchmarks, from which docs/benchmarks.md is made."""

import importlib
import json
import os
import sys
import time
import traceback
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from benchmarks import LONG, ROWS
from benchmarks.lib.race import Setting, machine, record, write_json
from isimed.core.errors import InputError
from isimed.data.cohorts.cohort import Cohort
from isimed.explore.one_scan.choose import fitting_checkpoints
from isimed.models.card import UNTRAINED, find_checkpoint, read_card

ROOT = Path(__file__).resolve().parents[1]
FOLDER = ROOT / "docs" / "benchmarks"


def run(
    names: Sequence[str],
    *,
    cohort: str | None,
    checkpoint: str | None,
    quick: bool,
    json_file: str | None,
    device: str = "cpu",
) -> None:
    """Run rows (by default all but those of hours), print their ratios, write their files unless it is a quick try.

    Raises:
        InputError: there is no such row, or no cohort to run on.
    """
    unknown = [name for name in names if name not in ROWS]
    if unknown:
        raise InputError(f"There is no benchmark {unknown[0]}: choose from {', '.join(ROWS)}.")
    if device == "cpu":  # here and in the processes of the rows; without it, embedding takes a GPU by itself
        os.environ["CUDA_VISIBLE_DEVICES"] = ""
    scans = Cohort.load(cohort or default_cohort())
    setting = Setting(scans, checkpoint or default_checkpoint(scans), quick, device)
    found, broken = [], []
    for name in names or [row for row in ROWS if row not in LONG]:
        try:
            found.append(run_row(name, setting))
        except Exception as error:  # the hours of other rows are not lost for one that breaks
            print(f"{name}: {error}", file=sys.stderr)
            if not isinstance(error, InputError):
                traceback.print_exc()
            broken.append(name)
            continue
        if not quick:
            write_json((FOLDER if device == "cpu" else FOLDER / device) / f"{name}.json", found[-1])
    if json_file:
        write_json(Path(json_file), found)
    if not quick and device == "cpu":  # a GPU's figures stand in a folder of their own
        from benchmarks.report import write_report

        write_report(FOLDER)
    if broken:
        raise InputError(f"{', '.join(broken)} broke off, see above; the other rows are written.")


def run_row(name: str, setting: Setting) -> dict[str, Any]:
    before, start = machine(), time.perf_counter()
    measured = importlib.import_module(f"benchmarks.rows.{name}").measure(setting)
    found = record(name, setting, measured, before, time.perf_counter() - start)
    values = [(ratio.what, ratio.median, ratio.target, ratio.at_most, ratio.met) for ratio in measured.ratios]
    values += [(one.what, one.value, one.target, not one.at_least, one.met) for one in measured.figures]
    for what, value, target, at_most, met in values:
        verdict = {None: "", True: ", met", False: ", missed"}[met]
        said = "" if target is None else f" (target {'<=' if at_most else '>='} {target:g}{verdict})"
        print(f"{name}: {what}: {value:.3g}{said}", file=sys.stderr, flush=True)
    print(json.dumps({"row": name, "facts": found["facts"]}), flush=True)
    return found


def default_checkpoint(scans: Cohort) -> str:
    """The best fitting network of crops: a dense one has a field of the whole scan, which rows of crops race."""
    crops = (one for one in fitting_checkpoints(scans) if read_card(find_checkpoint(one)).architecture != "dense")
    return next(crops, UNTRAINED)


def default_cohort() -> str:
    """Real scans where there are some (ISIMED_SHARED, or ``../shared``), else the demo cohort."""
    shared = Path(os.environ.get("ISIMED_SHARED") or ROOT.parent / "shared") / "data" / "headneck-ct" / "dataset.json"
    return str(shared) if shared.is_file() else "demo-brain"
