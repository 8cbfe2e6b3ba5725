"""Train: a new training from a form, and every run with its curves, wherever and whenever it was started."""

import streamlit as st

from isimed.core.text import plain
from isimed.data.cohorts.cohort import cohort_names
from isimed.explore.tables.ready_made import bring_embedded
from isimed.training.runs.folder import Run
from isimed.ui.errors import of_the_page
from isimed.ui.state import FIRST
from isimed.ui.train.form import config_form
from isimed.ui.train.panels import NEW, PROBLEM, RUN, RUNS, VIEW, run_panel, run_table, start_training, summary

st.title("Train")
if not cohort_names():
    bring_embedded(FIRST)
runs = Run.all()
st.session_state.setdefault(VIEW, RUNS if runs else NEW)
view = st.segmented_control("View", [NEW, RUNS], key=VIEW, label_visibility="collapsed", required=True)
if problem := st.session_state.pop(PROBLEM, None):
    st.error(plain(of_the_page(problem)))

if view == NEW:
    form, side = st.columns([5, 2], gap="large")
    with form:
        config = config_form()
    with side:
        st.markdown("##### Before the start")
        ready = summary(config)
        st.button(
            "Start training",
            type="primary",
            disabled=not ready,
            on_click=start_training,
            args=(config,),
            width="stretch",
        )
        st.caption("It runs on its own: closing the browser or stopping this server changes nothing.")
elif not runs:
    st.info("No training yet.")
else:
    ids = [run.id for run in runs]
    if st.session_state.get(RUN, ids[0]) not in ids:
        del st.session_state[RUN]
    with st.expander(f"All runs ({len(runs)}): tick several to see their curves side by side"):
        compared = run_table(runs)
    chosen = st.selectbox("Run", ids, key=RUN, bind="query-params")  # a reload shows it again
    if st.session_state.get("checkpoint") == chosen:
        st.success("The other pages use this checkpoint.", icon=":material/check:")
    run_panel(runs[ids.index(chosen)], compared)
