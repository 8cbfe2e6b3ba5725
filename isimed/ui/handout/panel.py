"""The button that saves the page."""

from collections.abc import Sequence

import streamlit as st

from isimed.explore.search.query import Query
from isimed.ui.handout.one_page import one_page
from isimed.ui.viewer.search import Found


def save_button(
    query: Query, found: Sequence[Found], label: str, *, key: str, plane: str, organ: str, in_mm: bool
) -> bool:
    """Saves what is seen as one page; it is made when pressed."""
    return st.download_button(
        label,
        lambda: one_page(query, found, plane=plane, organ=organ, in_mm=in_mm),
        f"{query.cohort.name}-{query.volume}-place.html",
        "text/html",
        key=key,
        icon=":material/print:",
        help="This place in all shown patients, with pictures, sides, distances and limits: open it and print it.",
    )
