"""Cold start of the app to a usable viewer against `streamlit hello` to its first page, each server a new process.

Seconds from starting the server to the last thing a person waits for: the viewer's strip of matches in the demo cohort
(made and embedded by a first start that does not count), hello's heading.
"""

import tempfile
import time
from pathlib import Path

from benchmarks.lib.app_server import AppServer
from benchmarks.lib.browser import open_page
from benchmarks.lib.race import Measured, Ratio, Setting
from benchmarks.lib.under_load import DEMO, ready_home
from isimed.core import paths

TITLE = "Cold start"
AGAINST = "`streamlit hello` to its first page"
WHY = """What is left beside hello is imports (pandas, which Streamlit's components ask for, nibabel, SciPy, pyarrow:
about a second), then the page itself with its planes and matches, where hello shows a heading. torch, MONAI,
scikit-learn, SimpleITK are not waited for: the first place is a crop of the table, whose code is read, and the network
is read behind the first view, once a server. Beginning the imports
in a thread of the starting server was tried: no gain, it delays the server instead."""
WAYS = {
    "ours": (("run", "app.py"), f"viewer?cohort={DEMO}", ".strip .picture"),
    "hello": (("hello",), "", "h1"),
}


def measure(setting: Setting) -> Measured:
    ready_home()
    seconds: dict[str, list[float]] = {way: [] for way in WAYS}
    with open_page() as page:
        for turn in range(2 if setting.quick else 6):
            for way in list(WAYS)[:: -1 if turn % 2 else 1]:
                taken = _seconds(page, *WAYS[way])
                if turn:  # the first fills the disk's cache, and the home
                    seconds[way].append(taken)
    return Measured([Ratio("seconds to the first page", *seconds.values(), "s", target=1.6, at_most=True)])


def _seconds(page, arguments: tuple[str, ...], path: str, shown: str) -> float:
    with tempfile.TemporaryDirectory() as folder:
        server = AppServer(paths.home(), Path(folder) / "server.log", arguments)
        start = time.perf_counter()
        server.start()
        try:
            page.goto(f"{server.url}/{path}")
            page.locator(shown).first.wait_for(timeout=300_000)
            return time.perf_counter() - start
        finally:
            server.stop()
