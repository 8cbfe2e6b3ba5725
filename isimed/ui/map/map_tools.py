"""Around the map: opening it in the background, its settings, kept selections, the other panels."""

from collections.abc import Callable

import numpy as np
import pandas as pd
import plotly.graph_objects as go
import streamlit as st
from numpy.typing import NDArray

from isimed.core.progress import Progress, Say, part_of
from isimed.core.text import plain
from isimed.data.cohorts.cohort import Cohort
from isimed.explore.maps.axes import body_correlation, match_axes
from isimed.explore.maps.compare_spaces import linear_cka, neighbour_overlap, procrustes, same_crops
from isimed.explore.maps.map_points import (
    Points,
    UmapPoints,
    open_points,
    open_umap,
    points_are_kept,
    umap_is_kept,
)
from isimed.explore.maps.pca import Map, Source, default_source, fit_map, open_map, sample_rows
from isimed.explore.tables import selection as selections
from isimed.explore.tables.selection import Selection
from isimed.explore.tables.store import AXES, Table
from isimed.models.checkpoint import Checkpoint
from isimed.ui import background, long_work, state, style
from isimed.ui.map import colours, map_files, map_view, plots, theme
from isimed.ui.viewer import chosen_crops

SOURCES = {"code": "the code", "embedding": "the embedding"}
COMPARED = 4_000
PCA_S, UMAP_S, UMAP_FIRST_S = 7e-4, 2e-3, 8.0  # a crop, and once: on two busy cores, of 8,074 crops
BODY_HELP = (
    "PCA of where the crops really are, as if the network knew it in mm. Even these PCs are turned against the body's "
    "axes, where positions are correlated over the crops or spread alike along two axes: a yardstick for the matrix."
)


def open_map_of(table: Table, source: Source | None = None) -> tuple[Map, Points] | None:
    """A table's map and points, or None while they are being made; then a progress bar stands on the page."""
    source = source or chosen_source(table)

    def work(progress: Progress, say: Say) -> tuple[Map, Points]:
        fitted = open_map(table, source=source, progress=part_of(progress, 0, 0.4), say=say)
        return fitted, open_points(table, fitted, progress=part_of(progress, 0.4, 1), say=say)

    key = f"map-{_id(table)}-{source}"
    if background.of(key) is None and not points_are_kept(table, source):
        what = f"The map of {len(table):,} crops is not made yet"
        if not long_work.may_begin(key, len(table) * PCA_S, what, "Make"):
            return None
    return background.result(key, work)


def open_umap_of(table: Table, fitted: Map, points: Points) -> UmapPoints | None:
    parameters = map_view.umap_parameters()
    key = f"umap-{_id(table)}-{fitted.info.created}-{fitted.info.source}-{parameters}"
    if background.of(key) is None and not umap_is_kept(table, fitted, parameters):
        what = f"The UMAP of {len(table):,} crops is not made yet"
        if not long_work.may_begin(key, UMAP_FIRST_S + len(table) * UMAP_S, what, "Make"):
            return None
    return background.result(
        key, lambda progress, say: open_umap(table, fitted, points, parameters, progress=progress, say=say)
    )


def chosen_source(table: Table) -> Source:
    kept = st.session_state.get("map_source")
    return kept if kept in SOURCES else default_source(table.info)


def settings_panel(table: Table, fitted: Map) -> None:
    """What the map is made of; a change makes another map."""
    default = default_source(table.info)
    names = sorted(SOURCES, key=lambda name: name != default)
    st.radio("Map of", names, format_func=SOURCES.__getitem__, key="map_source", persist_state="session")
    st.number_input("UMAP: neighbours", 5, 100, 15, 5, key="map_neighbours", persist_state="session")
    st.number_input("UMAP: minimal distance", 0.0, 1.0, 0.1, 0.05, key="map_min_dist", persist_state="session")
    st.number_input(
        "Points drawn, at most", 1_000, plots.POINTS, plots.POINTS, 1_000,
        key="map_points", persist_state="session",
        help="In flat maps; every scan gets its share.",
    )  # fmt: skip
    st.caption(
        f"Fitted on {len(fitted.info.reference_subjects)} patients on {fitted.info.created[:10]} and kept: new "
        "patients are placed into it and nobody moves."
    )
    subjects = st.multiselect("Fit it anew on", sorted(table.subjects), placeholder="all patients")
    if st.button("Fit anew", help="Replaces the kept map; coordinates will change."):
        bar = st.progress(0.0, "Fitting PCA")

        def progress(done: int, total: int) -> None:
            bar.progress(done / total, "Fitting PCA")

        fit_map(table, source=fitted.info.source, subjects=subjects or None, progress=progress)
        background.forget(f"map-{_id(table)}")
        st.rerun()


