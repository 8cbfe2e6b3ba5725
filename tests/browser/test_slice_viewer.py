"""The slice viewer over the wire: what is clicked is what Python gets, and nothing else costs a rerun."""

import importlib.util
import re
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from isimed.ui.slice_viewer import encoding
from tests.eventually import until

APPS = Path(__file__).parent / "apps"
AXES = {"axial": (0, 1, 2), "coronal": (0, 2, 1), "sagittal": (1, 2, 0)}
SPACING = (2.0, 1.5, 4.0)
SHAPE = (40, 50, 30)
MIDDLE = (20, 25, 15)  # where the crosshair starts


@pytest.fixture(scope="module")
def app(streamlit_server):
    return streamlit_server(APPS / "viewer_app.py")


@pytest.fixture
def viewer(app, page):
    page.goto(app)
    page.locator(".readout .voxel").first.wait_for()
    return page


def canvas(page, plane, nth=0):
    return page.locator(f"canvas[data-plane={plane}]").nth(nth)


def place(page, plane, voxel, *, radiological=True, nth=0):
    """Where a voxel must be on the canvas, worked out here anew: [x, y] in CSS pixels."""
    across, up, _ = AXES[plane]
    box = canvas(page, plane, nth).bounding_box()
    scale = min(box["width"] / (SHAPE[across] * SPACING[across]), box["height"] / (SHAPE[up] * SPACING[up]))
    right = (voxel[across] - (SHAPE[across] - 1) / 2) * SPACING[across] * scale
    above = (voxel[up] - (SHAPE[up] - 1) / 2) * SPACING[up] * scale
    mirrored = plane == "sagittal" or radiological
    return box["width"] / 2 + (-right if mirrored else right), box["height"] / 2 - above


def click(page, plane, voxel, *, radiological=True, nth=0):
    x, y = place(page, plane, voxel, radiological=radiological, nth=nth)
    canvas(page, plane, nth).click(position={"x": x, "y": y})


def grey(page, plane, voxel, *, radiological=True):
    x, y = place(page, plane, voxel, radiological=radiological)
    look = "(c, [x, y]) => c.getContext('2d').getImageData(x * devicePixelRatio, y * devicePixelRatio, 1, 1).data[0]"
    return canvas(page, plane).evaluate(look, [x, y])


def readout(page):
    return page.locator(".readout .voxel").first.inner_text()


def runs(page):
    return page.get_by_text(re.compile(r"^runs \d+$")).inner_text()


def show_voxel(page, voxel):
    """Bring the crosshair to a voxel, with the keys only."""
    for axis, plane in ((2, "axial"), (1, "coronal"), (0, "sagittal")):
        at = int(readout(page).split(", ")[axis])
        canvas(page, plane).focus()
        for _ in range(abs(voxel[axis] - at)):
            page.keyboard.press("ArrowUp" if voxel[axis] > at else "ArrowDown")
    assert readout(page) == ", ".join(map(str, voxel))


def test_the_phantom_fills_the_frame_as_place_assumes():
    spec = importlib.util.spec_from_file_location("viewer_script", APPS / "viewer_script.py")
    script = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(script)
    assert encoding.encode(script.phantom().voxels).frame == ([0, 0, 0], [n - 1 for n in SHAPE])


@pytest.mark.parametrize(
    ("plane", "voxel"),
    [("axial", (33, 7, 15)), ("coronal", (3, 25, 22)), ("sagittal", (20, 44, 5)), ("axial", (0, 49, 15))],
)
def test_a_click_gives_python_the_exact_voxel(viewer, plane, voxel):
    click(viewer, plane, voxel)
    mm = (2.0 * voxel[0] - 37, 1.5 * voxel[1] - 21, 4.0 * voxel[2] + 11)
    viewer.get_by_text(f"voxel {voxel} mm {mm} count 1 seen 1", exact=True).wait_for()
    assert readout(viewer) == ", ".join(map(str, voxel))


def test_the_wheel_changes_slices_without_a_rerun(viewer, app):
    canvas(viewer, "axial").hover(position={"x": 100, "y": 200})
    before, sent = runs(viewer), len(viewer.requested)
    title = canvas(viewer, "axial").get_attribute("aria-label")
    for _ in range(3):
        viewer.mouse.wheel(0, -100)
    assert "slice 16 of 30" in title
    until(lambda: "slice 19 of 30" in canvas(viewer, "axial").get_attribute("aria-label"), seconds=30)
    viewer.wait_for_timeout(500)  # for a rerun, were there one
    assert "slice 19 of 30" in canvas(viewer, "axial").get_attribute("aria-label")
    assert (runs(viewer), len(viewer.requested)) == (before, sent)


