"""The Volumes page, run as Streamlit runs it."""

import threading
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from streamlit.testing.v1 import AppTest

from isimed.data.cohorts.cohort import Cohort, Entry, cohort_names, register
from isimed.data.cohorts.splits import read_split, split_path
from isimed.data.formats.volume import Volume
from isimed.data.prepared.cache import prepare_cohort
from isimed.data.prepared.memory import MemoryBudget
from isimed.data.prepared.preprocess import Preparation
from isimed.data.quality import report
from isimed.data.quality.facts import Facts
from isimed.explore.one_scan import describe
from isimed.explore.one_scan.fit import Fit
from isimed.explore.one_scan.where import Description
from isimed.ui import background, state
from isimed.ui.volumes.what_it_is import PARTS, WHAT
from tests.data.make import blob, write_dicom, write_nifti
from tests.eventually import LONG
from tests.small import write_cohort

PAGE = str(Path(__file__).resolve().parents[2] / "pages" / "volumes.py")


def where(scan: Volume, *, cohort: Cohort) -> Description:
    """No network at work: all fit but P1."""
    times = 1.4 if "P1" in scan.name else 0.7
    fit = Fit("brain-flair", times < 1, 60.0, times, 1.0, 0.95)
    return Description((fit,), region="of the brain" if fit.fits else None, kind="MRI")


