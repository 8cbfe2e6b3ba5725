"""A place that another scan does not show: the Viewer says so in words, and marks no place in that scan."""

from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
from playwright.sync_api import Page, expect

from isimed.data.cohorts.cohort import Cohort, register
from isimed.explore.one_scan.choose import fitting_checkpoints
from isimed.explore.search.query import Query
from isimed.explore.tables.embed import checkpoint_for, embed_cohort
from tests.small import write_cohort

PATIENCE = 120_000  # milliseconds


@pytest.fixture(scope="module")
def link(streamlit_server, tmp_path_factory: pytest.TempPathFactory):
    """mm above the middle of the whole scan -> a link to that place; the other scan is its lower half."""
    home, source = tmp_path_factory.mktemp("absent-home"), tmp_path_factory.mktemp("source")
    write_cohort(source, patients=2, size=32, name="cut")
    lower_half(source / "P0.nii.gz", source / "P1.nii.gz")
    lower_half(source / "P0-tumour.nii.gz", source / "P1-tumour.nii.gz")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("ISIMED_HOME", str(home))
        register(source / "dataset.json")
        cohort = Cohort.load("cut")
        checkpoint = checkpoint_for("untrained", cohort, like=checkpoint_for(fitting_checkpoints(cohort)[0], cohort))
        embed_cohort(cohort, checkpoint)
        x, y, z = Query(cohort, checkpoint, "P0", (0.0, 0.0, 0.0)).prepared().box_centre_mm
    app = streamlit_server("app.py", env={"ISIMED_HOME": str(home)})
    return lambda up: f"{app}/viewer?cohort=cut&checkpoint=untrained&volume=P0&mm={x + 10:.1f},{y + 5:.1f},{z + up:.1f}"


def lower_half(whole: Path, half: Path) -> None:
    image = nib.load(whole)
    voxels = np.asarray(image.dataobj)
    nib.Nifti1Image(voxels[:, :, : voxels.shape[2] // 2], image.affine).to_filename(half)


def coloured(page: Page) -> int:
    """Pixels of the other scan's picture that are no grey: the crop's box and the crosshair."""
    return page.locator(".st-key-match-0 canvas[data-plane]").evaluate("""(canvas) => {
      const { data } = canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height);
      let count = 0;
      for (let n = 0; n < data.length; n += 4) count += Math.abs(data[n] - data[n + 2]) > 40;
      return count;
    }""")


@pytest.mark.parametrize("size", [(1280, 720), (900, 800)], ids=lambda size: f"{size[0]}x{size[1]}")
def test_a_place_above_the_other_scan_is_said_in_words_and_marked_nowhere(link, page: Page, size) -> None:
    page.set_viewport_size({"width": size[0], "height": size[1]})
    page.goto(link(45))
    note = page.locator(".st-key-match-0 .note")
    expect(note).to_have_text("not in this scan: lies above it", timeout=PATIENCE)
    assert note.evaluate("(node) => node.scrollWidth <= node.clientWidth")  # not cut
    page.wait_for_timeout(500)
    assert coloured(page) == 0


def test_a_place_that_the_other_scan_shows_is_marked_and_called_sure_or_not(link, page: Page) -> None:
    page.goto(link(-30))
    note = page.locator(".st-key-match-0 .note")
    expect(note).to_contain_text("mm", timeout=PATIENCE)
    assert note.inner_text().startswith(("fits well, ±", "unsure, ±"))
    page.wait_for_timeout(500)
    assert coloured(page) > 100
