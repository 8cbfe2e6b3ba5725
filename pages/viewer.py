"""Click here, see there: the clicked place of one patient in all the others."""

from dataclasses import replace

import streamlit as st

from isimed.core.text import plain
from isimed.explore.search.query import Query
from isimed.ui import state
from isimed.ui.viewer import box, clicked, layers, matches, point_list, search, search_options, viewer_style

HEIGHT = 535  # pixels of the planes: the strip below them is still seen on a laptop

viewer_style.full_width()
cohort = state.choose_cohort()
checkpoint = state.choose_checkpoint(cohort)
preparation = checkpoint.card.preparation
volume_id, point_mm = search.choose_point(cohort, checkpoint.card)
layer = st.sidebar.selectbox("Overlay", layers.choices(cohort), key="layer", help=layers.HELP)
edge_mm = checkpoint.card.crop_mm

here, there = st.columns(2, gap="medium")
below = st.container()
with there:
    with viewer_style.row():
        viewer_style.line("In other patients", help=matches.LEGEND)
        plane = matches.choose_plane()
    table = state.table(cohort, checkpoint, partial=True)
query = Query(cohort, checkpoint, volume_id, point_mm, open_scan=state.prepared_scan)
code = search.code_of(query, table) if table is not None else None


def overlays(volume: str, place_mm: search.Point) -> dict:
    heat = layers.heat_map(cohort, table, preparation, volume, layer, code) if table is not None else None
    labels = layers.label_map(cohort, volume, layer)
    markers = point_list.markers(cohort, volume) + box.marks(table, volume, place_mm)
    return {"heat": heat, "labels": labels, "markers": markers}


with here:
    viewer_style.line(f"Click any place in {plain(volume_id)}", help=clicked.HELP.format(edge_mm=edge_mm))
    clicked.show(
        cohort, volume_id, point_mm, edge_mm, height=HEIGHT, overlays=overlays(volume_id, point_mm),
        boxes=box.boxes(table, volume_id),
    )  # fmt: skip
    said = st.container()
    buttons = viewer_style.row()
if table is None:
    st.stop()
with buttons:
    where = search_options.panel(cohort, volume_id, query.prepared(), point_mm)
    query = replace(query, where=where)
with there, st.spinner("Searching the other patients…"):
    found = search.find(query, table, code)
with below:
    matches.show_strip(cohort, preparation, found[matches.BEST :], edge_mm, plane=plane)
with there:
    best = search.refine(query, table, found[: matches.BEST])
    height = HEIGHT // 2 - 30
    matches.show_best(cohort, best, edge_mm, plane=plane, height=height, overlays=overlays)
found = [*best, *found[matches.BEST :]]
with said:
    clicked.say_where(query, table, code, found)
with buttons:
    point_list.panel(cohort, point_list.Place(volume_id, point_mm), found)
    box.panel(table, volume_id, point_mm, best)
