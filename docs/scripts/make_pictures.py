"""Take the pictures in docs/pictures, every page on demo-flair, 1440×900, and the one on the Home page.

    export ISIMED_HOME=$(mktemp -d) && touch $ISIMED_HOME/tour-taken    # nothing but what comes along, and no tour
    streamlit run app.py --server.headless true &
    python -m docs.scripts.make_pictures http://localhost:8501

Needs playwright and Debian's chromium. Pictures of demo-flair are under CC BY-SA 4.0 as its scans are, with their
credit. What each page said when its picture was taken is kept in docs/pictures/seen.json: where a page says something
else by now, `tests/browser/test_pictures.py` fails, and its picture is to be taken again.
"""

import argparse
import json
import re
import shutil
from io import BytesIO
from pathlib import Path

from PIL import Image
from playwright.sync_api import Page, ViewportSize, sync_playwright

ROOT = Path(__file__).parents[2]
PICTURES = ROOT / "docs" / "pictures"
SIZE = ViewportSize(width=1440, height=900)
CLICK = "click"  # what the Home page shows: a click and its matches
HEADER, GAP, BACKGROUND = 44, 24, (14, 17, 23)  # of the Home page's picture, in pixels
SEEN = PICTURES / "seen.json"
PAGES = {
    "home": "",
    "volumes": "volumes?cohort=demo-flair",
    "viewer": "viewer?cohort=demo-flair",
    "embeddings": "embeddings?cohort=demo-flair",
    "train": "train?cohort=demo-flair",
    "evaluate": "evaluate?cohort=demo-flair",
    "compare": "compare?cohort=demo-flair",
}
OF_THE_MACHINE = {"Where to work"}  # asked for only where SLURM is
PRESSED = {"evaluate": "Measure", "compare": "Compare"}  # seconds on demo-flair: a page without a result shows nothing
WORDS = """() => [...document.querySelectorAll(
  ':is(h1, h2, h3), [data-testid=stMain] button, [data-testid=stWidgetLabel], [data-testid=stSidebarNavLink]'
)].filter((one) => one.checkVisibility()).map((one) => one.innerText.replace(/\\d[\\d.,]*/g, '#').trim())"""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("address")
    parser.add_argument("--only", nargs="+", choices=[*PAGES, CLICK], default=[*PAGES, CLICK])
    parser.add_argument("--wait-s", type=float, default=20, help="seconds a page may take to be drawn")
    options = parser.parse_args()
    PICTURES.mkdir(exist_ok=True)
    with sync_playwright() as playwright:
        arguments = ["--no-sandbox", "--disable-gpu", "--disable-background-networking", "--no-first-run"]
        browser = playwright.chromium.launch(executable_path=shutil.which("chromium"), args=arguments)
        page = browser.new_page(viewport=SIZE, color_scheme="dark")
        for name in options.only:
            if name == CLICK:
                take_click(
                    browser.new_page(viewport=SIZE, color_scheme="dark", device_scale_factor=2),
                    options.address,
                    options.wait_s,
                )
                continue
            open_page(page, options.address, name)
            wait_until_drawn(page, options.wait_s)
            page.screenshot(path=PICTURES / f"{name}.png")
            seen = json.loads(SEEN.read_text("utf-8")) if SEEN.is_file() else {}
            SEEN.write_text(json.dumps(seen | {name: words_of(page)}, indent=1, ensure_ascii=False) + "\n", "utf-8")
        browser.close()


def open_page(page: Page, address: str, name: str) -> None:
    """One of `PAGES`, with its result where it has one."""
    page.goto(f"{address}/{PAGES[name]}")
    page.get_by_test_id("stMain").wait_for(timeout=60_000)
    if name == "viewer":
        page.locator(".strip .picture").first.wait_for(timeout=120_000)
    if name in PRESSED:
        page.get_by_test_id("stMain").get_by_role("button", name=re.compile(PRESSED[name])).click()


def words_of(page: Page) -> list[str]:
    """Headings, buttons, labels and the navigation, as they are read, numbers left out."""
    return sorted(set(page.evaluate(WORDS)) - OF_THE_MACHINE - {""})


def wait_until_drawn(page: Page, wait_s: float) -> None:
    """At least some seconds, and until nothing runs or is grey any more."""
    page.wait_for_timeout(wait_s * 1000)
    for still in ("stStatusWidget", "stSkeleton"):
        page.wait_for_function(f"() => !document.querySelector('[data-testid={still}]')", timeout=120_000)
    page.wait_for_timeout(2_000)


def take_click(page: Page, address: str, wait_s: float) -> None:
    """The clicked slice, and beside it the four best matches with what is said of them."""
    open_page(page, address, "viewer")
    wait_until_drawn(page, wait_s)
    boxes = [one.bounding_box() for one in page.locator("canvas[data-plane=axial]").all()]
    clicked, *matches = [box for box in boxes if box]
    left, top = min(box["x"] for box in matches), min(box["y"] for box in matches) - HEADER
    right, below = (max(box[at] + box[size] for box in matches) for at, size in (("x", "width"), ("y", "height")))
    slice_, found = (
        Image.open(BytesIO(page.screenshot(clip=area, scale="device")))
        for area in (clicked, {"x": left, "y": top, "width": right - left, "height": below - top})
    )
    slice_ = slice_.resize((round(slice_.width * found.height / slice_.height), found.height), Image.Resampling.LANCZOS)
    picture = Image.new("RGB", (slice_.width + GAP + found.width, found.height), BACKGROUND)
    picture.paste(slice_, (0, 0))
    picture.paste(found, (slice_.width + GAP, 0))
    picture.thumbnail((1400, 1400), Image.Resampling.LANCZOS)
    picture.save(ROOT / "isimed" / "ui" / "home.jpg", quality=88)


if __name__ == "__main__":
    main()
