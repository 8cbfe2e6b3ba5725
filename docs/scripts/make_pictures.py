"""Take the pictures in docs/pictures: every page on the demo cohort, 1440×900.

    python docs/scripts/make_pictures.py http://localhost:8501

The app runs already, with the demo cohort made and embedded. Needs playwright and Debian's chromium.
"""

import argparse
import shutil
from pathlib import Path

from playwright.sync_api import sync_playwright

PICTURES = Path(__file__).parents[1] / "pictures"
PAGES = {
    "home": "",
    "volumes": "volumes",
    "viewer": "viewer?cohort=demo-brain",
    "embeddings": "embeddings?cohort=demo-brain",
    "train": "train",
    "evaluate": "evaluate?cohort=demo-brain",
    "compare": "compare?cohort=demo-brain",
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("address")
    parser.add_argument("--only", nargs="+", choices=list(PAGES), default=list(PAGES))
    parser.add_argument("--wait-s", type=float, default=20, help="seconds a page may take to be drawn")
    options = parser.parse_args()
    PICTURES.mkdir(exist_ok=True)
    with sync_playwright() as playwright:
        arguments = ["--no-sandbox", "--disable-gpu", "--disable-background-networking", "--no-first-run"]
        browser = playwright.chromium.launch(executable_path=shutil.which("chromium"), args=arguments)
        page = browser.new_page(viewport={"width": 1440, "height": 900})
        for name in options.only:
            page.goto(f"{options.address}/{PAGES[name]}")
            page.get_by_test_id("stMain").wait_for(timeout=60_000)
            page.wait_for_timeout(options.wait_s * 1000)
            page.screenshot(path=PICTURES / f"{name}.png")
        browser.close()


if __name__ == "__main__":
    main()
