"""Cold start of the app to a usable viewer against `streamlit hello` to its first page, each server a new process.

Seconds from starting the server to the last thing a person waits for: the viewer's strip of matches in the demo cohort
(made and embedded by a first start that does not count), hello's heading.
"""

import os
import shutil
import socket
import subprocess
import sys
import time
from pathlib import Path

from benchmarks.race import Measured, Ratio, Setting
from isimed.errors import InputError

TITLE = "Cold start"
AGAINST = "`streamlit hello` to its first page"
DEMO = "demo-brain"
ROOT = Path(__file__).resolve().parents[1]
FLAGS = ["--no-sandbox", "--disable-gpu", "--disable-background-networking", "--disable-quic", "--no-first-run"]


def measure(setting: Setting) -> Measured:
    try:
        from playwright.sync_api import sync_playwright
    except ImportError:
        raise InputError("start needs a browser: pip install -r requirements-dev.txt, and Chromium.") from None
    seconds: dict[str, list[float]] = {"ours": [], "hello": []}
    with sync_playwright() as playwright:
        chromium = shutil.which("chromium") or shutil.which("google-chrome")
        browser = playwright.chromium.launch(executable_path=chromium, args=FLAGS)
        page = browser.new_page(viewport={"width": 1440, "height": 900})
        ways = {
            "ours": (["run", str(ROOT / "app.py")], f"viewer?cohort={DEMO}", ".strip .picture"),
            "hello": (["hello"], "", "h1"),
        }
        for turn in range(2 if setting.quick else 4):
            for name, (arguments, path, shown) in ways.items():
                taken = _seconds(page, arguments, path, shown)
                if turn:  # the first fills the disk's cache, and the home
                    seconds[name].append(taken)
        browser.close()
    return Measured([Ratio("seconds to the first page", *seconds.values(), "s", target=2.0, at_most=True)])


def _seconds(page, arguments: list[str], path: str, shown: str) -> float:
    port = _free_port()
    options = ["--server.port", str(port), "--server.headless", "true", "--browser.gatherUsageStats", "false"]
    start = time.perf_counter()
    server = subprocess.Popen(
        [sys.executable, "-m", "streamlit", *arguments, *options],
        cwd=ROOT,
        env=dict(os.environ),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        _wait_for(port)
        page.goto(f"http://localhost:{port}/{path}")
        page.locator(shown).first.wait_for(timeout=300_000)
        return time.perf_counter() - start
    finally:
        server.terminate()
        server.wait(timeout=30)


def _free_port() -> int:
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return one.getsockname()[1]


def _wait_for(port: int) -> None:
    for _ in range(600):
        with socket.socket() as one:
            if one.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.05)
    raise TimeoutError("the server did not come up within 30 seconds")
