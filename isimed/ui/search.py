"""The Viewer page's parts: the clicked point, what was found for it, and how it is shown."""

import io
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
from isimed.ui.slice_viewer import Box, slice_viewer
from isimed.ui.slices import slice_picture

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


def caption(row: pd.Series, *, in_mm: bool = True) -> str:
    """What stands under a match: whose it is, how near, how sure, and the true error where it is known."""
    parts = [f"latent {row.distance:.0f}{' mm' if in_mm else ''}", f"± {row.uncertainty_mm:.0f} mm"]
    if row.error_mm is not None and not np.isnan(row.error_mm):
        parts.append(f"true error {row.error_mm:.0f} mm")
    return " · ".join(parts)


def show_best(cohort: Cohort, found: pd.DataFrame, edge_mm: float) -> None:
    """The best matches as viewers that can be scrolled, two by two."""
    columns = st.columns(2)
    for number, row in enumerate(found.itertuples(index=False)):
        with columns[number % 2]:
            st.markdown(f"**{row.volume}** · {caption(pd.Series(row._asdict()))}")
            slice_viewer(
                state.scan(cohort, row.volume),
                key=f"match-{number}",
                volume_key=f"{cohort.fingerprint}/{row.volume}",
                modality=cohort.modality,
                cursor_mm=_mm(row),
                boxes=[Box(_mm(row), edge_mm, name="match")],
                layout="axial",
                controls=False,
                height=250,
            )


def show_strip(cohort: Cohort, found: pd.DataFrame, edge_mm: float, *, per_row: int = 6, most: int = 12) -> None:
    """The next best as still pictures; a button opens one."""
    if found.empty:
        return
    st.subheader("Next best")
    columns = st.columns(per_row)
    for number, row in enumerate(found.head(most).itertuples(index=False)):
        with columns[number % per_row]:
            picture = _picture(cohort.fingerprint, row.volume, _mm(row), edge_mm, cohort)
            st.image(picture, caption=f"{row.volume} · {caption(pd.Series(row._asdict()))}", width="stretch")
            if st.button(f"Open {row.volume}", key=f"open-{row.volume}", width="stretch"):
                set_point(row.volume, _mm(row))
                st.rerun()


def offer_download(cohort: Cohort, volume_id: str, point_mm: Point, found: pd.DataFrame) -> None:
    """The found points as CSV, in scanner mm."""
    name = f"{cohort.name}-{volume_id}-matches.csv"
    text = found.assign(source_volume=volume_id, source_mm=" ".join(f"{value:.2f}" for value in point_mm))
    st.download_button("Points as CSV (scanner mm, RAS)", text.to_csv(index=False), name, "text/csv")


@st.cache_data(max_entries=512, show_spinner=False)
def _picture(fingerprint: str, volume_id: str, mm: Point, edge_mm: float, _cohort: Cohort) -> bytes:
    picture = slice_picture(state.scan(_cohort, volume_id), mm, edge_mm=edge_mm, modality=_cohort.modality)
    buffer = io.BytesIO()
    picture.save(buffer, "PNG")
    return buffer.getvalue()


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


def _mm(row) -> Point:  # noqa: ANN001 - a named tuple of pandas
    return row.x_mm, row.y_mm, row.z_mm
