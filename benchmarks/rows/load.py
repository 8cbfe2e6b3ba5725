"""Eight people click in the viewer at once for five minutes, on this machine's cores, while a training runs.

Tabs of one Chromium (which takes its part of the cores) click at random places in the demo cohort, a second or so after
the answer to the last click. The server's memory is its own, without pages of mapped files; the first fifth of the time
is warm-up. An error is an exception on a page or in the server's log, or a click without an answer for a minute.

python -m benchmarks.rows.load --help  # any number of sessions, for any time, with or without a training or a SIGKILL
"""

import argparse
import json
import tempfile
from pathlib import Path

import numpy as np

from benchmarks.lib.clients import Scenario
from benchmarks.lib.race import Figure, Measured, Setting
from benchmarks.lib.under_load import click_seconds, flat_and_calm, memory_curve, memory_facts, ready_home, run_load
from isimed.core import paths

TITLE = "Eight people at once"
AGAINST = "themselves, a minute after the start"


def measure(setting: Setting) -> Measured:
    ready_home()
    people = Scenario(str(paths.home()), sessions=2 if setting.quick else 8, seconds=40 if setting.quick else 300)
    with tempfile.TemporaryDirectory() as folder:
        alone = run_load(Scenario(people.home, sessions=1, seconds=20 if setting.quick else 45), Path(folder) / "alone")
        found = run_load(Scenario(**{**vars(people), "train": True}), Path(folder) / "people")
    one, many = click_seconds(alone), click_seconds(found)
    opened = [event["seconds"] for event in found["events"] if event["what"].startswith("every session")]
    facts = {
        "sessions": people.sessions,
        "seconds": people.seconds,
        "clicks": len(many),
        "median click of one session alone, without a training, s": round(float(np.median(one)), 2),
        "seconds until all had the viewer open": opened[0],
        "training still at work at the end": next(
            e["yes"] for e in found["events"] if e["what"].startswith("training")
        ),
        **memory_facts(found),
    }
    figures = [
        Figure("median click", float(np.median(many)), "s", target=1.5),
        Figure("95th percentile of a click", float(np.quantile(many, 0.95)), "s", target=3.0),
        *flat_and_calm(found),
    ]
    return Measured([], facts, memory_curve(found), figures)


def main() -> None:
    parser = argparse.ArgumentParser(description="Clicks in the running app, its memory and its log, to load.json.")
    parser.add_argument("--home", required=True)
    parser.add_argument("--cohort", default="demo-brain")
    parser.add_argument("--checkpoint", default="", help="by default the one that fits best")
    parser.add_argument("--sessions", type=int, default=8)
    parser.add_argument("--minutes", type=float, default=5.0)
    parser.add_argument("--pause", type=float, nargs=2, default=(0.5, 1.5), metavar=("LEAST", "MOST"))
    parser.add_argument("--kill-at", type=float, nargs="*", default=(), metavar="SECONDS")
    parser.add_argument("--visit", type=int, default=0, metavar="CLICKS")
    parser.add_argument("--train", action="store_true")
    parser.add_argument("--sample", type=float, default=2.0, metavar="SECONDS")
    parser.add_argument("--folder", type=Path, required=True, help="for load.json and the server's log")
    options = parser.parse_args()
    scenario = Scenario(
        options.home, options.cohort, options.checkpoint, options.sessions, options.minutes * 60, tuple(options.pause),
        tuple(options.kill_at), options.visit, options.train, options.sample,
    )  # fmt: skip
    found = run_load(scenario, options.folder)
    print(json.dumps({name: len(found[name]) for name in ("clicks", "errors", "log")}))


if __name__ == "__main__":
    main()
