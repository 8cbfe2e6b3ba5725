"""A fresh home, from starting the server to planes, to four matches, and to all patients of the first cohort.

The home is empty and the server a new process each time; a browser waits at the Viewer's address. Drawn means that the
planes' canvas holds picture elements that are not all alike, and that a match says how sure it is. Installing is not
counted; a first turn, which fills the disk's cache, is not either.
"""

import re
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np

from benchmarks.lib.app_server import AppServer
from benchmarks.lib.browser import open_page
from benchmarks.lib.race import Figure, Measured, Setting
from isimed.data.cohorts.cohort import Cohort
from isimed.data.cohorts.shipped import shipped_folder

TITLE = "The first minute"
AGAINST = "-"
WHY = """The first cohort comes with isimed and with its table: nothing is made or embedded before the first view. What
is waited for is the server, the page, and the preparation of the volumes that are shown."""
FIRST = "demo-flair"
TARGETS = {"planes drawn": 8.0, "four matches drawn": 15.0, "all patients drawn": 40.0}
SURE = re.compile(r"±\d+ mm|not in this scan")
CPU = "the server's CPU time until then"
BEST = 4
DRAWN = """() => {
  const find = (root) => root.querySelector("canvas[data-plane=axial]")
    ?? [...root.querySelectorAll("*")].map((node) => node.shadowRoot && find(node.shadowRoot)).find(Boolean);
  const canvas = find(document);
  if (!canvas?.width) return false;
  const seen = canvas.getContext("2d").getImageData(0, canvas.height >> 1, canvas.width, 1).data;
  return new Set(seen.filter((_, at) => at % 4 === 0)).size > 16;
}"""


def measure(setting: Setting) -> Measured:
    turns = [_first_minute() for _ in range(2 if setting.quick else 6)][1:]
    figures = [
        Figure(f"from starting the server to {what}", float(np.median([turn[what] for turn in turns])), "s", target)
        for what, target in TARGETS.items()
    ]
    spread = {
        what: " to ".join(f"{end([turn[what] for turn in turns]):.1f}" for end in (min, max))
        for what in (*TARGETS, CPU)
    }
    return Measured([], {f"{what}, s": said for what, said in spread.items()}, figures=figures)


def _first_minute() -> dict[str, float]:
    others = len(Cohort.load(shipped_folder(FIRST)).subjects) - 1
    with tempfile.TemporaryDirectory() as home, open_page() as page:
        server = AppServer(home, Path(home) / "server.log")
        start = time.perf_counter()
        server.start()
        try:
            page.goto(f"{server.url}/viewer")
            waits: dict[str, Callable[[], object]] = {
                "planes drawn": lambda: page.wait_for_function(DRAWN, timeout=300_000),
                "four matches drawn": lambda: page.get_by_text(SURE).nth(BEST - 1).wait_for(timeout=300_000),
                "all patients drawn": lambda: page.get_by_text(SURE).nth(others - 1).wait_for(timeout=300_000),
            }
            taken = {}
            for what, wait in waits.items():
                wait()
                taken[what] = time.perf_counter() - start
            return taken | {CPU: server.cpu_seconds()}
        finally:
            server.stop()
