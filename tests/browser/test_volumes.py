"""Importing over the wire: the table of the plan is corrected by typing, and what was corrected is written."""

from pathlib import Path

import numpy as np
import pytest

from isimed.data.cohorts.cohort import Cohort, register
from tests.data.make import blob, write_nifti
from tests.small import write_cohort

FIRST_COLUMN, ROW, HEADER = 30, 35, 35  # pixels of the table
PATIENT = 2  # columns to the right of the first, however wide they are

WRITTEN = """window.written = new Set();
const draw = CanvasRenderingContext2D.prototype.fillText;
CanvasRenderingContext2D.prototype.fillText = function (words, ...more) {
  written.add(words);
  return draw.call(this, words, ...more);
};"""  # a table is a canvas: what is written on it


@pytest.fixture(scope="module")
def made(browser, tmp_path_factory) -> tuple[Path, Path]:
    """A home with one cohort, and a folder of two scans of one patient, whose names do not say so."""
    home, scans = tmp_path_factory.mktemp("volumes-home"), tmp_path_factory.mktemp("scans") / "clinic"
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("ISIMED_HOME", str(home))
        register(write_cohort(home / "small"), name="small")
    for seed, name in enumerate(("anna", "bert")):
        write_nifti(scans / f"{name}.nii.gz", blob(seed=seed))
        write_nifti(scans / f"{name}_mask.nii.gz", (blob(seed=seed) > 60).astype(np.uint8))
    return home, scans


def type_into_cell(page, *, column: int, row: int, text: str) -> None:
    table = page.get_by_test_id("stDataFrame").nth(1).locator(".dvn-scroller")
    table.scroll_into_view_if_needed()
    table.click(position={"x": FIRST_COLUMN, "y": HEADER + (row + 0.5) * ROW})
    for _ in range(column):
        page.keyboard.press("ArrowRight")
    page.keyboard.press("Enter")  # opens the cell; what is typed before it stands there is lost
    page.wait_for_timeout(500)
    page.keyboard.press("Control+A")
    page.keyboard.type(text, delay=50)
    page.keyboard.press("Enter")


def test_a_patient_is_corrected_in_the_table_before_anything_is_written(page, made, streamlit_server, monkeypatch):
    home, scans = made
    monkeypatch.setenv("ISIMED_HOME", str(home))
    page.add_init_script(WRITTEN)
    page.goto(f"{streamlit_server('app.py', env={'ISIMED_HOME': str(home)})}/volumes")
    page.get_by_text("Add volumes").click()
    page.get_by_label("Folder, file or zip").fill(str(scans))
    page.keyboard.press("Enter")
    page.get_by_role("button", name="Look through").click()
    page.get_by_text("Nothing is written yet").wait_for()
    page.get_by_text("2 volumes of 2 patients, 2 label maps").wait_for()
    page.wait_for_function("() => written.has('anna.nii.gz')")
    assert not page.evaluate("() => written.has('None')")  # nobody knows the sequence: its cell is empty
    merged = page.get_by_text("2 volumes of 1 patients")
    for _ in range(5):  # the grid takes no keys until it has drawn itself
        type_into_cell(page, column=PATIENT, row=1, text="anna")
        page.wait_for_timeout(2000)
        if merged.count():
            break
    merged.wait_for()
    assert not (home / "cohorts/clinic").exists()
    page.get_by_role("button", name="Import", exact=True).click()
    page.get_by_text("2 volumes of 1 patients").first.wait_for()
    page.get_by_text("Nothing is written yet").first.wait_for(state="detached")
    cohort = Cohort.load("clinic")
    assert cohort.subjects == ["anna"]
    assert [bool(entry.organs) for entry in cohort.volumes] == [True, True]


def test_an_import_opens_what_it_is_and_the_answer_finds_it_open(page, made, streamlit_server, monkeypatch):
    home, scans = made
    monkeypatch.setenv("ISIMED_HOME", str(home))
    write_nifti(scans.parent / "one" / "carla.nii.gz", blob(seed=3))
    page.goto(f"{streamlit_server('app.py', env={'ISIMED_HOME': str(home)})}/volumes")
    page.get_by_text("Add volumes").click()
    page.get_by_label("Folder, file or zip").fill(str(scans.parent / "one"))
    page.keyboard.press("Enter")
    page.get_by_role("button", name="Look through").click()
    page.get_by_text("Nothing is written yet").wait_for()
    page.get_by_role("button", name="Import", exact=True).click()
    what = page.get_by_role("tab", name="What it is")
    page.get_by_text("Nothing is written yet").first.wait_for(state="detached")
    page.get_by_text("Which network fits: how far").wait_for(timeout=90_000)  # seen, not only there
    assert what.get_attribute("aria-selected") == "true"
    page.get_by_role("tab", name="Pictures").click()
    page.get_by_text("Radiological convention").wait_for()
    page.get_by_text("Add volumes").click()
    page.get_by_label("Folder, file or zip").fill("")
    page.keyboard.press("Enter")  # the page runs again without what it said of the import
    page.get_by_test_id("stAlert").filter(has_text="Recognised as").wait_for(state="detached")
    assert page.get_by_role("tab", name="Pictures").get_attribute("aria-selected") == "true"
