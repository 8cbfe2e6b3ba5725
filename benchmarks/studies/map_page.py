"""The Embeddings page in Chromium on a large table: opening, a change of colour, from the lasso to the gallery.

    ISIMED_HOME=/a/big/disk python -m benchmarks.studies.map_page --rows 50000 --json page-50000.json

On the table of `map_scale` (made here if it is not there), in a server of its own. Times are taken in the browser,
from the pointer's press or release to the second frame after the change was drawn, on a canvas without a graphics card.
"""

import argparse
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from playwright.sync_api import Page, sync_playwright

from benchmarks.lib import map_made
from benchmarks.lib.race import machine
from isimed.ui.map import plots

ROOT = Path(__file__).resolve().parents[2]
FLAGS = ["--no-sandbox", "--disable-gpu", "--disable-background-networking", "--disable-quic", "--no-first-run"]
COLOURS = ("Axial", "Patient", "Coronal", "Organ", "Sagittal", "Position error", "All three as RGB", "Tumour")
WATCH = """() => {
    for (const event of ['pointerdown', 'pointerup'])
        document.addEventListener(event, () => { window[event] = performance.now(); }, true);
    const frame = () => new Promise(requestAnimationFrame);
    const picture = one => one.tagName == 'IMG' && one.src.startsWith('data:image/jpeg');
    const deep = (root, wanted, found = []) => {
        for (const one of root.querySelectorAll('*')) {
            if (wanted(one)) found.push(one);
            if (one.shadowRoot) deep(one.shadowRoot, wanted, found);
        }
        return found;
    };
    window.seen = {
        colour: () => deep(document, one => one.map)[0]?.map.drawn?.colour,
        gallery: () => deep(document, picture).filter(one => one.complete).map(one => one.src).join(),
    };
    window.changed = async (what, before, since) => {
        const start = performance.now();
        while (true) {
            const now = window.seen[what]();
            if (now && now !== before) break;
            if (performance.now() - start > 60000) throw new Error(what + ' did not change for a minute');
            await frame();
        }
        await frame(); await frame();
        return performance.now() - window[since];
    };
}"""
DRAWN = "(root, count) => root.map.drawn && root.map.count >= count"
BOX = """root => { const at = root.map.canvas.getBoundingClientRect(), box = root.map.panels[0].box;
    return {x: at.x + box.x, y: at.y + box.y, width: box.w, height: box.h}; }"""


@contextmanager
def server() -> Iterator[tuple[str, subprocess.Popen]]:
    """The app on a free port, ended at the end."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    command = [sys.executable, "-m", "streamlit", "run", str(ROOT / "app.py"), "--server.port", str(port)]
    log = Path(os.environ["ISIMED_HOME"]) / "server.log"
    with log.open("wb") as output:
        process = subprocess.Popen(command, cwd=ROOT, stdout=output, stderr=output)
    address = f"http://127.0.0.1:{port}"
    try:
        for _ in range(300):
            try:
                urllib.request.urlopen(f"{address}/_stcore/health", timeout=2).close()
                break
            except OSError:
                time.sleep(0.2)
        yield address, process
    finally:
        process.terminate()
        process.wait(20)


def open_page(page: Page, address: str, drawn: int, *, timeout_s: float) -> float:
    """Seconds from the address to the drawn map of the 1024 numbers."""
    start = time.perf_counter()
    page.goto(f"{address}/embeddings?cohort={map_made.COHORT}&checkpoint={map_made.CHECKPOINT}")
    found = page.locator(".point-map")
    found.wait_for(timeout=timeout_s * 1000)
    while not found.evaluate(DRAWN, drawn):
        page.wait_for_timeout(20)
    page.evaluate("() => new Promise(done => requestAnimationFrame(() => requestAnimationFrame(done)))")
    return round(time.perf_counter() - start, 2)


def change_colour(page: Page, name: str) -> float:
    """Seconds from the press on a colour's name to the map in this colour."""
    page.get_by_test_id("stSelectbox").filter(has_text="Colour").click()
    option = page.get_by_role("option", name=name, exact=True)
    option.wait_for()
    page.evaluate("() => { window.waiting = window.changed('colour', window.seen.colour(), 'pointerdown'); }")
    option.click()
    return float(page.evaluate("() => window.waiting")) / 1000


