"""Changing and deleting on the Volumes page: asked before, said after, and taken back."""

from pathlib import Path

import pytest
from streamlit.testing.v1 import AppTest

from isimed.data.cohorts.cohort import Cohort, cohort_names, register
from isimed.data.prepared.cache import cache_size, prepare_cohort
from isimed.data.prepared.preprocess import Preparation
from isimed.explore.tables.store import open_table, tables_of
from isimed.training.optimise.config import TrainConfig
from isimed.training.runs.folder import Run
from isimed.ui import state
from tests.pages.test_volumes import PAGE, press
from tests.small import write_cohort
from tests.tables import written_for


@pytest.fixture
def app(tmp_path: Path) -> AppTest:
    register(write_cohort(tmp_path / "cohort", size=12))
    register(write_cohort(tmp_path / "other", size=12, name="other"))
    app = AppTest.from_file(PAGE, default_timeout=60)
    app.query_params["cohort"] = "small"
    return app.run()


def said(app: AppTest) -> str:
    assert not app.exception
    return " ".join(element.value for element in [*app.success, *app.error])


def test_a_cohort_is_renamed_and_its_embeddings_and_trainings_go_with_it(app: AppTest) -> None:
    folder = written_for(Cohort.load("small")).folder
    mine, other = (Run.create(TrainConfig(cohort=name, method="isimed")) for name in ("small", "other"))
    next(box for box in app.text_input if box.label == "Name").set_value("lungs")
    press(app, "Save the changes")
    assert "small is now lungs." in said(app)
    assert (mine.config.cohort, other.config.cohort) == ("lungs", "other")
    assert cohort_names() == ["lungs", "other"]
    assert next(box for box in app.sidebar.selectbox if box.label == "Cohort").value == "lungs"
    assert not folder.exists()
    (info,) = tables_of("lungs")
    assert open_table(info, [entry.id for entry in Cohort.load("lungs").volumes]).volumes == ["P0", "P1", "P2"]


def test_modality_sequence_frame_and_patients_are_changed(app: AppTest) -> None:
    next(box for box in app.selectbox if box.label == "Modality").set_value("CT")
    for label, value in (("Sequence", "FLAIR"), ("Common frame", "atlas"), ("About", "mine")):
        next(box for box in app.text_input if box.label == label).set_value(value)
    next(box for box in app.multiselect if box.label == "Patients to leave out").set_value(["S1"])
    press(app, "Save the changes")
    assert "small is changed. 1 patients are left out." in said(app)
    cohort = Cohort.load("small")
    assert (cohort.modality, cohort.frame, cohort.description, cohort.subjects) == ("CT", "atlas", "mine", ["S0", "S2"])
    assert {entry.sequence for entry in cohort.volumes} == {"FLAIR"}


def test_leaving_out_everybody_is_refused_and_nothing_changes(app: AppTest) -> None:
    next(box for box in app.multiselect if box.label == "Patients to leave out").set_value(["S0", "S1", "S2"])
    press(app, "Save the changes")
    assert "no patient left" in said(app)
    assert len(Cohort.load("small").subjects) == 3


def test_a_cohort_is_deleted_only_after_a_second_yes_and_can_be_brought_back(app: AppTest) -> None:
    press(app, "Delete this cohort…")
    assert sorted(cohort_names()) == ["other", "small"]
    assert any("the scans stay where they are" in element.value for element in app.markdown)
    app.session_state[state.CURSOR] = {"volume": "P0", "mm": (9.0, 9.0, 9.0)}
    press(app, "Delete small")
    assert app.session_state[state.CURSOR]["mm"] is None  # no place for the cohort that opens instead
    assert "small is deleted." in said(app)
    assert cohort_names() == ["other"]
    press(app, "Bring it back")
    assert "small is back." in said(app)
    assert sorted(cohort_names()) == ["other", "small"]


def test_deleting_prepared_volumes_asks_and_says_what_is_free_again(app: AppTest) -> None:
    cohort = Cohort.load("small")
    prepare_cohort(cohort, Preparation())
    app.run()
    press(app, "Delete the prepared volumes…")
    assert cache_size(cohort)[0] == 3
    press(app, "Delete them")
    assert "Deleted 3 prepared volumes of small" in said(app)
    assert cache_size(cohort)[0] == 0
