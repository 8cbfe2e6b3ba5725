"""The Viewer page over the wire: a click finds, a link restores, points are exported."""

import json
import re
import time
import zipfile
from urllib.parse import parse_qs, urlparse

import pytest
from PIL import Image

from isimed.data.cohorts.cohort import Cohort, register
from isimed.explore.one_scan.choose import fitting_checkpoints
from isimed.explore.tables.embed import checkpoint_for, embed_cohort
from isimed.ui.annotations.exporting import as_fcsv
from tests.eventually import until
from tests.small import write_cohort

SOURCES = "(pictures) => pictures.map((picture) => picture.src).join()"


@pytest.fixture(scope="module")
def app(streamlit_server, tmp_path_factory):
    """The app on four small patients, embedded with the untrained network."""
    home = tmp_path_factory.mktemp("home")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("ISIMED_HOME", str(home))
        for name, patients in (("small", 6), ("other", 3)):
            register(write_cohort(tmp_path_factory.mktemp("source") / name, patients=patients, size=14, name=name))
            cohort = Cohort.load(name)
            fitting = fitting_checkpoints(cohort)  # the untrained network is prepared like the best that fits
            like = checkpoint_for(fitting[0], cohort) if fitting else None
            embed_cohort(cohort, checkpoint_for("untrained", cohort, like=like))
    return streamlit_server("app.py", env={"ISIMED_HOME": str(home)})


@pytest.fixture
def viewer(app, page):
    page.goto(f"{app}/viewer?cohort=small&checkpoint=untrained&volume=P1&mm=-50.0,-60.0,-50.0")
    page.locator(".strip .picture").first.wait_for(timeout=180_000)  # the first load of a cold server
    page.locator(".readout .mm").first.wait_for()
    return page


def test_a_link_restores_patient_place_and_network(viewer):
    sides = re.findall(r"([RLAPSI]) ([\d.]+)", viewer.locator(".readout .mm").first.inner_text())
    assert [side for side, _ in sides] == ["L", "P", "I"]
    assert [float(mm) for _, mm in sides] == [50, 60, 50]  # the very place, not the middle of its voxel of 4 mm
    assert viewer.get_by_text("Click any place in P1").is_visible()
    assert "volume=P1" in viewer.url
    assert "checkpoint=untrained" in viewer.url


def test_a_click_searches_and_the_link_follows(viewer, foreign_hosts):
    pictures = viewer.locator(".strip img")
    before = pictures.evaluate_all(SOURCES)
    place = viewer.url
    box = viewer.locator("canvas[data-plane=axial]").first.bounding_box()
    viewer.locator("canvas[data-plane=axial]").first.click(position={"x": box["width"] * 0.6, "y": box["height"] * 0.4})
    viewer.wait_for_function("(before) => location.href !== before", arg=place, timeout=60_000)
    deadline = time.monotonic() + 60
    while pictures.evaluate_all(SOURCES) == before and time.monotonic() < deadline:
        viewer.wait_for_timeout(50)
    assert pictures.evaluate_all(SOURCES) != before
    assert "volume=P1" in viewer.url
    assert foreign_hosts(viewer) == set()


def test_back_goes_to_the_place_before_and_then_to_the_page_before(app, page):
    page.set_default_timeout(60_000)
    page.goto(f"{app}/home")
    page.get_by_role("heading", name="Where in the body is this?").wait_for()
    page.goto(f"{app}/viewer?cohort=small&checkpoint=untrained")  # a link that does not say the place
    page.locator(".strip .picture").first.wait_for(timeout=180_000)
    page.locator(".readout .mm").first.wait_for()
    page.wait_for_function("() => /mm=/.test(location.search)")
    place, said = page.url, page.locator(".readout .mm").first.inner_text()
    canvas = page.locator("canvas[data-plane=axial]").first
    box = canvas.bounding_box()
    canvas.click(position={"x": box["width"] * 0.2, "y": box["height"] * 0.6})
    page.wait_for_function("(before) => location.href !== before", arg=place)
    page.mouse.move(0, 0)
    page.locator(".readout .mm").filter(has_not_text=said).first.wait_for()
    later = page.url
    page.get_by_role("link", name="Volumes").click()
    page.get_by_role("heading", name="Volumes").wait_for()
    page.wait_for_function("() => /cohort=/.test(location.search)")
    page.go_back(wait_until="commit")
    page.wait_for_url(later)
    page.locator(".readout .mm").first.wait_for()
    page.go_back(wait_until="commit")
    page.locator(".readout .mm").filter(has_text=said).first.wait_for()
    page.wait_for_timeout(500)  # nothing puts the later place back
    assert page.url == place
    page.go_back(wait_until="commit")
    page.get_by_role("heading", name="Where in the body is this?").wait_for()


