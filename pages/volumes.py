"""Scans come in here: cohorts, import, and what a physicist would look at first."""

import streamlit as st

from isimed.core.text import plain
from isimed.ui import state
from isimed.ui.volumes import edit_panel, panels, quality
from isimed.ui.volumes.import_panel import IMPORTS, show_import
from isimed.ui.volumes.what_it_is import PARTS, WHAT, show_what_it_is

st.title("Volumes")
cohort = state.choose_cohort()
with st.container():  # what comes and goes in here moves nothing below it: moved tabs are closed tabs
    if said := st.session_state.pop("imported", None):
        st.success(plain(said), icon=":material/check_circle:")
    edit_panel.show_said()
panels.show_cohorts()

with st.expander("Add volumes", icon=":material/add:", key=f"add-{st.session_state.get(IMPORTS, 0)}"):
    show_import()

st.subheader(plain(cohort.name))
report, what, thumbnails, split, cache, edit = st.tabs(
    ["Quality", WHAT, "Pictures", "Split", "Prepared volumes", "Change or delete"], key=PARTS, on_change="rerun"
)
with report:  # what is open at first is drawn first
    quality.show_quality(cohort)
with split:
    panels.show_split(cohort)
with cache:
    edit_panel.show_cache(cohort)
with edit:
    edit_panel.show_edit(cohort)
with what:
    if what.open:  # drawn when looked at
        show_what_it_is(cohort)
with thumbnails:
    if thumbnails.open:
        quality.show_thumbnails(cohort)
