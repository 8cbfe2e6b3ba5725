"""The widgets around points and measurements: name the clicked place, see what is kept, take it away or elsewhere."""

from collections.abc import Callable, Sequence

import streamlit as st

from isimed.core.errors import InputError
from isimed.core.text import plain
from isimed.data.cohorts.cohort import Cohort
from isimed.ui import state
from isimed.ui.annotations import exporting, on_disk, point_files
from isimed.ui.annotations.things import Measurement, NamedPoint, Place, measured
from isimed.ui.slice_viewer import Drawn, Marker, Measure
from isimed.ui.viewer import search
from isimed.ui.viewer.search import Found

COLOUR = "#7df7ad"
SAID = "points_said"


def markers(cohort: Cohort, volume_id: str) -> list[Marker]:
    """The kept points that were clicked or found in a volume."""
    return [
        Marker(place.mm, one.thing.name, COLOUR)
        for one in on_disk.read(cohort)[0]
        if isinstance(one.thing, NamedPoint)
        for place in one.thing.places
        if place.volume == volume_id
    ]


def measures(cohort: Cohort, volume_id: str) -> list[Measure]:
    """The kept distances and circles of a volume."""
    return [
        Measure(one.thing.kind, one.thing.plane, one.thing.ends_mm, one.thing.words())
        for one in on_disk.read(cohort)[0]
        if isinstance(one.thing, Measurement) and one.thing.volume == volume_id
    ]


def keep_drawn(cohort: Cohort, volume_id: str, drawn: Drawn) -> None:
    """Keep what was drawn, with the figures of the scan's own voxels."""
    unit = "HU" if cohort.modality.upper().startswith("CT") else ""
    count = sum(isinstance(one.thing, Measurement) for one in on_disk.read(cohort)[0])
    _try_to_keep(
        cohort,
        measured(
            state.scan(cohort, volume_id), name=f"{drawn.kind.capitalize()} {count + 1}", volume_id=volume_id,
            kind=drawn.kind, plane=drawn.plane, ends_mm=drawn.ends_mm, unit=unit,
        ),
    )  # fmt: skip


def panel(cohort: Cohort, here: Place, found: Sequence[Found], *, save_sheet: Callable[[], None]) -> int:
    """A button that opens the list of kept points and measurements. Returns how many are kept.

    Args:
        save_sheet: draws the button that saves the place in all patients as a picture.
    """
    kept, refused = on_disk.read(cohort)
    for sentence in [*refused, *st.session_state.pop(SAID, [])]:
        st.warning(plain(sentence))
    with st.popover(f"Points ({len(kept)})", icon=":material/location_on:"):
        st.text_input("Name of this place", placeholder="left putamen", key="point_name")
        st.button("Keep it, with its matches", type="primary", on_click=_keep, args=(cohort, here, found))
        save_sheet()
        for one in kept:
            _show(cohort, one)
        _export(cohort, [one.thing for one in kept])
        uploaded = st.file_uploader(
            f"Import for {plain(here.volume)}: .mrk.json, .fcsv or CSV", type=list(point_files.SUFFIXES),
            key="point_file",
            help="Points and lines of 3D Slicer are taken as places of this scan; a CSV names its volumes.",
        )  # fmt: skip
        if uploaded:
            content = uploaded.getvalue()
            st.button("Import", on_click=_import, args=(cohort, here.volume, uploaded.name, content))
    return len(kept)


def found_places(found: Sequence[Found]) -> tuple[Place, ...]:
    """What a search found, as places."""
    return tuple(
        Place(
            match.volume,
            _floats(match.mm),
            "found",
            float(match.location.distance),
            float(match.location.uncertainty_mm),
        )
        for match in found
    )


def _show(cohort: Cohort, one: on_disk.Kept) -> None:
    thing = one.thing
    if isinstance(thing, NamedPoint):
        volume, place = thing.clicked.volume, thing.clicked.mm
        more = f"{', '.join(f'{v:.1f}' for v in place)} mm · {len(thing.found)} matches"
    else:
        volume, place, more = thing.volume, thing.ends_mm[0], f"{thing.words()} · {thing.plane}"
    name = plain(thing.name)
    with st.container(horizontal=True, vertical_alignment="center", gap="small"):
        st.markdown(f"**{name}** · {plain(volume)} · {plain(more)}", width="stretch")
        with st.container(horizontal=True, width="content", gap="small"):  # both in one line
            st.button(
                f"Go to {name}", key=f"go-{one.id}", type="tertiary", on_click=search.set_point, args=(volume, place),
                disabled=volume not in {entry.id for entry in cohort.volumes},
            )  # fmt: skip
            st.button(
                f"Delete {name}", key=f"forget-{one.id}", type="tertiary",
                on_click=on_disk.forget, args=(cohort, one.id),
            )  # fmt: skip


def _export(cohort: Cohort, things: Sequence[on_disk.Thing]) -> None:
    points = [thing for thing in things if isinstance(thing, NamedPoint)]
    drawn = [thing for thing in things if isinstance(thing, Measurement)]
    if points:
        st.download_button(
            "Points as CSV (scanner mm, R A S)", exporting.as_csv(points), f"{cohort.name}-points.csv", "text/csv"
        )
    if drawn:
        st.download_button(
            "Measurements as CSV (scanner mm, R A S)", exporting.measurements_as_csv(drawn),
            f"{cohort.name}-measurements.csv", "text/csv",
        )  # fmt: skip
    if things:
        st.download_button(
            "3D Slicer (a file a volume, L P S)", exporting.as_slicer_zip(points, drawn), f"{cohort.name}-points.zip",
            "application/zip",
            help="Each volume's points as .fcsv and .mrk.json, distances as lines: unpack, load your scan's.",
        )  # fmt: skip


def _keep(cohort: Cohort, here: Place, found: Sequence[Found]) -> None:
    count = sum(isinstance(one.thing, NamedPoint) for one in on_disk.read(cohort)[0])
    name = st.session_state.get("point_name", "").strip() or f"Point {count + 1}"
    if _try_to_keep(cohort, NamedPoint(name, cohort.name, here, found_places(found))):
        st.session_state["point_name"] = ""


def _import(cohort: Cohort, volume: str, name: str, content: bytes) -> None:
    try:
        things = point_files.from_file(name, content, cohort, volume)
    except InputError as error:
        st.session_state[SAID] = [str(error)]
        return
    kept = [_try_to_keep(cohort, thing) for thing in things]
    st.toast(f"Imported {sum(kept)} of {len(things)}.", icon=":material/check_circle:")


def _try_to_keep(cohort: Cohort, thing: on_disk.Thing) -> bool:
    """Callbacks have no page to show an error on: it is said when the page runs."""
    try:
        on_disk.keep(cohort, thing)
    except InputError as error:
        st.session_state.setdefault(SAID, []).append(str(error))
        return False
    return True


def _floats(mm: Sequence[float]) -> tuple[float, float, float]:
    x, y, z = map(float, mm)
    return x, y, z