def chosen_panel(
    cohort: Cohort,
    checkpoint: Checkpoint,
    table: Table,
    points: Points,
    umap: UmapPoints | None,
    chosen: Selection | None,
    make_figure: Callable[[], go.Figure],
) -> None:
    """What is chosen in the map: its crops as pictures, one of them in its scan, and counts; and what can be kept."""
    words, clear, names, files = st.columns([5, 1, 2, 2], vertical_alignment="center")
    if chosen is not None:
        name = f": {plain(chosen.name)}" if chosen.name else ""
        words.markdown(f"**{len(chosen):,} chosen crop{'s' if len(chosen) > 1 else ''}{name}**")
        clear.button("Clear", icon=":material/close:", on_click=chosen_crops.choose, args=(table, []), width="stretch")
    with names.popover("Kept selections", icon=":material/bookmark:", width="stretch"):
        kept_panel(table)
    with files.popover("Download", icon=":material/download:", width="stretch"):
        map_files.download_panel(cohort, table, points, umap, chosen, make_figure)
    if chosen is None:
        st.info(
            "Click a point, or take the lasso above the map and draw around some: their crops appear here.",
            icon=":material/gesture:",
        )
        return
    preparation = checkpoint.card.preparation
    edge_mm = checkpoint.card.crop_mm
    pictures, figures = st.columns([4, 1], gap="medium")
    with pictures:
        row = chosen_crops.show_gallery(cohort, preparation, table, chosen, edge_mm)
        chosen_crops.show_in_scan(cohort, table, chosen, row, edge_mm)
    with figures:
        selection_panel(cohort, table, chosen)


def selection_panel(cohort: Cohort, table: Table, chosen: Selection) -> None:
    """Counts, and a name under which the selection is kept."""
    found = selections.counts(table, chosen.rows, cohort.organs)
    for what in ("patient", "organ"):
        style.table(found[what], height=150, key=f"counts-{what}")
    name = st.text_input("Keep it as", value=chosen.name, placeholder="a name", key="map_keep_name")
    if st.button("Keep", icon=":material/bookmark:", disabled=not name.strip()):
        st.session_state[chosen_crops.SELECTION] = selections.keep(table, chosen, name)
        st.rerun()


def kept_panel(table: Table) -> None:
    """Selections that were kept, to be lit again or forgotten."""
    kept = selections.kept(table)
    if not kept:
        st.caption("None yet: choose crops in the map, then keep them by a name.")
    for name, selection in kept.items():
        light, drop = st.columns([5, 1])
        light.button(
            f"{plain(name)} ({len(selection):,})", key=f"light-{name}", width="stretch",
            on_click=chosen_crops.choose, args=(table, selection.rows), kwargs={"name": name},
        )  # fmt: skip
        drop.button("", icon=":material/delete:", key=f"drop-{name}", on_click=selections.forget, args=(table, name))


def axes_panel(points: Points, table: Table, fitted: Map) -> None:
    """PCs against the body's axes: the matrix, the turned axes, the scatter."""
    matched = match_axes(points.r)
    left, right = style.halves((3, 5), of="axes")
    with left:
        st.markdown("**r over all crops**", help="Framed: each PC with one axis, so that the sum of |r| is largest.")
        st.plotly_chart(
            plots.matrix_figure(points.r, matched, look=theme.look_now()),
            theme=None,
            key="matrix",
            config={"displayModeBar": False},
        )
        axes = points.axes
        style.table(
            pd.DataFrame({
                "axis": AXES,
                "PC": [n + 1 for n in matched],
                "|r|": [abs(points.r[n, axis]) for axis, n in enumerate(matched)],
                "R²": axes.r2,
                "per mm": axes.scale,
            }),
            column_config={name: st.column_config.NumberColumn(format="%.2f") for name in ("|r|", "R²", "per mm")},
        )  # fmt: skip
        st.caption(
            "r over all crops. R²: position read linearly from 50 components, judged on patients left out. "
            f"Latent axes stand at {axes.angles[0]:.0f}° (sagittal-coronal), {axes.angles[1]:.0f}° (sagittal-axial), "
            f"{axes.angles[2]:.0f}° (coronal-axial); 90° is independent. "
            "Per mm: how far a crop moves in the latent space for 1 mm in the body."
        )
        st.markdown("**The same of the true positions**", help=BODY_HELP)
        body = body_correlation(table.position)
        matrix = plots.matrix_figure(body, match_axes(body), height=150, look=theme.look_now())
        st.plotly_chart(matrix, theme=None, key="matrix-body", config={"displayModeBar": False})
    some = sample_rows(table.group, 2_000)
    unit = map_view.unit_of(table, fitted)
    figure = plots.axes_figure(
        points.pcs[:, :3][some], table.position[some], points.r, matched, unit=unit, look=theme.look_now()
    )
    right.plotly_chart(figure, theme=None, key="axes", config=plots.CONFIG)
    right.caption(f"{len(some):,} of {len(table):,} crops drawn; r is over all.")


