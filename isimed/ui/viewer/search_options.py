"""What the user wants of a search: everywhere or the same place, which crops, how fine."""

import numpy as np
import streamlit as st

from isimed.core.text import plain
from isimed.data.cohorts.cohort import Cohort
from isimed.data.prepared.preprocess import Prepared
from isimed.explore.tables.filters import Filter
from isimed.ui.viewer.search import FIT

ANYWHERE, SAME_PLACE = "Anywhere", "Same place"
LEAST_TUMOUR = 0.05


def panel(cohort: Cohort, volume_id: str, volume: Prepared, point_mm: tuple[float, float, float]) -> Filter:
    """A button that opens the search's settings; returns them as a filter."""
    subject = cohort.entry(volume_id).subject
    changed = st.session_state.get("search_changed", False)
    with st.popover("Search" + (" (filtered)" if changed else ""), icon=":material/tune:"):
        where = st.segmented_control(
            "Looks alike", [ANYWHERE, SAME_PLACE], default=ANYWHERE, key="search_where", required=True,
            help="Same place: only crops near the same position in the body's box.",
        )  # fmt: skip
        within = st.slider("Within, mm", 10, 100, 40, 5, key="search_within", disabled=where == ANYWHERE)
        organ = _organ_at(volume, point_mm)
        name = cohort.organs.get(organ, "").replace("_", " ")
        same_organ = st.toggle(
            f"Only crops labelled {plain(name)}" if name else "Only the same organ (click one first)",
            key="search_organ", disabled=not name,
        )  # fmt: skip
        has_tumour = any(entry.tumour for entry in cohort.volumes)
        unknown = sum(not entry.tumour for entry in cohort.volumes)
        left_out = f"{unknown} volumes have no tumour map: they are left out." if unknown else None
        tumour = has_tumour and st.toggle("Only crops with tumour", key="search_tumour", help=left_out)
        st.toggle(
            "Fit the shown scans to this one", value=False, key=FIT,
            help="A smooth field between two scans, from their voxels: some seconds, once; then every click is quick.",
        )  # fmt: skip
        others = st.toggle("Other patients only", value=True, key="search_others")
    position = tuple(float(v) for v in volume.position(np.asarray(point_mm)))
    found = Filter(
        not_subject=subject if others else None,
        organ=organ if same_organ and name else None,
        min_tumour=LEAST_TUMOUR if tumour else None,
        position=position if where == SAME_PLACE else None,  # type: ignore[arg-type]
        within_mm=float(within) if where == SAME_PLACE else None,
    )
    st.session_state["search_changed"] = found != Filter(not_subject=subject)
    return found


def _organ_at(volume: Prepared, point_mm: tuple[float, float, float]) -> int:
    organs = volume.labels.get("organs")
    if organs is None:
        return 0
    voxel = volume.to_voxel(np.asarray(point_mm)).round().astype(int)
    inside = ((voxel >= 0) & (voxel < organs.shape)).all()
    return int(organs[tuple(voxel)]) if inside else 0
