"""The map of a table and what is chosen in it: controls, figure, words about its quality."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
import streamlit as st
from numpy.typing import NDArray

from isimed.data.cohorts.cohort import Cohort
from isimed.explore.maps.axes import match_axes
from isimed.explore.maps.map_points import Points, UmapPoints
from isimed.explore.maps.pca import Map, sample_rows
from isimed.explore.maps.umap_layout import UmapParameters
from isimed.explore.tables.selection import Selection, organ_name
from isimed.explore.tables.store import AXES, Table
from isimed.ui import style
from isimed.ui.map import colours, map_words, plots, theme
from isimed.ui.map.colours import Colour
from isimed.ui.map.point_map import point_map
from isimed.ui.viewer import chosen_crops

MAPS = {"pca": "PCA", "pca3": "PCA in 3D", "turned": "Turned to the body", "umap": "UMAP"}
MAP_HELP = (
    "PCA: the directions in which the crops differ most. Turned to the body: the same space, each axis the best linear "
    "reading of one body axis, in mm. UMAP: neighbours stay neighbours; its distances are not millimetres."
)
SIDE_BY_SIDE, RGB = "Three axes side by side", "All three as RGB"
COLOURS = (SIDE_BY_SIDE, "Axial", "Coronal", "Sagittal", RGB, "Patient", "Organ", "Tumour", "Position error")
PAIRS = {"matched": "following the axes", "12": "PC1 and PC2", "13": "PC1 and PC3", "23": "PC2 and PC3"}
CHART = "map"


@dataclass(frozen=True, eq=False)
class View:
    """What is shown: which map, coloured by what, which components, which rows of the table."""

    kind: str
    colour: str
    pair: str
    rows: NDArray[np.int64]


def choose_view(cohort: Cohort, table: Table, fitted: Map) -> View:
    """One row of controls over the map."""
    row = style.row("bottom")
    kind = row.segmented_control(
        "Map", list(MAPS), default="pca", format_func=MAPS.__getitem__, required=True, key="map_kind", help=MAP_HELP,
        persist_state="session", width="content",
    )  # fmt: skip
    choices = [name for name in COLOURS if not (kind == "pca3" and name == SIDE_BY_SIDE)]
    colour = row.selectbox("Colour", choices, key="map_colour", persist_state="session", width=220)
    flat = kind in ("pca", "turned")
    pair = row.selectbox(
        "Components", list(PAIRS), format_func=PAIRS.__getitem__, key="map_pair", disabled=not flat,
        persist_state="session", width=190,
    )  # fmt: skip
    with row.popover("Filter", icon=":material/filter_alt:"):
        rows = filtered_rows(table, **_filters(cohort, table))
    return View(kind or "pca", colour or "Axial", pair or "matched", rows)


def filtered_rows(
    table: Table,
    *,
    subjects: Sequence[str] = (),
    organs: Sequence[int] = (),
    region: Sequence[tuple[float, float]] = (),
) -> NDArray[np.int64]:
    """Rows of some patients, with some labels, within a range of mm along each body axis; all where not given."""
    keep = np.ones(len(table), dtype=bool)
    if subjects:
        keep &= np.isin(table.subject, list(subjects))
    if organs:
        keep &= np.isin(table.organ, list(organs))
    for axis, (low, high) in enumerate(region):
        keep &= (table.position[:, axis] >= low) & (table.position[:, axis] <= high)
    return np.flatnonzero(keep)


def drawn_rows(table: Table, rows: NDArray, lit: Selection | None, limit: int) -> NDArray[np.int64]:
    """At most ``limit`` of some rows: those that are lit, as far as they pass, and a sample of every scan.

    A smaller sample is part of a larger one, so a new selection leaves the points around it where they are.
    """
    must = rows[:0] if lit is None or len(rows) <= limit else np.intersect1d(lit.rows, rows)
    must = must[sample_rows(table.group[must], limit)]
    return np.union1d(must, rows[sample_rows(table.group[rows], limit - len(must))])


def shuffled(rows: NDArray) -> NDArray[np.int64]:
    """Rows in a fixed order without a pattern: what is drawn last lies on top, and should not always be one patient."""
    return np.random.default_rng(0).permutation(rows)


def colour_of(name: str, cohort: Cohort, table: Table, points: Points, rows: NDArray) -> Colour:
    """The colouring that a choice on the page means; side by side means the axial axis where only one fits."""
    if name.lower() in AXES or name == SIDE_BY_SIDE:
        return colours.axis_colour(table, name.lower() if name.lower() in AXES else "axial", rows)
    if name == RGB:
        return colours.rgb_colour(table, rows)
    if name == "Patient":
        return colours.patient_colour(table, rows)
    if name == "Organ":
        return colours.organ_colour(table, cohort.organs, rows)
    if name == "Tumour":
        return colours.tumour_colour(table, rows)
    return colours.error_colour(points.error_mm, rows)


def panels_of(
    view: View,
    drawn: NDArray,
    cohort: Cohort,
    table: Table,
    points: Points,
    umap: UmapPoints | None,
    *,
    unit: str = "",
) -> list[plots.Panel]:
    """The panels of a flat map, for the rows that are drawn."""
    side_by_side = view.colour == SIDE_BY_SIDE
    names = [axis.capitalize() for axis in AXES] if side_by_side else [view.colour]
    matched = match_axes(points.r)
    panels = []
    for name in names:
        colour = colour_of(name, cohort, table, points, drawn)
        places, labels = _places(view, name, matched, points, umap, unit)
        title = _title(view, name, matched, points) if side_by_side else ""
        panels.append(plots.Panel(places[drawn], labels, colour, title))
    return panels


@st.fragment
def show_map(
    cohort: Cohort, table: Table, fitted: Map, points: Points, umap: UmapPoints | None, view: View, show_chosen: Any
) -> None:
    """The map, linked both ways with the selection; below it whatever ``show_chosen(selection, make_figure)`` shows."""
    chosen = chosen_crops.current(table)
    three = view.kind == "pca3"
    limit = plots.POINTS_3D if three else int(st.session_state.get("map_points") or plots.POINTS)
    drawn = shuffled(drawn_rows(table, view.rows, chosen, limit))
    if not len(drawn):
        st.info("No crop passes the filter: widen it.")
        return
    selected = None if chosen is None else np.flatnonzero(np.isin(drawn, chosen.rows))
    about = {
        "names": table.subject[drawn], "position": table.position[drawn], "selected": selected,
    }  # fmt: skip
    if three:
        colour = colour_of(view.colour, cohort, table, points, drawn)
        unit = unit_of(table, fitted)
        labels = (f"PC1{unit}", f"PC2{unit}", f"PC3{unit}")
        make_figure = partial(
            plots.cloud_figure, points.pcs[:, :3][drawn], labels, colour, look=theme.look_now(), **about
        )
        st.plotly_chart(make_figure(), theme=None, key="map_cloud", config=plots.CONFIG)
    else:
        panels = panels_of(view, drawn, cohort, table, points, umap, unit=unit_of(table, fitted))
        same_scale = view.kind != "umap"
        point_map(
            panels,
            key=CHART,
            same_scale=same_scale,
            on_choose=lambda some: chosen_crops.choose(table, drawn[some]),
            **about,
        )
        make_figure = partial(plots.map_figure, panels, same_scale=same_scale, look=plots.LIGHT, **about)  # for paper
    st.caption(
        " ".join(map_words.said_of(view.kind, table, fitted, points, umap, rows=len(view.rows), shown=len(drawn)))
    )
    show_chosen(chosen, make_figure)


def _places(
    view: View, name: str, matched: NDArray, points: Points, umap: UmapPoints | None, unit: str
) -> tuple[NDArray, tuple[str, str]]:
    if view.kind == "umap" and umap:
        return umap.places, ("UMAP 1 (no unit)", "UMAP 2 (no unit)")
    axis = AXES.index(name.lower()) if name.lower() in AXES else 2
    if view.pair == "matched":  # as one looks at a body: the axis in question and the height, or the front
        across, up = {0: (0, 2), 1: (1, 2), 2: (0, 2)}[axis]
        pair = (across, up) if view.kind == "turned" else (int(matched[across]), int(matched[up]))
    else:
        first, second = (int(digit) - 1 for digit in view.pair)
        pair = (first, second)
    if view.kind == "turned":
        labels = [f"{AXES[n]}, read from the embedding, mm" for n in pair]
        return points.turned[:, list(pair)], (labels[0], labels[1])
    return points.pcs[:, list(pair)], (f"PC{pair[0] + 1}{unit}", f"PC{pair[1] + 1}{unit}")


def _title(view: View, name: str, matched: NDArray, points: Points) -> str:
    axis = AXES.index(name.lower())
    if view.kind == "pca":
        return f"{name}: PC{matched[axis] + 1} follows it, |r| = {abs(points.r[matched[axis], axis]):.2f}"
    return f"{name}: R² {points.axes.r2[axis]:.2f}" if view.kind == "turned" else name


def unit_of(table: Table, fitted: Map) -> str:
    """What follows a component's name on an axis: ", mm" where latent distances are mm."""
    return ", mm" if table.info.in_mm and fitted.info.source == "code" else ""


def _filters(cohort: Cohort, table: Table) -> dict:
    subjects = st.multiselect("Patients", sorted(table.subjects), key="map_patients", placeholder="all")
    labels = [int(label) for label in np.unique(table.organ)]
    organs = st.multiselect(
        "Organs",
        labels,
        format_func=lambda label: organ_name(label, cohort.organs),
        key="map_organs",
        placeholder="all",
    )
    low, high = np.floor(table.position.min(axis=0)), np.ceil(table.position.max(axis=0))
    region = []
    for n, axis in enumerate(AXES):
        words = colours.ENDS[axis]
        ends = (float(low[n]), float(high[n]) + 1.0)
        region.append(
            st.slider(f"{axis.capitalize()}, mm ({words[0]} to {words[1]})", *ends, ends, 1.0, key=f"map_{axis}")
        )
    return {"subjects": subjects, "organs": organs, "region": region}


def umap_parameters() -> UmapParameters:
    """From the map's settings."""
    return UmapParameters(
        neighbours=int(st.session_state.get("map_neighbours") or 15),
        min_dist=float(st.session_state.get("map_min_dist", 0.1)),
    )