def test_linked_patients_scroll_along_without_a_rerun(viewer):
    asked = len(viewer.requested)
    first, other = viewer.locator("canvas[data-plane=axial]").first, viewer.locator("canvas[data-plane=axial]").nth(1)

    def slice_of(canvas) -> int:
        return int(re.search(r"slice (\d+)", canvas.get_attribute("aria-label")).group(1))

    before = slice_of(other)
    first.hover()
    for _ in range(3):
        viewer.mouse.wheel(0, -100)
    until(lambda: slice_of(other) == before + 3, seconds=30, otherwise=lambda: (slice_of(other), before))
    viewer.wait_for_timeout(500)  # nothing moves it further, and nothing is asked for
    assert slice_of(other) == before + 3
    assert len(viewer.requested) == asked


def test_the_switch_mirrors_the_strip_as_well(viewer):
    shown = viewer.locator(".strip .shown").first
    assert shown.inner_text().split() == ["R", "L"]
    viewer.get_by_role("button", name="Radiological").click()
    assert shown.inner_text().split() == ["L", "R"]
    assert "scaleX(-1)" in shown.locator("img").get_attribute("style")
    viewer.get_by_role("button", name="Neurological").click()
    assert "scaleX" not in shown.locator("img").get_attribute("style")


def test_a_match_opens_and_becomes_the_clicked_patient(viewer):
    viewer.locator(".strip .picture").first.click()
    viewer.wait_for_function("() => !location.href.includes('volume=P1')", timeout=60_000)
    volume = re.search(r"volume=(P\d)", viewer.url).group(1)
    viewer.get_by_text(f"Click any place in {volume}").wait_for()


def test_a_kept_point_is_exported_for_slicer(viewer, tmp_path):
    viewer.get_by_role("button", name=re.compile("Points")).click()
    viewer.get_by_label("Name of this place").fill("the spot")
    viewer.get_by_label("Name of this place").press("Enter")
    viewer.get_by_role("button", name=re.compile("Keep it")).click()
    viewer.get_by_role("button", name=re.compile(r"Points \(1\)")).wait_for()
    with viewer.expect_download() as waiting:
        viewer.get_by_role("button", name=re.compile("Slicer")).click()
    waiting.value.save_as(tmp_path / "points.zip")
    with zipfile.ZipFile(tmp_path / "points.zip") as archive:
        markup = json.loads(archive.read("P1.mrk.json"))["markups"][0]
    assert markup["coordinateSystem"] == "LPS"
    assert markup["controlPoints"][0]["label"] == "the spot"
    assert markup["controlPoints"][0]["position"] == pytest.approx([50, 60, -50])


def test_one_place_in_all_patients_is_saved_as_one_picture(viewer, tmp_path):
    open_points(viewer)
    with viewer.expect_download() as waiting:
        viewer.get_by_role("button", name=re.compile("This place in all patients")).click()
    waiting.value.save_as(tmp_path / "sheet.png")
    with Image.open(tmp_path / "sheet.png") as sheet:
        assert sheet.format == "PNG"
        assert sheet.width > 6 * 240


def kept_count(viewer):
    return int(re.search(r"\d+", viewer.get_by_role("button", name=re.compile(r"Points \(\d+\)")).inner_text()).group())


