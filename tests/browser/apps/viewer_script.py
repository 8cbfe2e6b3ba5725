"""Two viewers over an asymmetric phantom: a bright block lies right, anterior and superior in a dim body."""

import numpy as np
import streamlit as st

from isimed.data.formats.volume import Volume
from isimed.ui.slice_viewer import (
    Appearance,
    Behaviour,
    Box,
    LabelMap,
    Marker,
    Measure,
    Overlays,
    slice_viewer,
)

SHAPE = (40, 50, 30)
AFFINE = np.array([[2.0, 0, 0, -37], [0, 1.5, 0, -21], [0, 0, 4.0, 11], [0, 0, 0, 1]])
SMALL = Appearance(layout="coronal", compact=True, height=160)
BLOCK = (slice(26, 32), slice(33, 40), slice(19, 24))


@st.cache_resource
def phantom() -> Volume:
    i, j, k = np.indices(SHAPE)
    voxels = (i + 2 * j + 3 * k).astype(np.int16)
    voxels[BLOCK] = 2000
    return Volume(voxels, AFFINE, name="phantom")


def labels() -> LabelMap:
    """Only with "?labels=1": their lines would lie over what other tests look at."""
    voxels = np.zeros(SHAPE, np.uint8)
    voxels[5:12, 20:30, 10:20], voxels[28:35, 20:30, 10:20] = 1, 2
    return LabelMap(voxels, {1: "left thing", 2: "right thing"})


def drawn() -> list[Measure]:
    return [Measure(one.kind, one.plane, one.ends_mm, f"kept {one.kind}") for one in st.session_state.get("drawn", [])]


st.set_page_config(layout="wide")
st.session_state.runs = st.session_state.get("runs", 0) + 1
st.text(f"runs {st.session_state.runs}")
volume = phantom()
click = slice_viewer(
    volume,
    key="first",
    modality="CT",
    overlays=Overlays(
        boxes=[Box(volume.to_mm((10, 20, 15)), 20, "crop")],
        markers=[Marker(volume.to_mm((5, 5, 15)), "here")],
        measures=drawn(),
        labels=labels() if st.query_params.get("labels") else None,
    ),
    appearance=Appearance(window=(1000, 2000), corner=("Patient 7", "CT")),
    behaviour=Behaviour(
        on_click=lambda click: st.session_state.update(seen=click.count),
        on_measure=lambda one: st.session_state.setdefault("drawn", []).append(one),
    ),
)
if click:
    st.session_state.click = click
kept = st.session_state.get("click")
st.text(f"voxel {kept.voxel} mm {kept.mm} count {kept.count} seen {st.session_state.seen}" if kept else "no click")
other = slice_viewer(volume, key="second", appearance=SMALL)
st.text(f"second {other.voxel}" if other else "second none")
for one in st.session_state.get("drawn", []):
    length = float(np.linalg.norm(np.subtract(*one.ends_mm)))
    st.text(
        f"{one.kind} {one.plane} {length:.1f} mm from {volume.to_voxel(one.ends_mm[0]).round().astype(int).tolist()}"
    )
