"""The whole app as a newcomer meets it: front door, click in the viewer, neighbours; and no request to anyone else."""

import re
import time
from pathlib import Path

import pytest

from isimed.data.cohorts.cohort import Cohort
from isimed.data.demo.virtual_patients import make_demo
from isimed.explore.tables.embed import checkpoint_for, embed_cohort

PAGES = ["", "volumes", "viewer", "embeddings", "train", "evaluate", "compare"]


@pytest.fixture(scope="module")
def app(streamlit_server, tmp_path_factory: pytest.TempPathFactory) -> str:
    """The app on three synthetic patients, embedded with the shipped checkpoint."""
    home = tmp_path_factory.mktemp("app-home")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("ISIMED_HOME", str(home))
        cohort = Cohort.load(make_demo(home / "cohorts" / "demo-brain", patients=3))
        embed_cohort(cohort, checkpoint_for("demo-brain", cohort))
    return streamlit_server(Path("app.py"), env={"ISIMED_HOME": str(home)})


ERROR = re.compile(r"error \d+\.\d mm")


def test_from_the_front_door_to_a_match_in_two_clicks(app: str, page, foreign_hosts) -> None:
    page.goto(app)
    page.get_by_role("heading", name="Where in the body is this?").wait_for()
    assert page.get_by_text("Not for diagnosis").first.is_visible()
    page.get_by_role("button", name="Click into a scan").click()
    page.get_by_text(ERROR).first.wait_for()
    page.locator(".readout .mm").first.wait_for()
    before = page.get_by_text(ERROR).all_inner_texts()
    canvas = page.locator("canvas[data-plane=axial]").first
    box = canvas.bounding_box()
    canvas.click(position={"x": box["width"] * 0.35, "y": box["height"] * 0.62})
    deadline = time.monotonic() + 60
    while page.get_by_text(ERROR).all_inner_texts() in ([], before) and time.monotonic() < deadline:
        page.wait_for_timeout(100)
    assert page.get_by_text(ERROR).all_inner_texts() not in ([], before)
    assert "mm=" in page.url
    assert not foreign_hosts(page)


@pytest.mark.parametrize("name", PAGES)
def test_every_page_opens_calmly(app: str, page, foreign_hosts, name: str) -> None:
    page.goto(f"{app}/{name}")
    page.wait_for_function("() => document.querySelector('[data-testid=stMain]')?.innerText.length > 60")
    page.get_by_test_id("stStatusWidget").wait_for(state="hidden", timeout=60_000)
    assert page.get_by_text("Something unexpected").count() == 0
    assert page.get_by_text("Traceback").count() == 0
    assert not foreign_hosts(page)


def test_a_link_reopens_the_same_view(app: str, page) -> None:
    page.goto(f"{app}/viewer?cohort=demo-brain&volume=VP-02&mm=1.0,2.0,3.0")
    page.get_by_text(ERROR).first.wait_for()
    assert page.get_by_text("VP-02").first.is_visible()
    assert "mm=1.0%2C2.0%2C3.0" in page.url or "mm=1.0,2.0,3.0" in page.url


def test_nonsense_in_the_address_is_ignored(app: str, page) -> None:
    page.goto(f"{app}/viewer?cohort=../../etc&volume=nobody&mm=a,b,nan&checkpoint=/etc/passwd")
    page.get_by_text(ERROR).first.wait_for()
    assert page.get_by_text("Something unexpected").count() == 0
