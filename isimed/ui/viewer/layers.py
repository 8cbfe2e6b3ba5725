"""What can be laid over the scans: organs, tumour, likeness to the clicked crop."""

import re

import numpy as np
import streamlit as st
from numpy.typing import NDArray

from isimed.data.cohorts.cohort import Cohort
from isimed.data.prepared.preprocess import resample_labels
from isimed.explore.search.query import Query
from isimed.explore.search.similarity import similarity_map
from isimed.explore.tables.store import Table
from isimed.ui import state
from isimed.ui.slice_viewer import HeatMap, LabelMap

NOTHING, ORGANS, TUMOUR = "Nothing", "Organs", "Tumour"
LIKENESS = "Likeness to the click"
LAYER = "layer"
EXPLAINED = {
    ORGANS: "The cohort's own labels.",
    TUMOUR: "The cohort's own labels.",
    LIKENESS: "Bright where the network finds a crop like the clicked one; the finer search starts from there.",
}
HELP = "  \n".join(f"**{name}**: {words}" for name, words in EXPLAINED.items())
LIKENESS_REACH_MM = 40.0


def choices(cohort: Cohort) -> list[str]:
    """The overlays that a cohort can have."""
    organs = [ORGANS] if any(entry.organs for entry in cohort.volumes) else []
    tumour = [TUMOUR] if any(entry.tumour for entry in cohort.volumes) else []
    return [NOTHING, *organs, *tumour, LIKENESS]


def choose(cohort: Cohort) -> str:
    """What lies over the scans; before one is chosen, what the cohort starts with."""
    names = choices(cohort)
    wanted = (cohort.start.overlay or "").capitalize() if cohort.start else ""
    index = names.index(wanted) if wanted in names else 0
    if st.session_state.pop(state.FRESH, False):
        st.session_state[LAYER], index = names[index], 0
    return st.selectbox("Overlay", names, index=index, key=LAYER, bind="query-params", help=HELP)


def tumour_names(said: str) -> dict[int, str]:
    """Label -> name, as a manifest says it in words.

    >>> tumour_names("1 = oedema, 2 = non-enhancing tumour (use >0 as whole tumour)")
    {1: 'oedema', 2: 'non-enhancing tumour'}
    """
    return {int(label): name.strip() for label, name in re.findall(r"(\d+)\s*=\s*([^,;(]+)", said)}


def label_map(cohort: Cohort, volume_id: str, layer: str) -> LabelMap | None:
    """Organs or tumour on the grid of the scan that is shown; None where the volume has none."""
    entry = cohort.entry(volume_id)
    file = {ORGANS: entry.organs, TUMOUR: entry.tumour}.get(layer)
    if not file:
        return None
    path = cohort.path(file)
    key = f"{path}-{path.stat().st_mtime_ns}"
    voxels = _labels(key, layer.lower(), volume_id, cohort)
    names = {value: name.replace("_", " ") for value, name in cohort.organs.items()}
    if layer == TUMOUR:
        named = tumour_names(cohort.tumour or "")
        names = {int(value): named.get(int(value), "tumour") for value in np.unique(voxels) if value}
    if voxels.dtype != np.uint16:  # more than the browser draws: numbered anew, the names stay
        values, numbered = np.unique(voxels, return_inverse=True)
        voxels = numbered.reshape(voxels.shape).astype(np.uint16)
        names = {place: names.get(int(value), f"label {value}") for place, value in enumerate(values) if value}
    return LabelMap(voxels, names, key=key)


@st.cache_resource(max_entries=12, show_spinner=False)
def _labels(key: str, name: str, volume_id: str, _cohort: Cohort) -> NDArray[np.unsignedinteger]:
    scan = state.scan(_cohort, volume_id)
    labels = _cohort.read_labels(_cohort.entry(volume_id))[name]
    return resample_labels(labels, scan.affine, scan.shape)


def heat_map(query: Query, table: Table, volume_id: str, layer: str, code: NDArray) -> HeatMap | None:
    """Likeness over a volume; None for other overlays."""
    if layer != LIKENESS or volume_id not in table.volumes:
        return None
    cohort, entry = query.whose(volume_id)
    prepared, scan = query.prepared(volume_id), state.scan(cohort, entry.id)
    unit = "mm" if table.info.in_mm else ""
    distances = similarity_map(table, code, volume_id, prepared, scan)
    low = float(np.nanmin(distances))
    key = f"likeness-{table.fingerprint}-{volume_id}-{hash(code.tobytes())}"
    return HeatMap(distances, "Latent distance", low, low + LIKENESS_REACH_MM, strong="low", unit=unit, key=key)
