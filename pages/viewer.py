"""Click here, see there: the clicked place of one patient in all the others."""

import streamlit as st

from isimed.ui import matches, search, state, viewer_style
from isimed.ui.slice_viewer import Box, slice_viewer

HEIGHT = 600  # pixels of the planes: the strip below them is still seen on a laptop

viewer_style.full_width()
cohort = state.choose_cohort()
checkpoint = state.choose_checkpoint(cohort)
preparation = checkpoint.card.preparation
volume_id, point_mm = search.choose_point(cohort, preparation)
edge_mm = checkpoint.card.crop_size * preparation.spacing_mm
in_mm = checkpoint.encoder.has_distance_head

here, there = st.columns(2, gap="medium")
below = st.container()
with here:
    viewer_style.line(f"Click any place in {volume_id}")
    slice_viewer(
        state.scan(cohort, volume_id),
        key="clicked",
        volume_key=f"{cohort.fingerprint}/{volume_id}",
        modality=cohort.modality,
        cursor_mm=point_mm,
        boxes=[Box(point_mm, edge_mm)],
        layout="grid",
        height=HEIGHT,
        link=matches.LINK,
        on_click=lambda click: search.set_point(volume_id, click.mm),
    )
    st.caption(
        f"The box is the crop that the network sees, {edge_mm:g} mm. Wheel: slices. Right drag: window. "
        "Ctrl and wheel: zoom. Shift and drag: pan. Double click: reset."
    )

with there:
    words, planes = st.columns([5, 4], vertical_alignment="center")
    with words:
        viewer_style.line("The same place in other patients", help=matches.LEGEND)
    plane = planes.segmented_control(
        "Plane", ["axial", "coronal", "sagittal"], default="axial", key="plane", label_visibility="collapsed",
        format_func=str.capitalize, required=True,
    )  # fmt: skip
    table = state.table(cohort, checkpoint)
if table is not None:
    found = search.find(cohort, checkpoint, table, volume_id, point_mm)
    with below:
        viewer_style.line("Next best")
        matches.show_strip(cohort, preparation, found[matches.BEST :], edge_mm, plane=plane, in_mm=in_mm)
    with there:
        matches.show_best(cohort, found[: matches.BEST], edge_mm, plane=plane, in_mm=in_mm, height=HEIGHT // 2 - 50)
