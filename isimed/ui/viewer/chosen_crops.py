"""Chosen crops as pictures, and in the scan they were cut from."""

from functools import lru_cache

import numpy as np
import streamlit as st
from numpy.typing import NDArray

from isimed.core.text import plain
from isimed.data.cohorts.cohort import Cohort
from isimed.data.formats.volume import Volume
from isimed.data.prepared.preprocess import Preparation
from isimed.explore.maps.pca import sample_rows
from isimed.explore.tables import selection as selections
from isimed.explore.tables.selection import Selection, organ_name
from isimed.explore.tables.store import Table
from isimed.ui import state, style
from isimed.ui.pages import page_file
from isimed.ui.slice_viewer import (
    Appearance,
    Behaviour,
    Box,
    Click,
    Marker,
    Overlays,
    Picture,
    picture_strip,
    slice_viewer,
)
from isimed.ui.viewer import matches
from isimed.ui.viewer.slices import jpeg, slice_picture

PICTURES = 24
MARKERS = 400
SELECTION, CROP = "selection", "map_crop"
LIT = "#9c84fc"


def current(table: Table) -> Selection | None:
    """The selection of this session, if it is about this table."""
    chosen = st.session_state.get(SELECTION)
    return chosen.of(table) if isinstance(chosen, Selection) else None


def choose(table: Table, rows: NDArray, *, name: str = "") -> None:
    """Make rows the session's selection; none clears it."""
    st.session_state[SELECTION] = selections.select(table, rows, name=name) if len(rows) else None
    st.session_state.pop(CROP, None)


def gallery_rows(table: Table, chosen: Selection) -> NDArray[np.int64]:
    """At most 24 crops of a selection, every patient with its share, so that pictures can be compared."""
    return chosen.rows[sample_rows(table.subject[chosen.rows], PICTURES)]


def show_gallery(cohort: Cohort, preparation: Preparation, table: Table, chosen: Selection, edge_mm: float) -> int:
    """Pictures of chosen crops; a click on one shows it in its scan. Returns the row that is shown there."""
    rows = gallery_rows(table, chosen)
    organs = cohort.organs
    pictures = [
        Picture(
            _jpeg(cohort, preparation, str(table.volume[row]), tuple(table.centre_mm[row].tolist()), edge_mm),
            str(table.volume[row]),
            organ_name(table.organ[row], organs)
            if table.organ[row] > 0
            else _place(table.position[row]).replace(", ", ",\n"),
        )
        for row in rows
    ]
    picture_strip(
        pictures,
        plane="axial",
        key="map-gallery",
        on_choose=lambda number: st.session_state.update({CROP: int(rows[number])}),
    )
    crop = st.session_state.get(CROP)
    return int(crop) if crop is not None and crop in chosen.rows else int(rows[0])


def show_in_scan(cohort: Cohort, table: Table, chosen: Selection, row: int, edge_mm: float) -> None:
    """The scan of one crop with its box, and the other chosen crops of this scan as points."""
    volume = str(table.volume[row])
    others = [other for other in selections.by_volume(table, chosen.rows)[volume] if other != row]
    markers = [Marker(table.centre_mm[other], colour=LIT) for other in others[:MARKERS]]
    more = f" (the first {MARKERS} of them are marked)" if len(others) > MARKERS else ""
    head, action = st.columns([5, 2], vertical_alignment="center")
    head.markdown(f"**{plain(volume)}**, {_place(table.position[row])} · {len(others)} more chosen crops here{more}")
    centre = table.centre_mm[row]
    if action.button("Open in the viewer", icon=":material/open_in_new:", width="stretch"):
        st.session_state[state.CURSOR] = {"volume": volume, "mm": tuple(map(float, centre))}
        st.switch_page(page_file("viewer"))
    around = st.session_state.get("map_around", False)

    def clicked(click: Click) -> None:
        half = st.session_state.get("map_around_mm", 40) / 2
        choose(table, selections.rows_in_box(table, volume, np.subtract(click.mm, half), np.add(click.mm, half)))

    slice_viewer(
        state.scan(cohort, volume),
        key="map-scan",
        volume_key=f"{cohort.fingerprint}/{volume}",
        modality=cohort.modality,
        cursor_mm=centre,
        overlays=Overlays(boxes=[Box(centre, edge_mm)], markers=markers),
        appearance=Appearance(height=270),
        behaviour=Behaviour(on_click=clicked, reports_clicks=around),
    )
    around_it = style.row("bottom")
    around_it.toggle("A click in this scan selects the crops around it", key="map_around", persist_state="session")
    around_it.number_input("within a box of, mm", 10, 300, 40, 10, key="map_around_mm", disabled=not around, width=200)


def _place(position: NDArray) -> str:
    words = (("left", "right"), ("back", "front"), ("down", "up"))
    return ", ".join(f"{abs(mm):.0f} mm {pair[int(mm > 0)]}" for mm, pair in zip(position, words, strict=True))


def _jpeg(cohort: Cohort, preparation: Preparation, volume: str, centre_mm: tuple, edge_mm: float) -> bytes:
    key = (cohort.fingerprint, preparation.model_dump_json(), volume, centre_mm, edge_mm)
    return _draw(key, _Source(cohort, preparation))


class _Source:
    """What a picture is read from; equal to any other, so that only the key counts in the cache."""

    def __init__(self, cohort: Cohort, preparation: Preparation) -> None:
        self.cohort, self.preparation = cohort, preparation

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Source)

    def __hash__(self) -> int:
        return 0


@lru_cache(maxsize=2048)
def _draw(key: tuple, source: _Source) -> bytes:
    volume, centre_mm, edge_mm = key[2:]
    prepared = state.prepared_scan(source.cohort, volume, source.preparation)
    window = matches.window_of(source.preparation)
    scan = Volume(prepared.image, prepared.affine)
    return jpeg(slice_picture(scan, centre_mm, edge_mm=edge_mm, window=window, width=120, letters=False))
