"""Click here, see there: the clicked place of one patient in all the others."""

from dataclasses import replace
from functools import partial

import streamlit as st

from isimed.core.text import plain
from isimed.data.cohorts.cohort import Entry
from isimed.explore.search.query import Query
from isimed.ui import state, style
from isimed.ui.handout import tour
from isimed.ui.handout.panel import save_button, sheet_button
from isimed.ui.slice_viewer import Box, Overlays
from isimed.ui.viewer import (
    box,
    clicked,
    layers,
    matches,
    point_list,
    reference,
    search,
    search_options,
    trained_on,
    without_network,
)
from isimed.ui.viewer.field_of_view import widest_mm

HEIGHT = 552  # pixels of the planes in a window of 900: the strip below them is seen without scrolling
HALF = HEIGHT // 2 - 12  # of a match: two rows stand beside the planes

style.full_width()
cohort = state.choose_cohort()


def planes_alone(entry: Entry) -> None:
    half, _ = style.halves()
    with half:
        clicked.show_alone(cohort, entry, height=HEIGHT)


checkpoint = state.choose_checkpoint(cohort, planes_alone)
volume_id, point_mm = search.choose_point(cohort, checkpoint.card)
query = Query(
    cohort, checkpoint, volume_id, point_mm,
    reference=reference.choose_reference(cohort, checkpoint), open_scan=state.prepared_scan,
)  # fmt: skip
controls = st.sidebar.container()  # above what is said of the network: within reach, and nothing moves them
how_it_fits = trained_on.say_fit(query)
unknown = trained_on.is_registered(query, how_it_fits)
if unknown:
    query = without_network.query_of(query)
with controls:
    layer = layers.choose(cohort)
details = matches.choose_details()
edge_mm = checkpoint.card.crop_mm

here, there = style.halves()
below = st.container()
with there:
    top = style.row()
    may_go_on = not unknown and trained_on.may_go_on(query, how_it_fits)
    table = reference.table_of(query) if may_go_on else None
with top:
    style.line(reference.heading(query, table), help=matches.LEGEND)
    plane = matches.choose_plane()
code = search.code_of(query, table) if table is not None else None


def overlays(volume: str, place_mm: search.Point) -> Overlays:
    heat = layers.heat_map(query, table, volume, layer, code) if table is not None else None
    whose, entry = query.whose(volume)
    labels = layers.label_map(whose, entry.id, layer)
    markers = point_list.markers(cohort, volume) + box.marks(table, volume, place_mm)
    chosen = box.boxes(table, volume) if volume == volume_id else []
    measures = point_list.measures(whose, entry.id)
    return Overlays([Box(place_mm, edge_mm), *chosen], markers, labels, heat, measures)


with here:
    with style.row():
        style.line(f"Click any place in {plain(volume_id)}", help=clicked.HELP.format(edge_mm=edge_mm))
        to_print = st.container(width="content")
    clicked.show(query, height=HEIGHT, overlays=overlays(volume_id, point_mm))
    said = st.container(key="said")
    buttons = style.row()
if unknown:
    with there:
        found = without_network.find(query)
    if found is not None:
        with there:
            without_network.say_how(found)
            say = partial(matches.note, details=details, in_mm=False)
            field = widest_mm(query, found)
            matches.show_best(query, found, plane=plane, field_mm=field, height=HALF, say=say, overlays=overlays)
        with said:
            organ = clicked.say_where(query, found)
        with buttons:
            save_sheet = partial(sheet_button, query, found, plane=plane, organ=organ)
            point_list.panel(cohort, point_list.Place(volume_id, point_mm), found, save_sheet=save_sheet)
        with to_print:
            save_button(query, found, "Print", key="print", plane=plane, organ=organ, in_mm=False, registered=True)
if table is None:
    st.stop()
with buttons:
    where = search_options.panel(cohort, volume_id, query.prepared(), point_mm)
    query = replace(query, where=where)
say = partial(matches.note, details=details, in_mm=table.info.in_mm, fit=how_it_fits)
with there:
    reference.say_alone(query)
with there, st.spinner("Searching the other patients…"):
    studies = search.other_studies(query, table, code)[: matches.best_shown()]
    of_him = {study.volume for study in studies}
    found = [match for match in search.find(query, table, code) if match.volume not in of_him]
    shown = matches.best_shown() - len(studies)
with below:
    field = widest_mm(query, found[: shown + matches.STRIP])
    matches.show_strip(query, found[shown:], plane=plane, field_mm=field, say=say)
with said:
    fitted = search.fit_fields(query, table, found[:shown])
with there:
    best = (search.look_up if fitted else search.refine)(query, table, found[:shown])
    others = [*studies, *best]
    matches.show_best(query, others, plane=plane, field_mm=field, height=HALF, say=say, overlays=overlays)
found = [*best, *found[shown:]]
with said:
    organ = clicked.say_where(query, found)
found = [*studies, *found]
with buttons:
    save_sheet = partial(sheet_button, query, found, plane=plane, organ=organ)
    kept = point_list.panel(cohort, point_list.Place(volume_id, point_mm), found, save_sheet=save_sheet)
    box.panel(table, volume_id, point_mm, best)
save_page = partial(save_button, query, found, plane=plane, organ=organ, in_mm=table.info.in_mm)
with to_print:
    save_page("Print", key="print")
seen = tour.Seen((volume_id, *point_mm), plane, kept)
tour.show(seen, partial(save_page, "Save the page", key="tour_page"), by_itself=cohort.root.name == state.FIRST)
