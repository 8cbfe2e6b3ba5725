"""Every crop as a point, placed by the network alone; what is chosen here is seen in the scans, and the reverse."""

from functools import partial

import streamlit as st

from isimed.ui import state, style
from isimed.ui.map import map_tools, map_view, theme

style.full_width()
cohort = state.choose_cohort()
checkpoint = state.choose_checkpoint(cohort)
edge_mm = checkpoint.card.crop_mm
with style.row():
    style.line(
        "Every point is a crop, placed by the network alone. Do the colours follow the map?",
        help=f"Each crop is a cube of {edge_mm:g} mm. The network never saw a coordinate at this point: where the "
        "colour, its true place in the body, runs smoothly over the map, it has learned the body's axes.",
    )
    panel = st.segmented_control(
        "Panel", ["Map", "Against the axes", "Compare"], default="Map", required=True, key="map_panel",
        label_visibility="collapsed",
    )  # fmt: skip
table = state.table(cohort, checkpoint)
opened = map_tools.open_map_of(table) if table is not None else None
if table is not None and opened is not None:
    fitted, points = opened
    if panel == "Against the axes":
        map_tools.axes_panel(points, table, fitted)
    elif panel == "Compare":
        map_tools.compare_panel(cohort, checkpoint, table, fitted, points)
    else:
        view = map_view.choose_view(cohort, table, fitted)
        umap = map_tools.open_umap_of(table, fitted, points) if view.kind == "umap" else None
        with st.sidebar.expander("Map settings", icon=":material/tune:"):
            map_tools.settings_panel(table, fitted)
        if view.kind != "umap" or umap is not None:
            show_chosen = partial(map_tools.chosen_panel, cohort, checkpoint, table, points, umap)
            map_view.show_map(cohort, table, fitted, points, umap, view, show_chosen)
    theme.follow()
