"""Fixtures for all tests: a home of their own, real data where there is some."""

import os
import shutil
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

from isimed.data.cohorts.cohort import Cohort
from tests.eventually import LONG
from tests.small import write_cohort

REPOSITORY = Path(__file__).resolve().parents[1]
CHROMIUM_ARGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-background-networking",
    "--disable-quic",
    "--no-first-run",
]

# A busy machine is no failure, and a run can be repeated; ISIMED_FUZZ asks for examples that no run had before.
settings.register_profile(
    "isimed", deadline=None, suppress_health_check=list(HealthCheck), derandomize="ISIMED_FUZZ" not in os.environ,
    database=None,
)  # fmt: skip
settings.load_profile("isimed")


def chromium_path() -> str | None:
    return shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark what a test's place or fixtures say of it; `slow` is written where it is true."""
    for item in items:
        if "browser" in item.path.relative_to(REPOSITORY).parts:
            item.add_marker("browser")
        if "cluster" in getattr(item, "fixturenames", ()):
            item.add_marker("cluster")


@pytest.fixture(autouse=True)
def home(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """An empty ISIMED_HOME for every test, into which no work of a page of the test before writes."""
    folder = tmp_path_factory.mktemp("home")
    monkeypatch.setenv("ISIMED_HOME", str(folder))
    yield folder
    if pages := sys.modules.get("isimed.ui.background"):
        for work in pages._works().values():
            work.stop.set()
        pages.forget("")
    for thread in threading.enumerate():  # also since torch aborts a process that ends while a thread imports it
        if thread.name.startswith("isimed: "):
            thread.join(LONG)
            thread.name = f"waited for: {thread.name}"  # once: a work that hangs fails one test and not all that follow
            assert not thread.is_alive(), f"{thread.name} hangs"


@pytest.fixture(scope="session")
def shared() -> Path:
    """The folder of real cohorts: ISIMED_SHARED, or ``../shared`` beside the repository."""
    folder = Path(os.environ.get("ISIMED_SHARED") or REPOSITORY.parent / "shared")
    if not (folder / "data").is_dir():
        pytest.skip("no real data here: set ISIMED_SHARED to a folder with data/headneck-ct and the others")
    return folder


@pytest.fixture
def cohort(tmp_path: Path) -> Cohort:
    """Three small patients with tumours, spacing 4 mm."""
    return Cohort.load(write_cohort(tmp_path / "cohort"))


@pytest.fixture(scope="session")
def browser():
    """Chromium: one a session, since Playwright runs once in a process."""
    sync_api = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
    chromium = chromium_path()
    if chromium is None:
        pytest.skip("no Chromium on this machine")
    with sync_api.sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=CHROMIUM_ARGS)
        yield browser
        browser.close()


@pytest.fixture
def page(browser):
    """A window of 1440×900 that remembers what it asked for in ``page.requested``."""
    context = browser.new_context(viewport={"width": 1440, "height": 900}, color_scheme="dark")
    page = context.new_page()
    page.set_default_timeout(30_000)
    page.requested = []
    page.on("request", lambda request: page.requested.append(request.url))
    page.on("websocket", lambda socket: page.requested.append(socket.url))
    yield page
    context.close()
