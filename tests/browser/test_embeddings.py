"""The map over the wire: a clicked point shows its crop, a lasso its gallery, a click in the scan lights points."""

import io
import re
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from isimed.data.cohorts.cohort import Cohort, register
from isimed.data.prepared.cache import prepare_cohort
from isimed.explore.maps.map_points import open_points
from isimed.explore.maps.pca import open_map
from isimed.explore.tables.store import Table
from isimed.ui import state
from isimed.ui.map import plots
from isimed.ui.map.map_view import shuffled
from tests.eventually import until
from tests.small import write_cohort
from tests.tables import written_for

# Where a point of the first panel is on the page, as the map itself says: [x, y] in CSS pixels.
PLACE = """(root, i) => { const at = root.map.canvas.getBoundingClientRect();
    const [x, y] = root.map.at(root.map.panels[0], i);
    return [at.x + x, at.y + y]; }"""
EXTREME = (
    """root => { const x = root.map.panels[0].xy.filter((_, n) => n % 2 == 0); return x.indexOf(Math.max(...x)); }"""
)
BOX = """root => { const at = root.map.canvas.getBoundingClientRect(), box = root.map.panels[0].box;
    return {x: at.x + box.x, y: at.y + box.y, width: box.w, height: box.h}; }"""
LIT = "root => root.map.lit ? Array.from(root.map.lit.keys()).filter(i => root.map.lit[i]) : []"


def of_map(page, script: str, *arguments):
    return page.locator(".point-map").evaluate(script, *arguments)


def wait_for_map(page, condition: str, *arguments) -> None:
    """Until a condition on ``map`` holds: a shadow root hides it from the page's own waiting."""
    for _ in range(600):
        if page.locator(".point-map").count() and of_map(
            page, f"(root, given) => {{ const map = root.map; return Boolean(map.drawn && {condition}); }}", *arguments
        ):
            return
        page.wait_for_timeout(100)
    raise AssertionError(f"not in a minute: {condition}")


@pytest.fixture(scope="module")
def made(browser, tmp_path_factory) -> tuple[Path, Table]:
    home = tmp_path_factory.mktemp("map-home")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("ISIMED_HOME", str(home))
        register(write_cohort(home / "small"), name="small")
        cohort = Cohort.load("small")
        checkpoint = state.checkpoint(cohort, state.checkpoint_choices(cohort)[0])
        prepare_cohort(cohort, checkpoint.card.preparation)
        table = written_for(cohort)
        open_points(table, open_map(table))
    return home, table


@pytest.fixture(scope="module")
def app(made, streamlit_server) -> str:
    return streamlit_server("app.py", env={"ISIMED_HOME": str(made[0])})


@pytest.fixture
def map_page(app, page):
    page.set_default_timeout(60_000)
    page.goto(f"{app}/embeddings?cohort=small")
    wait_for_map(page, "map.count > 100")
    page.wait_for_timeout(500)
    return page


def choose_colour(page, name: str) -> None:
    page.get_by_test_id("stSelectbox").filter(has_text="Colour").click()
    page.get_by_role("option", name=name, exact=True).click()


def lasso(page, low=(0.3, 0.3), high=(0.7, 0.7)) -> None:
    page.get_by_role("button", name="Lasso").click()
    box = of_map(page, BOX)
    corners = [(low[0], low[1]), (high[0], low[1]), (high[0], high[1]), (low[0], high[1]), (low[0], low[1])]
    at = [(box["x"] + x * box["width"], box["y"] + y * box["height"]) for x, y in corners]
    page.mouse.move(*at[0])
    page.mouse.down()
    for x, y in at[1:]:
        page.mouse.move(x, y, steps=5)
    page.mouse.up()


def chosen(page) -> int:
    text = page.get_by_text(re.compile(r"^[\d,]+ chosen crops?")).first.inner_text()
    return int(text.split()[0].replace(",", ""))


