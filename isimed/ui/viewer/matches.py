"""How matches are shown: the best as viewers that can be scrolled, the next as a strip of pictures."""

from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np
import streamlit as st
from PIL import Image

from isimed.data.cohorts.cohort import cohort_names
from isimed.data.cohorts.shipped import bring
from isimed.data.formats.volume import Volume
from isimed.data.prepared.preprocess import Preparation
from isimed.explore.one_scan.fit import Fit
from isimed.explore.search.query import Point, Query
from isimed.ui import state
from isimed.ui.slice_viewer import (
    Appearance,
    Behaviour,
    Click,
    Overlays,
    PaneHeader,
    Picture,
    picture_strip,
    slice_viewer,
)
from isimed.ui.slice_viewer.options import Plane
from isimed.ui.viewer import search, words
from isimed.ui.viewer.field_of_view import field_around
from isimed.ui.viewer.search import Found
from isimed.ui.viewer.slices import jpeg, slice_picture

UNFIT = "means nothing: the network does not fit"
LINK = "patients"
BEST, BEST_WIDE = 4, 6  # shown as viewers, in two rows
ROOM = "wide_window"
SAME = "same patient, other study"
STRIP = 16
LEGEND = (
    "The millimetres are how far apart the places lie that fit about equally well; on real patients they follow the "
    "error only weakly: look at the pictures. Error: distance to the true place, known for synthetic patients only. "
    "Figures: latent distance is how far apart the two crops are for the network."
)


def has_room() -> bool:
    """Whether the window is wide, as the browser said."""
    return bool(st.session_state.get(ROOM))


def keep_room(*, wide: bool) -> None:
    st.session_state[ROOM] = wide


def best_shown() -> int:
    """How many matches are shown as viewers."""
    return BEST_WIDE if has_room() else BEST


def choose_plane() -> Plane:
    """Which plane the other patients are shown in."""
    planes: list[Plane] = ["axial", "coronal", "sagittal"]
    chosen = st.segmented_control(
        "Plane", planes, default="axial", key="plane", label_visibility="collapsed", format_func=str.capitalize,
        required=True, bind="query-params",
    )  # fmt: skip
    return chosen or "axial"


def choose_details() -> bool:
    """Whether the figures behind the words are shown."""
    return st.sidebar.toggle(
        "Figures of the matches", key="match_details", persist_state="session", help="Instead of the words about them."
    )


def note(found: Found, *, details: bool, in_mm: bool, fit: Fit | None = None) -> str:
    """What stands beside a match: how sure it is in words, or the figures behind them."""
    unfit = f" · {UNFIT}" if fit is not None and not fit.fits else ""
    if details and not found.location.note:
        return words.match_details(found.location, in_mm=in_mm, error_mm=found.error_mm) + unfit
    return UNFIT if unfit else words.match_line(found.location, found.error_mm)


def show_best(
    query: Query,
    found: Sequence[Found],
    *,
    plane: Plane,
    field_mm: float,
    height: int,
    say: Callable[[Found], str],
    overlays: Callable[[str, search.Point], Overlays],
) -> None:
    """The best matches as linked viewers, in two rows.

    Args:
        found: rows of ``search.find``.
        field_mm: edge of the square that each is shown in.
        say: what stands beside a match.
        overlays: volume id and place -> what lies over its scan.
    """
    across = best_shown() // 2
    columns = st.columns(across, gap="small")
    for number, match in enumerate(found):
        absent, drawn = bool(match.location.note), overlays(match.volume, match.mm)
        cohort, entry = query.whose(match.volume)
        with columns[number % across]:
            slice_viewer(
                state.scan(cohort, entry.id),
                key=f"match-{number}",
                volume_key=f"{cohort.fingerprint}/{entry.id}",
                modality=cohort.modality,
                cursor_mm=match.mm,
                overlays=replace(drawn, boxes=()) if absent else drawn,
                appearance=Appearance(
                    layout=plane, field=field_around(query.prepared(match.volume), match.mm, field_mm),
                    controls=False, readout=False, height=height, grows=0.5, crosshair=not absent,
                    header=PaneHeader(_name(query, match), say(match), "Open"),
                ),
                behaviour=Behaviour(
                    link=None if absent else LINK, reports_clicks=False, on_action=_opener(query, match.volume)
                ),
            )  # fmt: skip


def _name(query: Query, match: Found) -> str:
    cohort, entry = query.whose(match.volume)
    same = cohort is query.cohort and entry.subject == query.subject
    return f"{match.volume} · {SAME}" if same else match.volume


def _opener(query: Query, volume: str) -> Callable[[Click], None]:
    def open_it(click: Click) -> None:
        _open(query, volume, click.mm)

    return open_it


def _open(query: Query, volume: str, mm: search.Point) -> None:
    """Make a match the clicked patient; one of a reference brings its cohort along."""
    cohort, entry = query.whose(volume)
    if cohort is query.reference:
        if cohort.root.name not in cohort_names():  # it is looked in where it came along
            bring(cohort.root.name)
        state.open_cohort(cohort.root.name)
    search.set_point(entry.id, mm)


def show_strip(
    query: Query,
    found: Sequence[Found],
    *,
    plane: Plane,
    field_mm: float,
    say: Callable[[Found], str],
) -> None:
    """The next best as still pictures; a click opens one."""
    shown = found[:STRIP]
    if not shown:
        return
    pictures = [
        Picture(
            jpeg(picture_of(query, match.volume, match.mm, plane=plane, field_mm=field_mm, width=130, letters=False)),
            match.volume,
            say(match).replace(" · ", "\n").replace(": ", ":\n"),
        )
        for match in shown
    ]

    def choose(number: int) -> None:
        _open(query, shown[number].volume, shown[number].mm)

    picture_strip(pictures, key="strip", plane=plane, on_choose=choose)


def picture_of(
    query: Query, volume: str, mm: Point, *, plane: str, field_mm: float, width: int, letters: bool
) -> Image.Image:
    """A prepared slice with the crop's box: of the memory-mapped file, so a strip of a large cohort stays quick."""
    prepared, card = query.prepared(volume), query.checkpoint.card
    return slice_picture(
        Volume(prepared.image, prepared.affine), mm, edge_mm=card.crop_mm, plane=plane,
        window=window_of(card.preparation), width=width, field=field_around(prepared, mm, field_mm), letters=letters,
    )  # fmt: skip


def window_of(preparation: Preparation) -> tuple[float, float]:
    """Lowest and highest prepared value to show: soft tissue for CT, nearly everything for the others."""
    if preparation.intensity == "percentile":
        return -1.2, 1.4
    low, high = preparation.window_hu
    soft_tissue = (np.array([-160.0, 240.0]) - low) / (high - low) * 2 - 1
    return float(soft_tissue[0]), float(soft_tissue[1])
