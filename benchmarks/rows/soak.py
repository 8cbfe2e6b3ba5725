"""The app over two hours at a slow pace: two people click about every 45 seconds, look at another page now and then.

Every twelfth click a session visits one of the other pages and comes back by a reload, as a new session. Takes two
hours, so it is left out where all rows are run: `python -m isimed bench soak`. Where the clicks were made by
`python -m benchmarks.rows.load` instead, `python -m benchmarks.rows.soak load.json` writes the row and the page from
what it saw.
"""

import json
import sys
import tempfile
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.lib.clients import Scenario
from benchmarks.lib.race import Figure, Measured, Setting, machine, record, write_json
from benchmarks.lib.under_load import click_seconds, flat_and_calm, memory_curve, memory_facts, ready_home, run_load
from isimed.core import paths

TITLE = "Two hours at a slow pace"
AGAINST = "itself, after the warm-up"


def measure(setting: Setting) -> Measured:
    ready_home()
    people = Scenario(
        str(paths.home()), sessions=2, seconds=60 if setting.quick else 7200, sample_every_s=20,
        pause_s=(5, 8) if setting.quick else (40, 55), visit_every=12,
    )  # fmt: skip
    with tempfile.TemporaryDirectory() as folder:
        return tell(run_load(people, Path(folder)))


def tell(found: dict[str, Any]) -> Measured:
    """The row of what a load saw."""
    seconds = click_seconds(found)
    thirds = [float(np.median(part)) for part in np.array_split(seconds, 3)]
    visits = len(seconds) // found["scenario"]["visit_every"] if found["scenario"]["visit_every"] else 0
    facts = {
        "minutes": round(found["memory"][-1]["at"] / 60),
        "sessions": found["scenario"]["sessions"],
        "clicks": len(seconds),
        "visits of other pages, and new sessions": f"about {visits}",
        "median click of the first, second and last third, s": ", ".join(f"{third:.2f}" for third in thirds),
        **memory_facts(found),
    }
    figures = [
        Figure("95th percentile of a click", float(np.quantile(seconds, 0.95)), "s", target=1.0),
        *flat_and_calm(found),
    ]
    return Measured([], facts, memory_curve(found), figures)


def main(path: str) -> None:
    from benchmarks.report import write_report
    from benchmarks.run import FOLDER
    from isimed.data.cohorts.cohort import Cohort

    found = json.loads(Path(path).read_bytes())
    home = found["scenario"]["home"]
    cohort = Cohort.load(Path(home) / "cohorts" / found["scenario"]["cohort"] / "dataset.json")
    write_json(FOLDER / "soak.json", record("soak", Setting(cohort), tell(found), machine(), found["memory"][-1]["at"]))
    write_report(FOLDER)


if __name__ == "__main__":
    main(sys.argv[1])