def test_a_double_click_resets_and_leaves_the_place(viewer):
    show_voxel(viewer, (20, 25, 12))
    canvas(viewer, "axial").press("Enter")
    viewer.get_by_text("voxel (20, 25, 12)").wait_for()
    for _ in range(3):
        canvas(viewer, "axial").press("+")
    canvas(viewer, "axial").dblclick(position={"x": 60, "y": 80})
    viewer.mouse.move(0, 0)
    viewer.wait_for_timeout(1500)
    assert readout(viewer) == "20, 25, 12"
    assert viewer.get_by_text("voxel (20, 25, 12)").is_visible()
    click(viewer, "axial", (30, 30, 12))  # where that voxel is without zoom
    viewer.get_by_text("voxel (30, 30, 12)").wait_for()


def test_the_switch_mirrors_picture_letters_and_picking_together(viewer):
    inside, mirrored = (29, 36, 21), (10, 36, 21)  # in the bright block, and its mirror image in the body
    show_voxel(viewer, (35, 10, 21))
    until(lambda: grey(viewer, "axial", inside) > 240, seconds=30)
    assert grey(viewer, "axial", mirrored) < 60
    viewer.get_by_role("button", name="Radiological").click()
    viewer.get_by_role("button", name="Neurological").wait_for()
    until(lambda: grey(viewer, "axial", inside, radiological=False) > 240, seconds=30)
    assert "neurological" in canvas(viewer, "axial").get_attribute("aria-label")
    assert "neurological" in canvas(viewer, "coronal", 1).get_attribute("aria-label")  # the other viewer follows
    assert grey(viewer, "axial", mirrored, radiological=False) < 60
    click(viewer, "axial", inside, radiological=False)
    viewer.get_by_text(re.compile(r"^voxel \(29, 36, 21\)")).wait_for()
    viewer.wait_for_timeout(200)
    click(viewer, "sagittal", (29, 5, 3))
    viewer.get_by_text(re.compile(r"^voxel \(29, 5, 3\)")).wait_for()


def test_arrow_keys_move_the_focused_plane_and_enter_chooses(viewer):
    before = runs(viewer)
    canvas(viewer, "coronal").focus()
    for key in ("ArrowUp", "ArrowRight", "ArrowRight", "ArrowDown", "PageUp"):
        viewer.keyboard.press(key)
    assert readout(viewer) == "20, 37, 15"
    canvas(viewer, "axial").focus()
    viewer.keyboard.press("Shift+ArrowRight")  # radiological: towards the patient's left
    assert readout(viewer) == "19, 37, 15"
    assert runs(viewer) == before
    viewer.keyboard.press("Enter")
    viewer.get_by_text(re.compile(r"^voxel \(19, 37, 15\)")).wait_for()


def test_window_presets_and_dragging(viewer):
    before = runs(viewer)
    canvas(viewer, "axial").focus()
    window = viewer.locator(".toolbar .window").first
    for key, words in (("1", "L -600  W 1500"), ("2", "L 40  W 400"), ("3", "L 400  W 1800"), ("4", "L 40  W 80")):
        viewer.keyboard.press(key)
        assert window.text_content() == words
    box = canvas(viewer, "axial").bounding_box()
    viewer.mouse.move(box["x"] + 100, box["y"] + 100)
    viewer.mouse.down(button="right")
    viewer.mouse.move(box["x"] + 200, box["y"] + 100, steps=4)
    viewer.mouse.up(button="right")
    assert window.text_content() not in ("L 40  W 80", "")
    viewer.keyboard.press("0")
    assert window.text_content() == "L 1000  W 2000"
    assert runs(viewer) == before


def test_zoom_and_pan_keep_picking_exact(viewer):
    target = (33, 7, 15)
    x, y = place(viewer, "axial", target)
    canvas(viewer, "axial").hover(position={"x": x, "y": y})
    viewer.keyboard.down("Control")
    for _ in range(5):
        viewer.mouse.wheel(0, -120)
    viewer.keyboard.up("Control")
    box = canvas(viewer, "axial").bounding_box()
    viewer.mouse.move(box["x"] + x, box["y"] + y)
    viewer.mouse.down(button="middle")
    viewer.mouse.move(box["x"] + x + 40, box["y"] + y - 30, steps=4)
    viewer.mouse.up(button="middle")
    canvas(viewer, "axial").click(position={"x": x + 40, "y": y - 30})
    viewer.get_by_text(re.compile(r"^voxel \(33, 7, 15\)")).wait_for()


