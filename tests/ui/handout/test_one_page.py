"""The page to print says what was clicked, where it was found, and what it may be used for."""

import re
from pathlib import Path

import pytest

from isimed.core import paths
from isimed.data.cohorts.cohort import Cohort, register
from isimed.explore.search.locate import Location
from isimed.explore.search.query import Query
from isimed.explore.tables.embed import checkpoint_for
from isimed.ui.handout import one_page as pages
from isimed.ui.handout.one_page import one_page
from isimed.ui.viewer.search import Found
from tests.small import write_cohort


@pytest.fixture
def query(tmp_path: Path) -> Query:
    register(write_cohort(tmp_path / "source"))
    cohort = Cohort.load("small")
    checkpoint = checkpoint_for("untrained", cohort)
    centre = Query(cohort, checkpoint, "P0", (0.0, 0.0, 0.0)).prepared().box_centre_mm
    return Query(cohort, checkpoint, "P0", (float(centre[0]) - 24.0, float(centre[1]), float(centre[2])))


def place(query: Query, volume: str, right_mm: float, note: str = "") -> Found:
    x, y, z = query.prepared(volume).box_centre_mm
    return Found(Location(f"S{volume[1]}", volume, (float(x) + right_mm, float(y), float(z)), 4.7, 3.2, note=note))


def test_it_says_place_side_words_figures_and_limits_of_every_patient(query: Query) -> None:
    found = [place(query, "P1", -24), place(query, "P2", 20, note="lies above this scan")]
    page = one_page(query, found, plane="coronal", organ="left putamen (2 of 2 labelled patients)")
    assert "One place in 3 patients" in page
    assert "left putamen (2 of 2 labelled patients)" in page
    assert paths.RESEARCH_ONLY in page
    assert "24 mm left of the midline" in page
    said = {name: re.search(rf"<tr><td>{name}</td>(.*?)</tr>", page)[1] for name in ("P1", "P2")}
    assert all(words in said["P1"] for words in ("fits well, ±3 mm", "latent distance 4.7 mm", "left of the midline"))
    assert "not in this scan" in said["P2"]
    assert "midline" not in said["P2"]
    assert page.count("data:image/jpeg;base64,") == 5  # three planes of the clicked scan, two others
    assert "://" not in page


def test_a_place_that_was_found_by_registration_says_so_and_nothing_of_a_network(query: Query) -> None:
    page = one_page(query, [place(query, "P1", 0)], plane="axial", in_mm=False, registered=True)
    assert "by registration" in page
    assert "No network knows this part of the body" in page
    assert "latent distance" not in page
    assert query.checkpoint.name not in page


def test_names_are_text_and_never_markup(query: Query) -> None:
    evil = query.cohort.model_copy(update={"name": "<script>alert(1)</script>"})
    page = one_page(Query(evil, query.checkpoint, "P0", query.mm), [place(query, "P1", 0)], plane="axial")
    assert "<script" not in page
    assert "&lt;script&gt;" in page


def test_patients_beyond_what_a_page_takes_are_counted(query: Query, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pages, "PATIENTS", 1)
    page = one_page(query, [place(query, "P1", 0), place(query, "P2", 0)], plane="axial")
    assert "1 more patients are not shown" in page
    assert "<td>P2</td>" not in page