def open_points(viewer):
    """Open the list; a run of the page that is still under way may close it again."""
    for _ in range(10):
        if not viewer.get_by_label("Name of this place").is_visible():
            viewer.get_by_role("button", name=re.compile(r"Points \(\d+\)")).click()
        viewer.wait_for_timeout(700)
        if viewer.get_by_label("Name of this place").is_visible():
            return


def test_a_kept_point_is_there_after_a_reload_until_it_is_deleted(viewer):
    count = kept_count(viewer)
    open_points(viewer)
    viewer.get_by_label("Name of this place").fill("stays")
    viewer.get_by_label("Name of this place").press("Enter")
    viewer.get_by_role("button", name=re.compile("Keep it")).click()
    viewer.get_by_role("button", name=f"Points ({count + 1})").wait_for()
    viewer.reload()
    viewer.get_by_role("button", name=f"Points ({count + 1})").wait_for(timeout=60_000)
    open_points(viewer)
    viewer.get_by_role("button", name="Delete stays").click()
    viewer.get_by_role("button", name=f"Points ({count})").wait_for()


def test_a_circle_in_the_scan_is_kept_with_its_mean_and_sd(viewer):
    count = kept_count(viewer)
    viewer.get_by_role("button", name="Circle").click()
    box = viewer.locator("canvas[data-plane=axial]").first.bounding_box()
    x, y = box["x"] + box["width"] / 2, box["y"] + box["height"] / 2
    viewer.mouse.move(x, y)
    viewer.mouse.down()
    viewer.mouse.move(x + 40, y, steps=4)
    viewer.mouse.up()
    viewer.get_by_role("button", name=f"Points ({count + 1})").wait_for(timeout=60_000)
    open_points(viewer)
    viewer.get_by_text(re.compile(r"mean [\d.]+, SD [\d.]+, \d+ mm²")).last.wait_for()


def test_what_is_said_of_a_circle_covers_neither_letter_nor_scale(viewer):
    viewer.evaluate("""() => {
      const draw = CanvasRenderingContext2D.prototype.fillText;
      window.said = [];
      CanvasRenderingContext2D.prototype.fillText = function (words, x, y, ...more) {
        window.said.push([words, y, this.canvas.clientHeight]);
        return draw.call(this, words, x, y, ...more);
      };
    }""")
    viewer.get_by_role("button", name="Circle").click()
    box = viewer.locator("canvas[data-plane=axial]").first.bounding_box()
    x, y = box["x"] + box["width"] / 2, box["y"] + box["height"] - 40  # its lower rim is out of sight
    viewer.mouse.move(x, y)
    viewer.mouse.down()
    viewer.mouse.move(x + 45, y, steps=4)
    viewer.mouse.up()
    viewer.wait_for_timeout(500)
    places = viewer.evaluate("() => window.said.filter(([words]) => words.includes('mm²'))")
    assert places
    assert all(14 <= y <= height - 30 for _, y, height in places)


def test_points_of_slicer_are_imported_for_the_scan_that_is_shown(viewer, tmp_path):
    file = tmp_path / "points.fcsv"
    file.write_text(as_fcsv([("from Slicer", (-50.0, -60.0, -50.0))]))
    open_points(viewer)
    viewer.locator("input[type=file]").set_input_files(file)
    viewer.get_by_role("button", name="Import", exact=True).click()
    viewer.get_by_text("Imported 1 of 1.").wait_for()
    viewer.get_by_text(re.compile(r"-50.0, -60.0, -50.0 mm")).last.wait_for()