@pytest.fixture
def touched(app, browser):
    """The viewer on a touch screen, and a function: fingers laid on points, moved to others in turn, lifted."""
    context = browser.new_context(viewport={"width": 1440, "height": 900}, has_touch=True)
    page = context.new_page()
    page.goto(app)
    page.locator(".readout .voxel").first.wait_for()
    wire = context.new_cdp_session(page)
    box = canvas(page, "axial").bounding_box()

    def send(kind, points):
        at = [{"x": box["x"] + x, "y": box["y"] + y, "id": number} for number, (x, y) in enumerate(points)]
        wire.send("Input.dispatchTouchEvent", {"type": kind, "touchPoints": at})

    def fingers(*moments):
        send("touchStart", moments[0])
        for moment in moments[1:]:
            send("touchMove", moment)
        send("touchEnd", [])
        page.wait_for_timeout(200)

    yield page, fingers
    context.close()


def test_a_finger_chooses_a_voxel_and_turns_slices(touched):
    page, fingers = touched
    fingers([place(page, "axial", (33, 7, 15))])
    page.get_by_text(re.compile(r"^voxel \(33, 7, 15\)")).wait_for()
    before = runs(page)
    fingers(*([(200, 200 - 6 * step)] for step in range(9)))
    until(lambda: "slice 20 of 30" in canvas(page, "axial").get_attribute("aria-label"), seconds=30)
    assert runs(page) == before


def test_two_fingers_zoom_and_a_tap_there_is_exact(touched):
    page, fingers = touched
    x, y = place(page, "axial", (33, 7, 15))
    fingers(*([(x - 20 - 4 * step, y), (x + 20 + 4 * step, y)] for step in range(11)))  # three times as far apart
    fingers([(x, y)])
    page.get_by_text(re.compile(r"^voxel \(33, 7, 15\)")).wait_for()
    fingers([(x + 40, y)])  # more than four voxels before the zoom
    page.get_by_text(re.compile(r"^voxel \((31|32), 7, 15\)")).wait_for()


def test_two_viewers_do_not_mix_and_a_rerun_fetches_nothing(viewer):
    fetched = [url for url in viewer.requested if "/isimed/voxels/" in url]
    click(viewer, "coronal", (4, 25, 9), nth=1)
    viewer.get_by_text("second (4, 25, 9)").wait_for()
    viewer.get_by_text("no click").wait_for()
    assert len(fetched) == 1  # both show the same volume
    assert [url for url in viewer.requested if "/isimed/voxels/" in url] == fetched


def test_a_failed_fetch_says_so_and_can_be_tried_again(app, page):
    page.route("**/isimed/voxels/*", lambda route: route.abort())
    page.goto(app)
    page.get_by_text("The server cannot be reached.").first.wait_for()
    page.unroute("**/isimed/voxels/*")
    page.get_by_role("button", name="Try again").first.click()
    page.locator(".readout .voxel").first.wait_for()


def drag(page, plane, start, end):
    box = canvas(page, plane).bounding_box()
    (x0, y0), (x1, y1) = place(page, plane, start), place(page, plane, end)
    page.mouse.move(box["x"] + x0, box["y"] + y0)
    page.mouse.down()
    page.mouse.move(box["x"] + x1, box["y"] + y1, steps=4)
    page.mouse.up()


def pixels(page, plane):
    """A canvas as it is drawn, to be compared with a later one."""
    page.wait_for_timeout(150)
    return canvas(page, plane).evaluate("(canvas) => canvas.toDataURL()")


def test_a_dragged_distance_reaches_python_in_mm_and_is_drawn_on_its_slice_alone(viewer):
    before = pixels(viewer, "axial")
    viewer.get_by_role("button", name="Distance").first.click()
    drag(viewer, "axial", (10, 10, 15), (30, 34, 15))  # 40 mm across, 36 mm up
    viewer.get_by_text(re.compile(r"^distance axial 5[34]\.\d mm from \[10, 10, 15\]$")).wait_for()
    viewer.mouse.move(0, 0)
    assert readout(viewer) == "20, 25, 15"  # the crosshair stayed
    kept = pixels(viewer, "axial")
    assert kept != before
    canvas(viewer, "axial").press("Escape")
    assert viewer.get_by_role("button", name="Distance").first.get_attribute("aria-pressed") == "false"
    other = viewer.locator("canvas[data-plane=axial]").first
    other.press("ArrowUp")
    drawn_above = """(c) => [...c.getContext('2d').getImageData(0, 0, c.width, c.height).data]
        .some((v, n, all) => n % 4 === 0 && v === 0xe4 && all[n + 1] === 0x60 && all[n + 2] === 0xc0)"""
    until(lambda: not other.evaluate(drawn_above), seconds=30)
    other.press("ArrowDown")
    until(lambda: other.evaluate(drawn_above), seconds=30)


