"""Eight people click in the viewer at once for five minutes, on this machine's cores, while a training runs.

Tabs of one Chromium (which takes its part of the cores) click at random places in the demo cohort, a second or so after
the answer to the last click. The server's memory is its own, without pages of mapped files; the first fifth of the time
is warm-up. An error is an exception on a page or in the server's log, or a click without an answer for a minute.

python -m benchmarks.load --help  # any number of sessions, for any time, with or without a training or a SIGKILL
"""

import argparse
import asyncio
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.app_server import ROOT, AppServer
from benchmarks.clients import Scenario, Seen, play, told
from benchmarks.race import Figure, Measured, Setting
from isimed.core import paths

TITLE = "Eight people at once"
AGAINST = "themselves, a minute after the start"
DEMO = "demo-brain"


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
        "median click, s": round(float(np.median(many)), 2),
        "median click of one session alone, without a training, s": round(float(np.median(one)), 2),
        "seconds until all had the viewer open": opened[0],
        "training still at work at the end": next(
            e["yes"] for e in found["events"] if e["what"].startswith("training")
        ),
        **memory_facts(found),
    }
    figures = [
        Figure("95th percentile of a click", float(np.quantile(many, 0.95)), "s"),
        *flat_and_calm(found),
    ]
    return Measured([], facts, memory_curve(found), figures)


def flat_and_calm(found: dict[str, Any], *, warm_share: float = 0.2) -> list[Figure]:
    """The two targets of every load: memory flat to 10 % after the warm-up, and no error."""
    wrong = len(found["errors"]) + len(found["log"])
    return [
        Figure("memory at the end over after the warm-up", growth(found, warm_share=warm_share), "", target=1.1),
        Figure("errors on pages and in the server's log", wrong, "", target=0),
    ]


def growth(found: dict[str, Any], *, warm_share: float = 0.2) -> float:
    """Median memory of the last fifth of the samples over that of the fifth after the warm-up."""
    values = [one["own_mb"] for one in found["memory"]]
    start, fifth = int(len(values) * warm_share), max(1, len(values) // 5)
    return float(np.median(values[-fifth:]) / np.median(values[start : start + fifth]))


def goes_on(found: dict[str, Any]) -> bool:
    """Whether the training was still at work when the clicks ended."""
    return next(event["yes"] for event in found["events"] if event["what"].startswith("training"))


def click_seconds(found: dict[str, Any]) -> list[float]:
    return [click["best"] for click in found["clicks"]]


def memory_facts(found: dict[str, Any]) -> dict[str, Any]:
    memory = found["memory"]
    facts = {
        "server's memory, MB, first to last": f"{memory[0]['own_mb']:.0f} to {memory[-1]['own_mb']:.0f}",
        "largest, MB": round(max(one["own_mb"] for one in memory)),
        "threads, first to last": f"{memory[0]['threads']} to {memory[-1]['threads']}",
        "open files, first to last": f"{memory[0]['files']} to {memory[-1]['files']}",
    }
    for kind in ("errors", "log"):
        said = dict.fromkeys(one["what"] if isinstance(one, dict) else one for one in found[kind])
        if said:
            facts[kind] = "; ".join(said)[:600]
    return facts


def memory_curve(found: dict[str, Any]) -> dict[str, dict[str, Sequence[float]]]:
    every = max(1, len(found["memory"]) // 200)
    kept = found["memory"][::every]
    return {"server's memory, MB": {"x": [one["at"] for one in kept], "y": [one["own_mb"] for one in kept]}}


def ready_home() -> None:
    """The demo cohort in the home, embedded: what a first start makes, which does not count."""
    command = [sys.executable, "-m", "isimed", "demo"]
    subprocess.run(command, cwd=ROOT, check=True, capture_output=True)


def run_load(scenario: Scenario, folder: Path) -> dict[str, Any]:
    """Start the app, play the scenario, and tell what was seen.

    Args:
        folder: for the server's log and what was seen so far (``load.json``, rewritten now and then).
    """
    folder.mkdir(parents=True, exist_ok=True)
    server, seen = AppServer(scenario.home, folder / "server.log"), Seen()
    seen.events.append({"at": 0.0, "what": "server up", "seconds": round(server.start(), 1)})
    training = _start_training(scenario, folder / "training") if scenario.train else None
    try:
        asyncio.run(play(scenario, server, seen, folder / "load.json"))
        if training:
            seen.events.append(
                {"at": scenario.seconds, "what": "training still at work", "yes": training.poll() is None}
            )
    finally:
        if training:
            training.terminate()
            training.wait(60)
        server.stop()
    found = told(scenario, server, seen)
    (folder / "load.json").write_text(json.dumps(found), encoding="utf-8")
    return found


def _start_training(scenario: Scenario, home: Path) -> subprocess.Popen:
    """A small training that outlasts the load: a process of its own, in a home that nobody else trains in."""
    size = ["--epochs", "100000", "--limit", "4", "--crops-per-volume", "4", "--volumes-per-step", "2"]
    cohort = Path(scenario.home) / "cohorts" / scenario.cohort / "dataset.json"
    command = [sys.executable, "-m", "isimed", "train", str(cohort), *size, "--threads", "1", "--device", "cpu"]
    environment = os.environ | {"ISIMED_HOME": str(home)}
    return subprocess.Popen(command, cwd=ROOT, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


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
