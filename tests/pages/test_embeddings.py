"""The Embeddings page on a table with a known geometry."""

import re
from pathlib import Path

import pytest
from streamlit.testing.v1 import AppTest

from isimed.data.cohorts.cohort import Cohort, register
from isimed.explore.maps.map_points import open_points
from isimed.explore.maps.pca import default_source, open_map
from isimed.explore.tables import cost
from isimed.explore.tables import selection as selections
from isimed.explore.tables.store import Table
from isimed.ui import background
from isimed.ui.map import map_tools
from tests.tables import written_for

PAGE = Path(__file__).resolve().parents[2] / "pages" / "embeddings.py"


@pytest.fixture
def table(cohort: Cohort) -> Table:
    register(cohort.root, name="mine")
    table = written_for(Cohort.load("mine"))
    open_points(table, open_map(table, source=default_source(table.info)))
    return table


@pytest.fixture
def app(table: Table) -> AppTest:
    app = AppTest.from_file(str(PAGE), default_timeout=90).run()
    assert not app.exception
    return app


def captions(app: AppTest) -> str:
    return " ".join(caption.value for caption in app.caption)


def test_the_map_opens_with_its_quality(app: AppTest, table: Table) -> None:
    assert f"{len(table):,} crops of 3 patients" in captions(app)
    assert "Trustworthiness" in captions(app)
    assert "appear here" in app.info[0].value
    assert not app.get("plotly_chart")  # only the map in 3D is plotly's


@pytest.mark.parametrize("kind", ["pca3", "turned"])
def test_the_other_maps(app: AppTest, kind: str) -> None:
    app.button_group(key="map_kind").set_value(kind).run()
    assert not app.exception
    assert len(app.get("plotly_chart")) == (kind == "pca3")
    assert ("R² on patients left out" if kind == "turned" else "Drag to turn") in captions(app)


@pytest.mark.parametrize("colour", ["All three as RGB", "Patient", "Organ", "Tumour", "Position error"])
def test_a_selection_survives_colouring(app: AppTest, table: Table, colour: str) -> None:
    app.session_state["selection"] = selections.select(table, [3, 4, 200])
    app.selectbox(key="map_colour").set_value(colour).run()
    assert not app.exception
    assert any("3 chosen crops" in text.value for text in app.markdown)
    assert len(app.session_state["selection"]) == 3


def test_a_selection_is_kept_and_lit_again(app: AppTest, table: Table) -> None:
    app.session_state["selection"] = selections.select(table, [3, 4, 200])
    app.run()
    app.text_input(key="map_keep_name").set_value("mine").run()
    next(button for button in app.button if button.label == "Keep").click().run()
    assert not app.exception
    next(button for button in app.button if button.label == "Clear").click().run()
    app.button(key="light-mine").click().run()
    assert app.session_state["selection"].rows.tolist() == [3, 4, 200]
    assert any("3 chosen crops: mine" in text.value for text in app.markdown)


def test_against_the_axes(app: AppTest) -> None:
    app.button_group(key="map_panel").set_value("Against the axes").run()
    assert not app.exception
    assert len(app.get("plotly_chart")) == 3  # the matrix, the same of the true positions, the nine panels
    assert set(app.dataframe[0].value["axis"]) == {"sagittal", "coronal", "axial"}


def test_a_filter_that_nothing_passes_says_so(app: AppTest) -> None:
    app.slider(key="map_axial").set_value((61.0, 61.0)).run()
    assert not app.exception
    assert "widen" in app.info[0].value


def test_a_checkpoint_without_a_table_asks_before_it_embeds_for_minutes(table: Table, monkeypatch) -> None:
    monkeypatch.setattr(cost, "FEW", 0)
    monkeypatch.setattr(cost, "crops_a_second", lambda checkpoint: 0.5)
    begun: list[str] = []
    monkeypatch.setattr(background, "start", lambda key, job: begun.append(key))
    app = AppTest.from_file(str(PAGE), default_timeout=90)
    app.session_state["checkpoint"] = "untrained"
    app.run()
    assert not app.exception
    assert re.search(r"The scans are not embedded with untrained yet, [\d,]+ crops: about \d+ min on", captions(app))
    assert not begun
    next(button for button in app.button if button.label == "Embed").click().run()
    assert len(begun) == 1
    assert begun[0].startswith("embed-")


def test_a_map_of_very_many_crops_asks_before_it_is_made(table: Table, monkeypatch) -> None:
    monkeypatch.setattr(map_tools, "UMAP_FIRST_S", 100.0)
    app = AppTest.from_file(str(PAGE), default_timeout=90)
    app.session_state["map_kind"] = "umap"
    app.run()
    assert not app.exception
    assert f"The UMAP of {len(table):,} crops is not made yet: about 2 min on this machine." in captions(app)
    assert any(button.label == "Make" for button in app.button)
