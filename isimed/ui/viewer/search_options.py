"""What the user wants of a search: everywhere or the same place, which crops, how fine."""

from typing import Any

import numpy as np
import streamlit as st

from isimed.core.text import plain
from isimed.data.cohorts.cohort import Cohort
from isimed.data.prepared.preprocess import Prepared
from isimed.explore.tables.filters import Filter
from isimed.ui.viewer.search import FIT

ANYWHERE, SAME_PLACE = "Anywhere", "Same place"
LEAST_TUMOUR = 0.05
WISHES: dict[str, Any] = {"where": ANYWHERE, "within": 40, "organ": False, "tumour": False, "others": True}  # at first


def panel(cohort: Cohort, volume_id: str, volume: Prepared, point_mm: tuple[float, float, float]) -> Filter:
    """A button that opens the search's settings; returns them as a filter.

    What restricts the search belongs to the cohort: the next one is searched whole.
    """
    keys = {name: f"search_{name}/{cohort.root.name}" for name in WISHES}
    wishes = {name: st.session_state.get(keys[name], at_first) for name, at_first in WISHES.items()}
    name = cohort.organs.get(organ := _organ_at(volume, point_mm), "").replace("_", " ")
    has_tumour = any(entry.tumour for entry in cohort.volumes)
    same_place, subject = wishes["where"] == SAME_PLACE, cohort.entry(volume_id).subject
    found = Filter(
        not_subject=subject if wishes["others"] else None,
        organ=organ if wishes["organ"] and name else None,
        min_tumour=LEAST_TUMOUR if wishes["tumour"] and has_tumour else None,
        position=tuple(map(float, volume.position(np.asarray(point_mm)))) if same_place else None,  # type: ignore[arg-type]
        within_mm=float(wishes["within"]) if same_place else None,
    )
    filtered = " (filtered)" if found != Filter(not_subject=subject) else ""
    with st.popover(f"Search{filtered}", icon=":material/tune:"):
        st.segmented_control(
            "Looks alike", [ANYWHERE, SAME_PLACE], default=ANYWHERE, key=keys["where"], required=True,
            help="Same place: only crops near the same position in the body's box.",
        )  # fmt: skip
        st.slider("Within, mm", 10, 100, WISHES["within"], 5, key=keys["within"], disabled=not same_place)
        st.toggle(
            f"Only crops labelled {plain(name)}" if name else "Only the same organ (click one first)",
            key=keys["organ"], disabled=not name,
        )  # fmt: skip
        if has_tumour:
            unknown = sum(not entry.tumour for entry in cohort.volumes)
            left_out = f"{unknown} volumes have no tumour map: they are left out." if unknown else None
            st.toggle("Only crops with tumour", key=keys["tumour"], help=left_out)
        st.toggle(
            "Fit the shown scans to this one", value=False, key=FIT,
            help="A smooth field between two scans, from their voxels: some seconds, once; then every click is quick.",
        )  # fmt: skip
        st.toggle("Other patients only", value=True, key=keys["others"])
    return found


def _organ_at(volume: Prepared, point_mm: tuple[float, float, float]) -> int:
    organs = volume.labels.get("organs")
    if organs is None:
        return 0
    voxel = volume.to_voxel(np.asarray(point_mm)).round().astype(int)
    inside = ((voxel >= 0) & (voxel < organs.shape)).all()
    return int(organs[tuple(voxel)]) if inside else 0