@pytest.fixture
def app(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AppTest:
    monkeypatch.setattr(describe, "where", where)
    background.forget("where-all")
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
    table = next(table.value for table in app.dataframe if "spacing mm" in table.value.columns)
    assert list(table["volume"]) == ["P0", "P1", "P2"]
    assert [one.proto.HasField("placeholder") and one.proto.placeholder for one in app.dataframe] == [""] * len(
        app.dataframe
    )  # what is not known is an empty cell, and not "None"


def test_the_list_stands_there_while_volumes_are_measured_and_the_report_follows(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    go_on = threading.Event()
    measure = report.facts_of

    def slow(cohort: Cohort, entry: Entry, budget: MemoryBudget) -> tuple[Facts, dict]:
        assert entry.id == "P0" or go_on.wait(LONG)
        return measure(cohort, entry, budget)

    monkeypatch.setattr(report, "facts_of", slow)
    monkeypatch.setattr(describe, "where", where)
    register(write_cohort(tmp_path / "many", name="many"))
    app = AppTest.from_file(PAGE, default_timeout=60).run()
    listed = next(table.value for table in app.dataframe if "spacing mm" in table.value.columns)
    assert list(listed["volume"]) == ["P0", "P1", "P2"]
    assert list(listed["shape"]) == ["40×40×40"] * 3
    assert list(listed["state"])[1:] == ["waits", "waits"]
    assert listed["body %"][1:].isna().all()
    assert not app.get("download_button")
    go_on.set()
    key = next(key for key in background._works() if key.startswith("report-many"))
    assert background.of(key).finished.wait(LONG)
    app.run()
    listed = next(table.value for table in app.dataframe if "spacing mm" in table.value.columns)
    assert set(listed["state"]) <= {"good", "error", "warning", "notice"}
    assert listed["body %"].notna().all()


def look_through(app: AppTest, path: Path) -> AppTest:
    app.text_input[0].set_value(str(path)).run()
    press(app, "Look through")
    assert not app.exception
    return app


def planned(app: AppTest) -> pd.DataFrame:
    """The table of the plan, as the page shows it."""
    return next(table.value for table in app.dataframe if "why" in table.value.columns)


def text(app: AppTest) -> str:
    return " ".join(element.value for element in app.markdown).replace("\\", "")


def test_nothing_is_written_before_the_plan_is_confirmed(app: AppTest, tmp_path: Path) -> None:
    for patient in ("anna", "bert"):
        write_nifti(tmp_path / f"mine/{patient}/ct.nii.gz")
        write_nifti(tmp_path / f"mine/{patient}/ct_tumour.nii.gz", (blob() > 60).astype("uint8"))
    (tmp_path / "mine/protocol.mgz").write_text("no scan")
    look_through(app, tmp_path / "mine")
    assert cohort_names() == ["small"]
    shown = planned(app)
    assert list(shown["role"]) == ["image", "image", "tumour", "tumour", "left out"]
    assert list(shown["patient"][:2]) == ["anna", "bert"]
    assert "convert it to .nii.gz" in shown["why"].iloc[-1]
    assert "2 volumes of 2 patients, 2 label maps, 1 files left out" in text(app)
    app.session_state[state.CURSOR] = {"volume": "anna", "mm": (9.0, 9.0, 9.0)}
    press(app, "Import")
    assert not app.exception
    assert app.session_state[state.CURSOR]["mm"] is None  # nothing was clicked in the new cohort
    assert cohort_names() == ["mine", "small"]
    assert "Recognised as plain folder: 2 volumes of 2 patients" in app.success[0].value.replace("\\", "")
    assert [bool(entry.tumour) for entry in Cohort.load("mine").volumes] == [True, True]


def test_a_plan_is_discarded(app: AppTest, tmp_path: Path) -> None:
    write_nifti(tmp_path / "mine/scan.nii.gz")
    look_through(app, tmp_path / "mine")
    press(app, "Discard")
    assert not any("why" in table.value.columns for table in app.dataframe)
    assert cohort_names() == ["small"]


def test_the_page_speaks_of_its_fields_and_not_of_options(app: AppTest, tmp_path: Path) -> None:
    write_nifti(tmp_path / "mine/scan.nii.gz")
    look_through(app, tmp_path / "mine")
    said = [box.value for box in app.info]
    assert any("“modality, in the table”" in words for words in said)
    look_through(app, tmp_path / "nowhere")
    said += [box.value for box in [*app.error, *app.warning]]
    assert not any("--" in words for words in said)


def test_dicom_series_are_rows_of_the_plan(app: AppTest, tmp_path: Path) -> None:
    write_dicom(tmp_path / "scans/a", blob(), PatientID="A")
    write_dicom(tmp_path / "scans/b", blob(seed=1), PatientID="B")
    write_dicom(tmp_path / "scans/scout", blob()[:, :, :1], PatientID="B")
    look_through(app, tmp_path / "scans")
    assert list(planned(app)["role"]) == ["image", "image", "left out"]
    assert "scout" in planned(app)["why"].iloc[2]
    press(app, "Import")
    assert not app.exception
    assert Cohort.load("scans").subjects == ["A", "B"]


def test_names_of_files_are_text_never_markup(app: AppTest, tmp_path: Path) -> None:
    write_nifti(tmp_path / "![x](**b**)" / "scan.nii.gz", np.stack([blob(), blob(seed=1)], -1))
    write_nifti(tmp_path / "![x](**b**)" / "other.nii.gz")
    look_through(app, tmp_path / "![x](**b**)")
    press(app, "Import")
    assert "![x](**b**)" in app.success[0].value.replace("\\", "")
    assert "![x](" not in app.success[0].value


def test_bad_path_is_one_sentence(app: AppTest, tmp_path: Path) -> None:
    app.text_input[0].set_value(str(tmp_path / "absent")).run()
    press(app, "Look through")
    assert not app.exception
    assert "does not exist" in app.error[0].value


def test_split_is_drawn_and_saved(app: AppTest) -> None:
    press(app, "Draw")
    press(app, "Save the split")
    assert not app.exception
    assert sorted(read_split(Cohort.load("small")).values()) == ["test", "train", "validation"]


def test_a_damaged_split_is_said_and_another_can_be_saved(app: AppTest) -> None:
    cohort = Cohort.load("small")
    split_path(cohort).parent.mkdir(parents=True)
    split_path(cohort).write_text('{"train": ')
    app.run()
    assert not app.exception
    assert "splits/small.json" in app.error[0].value.replace("\\", "")
    assert "draw and save another" in app.error[0].value
    press(app, "Draw")
    press(app, "Save the split")
    assert sorted(read_split(cohort).values()) == ["test", "train", "validation"]


def test_cache_is_deleted(app: AppTest) -> None:
    prepare_cohort(Cohort.load("small"), Preparation(spacing_mm=4.0))
    app.run()
    assert app.dataframe[0].value.loc[0, "prepared"].startswith("3 ")
    press(app, "Delete the prepared volumes…")
    press(app, "Delete them")
    assert any("Deleted 3" in element.value for element in app.success)


def test_the_second_of_two_choices_in_a_row_counts_as_the_first_does(app: AppTest, tmp_path: Path) -> None:
    register(write_cohort(tmp_path / "other", name="other"))
    app.run()
    for name in ("other", "small", "other"):
        app.sidebar.selectbox(key="choice-Cohort").select(name).run()
        assert app.session_state["cohort"] == name
        assert app.sidebar.selectbox(key="choice-Cohort").value == name
        assert any(element.value == name for element in app.subheader)


def test_every_scan_is_looked_at_behind_the_page_and_one_that_fits_nothing_says_so(app: AppTest) -> None:
    cohort = Cohort.load("small")
    app.session_state[PARTS] = WHAT
    app.run()
    if work := background.of(f"where-all-{cohort.fingerprint}"):
        assert work.finished.wait(LONG)
    app.run()
    assert not app.exception
    table = next(element.value for element in app.dataframe if "which network fits" in element.value)
    told = dict(zip(table["volume"], table["which network fits"], strict=True))
    assert told["P0"] == "brain-flair"
    assert told["P1"] == "none"
    assert "1.4 times its limit" in table["how well"][1]
    assert table["what it is"][0] == "MRI; the body of the brain"
