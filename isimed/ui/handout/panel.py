"""The buttons that save a place in all patients: as a page to print, and as one picture."""

from collections.abc import Sequence

import streamlit as st

from isimed.explore.search.query import Query
from isimed.ui.handout.contact_sheet import contact_sheet
from isimed.ui.handout.one_page import one_page
from isimed.ui.viewer.search import Found


def save_button(
    query: Query,
    found: Sequence[Found],
    label: str,
    *,
    key: str,
    plane: str,
    organ: str,
    in_mm: bool,
    registered: bool = False,
) -> bool:
    """Saves what is seen as one page; it is made when pressed."""
    return st.download_button(
        label,
        lambda: one_page(query, found, plane=plane, organ=organ, in_mm=in_mm, registered=registered),
        f"{query.cohort.name}-{query.volume}-place.html",
        "text/html",
        key=key,
        icon=":material/print:",
        help="This place in all shown patients, with pictures, sides, distances and limits: open it and print it.",
    )


def sheet_button(query: Query, found: Sequence[Found], *, plane: str, organ: str) -> None:
    """Saves the place in all shown patients as one picture; it is made when pressed."""
    st.download_button(
        "This place in all patients, PNG",
        lambda: contact_sheet(query, found, plane=plane, organ=organ),
        f"{query.cohort.name}-{query.volume}-{plane}.png",
        "image/png",
        key="contact_sheet",
        on_click="ignore",
        icon=":material/grid_view:",
        width="stretch",
    )
