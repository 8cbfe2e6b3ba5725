"""The clicked point (in the session and in the link), and what is found for it."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import streamlit as st
from numpy.typing import ArrayLike, NDArray

from isimed.core.progress import Progress, Say
from isimed.data.cohorts.cohort import Cohort
from isimed.data.demo.warp import true_point
from isimed.data.prepared.crops import crop_centre_mm, grid_centres
from isimed.explore.search.correspondence import correspondence
from isimed.explore.search.field import kept_field
from isimed.explore.search.locate import Location, agree, all_crops_may_agree, deformed, from_table, refined, with_notes
from isimed.explore.search.query import Point, Query
from isimed.explore.search.retrieve import code_at, code_in, nearest_in_each
from isimed.explore.tables.joined import Joined
from isimed.explore.tables.store import Table
from isimed.models.card import Card
from isimed.ui import background, link, state

FIT = "search_fit"  # the switch, in the session
FIELDS_PATIENCE = 0.4  # seconds: fields that are kept are read within it
SHOWN = 20  # the best matches, whose scans are opened anyway


def choose_point(cohort: Cohort, card: Card) -> tuple[str, Point]:
    """The volume and the point that are looked at: chosen here, on another page, or by a link."""
    ids = [entry.id for entry in cohort.volumes]
    in_link = cursor_from_url(dict(st.query_params))
    cursor = in_link if link.has_moved("volume", "mm") else st.session_state.get(state.CURSOR) or in_link
    start = cohort.start if cohort.start and cohort.start.volume in ids else None
    first = start.volume if start else ids[0]
    volume_id = cursor["volume"] if cursor and cursor["volume"] in ids else first
    state.sidebar_choice("Patient", ids, volume_id, _patient_chosen, help="The patient whose scan you click.")
    if cursor and cursor["volume"] == volume_id and cursor["mm"] and _inside(cohort, volume_id, cursor["mm"]):
        point = cursor["mm"]
    elif start and start.volume == volume_id and _inside(cohort, volume_id, start.mm):
        point = start.mm
    else:
        point = _start(cohort, volume_id, card)
    set_point(volume_id, point)
    link.write(volume=volume_id, mm=",".join(f"{value:.1f}" for value in point))
    return volume_id, point


def _patient_chosen(volume_id: str) -> None:
    """Another patient's scan begins at its own place."""
    st.session_state[state.CURSOR] = {"volume": volume_id, "mm": None}


def _inside(cohort: Cohort, volume_id: str, mm: Point) -> bool:
    """Whether the scan holds a point; a link may name any. Says so where it does not."""
    scan = state.scan(cohort, volume_id)
    voxel = scan.to_voxel(mm)
    if ((voxel >= -0.5) & (voxel <= np.array(scan.shape) - 0.5)).all():
        return True
    st.warning(f"({', '.join(f'{value:g}' for value in mm)}) mm lies outside the scan: this is its middle instead.")
    return False


def set_point(volume_id: str, mm: ArrayLike) -> None:
    x, y, z = map(float, np.asarray(mm))
    st.session_state[state.CURSOR] = {"volume": volume_id, "mm": (x, y, z)}


def cursor_from_url(parameters: dict[str, str]) -> dict | None:
    """The cursor in a link (``volume`` and ``mm=x,y,z``), or None where it is missing or not three numbers."""
    if "volume" not in parameters:
        return None
    try:
        values = [float(part) for part in parameters.get("mm", "").split(",")]
    except ValueError:
        values = []
    good = len(values) == 3 and all(map(math.isfinite, values))
    return {"volume": parameters["volume"], "mm": tuple(values) if good else None}


@dataclass(frozen=True)
class Found:
    """A place that was found, and how far it is from the true one where that is known (synthetic patients)."""

    location: Location
    error_mm: float | None = None

    @property
    def volume(self) -> str:
        return self.location.volume

    @property
    def mm(self) -> Point:
        return self.location.mm


def code_of(query: Query, table: Table) -> NDArray[np.float32]:
    """(D,) code of the crop around a point: of the table where it has that crop, else by the network, once."""
    kept = code_in(table, query.volume, query.prepared(), query.mm)
    if kept is not None:
        return kept
    fingerprints = (query.checkpoint.fingerprint, query.cohort.fingerprint)
    return _code(*fingerprints, query.volume, query.mm, query)


@st.cache_data(max_entries=256, show_spinner=False)
def _code(checkpoint: str, cohort: str, volume_id: str, point_mm: Point, _query: Query) -> NDArray[np.float32]:
    # of any place: the page says it where one lies outside the body
    return code_at(_query.checkpoint, _query.prepared(), point_mm, anywhere=True)


