"""The Volumes page, run as Streamlit runs it."""

from pathlib import Path

import pytest
from streamlit.testing.v1 import AppTest

from isimed.data.cohorts.cohort import Cohort, cohort_names, register
from isimed.data.cohorts.splits import read_split
from isimed.data.prepared.cache import prepare_cohort
from isimed.data.prepared.preprocess import Preparation
from tests.data.make import blob, write_dicom, write_nifti
from tests.small import write_cohort

PAGE = str(Path(__file__).resolve().parents[2] / "pages" / "volumes.py")


@pytest.fixture
def app(tmp_path: Path) -> AppTest:
    register(write_cohort(tmp_path / "cohort"))
    return AppTest.from_file(PAGE, default_timeout=60).run()


def press(app: AppTest, label: str) -> AppTest:
    return next(button for button in app.button if button.label == label).click().run()


def test_page_shows_cohorts_and_report(app: AppTest) -> None:
    assert not app.exception
    listed = app.dataframe[0].value
    assert listed.loc[0, "cohort"] == "small"
    assert listed.loc[0, "volumes"] == 3
    assert listed.loc[0, "prepared"] == "not yet"
    report = next(table.value for table in app.dataframe if "spacing mm" in table.value.columns)
    assert list(report["volume"]) == ["P0", "P1", "P2"]


def test_import_by_path(app: AppTest, tmp_path: Path) -> None:
    write_nifti(tmp_path / "mine/scan.nii.gz")
    app.text_input[0].set_value(str(tmp_path / "mine")).run()
    press(app, "Import")
    assert not app.exception
    assert cohort_names() == ["mine", "small"]
    assert "Recognised as plain folder" in app.success[0].value


def test_import_of_chosen_series(app: AppTest, tmp_path: Path) -> None:
    write_dicom(tmp_path / "scans/a", blob(), PatientID="A")
    write_dicom(tmp_path / "scans/b", blob(seed=1), PatientID="B")
    app.text_input[0].set_value(str(tmp_path / "scans")).run()
    app.toggle[0].set_value(True).run()
    press(app, "Import")
    assert not app.exception
    assert Cohort.load("scans").subjects == ["A", "B"]


def test_bad_path_is_one_sentence(app: AppTest, tmp_path: Path) -> None:
    app.text_input[0].set_value(str(tmp_path / "absent")).run()
    press(app, "Import")
    assert not app.exception
    assert "does not exist" in app.error[0].value


def test_split_is_drawn_and_saved(app: AppTest) -> None:
    press(app, "Draw")
    press(app, "Save the split")
    assert not app.exception
    assert sorted(read_split(Cohort.load("small")).values()) == ["test", "train", "validation"]


def test_cache_is_deleted(app: AppTest) -> None:
    prepare_cohort(Cohort.load("small"), Preparation(spacing_mm=4.0))
    app.run()
    assert app.dataframe[0].value.loc[0, "prepared"].startswith("3 ")
    press(app, "Delete the prepared volumes")
    assert "Deleted 3" in app.success[-1].value
