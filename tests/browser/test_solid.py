"""The scan in 3-D: drawn from the voxels that are here, fetched when asked for, and asked of nobody else."""

import io
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
from PIL import Image

from tests.conftest import CHROMIUM_ARGS, chromium_path

APPS = Path(__file__).parent / "apps"
WEBGL = ["--use-gl=angle", "--use-angle=swiftshader", "--enable-unsafe-swiftshader"]
PLACE = """root => { const { scan, viewer } = root.solid;
    return [...scan.frac2mm(scan.scene.crosshairPos)].slice(0, 3).map((mm, n) => mm -
      viewer.grid.affine[n].reduce((sum, part, axis) => sum + part * (viewer.cursor[axis] ?? 1), 0)); }"""


@pytest.fixture(scope="module")
def app(streamlit_server) -> str:
    return streamlit_server(APPS / "viewer_app.py")


@pytest.fixture(scope="module")
def drawing(browser):
    """A Chromium that draws WebGL 2 in software."""
    arguments = [one for one in CHROMIUM_ARGS if one != "--disable-gpu"]
    other = browser.browser_type.launch(executable_path=chromium_path(), args=[*arguments, *WEBGL])
    yield other
    other.close()


@pytest.fixture
def solid(app: str, drawing):
    """A page whose first viewer is shown in 3-D."""
    page = drawing.new_page(viewport={"width": 1280, "height": 800})
    page.set_default_timeout(60_000)
    page.requested, page.answers = [], {}
    page.on("request", lambda request: page.requested.append(request.url))
    page.on("response", lambda answer: page.answers.update({answer.url: answer.headers}))
    page.goto(app)
    page.locator(".readout .voxel").first.wait_for()
    assert not [url for url in page.requested if "niivue" in url]
    page.before = len([url for url in page.requested if "voxels" in url])
    page.get_by_role("button", name="3-D", exact=True).first.click()
    page.locator(".solid [role=status]").filter(has_text="Loading").wait_for(state="detached")
    page.wait_for_timeout(500)
    assert page.locator(".solid [role=status]").inner_text() == ""
    yield page
    page.close()


def picture(page) -> np.ndarray:
    page.wait_for_timeout(700)
    return np.asarray(Image.open(io.BytesIO(page.locator(".solid canvas").screenshot())).convert("RGB")).astype(int)


def test_the_scan_is_drawn_with_the_place_and_nothing_is_asked_of_anybody(solid, foreign_hosts) -> None:
    shown = picture(solid)
    assert (shown.max(axis=2) > 60).mean() > 0.02
    blue = (shown[..., 2] > 150) & (shown[..., 0] < 140)
    assert blue.sum() > 100  # the crosshair
    (module,) = [url for url in solid.requested if "niivue" in url]
    assert solid.answers[module]["content-encoding"] == "gzip"
    assert len([url for url in solid.requested if "voxels" in url]) == solid.before  # they were here
    assert foreign_hosts(solid) == set()


def test_the_place_follows_the_crosshair_in_millimetres(solid) -> None:
    assert solid.locator(".solid").evaluate(PLACE) == pytest.approx([0, 0, 0], abs=0.05)
    before = picture(solid)
    solid.locator(".solid").evaluate("root => root.solid.viewer.moveTo([5, 40, 22])")
    assert solid.locator(".solid").evaluate(PLACE) == pytest.approx([0, 0, 0], abs=0.05)
    assert (picture(solid) != before).any()


def test_it_is_cut_another_way_turned_by_keys_and_closed_by_escape(solid) -> None:
    seen = [picture(solid)]
    solid.get_by_role("combobox", name="What is cut away").select_option("coronal")
    seen.append(picture(solid))
    solid.locator(".solid canvas").focus()
    solid.keyboard.press("ArrowLeft")
    seen.append(picture(solid))
    assert (seen[0] != seen[1]).any()
    assert (seen[1] != seen[2]).any()
    solid.keyboard.press("Escape")
    solid.locator(".solid").wait_for(state="detached")
    assert solid.evaluate("""() => { let at = document.activeElement;
        while (at?.shadowRoot?.activeElement) at = at.shadowRoot.activeElement;
        return at.className; }""") == "open-solid"  # fmt: skip


def test_without_webgl_one_sentence_says_so(app: str, page) -> None:
    page.add_init_script("HTMLCanvasElement.prototype.getContext = ((own) => function (kind, ...more) {"
                         "return kind === 'webgl2' ? null : own.call(this, kind, ...more); })"
                         "(HTMLCanvasElement.prototype.getContext);")  # fmt: skip
    page.goto(app)
    page.locator(".readout .voxel").first.wait_for()
    page.get_by_role("button", name="3-D", exact=True).first.click()
    page.get_by_text("This browser cannot draw in 3-D, since WebGL 2 is off or missing").wait_for()
    page.get_by_role("button", name="Close the 3-D view").click()
    assert page.locator(".solid").count() == 0


@pytest.mark.parametrize(("shape", "step"), [((40, 30, 20), 1), ((300, 8, 6), 2)])
def test_what_it_is_given_is_the_scan_in_its_place_as_grey_as_its_window(app: str, page, shape, step) -> None:
    page.goto(app)
    page.locator(".readout .voxel").first.wait_for()
    (module,) = {url for url in page.requested if url.endswith("/nifti.js")}
    affine = [[0.0, -2.0, 0.1, 5.0], [1.5, 0.0, 0.0, -7.0], [0.0, 0.1, 4.0, 9.0], [0, 0, 0, 1]]
    raw = np.random.default_rng(0).integers(0, 200, shape[::-1])
    bytes_ = page.evaluate(
        """async ([module, shape, affine, raw]) => { const { nifti } = await import(module);
        return [...new Uint8Array(nifti({ shape, affine, slope: 2, intercept: -50 }, Int16Array.from(raw),
          { level: 100, width: 400 }))]; }""",
        [module, list(shape), affine, raw.ravel().tolist()],
    )
    file = nib.Nifti1Image.from_bytes(bytes(bytes_))
    stepped = np.array(affine)
    stepped[:3, :3] *= step
    assert np.allclose(file.affine, stepped, atol=1e-5)
    assert file.header.get_xyzt_units()[0] == "mm"
    expected = np.clip(255 * ((raw * 2 - 50 - 100) / 400 + 0.5), 0, 255).T[::step, ::step, ::step]
    assert np.abs(np.asarray(file.dataobj) - expected).max() <= 1
