"""Click here, see there: the clicked place of one patient in all the others."""

import streamlit as st

from isimed.ui import search, state
from isimed.ui.slice_viewer import Box, slice_viewer

cohort = state.choose_cohort()
checkpoint = state.choose_checkpoint(cohort)
volume_id, point_mm = search.choose_point(cohort, checkpoint.card.preparation)
scan = state.scan(cohort, volume_id)
edge_mm = checkpoint.card.crop_size * checkpoint.card.preparation.spacing_mm

here, there = st.columns([5, 6], gap="medium")
with here:
    st.subheader(f"Click a place in {volume_id}")
    slice_viewer(
        scan,
        key="clicked",
        volume_key=f"{cohort.fingerprint}/{volume_id}",
        modality=cohort.modality,
        cursor_mm=point_mm,
        boxes=[Box(point_mm, edge_mm, name="crop")],
        on_click=lambda click: search.set_point(volume_id, click.mm),
    )
    st.caption(f"The box is the crop that the network sees: {edge_mm:g} mm. Wheel: slices. Right drag: window.")

with there:
    st.subheader("The same place in other patients")
    table = state.table(cohort, checkpoint)
    if table is not None:
        found = search.find(cohort, checkpoint, table, volume_id, point_mm)
        search.show_best(cohort, found[:4], edge_mm)

if table is not None:
    search.show_strip(cohort, found[4:], edge_mm)
    search.offer_download(cohort, volume_id, point_mm, found)
