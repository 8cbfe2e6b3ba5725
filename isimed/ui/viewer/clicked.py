"""The patient who is clicked, and what the network says about the clicked place."""

from collections.abc import Sequence

import numpy as np
import streamlit as st
from numpy.typing import NDArray

from isimed.core.text import plain
from isimed.data.cohorts.cohort import Cohort
from isimed.data.prepared.preprocess import Prepared
from isimed.explore.search.query import Query
from isimed.explore.search.whereabouts import organ_vote, where_is
from isimed.explore.tables.store import Table
from isimed.ui import state
from isimed.ui.slice_viewer import Box, slice_viewer
from isimed.ui.viewer import matches, search
from isimed.ui.viewer.search import Found

VOTERS = 20  # the best matches are asked, not a whole hospital at every click
HELP = (
    "The box is the crop that the network sees, {edge_mm:g} mm. Wheel: slices. Right drag: window. Ctrl and wheel: "
    "zoom. Shift and drag: pan. Double click: reset. Arrow keys: slices; Enter: choose the crosshair's place."
)


def show(
    cohort: Cohort,
    volume_id: str,
    point_mm: search.Point,
    edge_mm: float,
    *,
    height: int,
    overlays: dict,
    boxes: Sequence[Box] = (),
) -> None:
    """Three linked planes; a click moves the cursor and so the search."""
    slice_viewer(
        state.scan(cohort, volume_id),
        key="clicked",
        volume_key=f"{cohort.fingerprint}/{volume_id}",
        modality=cohort.modality,
        cursor_mm=point_mm,
        boxes=[Box(point_mm, edge_mm), *boxes],
        layout="grid",
        height=height,
        link=matches.LINK,
        on_click=lambda click: search.set_point(volume_id, click.mm),
        **overlays,
    )


def say_where(query: Query, table: Table, code: NDArray, found: Sequence[Found]) -> None:
    """One line: the organ by vote of the labelled patients, and how far from its true position the place looks."""
    volume = query.prepared()
    if not _in_body(volume, query.mm):
        st.caption("Outside the body: what is found for this place means nothing. Click into the body.")
        return
    place = where_is(table, code, volume, query.mm, subject=query.subject)
    true, looks = (_position(position) for position in (place.true, place.predicted))
    st.caption(
        f"{_organ(query, found)}Looks {place.gap_mm:.0f} mm off its place.",
        help=f"From the middle of the body's box, it is at {true}; the other patients' crops put it at {looks}. "
        "A large gap is unusual anatomy, or the network's error.",
    )


def _in_body(volume: Prepared, point_mm: search.Point) -> bool:
    voxel = np.rint(volume.to_voxel(np.asarray(point_mm))).astype(int)
    return bool(((voxel >= 0) & (voxel < volume.body.shape)).all() and volume.body[tuple(voxel)])


def _organ(query: Query, found: Sequence[Found]) -> str:
    labelled = [match for match in found if query.whose(match.volume)[1].organs and not match.location.note]
    places = {match.volume: match.mm for match in labelled[:VOTERS]}
    votes = organ_vote(places, {name: query.prepared(name) for name in places})
    if not votes:
        return ""
    label, count = votes.most_common(1)[0]
    name = (query.reference or query.cohort).organs.get(label, "").replace("_", " ")
    if not name:
        return "No labelled organ near. "
    return f"**{plain(name[0].upper() + name[1:])}**, {count} of {sum(votes.values())} say. "


def _position(mm: tuple[float, float, float]) -> str:
    sides = (("left", "right"), ("posterior", "anterior"), ("inferior", "superior"))
    return ", ".join(f"{abs(v):.0f} mm {side[int(v > 0)]}" for v, side in zip(np.asarray(mm), sides, strict=True))