def test_keys_alone_measure_a_circle(viewer):
    canvas(viewer, "coronal").focus()
    viewer.keyboard.press("c")
    for _ in range(4):
        viewer.keyboard.press("Shift+ArrowUp")
    viewer.keyboard.press("c")
    viewer.get_by_text("circle coronal 16.0 mm from [20, 25, 15]").wait_for()


def test_the_question_mark_shows_the_keys_and_escape_gives_the_focus_back(viewer):
    canvas(viewer, "sagittal").focus()
    viewer.keyboard.press("?")
    shown = viewer.get_by_role("dialog", name="Keys and mouse").first
    assert "window presets" in shown.inner_text()
    viewer.keyboard.press("Escape")
    shown.wait_for(state="hidden")
    viewer.keyboard.press("ArrowUp")
    assert readout(viewer) == "21, 25, 15"


def test_a_slab_shows_the_brightest_through_it_and_says_how_thick_it_is(viewer):
    beside = (29, 36, 17)  # two slices below the bright block
    show_voxel(viewer, beside)
    until(lambda: grey(viewer, "axial", beside) < 60, seconds=30)
    viewer.get_by_label("Slab").first.select_option("MIP 20 mm")
    until(lambda: grey(viewer, "axial", beside) > 240, seconds=30)
    assert "MIP of 20 mm" in canvas(viewer, "axial").get_attribute("aria-label")
    canvas(viewer, "axial").press("m")
    until(lambda: grey(viewer, "axial", beside) < 60, seconds=30)
    assert "MinIP of 20 mm" in canvas(viewer, "axial").get_attribute("aria-label")


def test_one_plane_takes_the_whole_screen_and_gives_it_back(viewer):
    wide = canvas(viewer, "axial").bounding_box()["width"]
    canvas(viewer, "axial").press("f")
    viewer.wait_for_function("document.fullscreenElement !== null")
    until(lambda: canvas(viewer, "axial").bounding_box()["width"] == 1440 > wide, seconds=30)
    canvas(viewer, "axial").press("f")
    viewer.wait_for_function("document.fullscreenElement === null")
    until(lambda: canvas(viewer, "axial").bounding_box()["width"] == pytest.approx(wide, abs=1), seconds=30)


def test_pictures_of_one_plane_and_of_all_are_saved_here(viewer, tmp_path, foreign_hosts):
    sizes = {}
    for keys in ("p", "Shift+P"):
        with viewer.expect_download() as waiting:
            canvas(viewer, "axial").press(keys)
        waiting.value.save_as(tmp_path / waiting.value.suggested_filename)
        with Image.open(tmp_path / waiting.value.suggested_filename) as picture:
            assert picture.format == "PNG"
            sizes[waiting.value.suggested_filename] = picture.size
            foot = np.asarray(picture.convert("L"))[-50:]
        assert (foot > 150).sum() > 500  # words stand below the planes
    assert list(sizes) == ["Patient_7-axial.png", "Patient_7.png"]
    assert sizes["Patient_7.png"][0] > 2 * sizes["Patient_7-axial.png"][0]
    assert foreign_hosts(viewer) == set()


def test_labels_have_a_legend_and_a_switch_each(app, page):
    page.goto(f"{app}?labels=1")
    page.locator(".readout .voxel").first.wait_for()
    both = pixels(page, "axial")
    page.get_by_label("right thing").uncheck()
    one = pixels(page, "axial")
    page.get_by_label("left thing").uncheck()
    none = pixels(page, "axial")
    assert len({both, one, none}) == 3
    page.get_by_label("right thing").check()
    page.get_by_label("left thing").check()
    assert pixels(page, "axial") == both


def test_windows_are_chosen_from_a_list_too(viewer):
    viewer.get_by_label("Window", exact=True).first.select_option(label="Bone (3)")
    assert viewer.locator(".toolbar .window").first.text_content() == "L 400  W 1800"


def test_nothing_is_asked_of_another_host(viewer, foreign_hosts):
    click(viewer, "axial", (33, 7, 15))
    viewer.get_by_text(re.compile(r"^voxel \(33, 7, 15\)")).wait_for()
    assert foreign_hosts(viewer) == set()
