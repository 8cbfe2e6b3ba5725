"""One picture shows a place in all scans, in one scale, with what is said of each."""

import io

import numpy as np
import pytest
from PIL import Image

from isimed.explore.search.query import Query
from isimed.ui.handout import contact_sheet as sheets
from isimed.ui.handout.contact_sheet import GAP, WIDTH, contact_sheet
from tests.ui.handout.test_one_page import place, query  # noqa: F401


@pytest.fixture
def written(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Every line that is written on a sheet."""
    lines: list[str] = []
    own = sheets.ImageDraw.ImageDraw.text
    monkeypatch.setattr(
        sheets.ImageDraw.ImageDraw, "text",
        lambda self, xy, text, *more, **also: lines.append(text) or own(self, xy, text, *more, **also),
    )  # fmt: skip
    return lines


def opened(png: bytes) -> np.ndarray:
    return np.asarray(Image.open(io.BytesIO(png)).convert("L"))


def test_every_scan_stands_on_it_with_its_words_and_letters(query: Query, written: list[str]) -> None:  # noqa: F811
    found = [place(query, "P1", -24), place(query, "P2", 20, note="lies above this scan")]
    sheet = opened(contact_sheet(query, found, plane="coronal", organ="left putamen (2 of 2 labelled patients)"))
    assert sheet.shape[1] == 3 * (WIDTH + GAP) + GAP
    assert {"P0", "P1", "P2", "clicked here", "fits well, ±3 mm"} <= set(written)
    assert "not in this scan: lies above it" in written
    assert written.count("R") == written.count("L") == 3
    assert "left putamen (2 of 2 labelled patients)" in written
    assert any("Research use only" in line for line in written)
    for column in range(3):  # none is empty
        assert sheet[60:200, column * (WIDTH + GAP) + GAP :][:, :WIDTH].std() > 5


def test_what_a_sheet_does_not_take_is_counted_and_long_names_are_cut(
    query: Query,  # noqa: F811
    written: list[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(sheets, "MOST", 1)
    contact_sheet(query, [place(query, "P1", 0), place(query, "P2", 0)], plane="axial", organ="o" * 400)
    assert any("1 more scans are not shown." in line for line in written)
    assert "P2" not in written
    assert any(line.startswith("ooo") and line.endswith("…") for line in written)
