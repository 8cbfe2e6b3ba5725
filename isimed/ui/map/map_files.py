"""What can be saved from the map: coordinates of all or of the chosen crops, and the figure."""

from collections.abc import Callable
from functools import partial

import pandas as pd
import plotly.graph_objects as go
import streamlit as st
from numpy.typing import NDArray
from streamlit.delta_generator import DeltaGenerator

from isimed.data.cohorts.cohort import Cohort
from isimed.explore.maps import export
from isimed.explore.maps.map_points import Points, UmapPoints
from isimed.explore.tables.selection import Selection
from isimed.explore.tables.store import Table
from isimed.ui.map import plots


def download_panel(
    cohort: Cohort,
    table: Table,
    points: Points,
    umap: UmapPoints | None,
    chosen: Selection | None,
    make_figure: Callable[[], go.Figure],
) -> None:
    """Coordinates of all crops beside those of the selection, and the figure; each button is one file.

    No choice is asked first: it would run the page again, and a click before its end would fetch the file of before.
    """
    name = f"{table.info.cohort}-{table.info.checkpoint}"
    every, some = st.columns(2)
    every.markdown(f"**All {len(table):,}**")
    _files(every, f"{name}-crops", cohort, table, points, umap, None)
    if chosen is None:
        some.markdown("**Chosen crops**")
        some.caption("None yet: draw around some in the map.")
    else:
        some.markdown(f"**{len(chosen):,} chosen**")
        _files(some, f"{name}-{chosen.name or 'chosen'}", cohort, table, points, umap, chosen.rows)
    st.markdown("**The figure**")
    for column, kind in zip(st.columns(len(plots.FORMATS)), plots.FORMATS, strict=True):
        make = partial(_figure_file, make_figure, kind)
        column.download_button(
            kind.upper(), make, f"{name}.{kind}", on_click="ignore", width="stretch", key=f"get-{kind}"
        )


def _files(
    column: DeltaGenerator,
    name: str,
    cohort: Cohort,
    table: Table,
    points: Points,
    umap: UmapPoints | None,
    rows: NDArray | None,
) -> None:
    """A button a format; the file is made when it is asked for."""

    def frame() -> pd.DataFrame:
        return export.crop_frame(table, points, rows=rows, organs=cohort.organs, umap=umap.places if umap else None)

    makers: dict[str, tuple[Callable[[], bytes], str, str]] = {
        "CSV": (lambda: export.as_csv(frame()), "csv", "One row a crop, with its coordinates on the maps."),
        "Parquet": (lambda: export.as_parquet(frame()), "parquet", "The same, smaller and with full precision."),
        "Projector": (
            lambda: export.as_projector(frame(), points.pcs),
            "zip",
            "Vectors and metadata as TSV, for Load in TensorBoard's projector; at most 10,000 crops.",
        ),
    }
    part = "all" if rows is None else "chosen"
    for label, (make, suffix, help_) in makers.items():
        column.download_button(
            label, make, f"{name}.{suffix}", on_click="ignore", width="stretch", key=f"get-{part}-{suffix}", help=help_
        )


def _figure_file(make_figure: Callable[[], go.Figure], kind: plots.Format) -> bytes:
    return plots.figure_file(make_figure(), kind)
