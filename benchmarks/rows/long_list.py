"""A cohort of 500 volumes on the Volumes page: the list, the report behind it, and the next opening.

The 500 are links to the real scans of the cohort, each under a name and a path of its own, so that each is read and
measured; the home is empty before. The list stands there at once, from the headers; volumes are measured behind the
page. Seconds are from the address, in a new session each time.
"""

import json
import tempfile
import time
from pathlib import Path

from benchmarks.lib.app_server import AppServer
from benchmarks.lib.browser import open_page
from benchmarks.lib.race import Figure, Measured, Setting
from isimed.data.cohorts.cohort import Cohort

TITLE = "A cohort of 500 volumes listed"
AGAINST = "-"
NAME = "many"


def measure(setting: Setting) -> Measured:
    count = 20 if setting.quick else 500
    with tempfile.TemporaryDirectory() as folder, open_page() as page:
        home = Path(folder)
        link_cohort(setting.cohort, home / "cohorts" / NAME, count)
        server = AppServer(home, home / "server.log")
        server.start()
        try:
            seconds, memory = [], []
            for _ in range(2 if setting.quick else 4):
                start = time.perf_counter()
                page.goto(f"{server.url}/volumes?cohort={NAME}")
                page.get_by_test_id("stDataFrame").nth(1).locator("canvas").first.wait_for(timeout=900_000)
                rows = time.perf_counter() - start
                page.get_by_text("Report as JSON").first.wait_for(timeout=900_000)
                seconds.append((rows, time.perf_counter() - start))
                memory.append(server.memory()["own_mb"])
        finally:
            server.stop()
        troubles = server.troubles()
    again = sorted(report for _, report in seconds[1:])[len(seconds[1:]) // 2]
    return Measured(
        [],
        {"volumes": count, "server's memory then, MB": round(memory[-1])},
        figures=[
            Figure("first opening, the list", seconds[0][0], "s", target=3.0),
            Figure("first opening, every volume measured behind the page", seconds[0][1], "s"),
            Figure("opened again in a new session, the whole report", again, "s", target=1.0),
            Figure("errors in the server's log", len(troubles), "", target=0),
        ],
    )


def link_cohort(cohort: Cohort, folder: Path, count: int) -> None:
    """A cohort of ``count`` patients whose files are links to those of another, in turn."""
    (folder / "images").mkdir(parents=True)
    volumes = []
    for number in range(count):
        source = cohort.path(cohort.volumes[number % len(cohort.volumes)].image).resolve()
        image = Path("images") / f"P{number:05d}{''.join(source.suffixes)}"
        (folder / image).symlink_to(source)
        volumes.append({"subject": f"P{number:05d}", "image": str(image)})
    manifest = {"name": folder.name, "description": "", "modality": cohort.modality, "volumes": volumes}
    (folder / "dataset.json").write_text(json.dumps(manifest), encoding="utf-8")
