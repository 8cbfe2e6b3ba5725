"""The patient who is clicked, and what the network says about the clicked place."""

from collections.abc import Sequence

import numpy as np
import streamlit as st

from isimed.core.text import plain
from isimed.data.cohorts.cohort import Cohort, Entry
from isimed.data.prepared.preprocess import Prepared
from isimed.explore.search.query import Query
from isimed.explore.search.whereabouts import organ_vote
from isimed.ui import state
from isimed.ui.slice_viewer import Appearance, Behaviour, Overlays, slice_viewer
from isimed.ui.viewer import chosen_window, matches, point_list, search, words
from isimed.ui.viewer.search import Found

VOTERS = 20  # the best matches are asked, not a whole hospital at every click
HELP = (
    "The box is the crop that the network sees, {edge_mm:g} mm. Wheel: slices. Right drag: window. Ctrl and wheel: "
    "zoom. Shift and drag: pan. Double click: reset. Arrow keys: slices; Enter: choose the crosshair's place. "
    "All keys: ?."
)


def show(query: Query, *, height: int, overlays: Overlays) -> None:
    """Three linked planes; a click moves the cursor and so the search."""
    cohort, volume_id = query.cohort, query.volume
    slice_viewer(
        state.scan(cohort, volume_id),
        key="clicked",
        volume_key=f"{cohort.fingerprint}/{volume_id}",
        modality=cohort.modality,
        cursor_mm=query.mm,
        overlays=overlays,
        appearance=Appearance(
            layout="grid",
            chosen_window=chosen_window.window_of(cohort, volume_id),
            height=height,
            grows=1.0,
            midline_mm=float(query.prepared().box_centre_mm[0]),
            corner=words.corner(cohort, cohort.entry(volume_id)),
        ),
        behaviour=Behaviour(
            link=matches.LINK,
            on_click=lambda click: search.set_point(volume_id, click.mm),
            on_measure=lambda drawn: point_list.keep_drawn(cohort, volume_id, drawn),
            on_window=lambda chosen: chosen_window.keep_window(cohort, volume_id, chosen),
            on_room=matches.keep_room,
            has_room=matches.has_room(),
        ),
    )


def show_alone(cohort: Cohort, entry: Entry, *, height: int) -> None:
    """The planes of a scan while it is found out which network fits it: nothing is searched yet."""
    slice_viewer(
        state.scan(cohort, entry.id),
        key="clicked",
        volume_key=f"{cohort.fingerprint}/{entry.id}",
        modality=cohort.modality,
        appearance=Appearance(
            layout="grid",
            chosen_window=chosen_window.window_of(cohort, entry.id),
            height=height,
            grows=1.0,
            corner=words.corner(cohort, entry),
        ),
        behaviour=Behaviour(reports_clicks=False),
    )


def say_where(query: Query, found: Sequence[Found]) -> str:
    """One line: the organ by vote of the labelled patients, and the side of the body. Returns the organ."""
    volume = query.prepared()
    if not _in_body(volume, query.mm):
        st.caption("Outside the body: what is found for this place means nothing. Click into the body.")
        return ""
    organ = _organ(query, found)
    side = words.midline_line(float(volume.position(np.asarray(query.mm))[0]), organ)
    st.caption(f"**{plain(organ[0].upper() + organ[1:])}** · {side}" if organ else side[0].upper() + side[1:])
    return organ


def _in_body(volume: Prepared, point_mm: search.Point) -> bool:
    voxel = np.rint(volume.to_voxel(np.asarray(point_mm))).astype(int)
    return bool(((voxel >= 0) & (voxel < volume.body.shape)).all() and volume.body[tuple(voxel)])


def _organ(query: Query, found: Sequence[Found]) -> str:
    labelled = [match for match in found if query.whose(match.volume)[1].organs and not match.location.note]
    places = {match.volume: match.mm for match in labelled[:VOTERS]}
    votes = organ_vote(places, {name: query.prepared(name) for name in places})
    return words.organ_line(votes, (query.reference or query.cohort).organs)
