"""The widgets around named points: name the clicked place, see what is kept, take it away."""

from collections.abc import Sequence

import streamlit as st

from isimed.core.text import plain
from isimed.data.cohorts.cohort import Cohort
from isimed.ui.slice_viewer import Marker
from isimed.ui.viewer.named_points import NamedPoint, Place, as_csv, as_slicer_zip
from isimed.ui.viewer.search import Found

KEPT = "kept_points"
COLOUR = "#7fd17f"


def kept(cohort: Cohort) -> list[NamedPoint]:
    """The session's points of a cohort."""
    return [point for point in st.session_state.get(KEPT, []) if point.cohort == cohort.name]


def markers(cohort: Cohort, volume_id: str) -> list[Marker]:
    """The kept points that were clicked or found in a volume."""
    return [
        Marker(place.mm, point.name, COLOUR)
        for point in kept(cohort)
        for place in point.places
        if place.volume == volume_id
    ]


def panel(cohort: Cohort, here: Place, found: Sequence[Found]) -> None:
    """A button that opens the list of kept points."""
    points = kept(cohort)
    with st.popover(f"Points ({len(points)})", icon=":material/location_on:"):
        st.text_input("Name of this place", placeholder="left putamen", key="point_name")
        st.button("Keep it, with its matches", type="primary", on_click=_keep, args=(cohort.name, here, found))
        for number, point in enumerate(points):
            words, button = st.columns([5, 1], vertical_alignment="center")
            mm = ", ".join(f"{v:.1f}" for v in point.clicked.mm)
            words.markdown(
                f"**{plain(point.name)}** · {plain(point.clicked.volume)} · {mm} mm · {len(point.found)} matches"
            )
            button.button(
                "", icon=":material/delete:", key=f"forget-{number}", help="Forget", on_click=_drop, args=(point,)
            )
        if points:
            name = f"{cohort.name}-points"
            st.download_button("CSV (scanner mm, R A S)", as_csv(points), f"{name}.csv", "text/csv")
            st.download_button(
                "3D Slicer (a file a volume, L P S)", as_slicer_zip(points), f"{name}.zip", "application/zip",
                help="Each volume's points as .fcsv and .mrk.json: unpack, and load the one of your scan.",
            )  # fmt: skip


def found_places(found: Sequence[Found]) -> tuple[Place, ...]:
    """What a search found, as places."""
    return tuple(
        Place(match.volume, match.mm, "found", match.location.distance, match.location.uncertainty_mm)
        for match in found
    )


def _keep(cohort: str, here: Place, found: Sequence[Found]) -> None:
    points = st.session_state.setdefault(KEPT, [])
    name = st.session_state.get("point_name", "").strip() or f"Point {len(points) + 1}"
    points.append(NamedPoint(name, cohort, here, found_places(found)))
    st.session_state["point_name"] = ""


def _drop(point: NamedPoint) -> None:
    st.session_state[KEPT].remove(point)
