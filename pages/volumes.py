"""Scans come in here: cohorts, import, and what a physicist would look at first."""

import streamlit as st

from isimed.ui import state, volumes

st.title("Volumes")
cohort = state.choose_cohort()
if said := st.session_state.pop("imported", None):
    st.success(said, icon=":material/check_circle:")
volumes.show_cohorts()

with st.expander("Add volumes", icon=":material/add:"):
    volumes.show_import()

st.subheader(cohort.name)
report, thumbnails, split, cache = st.tabs(["Quality", "Pictures", "Split", "Prepared volumes"])
with split:
    volumes.show_split(cohort)
with cache:
    volumes.show_cache(cohort)
with report:  # last: the first check of a large cohort takes minutes
    volumes.show_report(volumes.checked(cohort))
with thumbnails:
    volumes.show_thumbnails(cohort)
