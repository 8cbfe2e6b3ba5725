"""Click to shown matches on the Viewer page, in Chromium: median and 95th percentile of 50 clicks, and bytes a click.

streamlit run app.py &  # with a cohort that is embedded
python benchmarks/click_latency.py http://localhost:8501 --cohort demo-brain
"""

import argparse
import shutil
import time

import numpy as np
from playwright.sync_api import Page, sync_playwright

SHOWN = {  # what must change: selector, and what of it
    "strip": (".strip img", "(all) => all.map((one) => one.src).join()"),
    "best": (".header .note", "(all) => all.map((one) => one.textContent).join()"),
}


def click(page: Page, rng: np.random.Generator) -> dict[str, float]:
    """Seconds from one click on the axial plane until the strip and the four best have changed."""
    canvas = page.locator("canvas[data-plane=axial]").first
    box = canvas.bounding_box()
    assert box is not None
    before = {name: page.locator(selector).evaluate_all(look) for name, (selector, look) in SHOWN.items()}
    start = time.perf_counter()
    x, y = rng.uniform(0.3, 0.7, 2)
    canvas.click(position={"x": box["width"] * x, "y": box["height"] * y})
    taken: dict[str, float] = {}
    while len(taken) < len(SHOWN):
        for name, (selector, look) in SHOWN.items():
            if name not in taken and page.locator(selector).evaluate_all(look) != before[name]:
                taken[name] = time.perf_counter() - start
        if time.perf_counter() - start > 60:
            raise TimeoutError("nothing changed for a minute after a click")
        page.wait_for_timeout(5)
    return taken


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("url")
    parser.add_argument("--cohort", default="demo-brain")
    parser.add_argument("--clicks", type=int, default=50)
    options = parser.parse_args()
    with sync_playwright() as playwright:
        chromium = shutil.which("chromium") or shutil.which("google-chrome")
        browser = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox", "--disable-gpu"])
        page = browser.new_page(viewport={"width": 1440, "height": 900})
        received = [0]

        def count(socket) -> None:
            socket.on("framereceived", lambda frame: received.__setitem__(0, received[0] + len(frame)))

        page.on("websocket", count)
        page.goto(f"{options.url}/viewer?cohort={options.cohort}")
        page.locator(".strip .picture").first.wait_for(timeout=600_000)
        rng = np.random.default_rng(0)
        click(page, rng)
        received[0] = 0
        times = []
        for _ in range(options.clicks):
            page.wait_for_timeout(500)
            times.append(click(page, rng))
        browser.close()
    for name in SHOWN:
        values = [1000 * one[name] for one in times]
        print(f"{name}: median {np.median(values):.0f} ms, 95th percentile {np.quantile(values, 0.95):.0f} ms")
    print(f"bytes a click: {received[0] / options.clicks:.0f}")


if __name__ == "__main__":
    main()