def test_a_link_carries_overlay_plane_and_window(viewer, browser):
    viewer.get_by_role("combobox", name=re.compile("Overlay")).click()
    viewer.get_by_role("option", name="Likeness to the click").click()
    viewer.get_by_role("radio", name="Coronal").click()
    viewer.locator("canvas[data-plane=axial]").first.press("2")
    viewer.wait_for_function("() => /layer=/.test(location.search) && /plane=coronal/i.test(location.search)")
    viewer.wait_for_function("() => /window=/.test(location.search)")
    window = viewer.locator(".toolbar .window").first.inner_text()
    other = browser.new_page(viewport={"width": 1440, "height": 900})
    other.set_default_timeout(60_000)
    other.goto(viewer.url)
    other.locator(".strip .picture").first.wait_for()
    other.locator(".readout .mm").first.wait_for()
    assert other.locator(".toolbar .window").first.inner_text() == window
    assert other.locator("canvas[data-plane=coronal]").count() > 1
    other.get_by_label("Opacity of").first.wait_for()
    other.locator("canvas[data-plane=axial]").first.press("0")
    assert other.locator(".toolbar .window").first.inner_text() != window
    other.close()


def test_a_window_chosen_for_one_patient_is_shown_for_the_linked_ones(viewer):
    other = viewer.locator("canvas[data-plane=axial]").nth(1)
    viewer.wait_for_timeout(500)
    before = other.evaluate("(canvas) => canvas.toDataURL()")
    viewer.locator("canvas[data-plane=axial]").first.press("3")
    until(lambda: other.evaluate("(canvas) => canvas.toDataURL()") != before, seconds=30)


def test_linked_patients_zoom_along_and_come_back_together(viewer):
    other = viewer.locator("canvas[data-plane=axial]").nth(1)
    look = "(canvas) => canvas.toDataURL()"
    viewer.wait_for_timeout(500)
    before = other.evaluate(look)
    first = viewer.locator("canvas[data-plane=axial]").first
    for _ in range(4):
        first.press("+")
    until(lambda: other.evaluate(look) != before, seconds=30)
    first.press("0")
    until(lambda: other.evaluate(look) == before, seconds=30)


def test_linked_patients_are_moved_along_where_they_are_enlarged(viewer):
    first, other = viewer.locator("canvas[data-plane=axial]").first, viewer.locator("canvas[data-plane=axial]").nth(1)
    look = "(canvas) => canvas.toDataURL()"
    for _ in range(4):
        first.press("+")
    viewer.wait_for_timeout(500)
    before, there, box = other.evaluate(look), viewer.url, first.bounding_box()
    viewer.keyboard.down("Shift")
    viewer.mouse.move(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)
    viewer.mouse.down()
    viewer.mouse.move(box["x"] + box["width"] / 3, box["y"] + box["height"] / 3, steps=4)
    viewer.mouse.up()
    viewer.keyboard.up("Shift")
    until(lambda: other.evaluate(look) != before, seconds=30)
    assert viewer.url == there  # the place stays where it was clicked
    first.press("0")


def test_scanner_millimetres_are_called_so(viewer):
    shown = viewer.locator(".readout .mm").first
    assert "Scanner" in shown.evaluate("(words) => getComputedStyle(words, '::before').content")


def test_crops_chosen_here_are_lit_in_the_map_and_stay_chosen(viewer):
    viewer.get_by_role("button", name=re.compile(r"Crops \(0\)")).click()
    viewer.get_by_role("button", name="Choose the crops in it").click()
    button = viewer.get_by_role("button", name=re.compile(r"Crops \([1-9]\d*\)"))
    button.wait_for()
    count = int(re.search(r"\((\d+)\)", button.inner_text()).group(1))
    viewer.get_by_role("button", name="See them in the map").click()
    viewer.get_by_text(re.compile(rf"^{count} chosen crops?$")).wait_for(timeout=120_000)
    viewer.get_by_role("button", name="Open in the viewer").click()
    viewer.get_by_role("button", name=re.compile(rf"Crops \({count}\)")).wait_for(timeout=60_000)


