"""How matches are shown: the best as viewers that can be scrolled, the next as a strip of pictures."""

import io
from collections.abc import Callable, Sequence

import numpy as np
import streamlit as st

from isimed.data.cohorts.cohort import Cohort
from isimed.data.formats.volume import Volume
from isimed.data.prepared.preprocess import Preparation
from isimed.ui import state
from isimed.ui.slice_viewer import Box, Click, Header, Picture, picture_strip, slice_viewer
from isimed.ui.slice_viewer.component import Plane
from isimed.ui.viewer import search
from isimed.ui.viewer.search import Found
from isimed.ui.viewer.slices import slice_picture

LINK = "patients"
BEST = 4
STRIP = 16
FIELD_MM = 200.0  # a head, at one scale for all: wide shoulders would make the place too small to compare
LEGEND = (
    "Latent: how far apart the two crops are for the network, in mm where it was trained on mm. "
    "±: how far the places that fit about equally well lie apart; on real patients it follows the error only weakly. "
    "Error: distance to the true place, which is known for synthetic patients only."
)


def choose_plane() -> Plane:
    """Which plane the other patients are shown in."""
    planes: list[Plane] = ["axial", "coronal", "sagittal"]
    chosen = st.segmented_control(
        "Plane", planes, default="axial", key="plane", label_visibility="collapsed", format_func=str.capitalize,
        required=True,
    )  # fmt: skip
    return chosen or "axial"


def note(found: Found) -> str:
    """What stands beside a match: how near it is in the latent space, how sure, and the true error where known."""
    location = found.location
    if location.note:
        return f"Not in this scan: {location.note}"
    parts = [f"latent {location.distance:.1f}", f"±{location.uncertainty_mm:.0f} mm"]
    if found.error_mm is not None:
        parts.append(f"error {found.error_mm:.1f} mm")
    return " · ".join(parts)


def show_best(
    cohort: Cohort,
    found: Sequence[Found],
    edge_mm: float,
    *,
    plane: Plane,
    height: int,
    overlays: Callable[[str, search.Point], dict],
) -> None:
    """The best matches as linked viewers, two by two.

    Args:
        found: rows of ``search.find``.
        overlays: volume id and place -> ``labels``, ``heat`` and ``markers`` for its viewer.
    """
    columns = st.columns(2, gap="small")
    for number, match in enumerate(found):
        with columns[number % 2]:
            slice_viewer(
                state.scan(cohort, match.volume),
                key=f"match-{number}",
                volume_key=f"{cohort.fingerprint}/{match.volume}",
                modality=cohort.modality,
                cursor_mm=match.mm,
                boxes=[] if match.location.note else [Box(match.mm, edge_mm)],
                layout=plane,
                field_mm=FIELD_MM,
                controls=False,
                readout=False,
                height=height,
                header=Header(match.volume, note(match), "Open"),
                link=LINK,
                reports_clicks=False,
                on_action=_opener(match.volume),
                **overlays(match.volume, match.mm),
            )


def _opener(volume_id: str) -> Callable[[Click], None]:
    def open_it(click: Click) -> None:
        search.set_point(volume_id, click.mm)

    return open_it


def show_strip(
    cohort: Cohort, preparation: Preparation, found: Sequence[Found], edge_mm: float, *, plane: Plane
) -> None:
    """The next best as still pictures; a click opens one."""
    shown = found[:STRIP]
    if not shown:
        return
    pictures = [
        Picture(
            _picture(cohort, preparation, match, edge_mm, plane),
            match.volume,
            note(match).replace(" · ", "\n"),
        )
        for match in shown
    ]

    def choose(number: int) -> None:
        search.set_point(shown[number].volume, shown[number].mm)

    picture_strip(pictures, key="strip", plane=plane, on_choose=choose)


def _picture(cohort: Cohort, preparation: Preparation, match: Found, edge_mm: float, plane: Plane) -> bytes:
    """JPEG of a prepared slice: read from the memory-mapped file, so a strip of a large cohort stays quick."""
    prepared = state.prepared_scan(cohort, match.volume, preparation)
    volume = Volume(prepared.image, prepared.affine)
    picture = slice_picture(
        volume, match.mm, edge_mm=edge_mm, plane=plane, window=window_of(preparation), width=130, field_mm=FIELD_MM,
        letters=False,
    )  # fmt: skip
    buffer = io.BytesIO()
    picture.save(buffer, "JPEG", quality=85)
    return buffer.getvalue()


def window_of(preparation: Preparation) -> tuple[float, float]:
    """Lowest and highest prepared value to show: soft tissue for CT, nearly everything for the others."""
    if preparation.intensity == "percentile":
        return -1.2, 1.4
    low, high = preparation.window_hu
    soft_tissue = (np.array([-160.0, 240.0]) - low) / (high - low) * 2 - 1
    return float(soft_tissue[0]), float(soft_tissue[1])
