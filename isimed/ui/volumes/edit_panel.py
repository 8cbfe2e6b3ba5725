"""Changing and deleting a cohort, and its prepared volumes: each asks before anything goes, and says what went."""

from pathlib import Path

import streamlit as st

from isimed.core import paths
from isimed.core.errors import InputError
from isimed.core.text import plain
from isimed.data.cohorts.cohort import Cohort
from isimed.data.cohorts.editing import bring_back, describe, leave_out, rename, set_aside
from isimed.data.prepared.cache import cache_size, delete_cache
from isimed.explore.tables.store import rename_tables
from isimed.training.runs.folder import rename_cohort
from isimed.ui import state
from isimed.ui.errors import of_the_page

SAID, DELETED = "edited", "deleted_cohort"
MODALITIES = ("CT", "MRI", "PET", "unknown")


def show_said() -> None:
    """What the last change did, and the way back from a deletion."""
    if said := st.session_state.pop(SAID, None):
        (st.error if said[0] else st.success)(plain(of_the_page(said[1])))
    if folder := st.session_state.get(DELETED):
        with st.container(horizontal=True, vertical_alignment="center"):
            where = folder.relative_to(paths.home())
            st.markdown(f"The deleted cohort lies in {plain(where)} until that folder is removed.", width="stretch")
            st.button("Bring it back", icon=":material/undo:", on_click=_bring_back, args=(folder,))


def show_edit(cohort: Cohort) -> None:
    """What is said of the cohort, its patients, and its deletion."""
    name = cohort.root.name
    with st.form(f"edit-{name}", border=False):
        known = [*dict.fromkeys([cohort.modality, *MODALITIES])]
        sequences = {entry.sequence or "" for entry in cohort.volumes}
        one = sequences.pop() if len(sequences) == 1 else None
        columns = st.columns(4)
        new = columns[0].text_input("Name", name, help="Points, split, embeddings and trainings go with it.")
        modality = columns[1].selectbox("Modality", known, help="Of all its scans.")
        sequence = columns[2].text_input(
            "Sequence", one or "", placeholder="differs from scan to scan" if one is None else "not known",
            help="Of all its scans, such as FLAIR.",
        )  # fmt: skip
        frame = columns[3].text_input(
            "Common frame", cohort.frame or "", placeholder="none",
            help="The name of the space that all scans are registered to; leave it empty where they are not.",
        )  # fmt: skip
        description = st.text_input("About", cohort.description)
        gone = st.multiselect("Patients to leave out", cohort.subjects, help="Their files stay where they are.")
        if st.form_submit_button("Save the changes", icon=":material/save:"):
            _save(
                name, new.strip(), gone, modality=None if modality == cohort.modality else modality,
                sequence=None if sequence == (one or "") else sequence, frame=frame, description=description,
            )  # fmt: skip
    if st.button("Delete this cohort…", icon=":material/delete:"):
        _ask_to_delete(cohort)


def show_cache(cohort: Cohort) -> None:
    """What preparation left on disk, and a button that asks before it deletes it."""
    count, size = cache_size(cohort)
    st.write(f"{count} prepared volumes, {_mb(size)}. They are made again when needed.")
    if st.button("Delete the prepared volumes…", disabled=not count, icon=":material/delete:"):
        _ask_to_unprepare(cohort)


@st.dialog("Delete the prepared volumes?")
def _ask_to_unprepare(cohort: Cohort) -> None:
    count, size = cache_size(cohort)
    st.write(f"{count} prepared volumes of {plain(cohort.name)} free {_mb(size)}. The next use makes them again.")
    if st.button("Delete them", type="primary", on_click=_unprepare, args=(cohort, size)):
        st.rerun()


@st.dialog("Delete this cohort?")
def _ask_to_delete(cohort: Cohort) -> None:
    inside = sum(cohort.path(entry.image).absolute().is_relative_to(cohort.root) for entry in cohort.volumes)
    scans = f"{inside} scans that were copied into it go with it" if inside else "the scans stay where they are"
    st.write(
        f"{plain(cohort.name)}: {len(cohort.volumes)} volumes of {len(cohort.subjects)} patients. Its list, its points "
        f"and its split go; {scans}. Trainings of it can no longer go on. You can bring it back afterwards."
    )
    if st.button(f"Delete {plain(cohort.name)}", type="primary", on_click=_set_aside, args=(cohort,)):
        st.rerun()


def _unprepare(cohort: Cohort, size: int) -> None:
    deleted = delete_cache(cohort)
    left, still = cache_size(cohort)
    words = f"Deleted {deleted - left} prepared volumes of {cohort.name}: {_mb(size - still)} are free again."
    rest = f" {left} could not be deleted: check the permissions of {paths.prepared_dir()}." if left else ""
    st.session_state[SAID] = (bool(left), words + rest)


def _set_aside(cohort: Cohort) -> None:
    try:
        st.session_state[DELETED] = set_aside(cohort.root.name)
        st.session_state[SAID] = (False, f"{cohort.name} is deleted.")
        st.session_state.pop("cohort", None)
        state.start_fresh()
    except InputError as error:
        st.session_state[SAID] = (True, str(error))


def _save(name: str, new: str, gone: list[str], **said: str | None) -> None:
    try:
        if gone:
            leave_out(name, gone)
        describe(name, **said)
        if new != name:
            rename(name, new)
            st.session_state["cohort"] = new
            rename_tables(name, new)
            rename_cohort(name, new)
        left_out = f" {len(gone)} patients are left out." if gone else ""
        st.session_state[SAID] = (False, f"{name} is {f'now {new}' if new != name else 'changed'}.{left_out}")
    except InputError as error:
        st.session_state[SAID] = (True, str(error))
    st.rerun()


def _bring_back(folder: Path) -> None:
    try:
        name = bring_back(folder)
        st.session_state.pop(DELETED)
        state.open_cohort(name)
        st.session_state[SAID] = (False, f"{name} is back.")
    except InputError as error:
        st.session_state[SAID] = (True, str(error))


def _mb(size: int) -> str:
    return f"{size / 1e6:,.0f} MB"