def test_both_ends_of_a_likeness_stand_beside_its_ramp(viewer):
    viewer.get_by_role("combobox", name=re.compile("Overlay")).click()
    viewer.get_by_role("option", name="Likeness to the click").click()
    scale = viewer.locator(".heat .scale").first
    scale.wait_for()
    boxes = [part.bounding_box() for part in scale.locator("> span").all()]
    assert len(boxes) == 3
    middles = [box["y"] + box["height"] / 2 for box in boxes]
    assert max(middles) - min(middles) < 3
    assert boxes[0]["x"] < boxes[1]["x"] < boxes[2]["x"]


def test_what_is_kept_stands_with_both_its_buttons_in_one_line(viewer):
    open_points(viewer)
    viewer.get_by_label("Name of this place").fill("the left one")
    viewer.get_by_label("Name of this place").press("Enter")
    viewer.get_by_role("button", name=re.compile("Keep it")).click()
    delete = viewer.get_by_role("button", name="Delete the left one")
    delete.wait_for()
    go = viewer.get_by_role("button", name="Go to the left one")
    assert go.bounding_box()["y"] == delete.bounding_box()["y"]
    delete.click()
    delete.wait_for(state="detached")


def test_another_cohort_starts_fresh(app, page, browser):
    page.set_default_timeout(60_000)
    page.goto(f"{app}/viewer?cohort=small&checkpoint=untrained&volume=P1&mm=-50.0,-60.0,-50.0")
    page.locator(".strip .picture").first.wait_for(timeout=180_000)
    page.locator(".readout .mm").first.wait_for()
    page.get_by_test_id("stStatusWidget").wait_for(state="hidden")
    count = kept_count(page)
    open_points(page)
    page.get_by_role("button", name=re.compile("Keep it")).click()
    page.get_by_role("button", name=f"Points ({count + 1})").wait_for()
    page.keyboard.press("Escape")
    page.get_by_role("button", name=re.compile(r"Crops \(0\)")).click()
    page.get_by_role("button", name="Choose the crops in it").click()
    page.get_by_role("button", name=re.compile(r"Crops \([1-9]\d*\)")).wait_for()
    page.keyboard.press("Escape")
    page.get_by_role("combobox", name=re.compile("Overlay")).click()
    page.get_by_role("option", name="Likeness to the click").click()
    page.locator(".heat").first.wait_for()
    page.locator("canvas[data-plane=axial]").first.press("2")
    page.wait_for_function("() => /window=/.test(location.search)")
    page.get_by_role("combobox", name=re.compile("Cohort")).click()
    page.get_by_role("option", name="other", exact=True).click()
    page.wait_for_url(re.compile("cohort=other"))
    page.get_by_role("button", name="Points (0)").wait_for()
    page.get_by_role("button", name="Crops (0)").wait_for()
    page.get_by_test_id("stStatusWidget").wait_for(state="hidden")
    changed = parse_qs(urlparse(page.url).query)
    assert page.locator(".heat").count() == 0
    newcomer = browser.new_page()
    newcomer.set_default_timeout(60_000)
    newcomer.goto(f"{app}/viewer?cohort=other&checkpoint=untrained")
    newcomer.locator(".readout .mm").first.wait_for()
    newcomer.wait_for_function("() => /mm=/.test(location.search)")
    assert changed == parse_qs(urlparse(newcomer.url).query)  # the very view that a newcomer has
    newcomer.close()
    page.get_by_role("combobox", name=re.compile("Cohort")).click()
    page.get_by_role("option", name="small", exact=True).click()
    page.get_by_role("button", name=f"Points ({count + 1})").wait_for()  # what belongs to a cohort is there again


def test_the_opacity_of_an_overlay_is_seen_without_scrolling(viewer):
    viewer.get_by_role("combobox", name=re.compile("Overlay")).click()
    viewer.get_by_role("option", name="Likeness to the click").click()
    slider = viewer.get_by_label(re.compile("Opacity of")).first
    slider.wait_for()
    box, panel = slider.bounding_box(), viewer.locator(".panel").first.bounding_box()
    assert panel["y"] <= box["y"]
    assert box["y"] + box["height"] <= panel["y"] + panel["height"]
    assert panel["y"] + panel["height"] <= 900
