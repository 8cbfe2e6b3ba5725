"""A dense network in the app: a click is answered, likeness is drawn, and the map shows the scan's places."""

import pytest

from isimed.data.cohorts.cohort import Cohort, register
from isimed.explore.tables.embed import embed_cohort
from tests.dense import NAME, write_dense
from tests.small import write_cohort

LONG = 180_000


@pytest.fixture(scope="module")
def app(streamlit_server, tmp_path_factory) -> str:
    home = tmp_path_factory.mktemp("home")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("ISIMED_HOME", str(home))
        register(write_cohort(tmp_path_factory.mktemp("source") / "small", patients=6, size=24))
        embed_cohort(Cohort.load("small"), write_dense())
    return streamlit_server("app.py", env={"ISIMED_HOME": str(home)})


def test_click_likeness_and_map(app: str, page, foreign_hosts) -> None:
    page.goto(f"{app}/viewer?cohort=small&checkpoint={NAME}&volume=P1&mm=-20.0,-30.0,-40.0")
    pictures = page.locator(".strip img")
    page.locator(".strip .picture").first.wait_for(timeout=LONG)
    assert f"checkpoint={NAME}" in page.url
    before, place = pictures.evaluate_all("all => all.map((one) => one.src).join()"), page.url
    canvas = page.locator("canvas[data-plane=axial]").first
    box = canvas.bounding_box()
    canvas.click(position={"x": box["width"] * 0.6, "y": box["height"] * 0.4})
    page.wait_for_function("before => location.href !== before", arg=place, timeout=LONG)
    page.wait_for_function(
        "before => [...document.querySelectorAll('.strip img')].map((one) => one.src).join() !== before",
        arg=before,
        timeout=LONG,
    )
    page.get_by_role("combobox", name="Overlay").click()
    page.get_by_role("option", name="Likeness to the click").click()
    page.get_by_text("Latent distance").first.wait_for(timeout=LONG)
    page.goto(f"{app}/embeddings?cohort=small&checkpoint={NAME}")
    page.get_by_text("crops of 6 patients").first.wait_for(timeout=LONG)
    assert page.get_by_text("Something unexpected").count() == 0
    assert not foreign_hosts(page)