def test_coloured_points_are_seen_and_follow_the_map(map_page, foreign_hosts) -> None:
    shot = map_page.locator(".point-map canvas").screenshot()
    pixels = np.asarray(Image.open(io.BytesIO(shot)).convert("HSV"), dtype=int)
    panel = pixels[60:380, : pixels.shape[1] // 3]
    coloured = (panel[..., 1] > 90) & (panel[..., 2] > 90)
    assert coloured.sum() > 500
    across = np.where(coloured)[1]
    hue = panel[..., 0][coloured]
    assert np.corrcoef(across, hue)[0, 1] < -0.7  # violet at the left, yellow at the right
    assert not foreign_hosts(map_page)


def test_the_map_is_drawn_in_the_theme_of_the_page_and_again_when_that_changes(map_page) -> None:
    corner = "root => [...root.map.canvas.getContext('2d').getImageData(2, 2, 1, 1).data.slice(0, 3)]"
    assert max(of_map(map_page, corner)) < 60
    asked = len(map_page.requested)
    map_page.emulate_media(color_scheme="light")
    for _ in range(50):
        if min(of_map(map_page, corner)) > 200:
            break
        map_page.wait_for_timeout(100)
    assert min(of_map(map_page, corner)) > 200
    assert len(map_page.requested) == asked
    map_page.emulate_media(color_scheme="dark")


@pytest.mark.parametrize("panel", ["Against the axes", "PCA in 3D"])
def test_figures_that_python_colours_follow_the_theme_without_a_click(map_page, panel: str) -> None:
    map_page.get_by_role("radio", name=panel).click()
    figure = map_page.locator(".js-plotly-plot").first
    figure.wait_for()
    map_page.get_by_test_id("stStatusWidget").wait_for(state="hidden")
    for theme, look in (("light", plots.LIGHT), ("dark", plots.DARK)):
        map_page.emulate_media(color_scheme=theme)
        for _ in range(100):
            ground = figure.evaluate("node => node._fullLayout?.paper_bgcolor")
            if ground == look.ground:
                break
            map_page.wait_for_timeout(100)
        assert ground == look.ground


def test_the_wheel_scrolls_the_page_and_zooms_with_ctrl(map_page) -> None:
    map_page.set_viewport_size({"width": 1440, "height": 560})  # so that there is something to scroll
    map_page.wait_for_timeout(400)
    ranges = "root => JSON.stringify([...root.map.views.values()])"
    before, box = of_map(map_page, ranges), of_map(map_page, BOX)
    map_page.mouse.move(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)
    map_page.mouse.wheel(0, 200)
    map_page.wait_for_function("document.querySelector('[data-testid=stMain]').scrollTop > 0")
    map_page.wait_for_timeout(400)  # until it has come to rest
    assert of_map(map_page, ranges) == before
    box = of_map(map_page, BOX)  # it has scrolled
    map_page.mouse.move(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)
    map_page.keyboard.down("Control")
    map_page.mouse.wheel(0, -200)
    map_page.keyboard.up("Control")
    until(lambda: of_map(map_page, ranges) != before, seconds=30)


def test_a_clicked_point_shows_its_crop(map_page, made) -> None:
    choose_colour(map_page, "Sagittal")
    wait_for_map(map_page, "map.panels.length == 1")
    map_page.wait_for_timeout(500)
    index = of_map(map_page, EXTREME)
    map_page.mouse.move(*of_map(map_page, PLACE, index))
    map_page.wait_for_timeout(200)
    map_page.mouse.click(*of_map(map_page, PLACE, index))
    map_page.get_by_text("1 chosen crop", exact=True).wait_for()
    volume = str(made[1].volume[shuffled(np.arange(len(made[1])))[index]])
    map_page.get_by_text(re.compile(rf"{volume}, \d+ mm (left|right)")).first.wait_for()
    map_page.locator("canvas[data-plane=axial]").first.wait_for()


def test_points_are_chosen_and_cleared_with_keys_alone(map_page) -> None:
    choose_colour(map_page, "Sagittal")
    wait_for_map(map_page, "map.panels.length == 1")
    map_page.wait_for_timeout(500)
    canvas = map_page.locator(".point-map canvas")
    canvas.focus()
    for key in ("ArrowLeft", "Shift+ArrowLeft", "ArrowRight", "Shift+Enter"):
        map_page.keyboard.press(key)
    wait_for_map(map_page, "map.lit && map.lit.includes(1)")
    count = len(of_map(map_page, LIT))
    cross = of_map(map_page, "root => root.map.cross")
    lit = [of_map(map_page, "(root, i) => root.map.at(root.map.panels[0], i)", i) for i in of_map(map_page, LIT)]
    assert all(np.hypot(x - cross[0], y - cross[1]) <= 30 for x, y in lit)
    map_page.get_by_text(re.compile(rf"^{count} chosen crops?$")).first.wait_for()
    canvas.focus()
    map_page.keyboard.press("Escape")
    wait_for_map(map_page, "!map.lit")


def test_lasso_shows_the_crops_and_survives_a_colour_change(map_page, made) -> None:
    choose_colour(map_page, "Axial")
    wait_for_map(map_page, "map.panels.length == 1")
    map_page.wait_for_timeout(500)
    lasso(map_page)
    map_page.get_by_text("chosen crops").first.wait_for()
    count = chosen(map_page)
    assert 20 < count < len(made[1])
    map_page.locator("img[src^='data:image/jpeg']").nth(20).wait_for(state="attached")
    choose_colour(map_page, "Patient")
    wait_for_map(map_page, "map.data.legend.length > 0")
    assert (len(of_map(map_page, LIT)), chosen(map_page)) == (count, count)


def download(page, part: str, label: str) -> Path:
    panel = page.get_by_test_id("stPopoverBody")
    place = panel.get_by_test_id("stColumn").filter(has_text=part) if part else panel
    with page.expect_download() as waiting:
        place.get_by_role("button", name=label, exact=True).click()
    return waiting.value.path()


def test_chosen_crops_are_saved_and_a_click_in_the_scan_lights_its_points(map_page, made) -> None:
    table = made[1]
    choose_colour(map_page, "Axial")
    wait_for_map(map_page, "map.panels.length == 1")
    map_page.wait_for_timeout(500)
    lasso(map_page)
    map_page.get_by_text("chosen crops").first.wait_for()
    lit = of_map(map_page, LIT)

    map_page.get_by_test_id("stPopoverButton").filter(has_text="Download").click()
    frame = pd.read_csv(download(map_page, f"{len(lit)} chosen", "CSV"))
    drawn = shuffled(np.arange(len(table)))  # all crops are drawn: a point's number -> its row
    assert frame["row"].tolist() == sorted(drawn[lit])
    assert frame["volume"].tolist() == table.volume[frame["row"]].tolist()
    places = frame[["sagittal_mm", "coronal_mm", "axial_mm"]].to_numpy()
    assert np.allclose(places, table.position[frame["row"]], atol=1e-3)
    whole = pd.read_parquet(download(map_page, f"All {len(table)}", "Parquet"))
    assert np.array_equal(whole["axial_mm"], table.position[:, 2])
    page_file = download(map_page, "", "HTML").read_text(encoding="utf-8")
    assert "plotly" in page_file
    map_page.keyboard.press("Escape")

    map_page.get_by_text("A click in this scan selects the crops around it").click()
    canvas = map_page.locator("canvas[data-plane=axial]").first
    canvas.scroll_into_view_if_needed()
    map_page.wait_for_timeout(1000)
    box = canvas.bounding_box()
    canvas.click(position={"x": box["width"] * 0.5, "y": box["height"] * 0.5})
    wait_for_map(map_page, "map.lit && map.lit.reduce((a, b) => a + b) < given", len(lit))
    around = of_map(map_page, LIT)
    map_page.get_by_text(re.compile(rf"^{len(around)} chosen crops?$")).first.wait_for()
    around = drawn[around]
    assert len(set(table.volume[around])) == 1  # of the clicked scan
    assert np.ptp(table.centre_mm[around], axis=0).max() <= 40  # the box's edge
    map_page.get_by_role("button", name="Clear").click()
    wait_for_map(map_page, "!map.lit")