def lasso(page: Page, rng: np.random.Generator) -> float:
    """Seconds from the release of a lasso around some crops to their gallery."""
    box = page.locator(".point-map").evaluate(BOX)
    page.mouse.dblclick(box["x"] + 3, box["y"] + 3)  # clears
    page.wait_for_function("() => !window.seen.gallery()")
    page.wait_for_timeout(700)
    low, size = rng.uniform(0.35, 0.5, 2), rng.uniform(0.1, 0.2)
    corners = low + size * np.array([[0, 0], [1, 0], [1, 1], [0, 1], [0, 0]])
    at = [(box["x"] + x * box["width"], box["y"] + y * box["height"]) for x, y in corners]
    page.evaluate("() => { window.waiting = window.changed('gallery', window.seen.gallery(), 'pointerup'); }")
    page.mouse.move(*at[0])
    page.mouse.down()
    for x, y in at[1:]:
        page.mouse.move(x, y, steps=4)
    page.mouse.up()
    return float(page.evaluate("() => window.waiting")) / 1000


def summary(seconds: list[float]) -> dict[str, Any]:
    """Median and 95th percentile, the slowest, and each."""
    return {
        "median_s": round(float(np.median(seconds)), 3),
        "p95_s": round(float(np.percentile(seconds, 95)), 3),
        "each_s": [round(one, 3) for one in seconds],
    }


def server_peak_gb(process: subprocess.Popen) -> float:
    status = Path(f"/proc/{process.pid}/status").read_text(encoding="utf-8")
    return round(int(status.split("VmHWM:")[1].split()[0]) / 2**20, 2)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=50_000)
    parser.add_argument("--repeats", type=int, default=20)
    parser.add_argument("--timeout-s", type=float, default=1800, help="for the first opening, which fits the map")
    parser.add_argument("--picture", type=Path, help="a PNG of the page at the end")
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    if "ISIMED_HOME" not in os.environ:
        parser.error("set ISIMED_HOME to a new folder: the table is made there")
    signal.signal(signal.SIGTERM, lambda number, frame: sys.exit(1))  # so that the server ends too
    map_made.make(options.rows)
    drawn = min(options.rows, plots.POINTS)
    found: dict[str, Any] = {"rows": options.rows, "drawn": drawn, "machine": machine()}
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=shutil.which("chromium"), args=FLAGS)
        with server() as (address, process):
            context = browser.new_context(viewport={"width": 1440, "height": 900})
            page = context.new_page()
            found["opening_new_server_s"] = open_page(page, address, drawn, timeout_s=options.timeout_s)
            found["opening_again_s"] = [open_page(page, address, drawn, timeout_s=120) for _ in range(5)]
            print(json.dumps(found), file=sys.stderr, flush=True)
            page.wait_for_timeout(1500)
            page.evaluate(WATCH)
            names = [COLOURS[n % len(COLOURS)] for n in range(options.repeats + 1)]
            found["colour"] = summary([change_colour(page, name) for name in names][1:])
            print(json.dumps(found["colour"]), file=sys.stderr, flush=True)
            page.wait_for_timeout(1500)
            page.get_by_role("button", name="Lasso").click()
            rng = np.random.default_rng(0)
            times = []
            for _ in range(options.repeats + 1):
                times.append(lasso(page, rng))
                page.wait_for_timeout(1500)  # the scan below the gallery
            found["lasso_to_gallery"] = summary(times[1:])
            found["server_peak_gb"] = server_peak_gb(process)
            if options.picture:
                page.screenshot(path=options.picture)
        browser.close()
    print(json.dumps(found))
    if options.json:
        options.json.write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
