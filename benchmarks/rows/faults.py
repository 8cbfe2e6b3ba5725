"""The server is killed (SIGKILL) and started again while four people click and a training runs.

A page reconnects by itself, and its address holds the patient, the place and the network. Seconds are from when the
server is up again to the first answered click of each session; a page that does not answer within a minute is loaded
again, as a person would. The training is a process of its own and has to go on.
"""

import tempfile
from pathlib import Path

import numpy as np

from benchmarks.lib.clients import Scenario
from benchmarks.lib.race import Figure, Measured, Setting
from benchmarks.lib.under_load import flat_and_calm, goes_on, ready_home, run_load
from isimed.core import paths

TITLE = "Server killed under load"
AGAINST = "-"


def measure(setting: Setting) -> Measured:
    ready_home()
    seconds, kill_at = (70.0, (20.0,)) if setting.quick else (240.0, (30.0, 120.0))
    people = Scenario(
        str(paths.home()), sessions=2 if setting.quick else 4, seconds=seconds, kill_at_s=kill_at, train=True
    )
    with tempfile.TemporaryDirectory() as folder:
        found = run_load(people, Path(folder))
    events = found["events"]
    back = [event for event in events if event["what"].startswith("session ")]
    after = [click for click in found["clicks"] if click["at"] > kill_at[-1]]
    facts = {
        "times killed": len(kill_at),
        "sessions": people.sessions,
        "seconds until the server was up again": [e["seconds"] for e in events if e["what"] == "server up again"],
        "sessions that reconnected by themselves": sum("reconnected" in event["what"] for event in back),
        "sessions that were loaded again": sum("again" in event["what"] for event in back),
        "clicks answered before, and after the last kill": f"{len(found['clicks']) - len(after)}, {len(after)}",
        "training still at work at the end": goes_on(found),
    }
    longest = max((event["seconds"] for event in back), default=0.0)
    figures = [
        Figure("sessions that did not come back", _lost(found, kill_at[-1], people.sessions), "", target=0),
        Figure("longest until a session clicks again", longest, "s"),
        Figure("median until a session clicks again", float(np.median([e["seconds"] for e in back] or [0])), "s"),
        flat_and_calm(found)[1],
    ]
    return Measured([], facts, figures=figures)


def _lost(found: dict, killed_at: float, sessions: int) -> int:
    """Sessions without an answered click after the last kill; the first one after it is told as an event."""
    back = {click["session"] for click in found["clicks"] if click["at"] > killed_at}
    back |= {int(e["what"].split()[1]) for e in found["events"] if e["at"] > killed_at and "reconnected" in e["what"]}
    return sessions - len(back)