def compare_panel(cohort: Cohort, first: Checkpoint, table: Table, fitted: Map, points: Points) -> None:
    """Another checkpoint on the same crops: its map moved onto this one, and how alike the two spaces are."""
    names = [name for name in state.checkpoint_choices(cohort) if name != st.session_state.get("checkpoint")]
    if not names:
        st.info("There is no other checkpoint for this cohort: train one.")
        return
    name = st.selectbox("Compare with", names, key="map_other")
    other_table = state.table(cohort, state.checkpoint(cohort, name))
    opened = other_table and open_map_of(other_table, default_source(other_table.info))
    if not opened or other_table is None:
        return
    ours, theirs = same_crops(table, other_table)
    if len(ours) < 10:
        st.warning(f"{plain(name)} cuts other crops (spacing or grid differ): the two cannot be compared crop by crop.")
        return
    other_fitted, other = opened
    moved = procrustes(points.pcs[ours][:, :3], other.pcs[theirs][:, :3])
    cka, overlap = _likeness(table, other_table, ours, theirs, fitted, other_fitted)
    figures = {
        "Linear CKA": (f"{cka:.3f}", "1: the same space up to rotation and scale."),
        "Shared neighbours": (f"{overlap:.0%}", "Of a crop's 10 nearest, in both spaces; of up to 4,000 crops."),
        "Left over": (f"{moved.disparity:.0%}", "Of this map's spread that the other, turned and scaled, misses."),
        "Crops": (f"{len(ours):,}", "That both have."),
    }
    for column, (label, (value, help_)) in zip(st.columns(len(figures)), figures.items(), strict=True):
        column.metric(label, value, help=help_)
    some = sample_rows(table.group[ours], 5_000)
    rows = ours[some]
    pair = match_axes(points.r)[[0, 2]]
    colour = colours.rgb_colour(table, rows)
    labels = tuple(f"PC{n + 1} of {first.name}{map_view.unit_of(table, fitted)}" for n in pair)
    panels = [
        plots.Panel(points.pcs[rows][:, pair], (labels[0], labels[1]), colour, first.name),
        plots.Panel(moved.coordinates[some][:, pair], (labels[0], labels[1]), colour, f"{name}, moved onto it"),
    ]
    figure = plots.map_figure(panels, names=table.subject[rows], position=table.position[rows], look=theme.look_now())
    st.plotly_chart(figure, theme=None, key="compare", config=plots.CONFIG)
    for column, which, label in zip(st.columns(2), (points, other), (first.name, name), strict=True):
        column.markdown(f"**{plain(label)}**: PCs against the body's axes")
        matrix = plots.matrix_figure(which.r, match_axes(which.r), height=200, look=theme.look_now())
        column.plotly_chart(matrix, theme=None, key=f"matrix-{label}", config={"displayModeBar": False})


def _likeness(
    table: Table, other: Table, ours: NDArray, theirs: NDArray, fitted: Map, other_fitted: Map
) -> tuple[float, float]:
    some = sample_rows(table.group[ours], COMPARED)
    a = np.asarray(getattr(table, fitted.info.source)[ours[some]], dtype=np.float32)
    b = np.asarray(getattr(other, other_fitted.info.source)[theirs[some]], dtype=np.float32)
    return linear_cka(a, b), neighbour_overlap(a, b)


def _id(table: Table) -> str:
    return f"{table.folder.name}-{table.fingerprint}"
