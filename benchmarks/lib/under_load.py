"""The app under load: a scenario is played against a server of its own, and what was seen becomes facts and figures."""

import asyncio
import json
import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.lib.app_server import ROOT, AppServer
from benchmarks.lib.clients import Scenario, Seen, play, told
from benchmarks.lib.race import Figure

DEMO = "demo-brain"


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
