"""A page in Chromium for the rows that time the app."""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager

from isimed.core.errors import InputError

FLAGS = ["--no-sandbox", "--disable-gpu", "--disable-background-networking", "--disable-quic", "--no-first-run"]
SIZE = {"width": 1440, "height": 900}


def chromium() -> str | None:
    """Where Chromium is, or None for playwright's own."""
    return shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")


@contextmanager
def open_page() -> Iterator:
    """A page of a browser of its own.

    Raises:
        InputError: playwright is not installed.
    """
    try:
        from playwright.sync_api import sync_playwright
    except ImportError:
        raise InputError("this row needs a browser: pip install -r requirements-dev.txt, and Chromium.") from None
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium(), args=FLAGS)
        try:
            yield browser.new_page(viewport=SIZE)
        finally:
            browser.close()
