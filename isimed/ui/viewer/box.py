"""Crops chosen by a box around the clicked place, and chosen crops as marks in the scans."""

from collections.abc import Sequence

import numpy as np
import streamlit as st

from isimed.explore.tables import selection as selections
from isimed.explore.tables.store import Table
from isimed.ui.pages import page_file
from isimed.ui.slice_viewer import Box, Marker
from isimed.ui.viewer import chosen_crops
from isimed.ui.viewer.search import Found, Point

BOX = "viewer_box"
MARKS = 150


def panel(table: Table, volume_id: str, point_mm: Point, best: Sequence[Found]) -> None:
    """A button that opens the choice: the crops in a box around the clicked place, lit in the map as well."""
    chosen = chosen_crops.current(table)
    with st.popover(f"Crops ({len(chosen) if chosen else 0:,})", icon=":material/select:"):
        st.caption("Choose crops here and see them lit in the map of embeddings; those chosen there are marked here.")
        edge = st.number_input("Edge of the box, mm", 10, 300, 60, 10, key="box_edge", persist_state="session")
        matched = st.toggle("Also around the best matches", key="box_matches", persist_state="session")
        places = [(volume_id, point_mm), *((match.volume, match.mm) for match in best if matched)]
        st.button(
            "Choose the crops in it",
            type="primary",
            on_click=_choose,
            args=(table, places, float(edge)),
            width="stretch",
        )
        if chosen is not None:
            st.button("Clear", icon=":material/close:", on_click=chosen_crops.choose, args=(table, []), width="stretch")
            if st.button("See them in the map", icon=":material/bubble_chart:", width="stretch"):
                st.switch_page(page_file("embeddings"))


def boxes(table: Table | None, volume_id: str) -> list[Box]:
    """The box in a volume that the chosen crops lie in, if they were chosen by one."""
    box = st.session_state.get(BOX)
    if table is None or not box or box["selection"] is not chosen_crops.current(table):
        return []
    return [Box(mm, box["edge_mm"], "chosen", chosen_crops.LIT) for volume, mm in box["places"] if volume == volume_id]


def marks(table: Table | None, volume_id: str, near_mm: Point) -> list[Marker]:
    """The chosen crops of a volume, those nearest to a place where they are many."""
    chosen = chosen_crops.current(table) if table is not None else None
    if table is None or chosen is None or volume_id not in table.volumes:
        return []
    rows = table.rows(volume_id)
    centres = table.centre_mm[chosen.rows[(chosen.rows >= rows.start) & (chosen.rows < rows.stop)]]
    away = np.square(centres - np.asarray(near_mm)).sum(axis=1)
    return [Marker(centre, colour=chosen_crops.LIT) for centre in centres[np.argsort(away)[:MARKS]]]


def _choose(table: Table, places: Sequence[tuple[str, Point]], edge_mm: float) -> None:
    half = edge_mm / 2
    found = [
        selections.rows_in_box(table, volume, np.subtract(mm, half), np.add(mm, half))
        for volume, mm in places
        if volume in table.volumes
    ]
    rows = np.concatenate(found) if found else np.empty(0, np.int64)
    chosen_crops.choose(table, rows)
    box = {"selection": chosen_crops.current(table), "places": list(places), "edge_mm": edge_mm}
    st.session_state[BOX] = box if len(rows) else None
    if not len(rows):
        st.toast("No crop's centre lies in that box: make it larger.", icon=":material/info:")
