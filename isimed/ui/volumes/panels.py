"""The parts of the Volumes page: the list of cohorts, and the split of one."""

from pathlib import Path
from typing import Any

import pandas as pd
import streamlit as st

from isimed.core import paths
from isimed.core.errors import InputError
from isimed.core.text import plain
from isimed.data.cohorts.cohort import Cohort, cohort_names, find_manifest
from isimed.data.cohorts.splits import PARTS, draw_split, read_split, write_split
from isimed.data.prepared.cache import cache_size
from isimed.explore.tables.store import tables_of
from isimed.ui import state, style


def show_cohorts() -> None:
    """One row a cohort: counts, prepared, embedded with which checkpoints."""
    rows = []
    for name in cohort_names():
        try:
            rows.append(_row(name, state.load_cohort(name)))
        except InputError as error:
            rows.append({"cohort": name, "about": str(error)})
    style.table(rows)


@st.cache_data(max_entries=64, show_spinner=False)
def _cache_size(manifest: str, changed: tuple[int, int]) -> tuple[int, int]:
    """Looked up again when the manifest or the folder of prepared volumes changes."""
    return cache_size(Cohort.load(manifest))


def _changed(manifest: Path) -> tuple[int, int]:
    folder = paths.prepared_dir()
    return manifest.stat().st_mtime_ns, folder.stat().st_mtime_ns if folder.is_dir() else 0


def _row(name: str, cohort: Cohort) -> dict[str, Any]:
    manifest = find_manifest(name)
    count, size = _cache_size(str(manifest), _changed(manifest))
    return {
        "cohort": name,
        "volumes": len(cohort.volumes),
        "patients": len(cohort.subjects),
        "modality": cohort.modality,
        "labels": ", ".join(kind for kind in ("organs", "tumour") if any(getattr(e, kind) for e in cohort.volumes))
        or "none",
        "prepared": f"{count} ({size / 1e6:,.0f} MB)" if count else "not yet",
        "embedded with": ", ".join(sorted({table.checkpoint for table in tables_of(name)})) or "not yet",
        "about": cohort.description,
    }


def show_split(cohort: Cohort) -> None:
    """Patients and their part; stored in the form that training takes."""
    key = f"split-{cohort.name}"
    validation_column, test_column, seed_column, draw_column = st.columns(4, vertical_alignment="bottom")
    validation = validation_column.slider("Validation %", 0, 50, 20) / 100
    test = test_column.slider("Test %", 0, 50, 20) / 100
    seed = seed_column.number_input("Seed", 0, step=1)
    if draw_column.button("Draw", icon=":material/shuffle:", help="At random, by patient."):
        st.session_state[key] = draw_split(cohort, validation=validation, test=test, seed=int(seed))
        st.session_state[f"{key}-version"] = st.session_state.get(f"{key}-version", 0) + 1
    try:
        parts = st.session_state.get(key) or read_split(cohort)
    except InputError as error:
        st.error(plain(f"{error} Or draw and save another."))
        parts = dict.fromkeys(cohort.subjects, "train")
    counts = pd.Series([entry.subject for entry in cohort.volumes]).value_counts()
    table = pd.DataFrame({"patient": list(parts), "volumes": [counts[s] for s in parts], "part": list(parts.values())})
    edited = st.data_editor(
        table,
        hide_index=True,
        placeholder=style.EMPTY,
        disabled=["patient", "volumes"],
        column_config={"part": st.column_config.SelectboxColumn("part", options=PARTS, required=True)},
        key=f"{key}-editor-{st.session_state.get(f'{key}-version', 0)}",
    )
    st.caption(", ".join(f"{count} {part}" for part, count in edited["part"].value_counts().items()))
    if st.button("Save the split", icon=":material/save:"):
        write_split(cohort, dict(zip(edited["patient"], edited["part"], strict=True)))
        st.session_state.pop(key, None)
        st.success("Saved: the Train page trains and validates on these patients from now on.")
