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


def test_the_tour_ends_in_a_page_to_print_and_never_comes_back(
    streamlit_server, tmp_path_factory, page, tmp_path
) -> None:
    app = streamlit_server(Path("app.py"), env={"ISIMED_HOME": str(tmp_path_factory.mktemp("touring-home"))})
    page.set_default_timeout(LONG)
    page.goto(f"{app}/viewer")
    page.get_by_text("1 of 6").wait_for()  # it begins by itself, once
    page.locator(".strip .picture").nth(2).wait_for()
    canvas = page.locator("canvas[data-plane=axial]").first
    box = canvas.bounding_box()
    canvas.click(position={"x": box["width"] * 0.6, "y": box["height"] * 0.6})
    for step in (2, 3):
        page.get_by_text(f"{step} of 6").wait_for()
        page.get_by_role("button", name="Next").click()
    page.get_by_text("4 of 6").wait_for()
    page.get_by_role("radio", name="Coronal").click()
    page.get_by_text("5 of 6").wait_for()
    page.get_by_role("button", name=re.compile("Points")).click()
    page.get_by_role("button", name=re.compile("Keep it")).click()
    page.get_by_text("6 of 6").wait_for()
    with page.expect_download() as waiting:
        page.get_by_role("button", name="Save the page").click()
    waiting.value.save_as(tmp_path / "page.html")
    page.get_by_text("6 of 6").wait_for(state="hidden")
    page.reload()
    page.locator(".strip .picture").nth(2).wait_for()
    page.get_by_role("button", name=re.compile(r"Points \(1\)")).wait_for()
    assert not page.get_by_text(re.compile(r"\d of 6")).count()
    page.goto(f"file://{tmp_path / 'page.html'}")
    assert page.get_by_text("One place in 8 patients").is_visible()
    assert page.get_by_text("Research use only").first.is_visible()
    assert page.locator("img").evaluate_all("all => all.every((one) => one.naturalWidth > 100)")
    assert page.locator("img").count() == 10


def test_the_tour_is_skipped_in_one_click_and_taken_again_from_home(app: str, page) -> None:
    page.set_default_timeout(LONG)
    page.goto(f"{app}/viewer")
    page.get_by_role("button", name="Skip the tour").click()
    page.get_by_text("1 of 6").wait_for(state="hidden")
    page.goto(app)
    page.get_by_role("button", name="Take the tour").click()
    page.get_by_text("1 of 6").wait_for()


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
    cards = [page.get_by_role("heading", name=name) for name in ("Look", "Bring your scans", "Train and measure")]
    tops = [card.bounding_box()["y"] for card in cards]
    assert max(tops) - min(tops) < 2
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
