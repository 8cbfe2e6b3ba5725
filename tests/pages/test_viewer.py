"""The Viewer page on a tiny cohort with an untrained network."""

import subprocess
import sys
import threading
from pathlib import Path

import numpy as np
import pytest
from streamlit.testing.v1 import AppTest

from isimed.data.cohorts.cohort import Cohort, register
from isimed.data.prepared.preprocess import Prepared
from isimed.explore.one_scan.fit import Fit
from isimed.explore.one_scan.registered import Registered, body_reference
from isimed.explore.one_scan.where import Description
from isimed.explore.search import field
from isimed.explore.search.locate import Location
from isimed.explore.search.query import Query
from isimed.explore.tables import selection as selections
from isimed.explore.tables.embed import checkpoint_for, embed_cohort
from isimed.explore.tables.filters import Filter
from isimed.explore.tables.ready_made import bring_embedded
from isimed.explore.tables.store import Table, tables_of
from isimed.ui import background, described, state
from isimed.ui.annotations import on_disk
from isimed.ui.slice_viewer import Behaviour
from isimed.ui.viewer import box, chosen_crops, clicked, matches, search, without_network
from tests.eventually import LONG, until
from tests.small import write_cohort

PAGE = Path(__file__).resolve().parents[2] / "pages" / "viewer.py"

FIRST_VIEW = """
import sys
import threading
import time
from streamlit.testing.v1 import AppTest
from isimed.ui import background, described, state
state.checkpoint_choices = lambda cohort: ["untrained"]
state.AFTER_FIRST_VIEW = 600
app = AppTest.from_file(sys.argv[1], default_timeout=60).run()
assert not app.exception
print(*[caption.value for caption in app.caption])
print([name for name in ("torch", "monai", "sklearn") if name in sys.modules])
"""


@pytest.fixture
def page(tmp_path, monkeypatch) -> AppTest:
    register(write_cohort(tmp_path / "source"))
    cohort = Cohort.load("small")
    checkpoint = checkpoint_for("untrained", cohort)
    monkeypatch.setattr(state, "checkpoint_choices", lambda cohort: ["untrained"])
    table = embed_cohort(cohort, checkpoint, step_mm=48)
    monkeypatch.setitem(state.table.__kwdefaults__, "step_mm", 48)
    app = AppTest.from_file(str(PAGE), default_timeout=60)
    app.session_state["of_the_test"] = table
    return app


def test_it_shows_matches_before_the_first_click_and_says_what_to_do(page: AppTest) -> None:
    page.run()
    assert not page.exception
    assert any("Click any place in P0" in element.value for element in page.markdown)
    assert "P0" in page.query_params["volume"]


def test_the_first_view_is_there_before_torch_is(tmp_path: Path) -> None:
    register(write_cohort(tmp_path / "source"))
    cohort = Cohort.load("small")
    embed_cohort(cohort, checkpoint_for("untrained", cohort))
    child = [sys.executable, "-c", FIRST_VIEW, str(PAGE)]
    said = subprocess.run(child, capture_output=True, text=True, cwd=PAGE.parents[1], check=True).stdout
    assert "of the midline" in said
    assert said.splitlines()[-1] == "[]"


def test_a_link_opens_the_same_view(page: AppTest) -> None:
    page.query_params.update({"cohort": "small", "volume": "P1", "mm": "-10.0,5.0,3.0"})
    page.run()
    assert not page.exception
    assert page.session_state[state.CURSOR] == {"volume": "P1", "mm": (-10.0, 5.0, 3.0)}
    assert "-10.0,5.0,3.0" in page.query_params["mm"]


@pytest.mark.parametrize("mm", ["", "1,2", "nan,0,0", "a,b,c"])
def test_a_broken_link_opens_the_start(mm: str) -> None:
    assert search.cursor_from_url({"volume": "P1", "mm": mm}) == {"volume": "P1", "mm": None}


def test_a_link_to_a_place_outside_the_scan_says_so_and_opens_the_start(page: AppTest) -> None:
    page.query_params.update({"cohort": "small", "volume": "P1", "mm": "-400.0,5.0,3.0"})
    page.run()
    assert not page.exception
    assert any("(-400, 5, 3) mm lies outside the scan" in element.value for element in page.warning)
    assert page.session_state[state.CURSOR]["mm"] != (-400.0, 5.0, 3.0)


