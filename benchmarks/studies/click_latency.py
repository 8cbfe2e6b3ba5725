"""Click to shown matches on the Viewer page, in Chromium: median and 95th percentile, bytes a click, and the wheel.

streamlit run app.py &  # with a cohort that is embedded
python benchmarks/studies/click_latency.py http://localhost:8501 --cohort demo-brain --json click.json

`strip`: until the row of still pictures has changed; `best`: until the four refined matches have. `wheel_frames`: what
the browser sent to the server while slices were scrolled by the wheel; 0 means no rerun.
"""

import argparse
import shutil
from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray
from playwright.sync_api import Page, WebSocket, sync_playwright

from benchmarks.lib.told import tell

SHOWN = {  # what must change: selector, and which property of it
    "strip": (".strip img", "src"),
    "best": (".header .note", "textContent"),
}

# Looked at by the page itself once a frame: asking from outside would take the time that is measured. Counted from the
# moment that the button is released, until the first frame that shows something else.
WATCH = """
(shown) => {
  const all = (selector, root = document) => [...root.querySelectorAll(selector),
    ...[...root.querySelectorAll("*")].flatMap((one) => (one.shadowRoot ? all(selector, one.shadowRoot) : []))];
  const look = ([selector, property]) => all(selector).map((one) => one[property]).join();
  const before = Object.fromEntries(Object.entries(shown).map(([name, what]) => [name, look(what)]));
  const taken = {};
  window.taken = new Promise((done) => window.addEventListener("pointerup", () => {
    const start = performance.now();
    const check = () => {
      for (const [name, what] of Object.entries(shown)) {
        const now = name in taken ? before[name] : look(what);
        if (now && now !== before[name]) taken[name] = (performance.now() - start) / 1000;
      }
      if (Object.keys(taken).length < Object.keys(shown).length) requestAnimationFrame(check);
      else done(taken);
    };
    requestAnimationFrame(check);
  }, { once: true, capture: true }));
}
"""


def places(rng: np.random.Generator) -> Iterator[NDArray]:
    """(2,) shares of the plane's width and height, each so far from the last that another voxel is clicked."""
    last = np.zeros(2)
    while True:
        place = rng.uniform(0.3, 0.7, 2)
        if np.abs(place - last).max() > 0.04:
            yield place
            last = place


def click(page: Page, place: NDArray) -> dict[str, float]:
    """Seconds from one click on the axial plane until the strip and the four best have changed."""
    canvas = page.locator("canvas[data-plane=axial]").first
    box = canvas.bounding_box()
    assert box is not None
    page.evaluate(WATCH, SHOWN)
    canvas.click(position={"x": box["width"] * place[0], "y": box["height"] * place[1]})
    return dict(page.evaluate("() => Promise.race([window.taken, new Promise((_, no) => setTimeout(no, 60000))])"))


def wheel(page: Page, counts: dict[str, int], turns: int = 20) -> int:
    """Frames that the browser sends while the wheel turns over the axial plane."""
    canvas = page.locator("canvas[data-plane=axial]").first
    canvas.hover()
    page.wait_for_timeout(1000)
    before, label = counts["frames_sent"], canvas.get_attribute("aria-label")
    for turn in range(turns):
        page.mouse.wheel(0, -100 if turn < 0.7 * turns else 100)  # and part of the way back
        page.wait_for_timeout(20)
    page.wait_for_timeout(1000)
    if canvas.get_attribute("aria-label") == label:
        raise RuntimeError("the wheel did not scroll")
    return counts["frames_sent"] - before


def count_frames(page: Page) -> dict[str, int]:
    """Frames and bytes on the page's websockets; counted from now on."""
    counts = {"frames_sent": 0, "bytes_sent": 0, "bytes_received": 0}

    def sent(frame: str | bytes) -> None:
        counts["frames_sent"] += 1
        counts["bytes_sent"] += len(frame)

    def received(frame: str | bytes) -> None:
        counts["bytes_received"] += len(frame)

    def opened(socket: WebSocket) -> None:
        socket.on("framesent", sent)
        socket.on("framereceived", received)

    page.on("websocket", opened)
    return counts


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("url")
    parser.add_argument("--cohort", default="demo-brain")
    parser.add_argument("--checkpoint", help="by default the one that fits best")
    parser.add_argument("--clicks", type=int, default=50)
    parser.add_argument("--json", help="write the figures to this file")
    options = parser.parse_args()
    with sync_playwright() as playwright:
        chromium = shutil.which("chromium") or shutil.which("google-chrome")
        browser = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox", "--disable-gpu"])
        page = browser.new_page(viewport={"width": 1440, "height": 900})
        counts = count_frames(page)
        chosen = f"&checkpoint={options.checkpoint}" if options.checkpoint else ""
        page.goto(f"{options.url}/viewer?cohort={options.cohort}{chosen}")
        page.locator(".strip .picture").first.wait_for(timeout=600_000)
        page.wait_for_timeout(3000)
        at = places(np.random.default_rng(0))
        click(page, next(at))
        before, times = dict(counts), []
        for _ in range(options.clicks):
            page.wait_for_timeout(500)
            times.append(click(page, next(at)))
        page.wait_for_timeout(500)
        result: dict[str, object] = {"cohort": options.cohort, "clicks": options.clicks}
        for name in SHOWN:
            values = [1000 * one[name] for one in times]
            result[name] = {
                "p50_ms": round(float(np.median(values))),
                "p95_ms": round(float(np.quantile(values, 0.95))),
            }
        for name in ("bytes_received", "bytes_sent"):
            result[f"{name}_a_click"] = round((counts[name] - before[name]) / options.clicks)
        result["wheel_frames"] = wheel(page, counts)
        browser.close()
    tell(result, options.json)


if __name__ == "__main__":
    main()
