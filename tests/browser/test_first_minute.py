"""A fresh home, as a newcomer meets it: real brains, four matches before the first click, and one that is answered."""

import re
from pathlib import Path

import pytest

from isimed.data.cohorts.cohort import Cohort
from isimed.data.cohorts.shipped import shipped_folder

SPREAD = re.compile(r"±\d+ mm")
LONG = 120_000


@pytest.fixture(scope="module")
def app(streamlit_server, tmp_path_factory: pytest.TempPathFactory) -> str:
    return streamlit_server(Path("app.py"), env={"ISIMED_HOME": str(tmp_path_factory.mktemp("fresh-home"))})


def test_from_the_front_door_to_an_answered_click(app: str, page, foreign_hosts) -> None:
    open_and_click(app, page)
    assert not foreign_hosts(page)


def open_and_click(app: str, page) -> None:
    """What a newcomer does first, and what has to be there."""
    page.set_default_timeout(LONG)
    page.goto(app)
    page.get_by_role("heading", name="Where in the body is this?").wait_for()
    picture = page.get_by_test_id("stImage").locator("img")
    picture.wait_for()
    assert picture.evaluate("image => image.decode().then(() => image.naturalWidth)") > 800
    assert page.get_by_text("CC BY-SA 4.0").first.is_visible()
    page.get_by_role("button", name="Click into a scan").click()
    page.locator(".strip .picture").nth(2).wait_for()
    page.get_by_text(SPREAD).nth(6).wait_for()
    start = Cohort.load(shipped_folder("demo-flair")).start
    assert start is not None
    assert page.get_by_text(f"Click any place in {start.volume}").is_visible()
    assert page.get_by_text("CC BY-SA 4.0").first.is_visible()
    assert page.locator(".strip .picture").count() == 3  # eight patients: the clicked one, four viewers, three pictures
    said, address = page.get_by_text(SPREAD).all_inner_texts(), page.url
    assert len(said) >= 7
    canvas = page.locator("canvas[data-plane=axial]").first
    box = canvas.bounding_box()
    canvas.click(position={"x": box["width"] * 0.4, "y": box["height"] * 0.35})
    page.wait_for_url(lambda url: url != address and "mm=" in url)
    for _ in range(LONG // 200):
        if len(now := page.get_by_text(SPREAD).all_inner_texts()) >= 7 and now != said:
            break
        page.wait_for_timeout(200)
    else:
        pytest.fail("the click was not answered")
