"""How matches are shown: the best as viewers that can be scrolled, the next as a strip of pictures."""

import io
from collections.abc import Callable

import numpy as np
import pandas as pd
import streamlit as st

from isimed.data.cohort import Cohort
from isimed.data.preprocess import Preparation
from isimed.data.volume import Volume
from isimed.ui import search, state
from isimed.ui.slice_viewer import Box, Click, Header, Picture, picture_strip, slice_viewer
from isimed.ui.slice_viewer.component import Plane
from isimed.ui.slices import slice_picture

LINK = "patients"
BEST = 4
STRIP = 16
LEGEND = (
    "Latent: how far the two crops are apart for the network, in mm where it was trained on mm. "
    "±: spread of the matches that the place is worked out from. "
    "Error: distance to the true place, which is known for synthetic patients only."
)


def note(row: pd.Series, *, in_mm: bool = True) -> str:
    """What stands beside a match: how near it is in the latent space, how sure, and the true error where known."""
    parts = [f"latent {row.distance:.1f}{' mm' if in_mm else ''}", f"± {row.uncertainty_mm:.0f} mm"]
    if row.error_mm is not None and not np.isnan(row.error_mm):
        parts.append(f"error {row.error_mm:.1f} mm")
    return " · ".join(parts)


def show_best(cohort: Cohort, found: pd.DataFrame, edge_mm: float, *, plane: Plane, in_mm: bool, height: int) -> None:
    """The best matches as linked viewers, two by two."""
    columns = st.columns(2, gap="small")
    for number, (_, row) in enumerate(found.iterrows()):
        with columns[number % 2]:
            slice_viewer(
                state.scan(cohort, row.volume),
                key=f"match-{number}",
                volume_key=f"{cohort.fingerprint}/{row.volume}",
                modality=cohort.modality,
                cursor_mm=place(row),
                boxes=[Box(place(row), edge_mm)],
                layout=plane,
                controls=False,
                readout=False,
                height=height,
                header=Header(row.volume, note(row, in_mm=in_mm), "Open"),
                link=LINK,
                reports_clicks=False,
                on_action=_opener(row.volume),
            )


def _opener(volume_id: str) -> Callable[[Click], None]:
    def open_it(click: Click) -> None:
        search.set_point(volume_id, click.mm)

    return open_it


def show_strip(
    cohort: Cohort, preparation: Preparation, found: pd.DataFrame, edge_mm: float, *, plane: Plane, in_mm: bool
) -> None:
    """The next best as still pictures; a click opens one."""
    shown = found.head(STRIP)
    if shown.empty:
        return
    pictures = [
        Picture(_picture(cohort, preparation, row.volume, place(row), edge_mm, plane), row.volume, _short(row))
        for _, row in shown.iterrows()
    ]

    def choose(number: int) -> None:
        search.set_point(shown.iloc[number].volume, place(shown.iloc[number]))

    picture_strip(pictures, key="strip", on_choose=choose)


def _short(row: pd.Series) -> str:
    known = row.error_mm is not None and not np.isnan(row.error_mm)
    return f"{row.distance:.1f} ± {row.uncertainty_mm:.0f} mm" + (f" · e {row.error_mm:.1f}" if known else "")


def _picture(
    cohort: Cohort, preparation: Preparation, volume_id: str, mm: search.Point, edge_mm: float, plane: Plane
) -> bytes:
    """JPEG of a prepared slice: read from the memory-mapped file, so a strip of a large cohort stays quick."""
    prepared = state.prepared_scan(cohort, volume_id, preparation)
    volume = Volume(prepared.image, prepared.affine)
    picture = slice_picture(volume, mm, edge_mm=edge_mm, plane=plane, window=window_of(preparation), width=130)
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


def place(row: pd.Series) -> search.Point:
    return float(row.x_mm), float(row.y_mm), float(row.z_mm)
