"""The theme that the reader chose, for figures that are coloured here: where it changes, the page runs again."""

import streamlit as st

from isimed.ui.map import plots
from isimed.ui.slice_viewer.files import loader

_component = st.components.v2.component("isimed_theme", js=loader("theme.js"))


def follow() -> None:
    """For a page with such figures: Streamlit alone would leave them in the old theme until the next click."""
    _component(key="theme", on_changed_change=_run_again)


def look_now() -> plots.Look:
    """The colours of the theme that the reader chose; a page that asks stops looking again by itself."""
    return plots.LIGHT if st.context.theme.type == "light" else plots.DARK


def _run_again() -> None:
    """The run that calls this is the one that was needed."""
