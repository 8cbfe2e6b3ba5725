"""The clicked point (in the session and in the link), and what is found for it."""

import math
from collections.abc import Sequence

import numpy as np
import pandas as pd
import streamlit as st
from numpy.typing import ArrayLike

from isimed.data.cohort import Cohort
from isimed.data.preprocess import Preparation
from isimed.data.warp import true_point
from isimed.explore.locate import Location, locate_everywhere
from isimed.explore.retrieve import code_at
from isimed.explore.store import Table
from isimed.models.checkpoint import Checkpoint
from isimed.ui import state

CURSOR = "cursor"
Point = tuple[float, float, float]


def choose_point(cohort: Cohort, preparation: Preparation) -> tuple[str, Point]:
    """The volume and the point that are looked at: chosen here, on another page, or by a link."""
    ids = [entry.id for entry in cohort.volumes]
    cursor = st.session_state.get(CURSOR) or cursor_from_url(dict(st.query_params))
    volume_id = cursor["volume"] if cursor and cursor["volume"] in ids else ids[0]
    volume_id = st.sidebar.selectbox("Patient", ids, index=ids.index(volume_id), help="Whose scan is clicked.")
    if cursor and cursor["volume"] == volume_id and cursor["mm"]:
        point = cursor["mm"]
    else:
        point = _start(cohort, volume_id, preparation)
    set_point(volume_id, point)
    st.query_params["volume"] = volume_id
    st.query_params["mm"] = ",".join(f"{value:.1f}" for value in point)
    return volume_id, point


def set_point(volume_id: str, mm: ArrayLike) -> None:
    x, y, z = map(float, np.asarray(mm))
    st.session_state[CURSOR] = {"volume": volume_id, "mm": (x, y, z)}


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


def find(cohort: Cohort, checkpoint: Checkpoint, table: Table, volume_id: str, point_mm: Point) -> pd.DataFrame:
    """The point's place in every volume of the other patients, best first.

    Returns:
        Columns volume, x_mm, y_mm, z_mm (scanner), distance (latent), uncertainty_mm, and error_mm where the
        truth is known (synthetic cohorts) and lies in the scan.
    """
    volume = state.prepared_scan(cohort, volume_id, checkpoint.card.preparation)
    code = code_at(checkpoint, volume, point_mm)
    subject = cohort.entry(volume_id).subject
    found = locate_everywhere(table, code, subject=subject)
    return as_frame(found, [_error(cohort, subject, point_mm, location) for location in found])


def as_frame(found: Sequence[Location], errors: Sequence[float | None]) -> pd.DataFrame:
    rows = [
        {
            "subject": location.subject,
            "volume": location.volume,
            **dict(zip(("x_mm", "y_mm", "z_mm"), location.mm, strict=True)),
            "distance": location.distance,
            "uncertainty_mm": location.uncertainty_mm,
            "error_mm": error,
        }
        for location, error in zip(found, errors, strict=True)
    ]
    return pd.DataFrame(rows)


def _start(cohort: Cohort, volume_id: str, preparation: Preparation) -> Point:
    """A place worth looking at before the first click: off the middle, so that left and right show."""
    volume = state.prepared_scan(cohort, volume_id, preparation)
    x, y, z = volume.box_centre_mm + np.array([-25.0, 10.0, 0.0])
    return float(x), float(y), float(z)


def _error(cohort: Cohort, subject: str, point_mm: Point, location: Location) -> float | None:
    warps = state.demo_warps(cohort)
    if warps is None:
        return None
    truth = true_point(warps, point_mm, subject, location.subject)
    scan = state.scan(cohort, location.volume)
    voxel = scan.to_voxel(truth)
    if (voxel < 0).any() or (voxel > np.array(scan.shape) - 1).any():
        return None
    return float(np.linalg.norm(np.asarray(location.mm) - truth))