def find(query: Query, table: Table, code: NDArray) -> list[Found]:
    """A point's place in every volume that the filter lets through, best first, from the table alone."""
    found = from_table(table, code, query.volume, query.mm, where=query.filter)
    if all_crops_may_agree(table, query.volume, query.filter):
        found = [*with_notes(query.prepared, found[:SHOWN]), *found[SHOWN:]]
    return with_errors(query, found)


def refine(query: Query, table: Table, found: Sequence[Found]) -> list[Found]:
    """Places moved to where the voxels look like those around the clicked point; not under a filter for crops."""
    if not all_crops_may_agree(table, query.volume, query.filter):
        return list(found)
    places = [match.location for match in found]
    return with_errors(query, refined(table, query.prepared, places, query.volume, query.mm))


def fit_fields(query: Query, table: Table, found: Sequence[Found]) -> bool:
    """Whether smooth fields to the shown scans are wanted and there; begins to fit them behind the page where not.

    The page says so and runs again when they are: until then it shows what `refine` finds.
    """
    targets = [match.volume for match in found if not match.location.note]
    wanted = st.session_state.get(FIT, False) and all_crops_may_agree(table, query.volume, query.filter)
    if not targets or not wanted:
        return False

    def fit(progress: Progress, say: Say) -> bool:
        say("A closer look: the shown scans are fitted to this one")
        state.wait_for_first_view()
        for done, target in enumerate(targets):
            progress(done, len(targets))
            here, there = query.prepared(), query.prepared(target)
            kept_field(here, there, correspondence(table, query.volume, target).map)
            kept_field(there, here, correspondence(table, target, query.volume).map)
        return True

    names = "/".join([query.checkpoint.fingerprint, query.cohort.fingerprint, query.volume, *targets])
    return bool(background.result(f"fields/{names}", fit, patience=FIELDS_PATIENCE))


def look_up(query: Query, table: Table, found: Sequence[Found]) -> list[Found]:
    """Places looked up in the fields that `fit_fields` fitted; what a scan does not show stays as it is."""
    places = [match.location for match in found if not match.location.note]
    moved = {one.volume: one for one in deformed(table, query.prepared, places, query.volume, query.mm)}
    return with_errors(query, [moved.get(match.volume, match.location) for match in found])


def other_studies(query: Query, table: Table, code: NDArray) -> list[Found]:
    """The clicked place in the same patient's other scans: a follow-up, whoever else is searched.

    Args:
        table: that is searched; the patient's own scans are taken from the table of his cohort.
    """
    others = [one.id for one in query.cohort.volumes if one.subject == query.subject and one.id != query.volume]
    info = table.own.info if isinstance(table, Joined) else table.info
    info = info.model_copy(update={"cohort": query.cohort.name, "cohort_fingerprint": query.cohort.fingerprint})
    own = state.table_of_volumes(info, (query.volume, *others)) if others else None
    if own is None:
        return []
    nearest = nearest_in_each(own, code, own.volume != query.volume)
    found = with_notes(query.prepared, agree(own, nearest, query.volume, query.mm))
    return [Found(one) for one in refined(own, query.prepared, found, query.volume, query.mm)]


def with_errors(query: Query, found: Sequence[Location]) -> list[Found]:
    """Locations with their distance to the true place, where that is known and inside the scan."""
    warps = None if query.reference else state.demo_warps(query.cohort)
    if warps is None:
        return [Found(location) for location in found]
    result = []
    for location in found:
        truth = true_point(warps, query.mm, query.subject, location.subject)
        target = query.prepared(location.volume)
        voxel = target.to_voxel(truth)
        inside = ((voxel >= 0) & (voxel <= np.array(target.image.shape) - 1)).all()
        result.append(Found(location, float(np.linalg.norm(location.mm - truth)) if inside else None))
    return result


def _start(cohort: Cohort, volume_id: str, card: Card) -> Point:
    """A place worth looking at before the first click: off the middle, so that left and right show.

    It is the centre of one of the table's crops: what it finds is there before the network is.
    """
    volume = state.prepared_scan(cohort, volume_id, card.preparation)
    wanted = volume.box_centre_mm + np.array([-25.0, 10.0, 0.0])
    centres = crop_centre_mm(volume, grid_centres(volume, card.step_mm), card.crop_size)
    if not len(centres):
        centres = wanted[None]
    x, y, z = centres[np.linalg.norm(centres - wanted, axis=1).argmin()]
    return float(x), float(y), float(z)