def test_a_click_into_the_air_is_told(page: AppTest) -> None:
    page.query_params.update({"cohort": "small", "volume": "P1", "mm": "-66.0,-81.0,-73.0"})
    page.run()
    assert not page.exception
    assert any("Outside the body" in element.value for element in page.caption)


def test_overlays_filters_and_points_run(page: AppTest) -> None:
    page.run()
    page.text_input(key="point_name").set_value("the middle")
    next(button for button in page.button if button.label.startswith("Keep")).click().run()
    kept = [one.thing for one in on_disk.read(Cohort.load("small"))[0]]
    assert [(point.name, point.clicked.volume, len(point.found)) for point in kept] == [("the middle", "P0", 2)]
    for layer in page.selectbox(key="layer").options:
        page.selectbox(key="layer").set_value(layer).run()
        assert not page.exception
    page.toggle(key="search_tumour/small").set_value(True).run()
    page.toggle(key="search_others/small").set_value(False).run()
    assert not page.exception


def test_filters_belong_to_their_cohort_and_the_closer_look_to_the_person(
    page: AppTest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    register(write_cohort(tmp_path / "another", name="another"))
    other = Cohort.load("another")
    embed_cohort(other, checkpoint_for("untrained", other), step_mm=48)
    searched: list[search.Query] = []
    find = search.find
    monkeypatch.setattr(search, "find", lambda query, *more: searched.append(query) or find(query, *more))
    monkeypatch.setattr(search, "fit_fields", lambda *more: False)
    page.query_params["cohort"] = "small"
    page.run()
    page.toggle(key="search_tumour/small").set_value(True)
    page.toggle(key="search_others/small").set_value(False)
    page.toggle(key=search.FIT).set_value(True).run()
    assert searched[-1].filter == Filter(min_tumour=0.05)
    assert page.get("popover")[0].proto.popover.label == "Search (filtered)"
    for name in ("another", "small"):
        page.selectbox(key="choice-Cohort").set_value(name).run()
        assert not page.exception
        assert searched[-1].cohort.name == name
        assert searched[-1].filter == Filter(not_subject="S0")
        assert page.get("popover")[0].proto.popover.label == "Search"
        assert page.toggle(key=search.FIT).value


def press(page: AppTest, label: str) -> None:
    next(button for button in page.button if button.label == label).click().run()
    assert not page.exception


def test_a_box_around_the_place_chooses_crops_for_the_map(page: AppTest) -> None:
    table: Table = page.session_state["of_the_test"]
    place = table.centre_mm[table.rows("P1")][4]
    page.query_params.update({"cohort": "small", "volume": "P1", "mm": ",".join(map(str, place))})
    page.run()
    page.number_input(key="box_edge").set_value(100).run()
    press(page, "Choose the crops in it")
    chosen = page.session_state[chosen_crops.SELECTION]
    expected = selections.rows_in_box(table, "P1", place - 50, place + 50)
    assert len(expected) > 1
    assert chosen.rows.tolist() == expected.tolist()
    assert page.session_state[box.BOX]["places"] == [("P1", tuple(map(float, place)))]
    page.toggle(key="box_matches").set_value(True).run()
    press(page, "Choose the crops in it")
    assert set(table.volume[page.session_state[chosen_crops.SELECTION].rows]) == {"P0", "P1", "P2"}
    press(page, "Clear")
    assert page.session_state[chosen_crops.SELECTION] is None


def test_crops_chosen_in_the_map_are_marked_in_their_scans(page: AppTest, monkeypatch: pytest.MonkeyPatch) -> None:
    shown: dict[str, list] = {}

    def note(table: Table, volume: str, near_mm: search.Point) -> list:
        shown[volume] = marks(table, volume, near_mm)
        return shown[volume]

    marks = box.marks
    monkeypatch.setattr(box, "marks", note)
    table: Table = page.session_state["of_the_test"]
    rows = [table.rows("P0").start, table.rows("P2").start, table.rows("P2").start + 2]
    page.session_state[chosen_crops.SELECTION] = selections.select(page.session_state["of_the_test"], rows)
    page.run()
    assert not page.exception
    assert {volume: len(found) for volume, found in shown.items()} == {"P0": 1, "P1": 0, "P2": 2}
    assert {tuple(mark.mm) for mark in shown["P2"]} == {tuple(table.centre_mm[row]) for row in rows[1:]}


def test_a_cohort_of_one_patient_looks_in_another_one(page: AppTest, tmp_path: Path) -> None:
    register(write_cohort(tmp_path / "alone", patients=1, name="alone"))
    cohort = Cohort.load("alone")
    embed_cohort(cohort, checkpoint_for("untrained", cohort), step_mm=48)
    page.query_params.update({"cohort": "alone"})
    page.run()
    assert not page.exception
    assert next(box.value for box in page.selectbox if box.label == "Look in") == "small"
    assert any("In small" in element.value for element in page.markdown)
    assert any("Click any place in P0" in element.value for element in page.markdown)


def test_real_brains_open_at_a_place_worth_seeing_with_their_tumour_and_credit() -> None:
    bring_embedded("demo-flair")
    page = AppTest.from_file(str(PAGE), default_timeout=60).run()
    assert not page.exception
    start = Cohort.load("demo-flair").start
    assert start is not None
    assert page.session_state[state.CURSOR] == {"volume": start.volume, "mm": start.mm}
    assert page.selectbox(key="layer").value == "Tumour"
    assert any("CC BY-SA 4.0" in element.value for element in page.caption)
    page.selectbox(key="layer").set_value("Nothing").run()
    assert page.selectbox(key="layer").value == "Nothing"


def test_one_patient_looks_in_the_reference_that_came_with_the_network(tmp_path: Path, monkeypatch) -> None:
    register(write_cohort(tmp_path / "alone", patients=1, name="alone", size=16))
    cohort = Cohort.load("alone")
    monkeypatch.setattr(state, "checkpoint_choices", lambda cohort: ["brain-flair"])
    embed_cohort(cohort, checkpoint_for("brain-flair", cohort))
    page = AppTest.from_file(str(PAGE), default_timeout=60).run()
    assert not page.exception
    assert next(box.value for box in page.selectbox if box.label == "Look in") == "demo-flair"
    assert any("In demo-flair" in element.value for element in page.markdown)
    assert page.session_state["cohort"] == "alone"


def test_a_single_patient_without_a_reference_is_told_how_to_get_one(tmp_path: Path, monkeypatch) -> None:
    register(write_cohort(tmp_path / "alone", patients=1, name="alone"))
    cohort = Cohort.load("alone")
    monkeypatch.setattr(state, "checkpoint_choices", lambda cohort: ["untrained"])
    embed_cohort(cohort, checkpoint_for("untrained", cohort), step_mm=48)
    monkeypatch.setitem(state.table.__kwdefaults__, "step_mm", 48)
    page = AppTest.from_file(str(PAGE), default_timeout=60).run()
    assert not page.exception
    assert any("This cohort has one patient" in element.value for element in page.info)


def test_the_shown_scans_are_fitted_behind_the_page_and_then_looked_up(
    page: AppTest, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Until the fields are there the page shows what it has and says that a closer look is at work."""
    fitted, go_on = [], threading.Event()

    def fit(source: Prepared, target: Prepared, start: field.Map) -> field.Field:
        go_on.wait(LONG)
        fitted.append(1)
        nodes = np.stack(np.meshgrid(*[[0.0, 300.0]] * 3, indexing="ij"), axis=-1).astype(np.float32) - 150
        return field.Field(np.diag([300.0, 300.0, 300.0, 1.0]), nodes)

    monkeypatch.setattr(field, "fit_field", fit)
    monkeypatch.setattr(state, "AFTER_FIRST_VIEW", 0)
    page.session_state[search.FIT] = True
    page.run()
    assert not page.exception
    assert any("A closer look" in bar.text for bar in page.get("progress"))
    go_on.set()
    until(lambda: fitted and not list(page.run().get("progress")))
    assert not page.exception


def test_a_scan_that_no_network_fits_is_told_before_the_first_click_and_the_user_may_go_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    register(write_cohort(tmp_path / "source"))
    monkeypatch.setattr(state, "checkpoint_choices", lambda cohort: ["untrained"])
    monkeypatch.setitem(state.table.__kwdefaults__, "step_mm", 48)
    monkeypatch.setattr(state, "before_choosing", lambda cohort, meanwhile: None)
    said = Description((Fit("untrained", False, 100.0, 1.6, 1.0, 0.95),), kind="MRI", size_mm=(160.0, 160.0, 160.0))
    monkeypatch.setattr(described, "of_scan", lambda *about, **more: said)
    page = AppTest.from_file(str(PAGE), default_timeout=60).run()
    assert not page.exception
    warned = next(element.value for element in page.warning if "does not fit" in element.value)
    assert "MRI, 160 x 160 x 160 mm" in warned
    assert not tables_of("small")  # nothing is embedded with it unasked
    embed_cohort(Cohort.load("small"), checkpoint_for("untrained", Cohort.load("small")), step_mm=48)
    press(page, "Go on with untrained all the same")
    assert not page.exception
    assert any("does not fit" in element.value for element in page.warning)
    found = search.Found(Location("S1", "P1", (0.0, 0.0, 0.0), 1.0, 2.0))
    assert "does not fit" in matches.note(found, details=False, in_mm=True, fit=said.fits[0])
    assert "fits well" in matches.note(found, details=False, in_mm=True)


def test_the_planes_of_a_new_scan_stand_there_while_it_is_compared_with_networks(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    register(write_cohort(tmp_path / "source"))
    background.forget("where-")  # another test's scan looks like this one
    go_on, shown = threading.Event(), []
    monkeypatch.setattr(described, "describe", lambda *_: go_on.wait(LONG) and Description(()))
    monkeypatch.setattr(clicked, "slice_viewer", lambda volume, **more: shown.append((volume.shape, more["behaviour"])))
    page = AppTest.from_file(str(PAGE), default_timeout=60).run()
    go_on.set()
    assert not page.exception
    assert shown == [((40, 40, 40), Behaviour(reports_clicks=False))]
    assert any("is compared with what each network was trained on" in element.value for element in page.caption)
    assert not tables_of("small")


def test_a_scan_that_no_network_knows_is_found_by_registration_and_the_organ_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    trunks = body_reference()
    liver = next(label for label, name in trunks.organs.items() if name == "liver")
    labels = trunks.read_labels(trunks.volumes[0])["organs"]
    x, y, z = map(float, labels.to_mm(np.argwhere(labels.voxels == liver)[1000]))
    registered = Registered("someone", f"torso/{trunks.volumes[0].id}", *[None] * 3, trunks.organs)  # type: ignore[arg-type]
    monkeypatch.setattr(without_network, "register", lambda *_, **__: [registered])
    monkeypatch.setattr(Registered, "field", lambda self: None)
    monkeypatch.setattr(
        Registered, "locate", lambda self, mm, deform: Location(self.subject, self.volume, (x, y, z), 0.3, 4.0)
    )
    register(write_cohort(tmp_path / "source"))
    monkeypatch.setattr(state, "checkpoint_choices", lambda cohort: ["untrained"])
    monkeypatch.setattr(state, "before_choosing", lambda cohort, meanwhile: None)
    monkeypatch.setattr(state, "AFTER_FIRST_VIEW", 0)
    misfit = Fit("untrained", False, 100.0, 1.6, 1.0, 0.95)
    said = Description((misfit,), kind="CT", registered=(registered.volume,))
    monkeypatch.setattr(described, "of_scan", lambda *about, **more: said)
    page = AppTest.from_file(str(PAGE), default_timeout=60).run()
    until(lambda: any("Liver" in element.value for element in page.run().caption))
    assert not page.exception
    assert any(element.value.startswith("**Liver (1 of 1 labelled patient)**") for element in page.caption)
    assert any("Found by registration, rough: no network" in element.value for element in page.caption)
    assert any("In torso" in element.value for element in page.markdown)
    assert not tables_of("small")
    assert not any("means nothing" in element.value for element in page.warning)


@pytest.mark.parametrize("reference", [False, True])
def test_a_patients_other_study_stands_first_whoever_is_searched(
    page: AppTest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, reference: bool
) -> None:
    shown: list[list[str]] = []
    real = matches.show_best

    def show(query: Query, found: list[search.Found], **more: object) -> None:
        shown.append([match.volume for match in found])
        real(query, found, **more)

    monkeypatch.setattr(matches, "show_best", show)
    manifest = write_cohort(tmp_path / "again", patients=2 if reference else 3, name="again")
    manifest.write_text(manifest.read_text().replace('"S1"', '"S0"'))
    register(manifest)
    cohort = Cohort.load("again")
    embed_cohort(cohort, checkpoint_for("untrained", cohort), step_mm=48)
    page.query_params.update({"cohort": "again", "volume": "P0"})
    page.run()
    assert not page.exception
    assert shown[0][0] == "P1"
    assert sorted(shown[0][1:]) == (["small/P1", "small/P2"] if reference else ["P2"])  # small/P0 is P0
