"""Importing on the Volumes page: look through, see and correct what becomes of every file, then write the cohort."""

from typing import Any

import pandas as pd
import streamlit as st

from isimed.core.errors import InputError
from isimed.core.progress import Progress
from isimed.core.text import plain
from isimed.data.cohorts.cohort import Cohort
from isimed.data.cohorts.importing import forget_plan, name_from, plan_import, write_plan
from isimed.data.cohorts.layouts.names import REGIONS
from isimed.data.cohorts.layouts.recognise import LAYOUTS
from isimed.data.cohorts.plan import CORRECTABLE, LABELS, ROLES, Plan
from isimed.data.cohorts.uploads import store_uploads
from isimed.ui import state, style
from isimed.ui.errors import of_the_page, show_error
from isimed.ui.volumes.what_it_is import PARTS, WHAT

MODALITIES = ("CT", "MRI", "PET", "unknown")
PLAN = "import-plan"
IMPORTS = "imports"  # how many there were: after each the form is a new one, and closed
ROW, MOST_HEIGHT = 35, 460  # pixels


def show_import() -> None:
    """By a path on the server, or by upload; nothing is written before the plan is confirmed."""
    by_path, by_upload = st.tabs(["From a folder on this machine", "Upload"])
    with by_path:
        path = st.text_input("Folder, file or zip", placeholder="the path of a folder, as the server sees it")
        st.caption("Files stay where they are: the cohort only refers to them.")
        if path:
            _look_through(path, "path")
    with by_upload:
        kind = st.segmented_control("What", ["Files or a zip", "A folder"], default="Files or a zip")
        how: Any = "directory" if kind == "A folder" else True
        files = st.file_uploader("Scans: NIfTI, NRRD, MHA, DICOM or a zip", accept_multiple_files=how, key=f"up-{kind}")
        st.caption("Meant for a few scans: uploads pass through memory. Give large cohorts as a folder on the server.")
        if files:
            _look_through(_stored(files), "upload")


def bar(text: str) -> tuple[Any, Progress]:
    """A progress bar and the (done, total) callable that moves it."""
    shown = st.progress(0.0, f"{text}…")

    def move(done: int, total: int) -> None:
        shown.progress(done / total, f"{text}: {done} of {total}")

    return shown, move


def _stored(files: list[Any]) -> str:
    """Uploads are written once, not at every rerun."""
    ids = tuple(file.file_id for file in files)
    if st.session_state.get("uploaded", (None, ""))[0] != ids:
        st.session_state["uploaded"] = (ids, str(store_uploads(files)))
    return st.session_state["uploaded"][1]


def _look_through(path: str, key: str) -> None:
    layout_column, channel_column, go_column = st.columns([3, 3, 2], vertical_alignment="bottom")
    layout = layout_column.selectbox("Layout", ["auto", *LAYOUTS], key=f"{key}-layout")
    channel = channel_column.text_input("Image or channel", key=f"{key}-channel", placeholder="CT, flair, 0 …")
    given = (path, layout, channel)
    try:  # an error is shown here, so that the rest of the page stays
        if go_column.button("Look through", key=f"{key}-look", icon=":material/search:", width="stretch"):
            _forget()
            shown, progress = bar("Reading headers")
            try:
                plan = plan_import(path, layout=layout, channel=channel or None, progress=progress)
            finally:
                shown.empty()
            st.session_state[PLAN] = (given, plan)
        planned, plan = st.session_state.get(PLAN, (None, None))
        if plan is not None and planned == given:
            _confirm(plan, key)
    except InputError as error:
        show_error(error)


def _confirm(plan: Plan, key: str) -> None:
    """The plan as a table to correct, and the button that writes it."""
    st.markdown("**Nothing is written yet.** This is what becomes of every file; correct what is wrong.")
    plan = plan.corrected(_table(plan, key)) if not plan.manifest else plan
    _counts(plan)
    for notice in plan.notices:
        st.info(plain(of_the_page(notice)), icon=":material/info:")
    name_column, copy_column, go_column, no_column = st.columns([3, 2, 1.5, 1.5], vertical_alignment="bottom")
    name = name_column.text_input("Name", key=f"{key}-name", placeholder=_name(plan, key))
    copy = copy_column.toggle("Copy the files", key=f"{key}-copy", disabled=key == "upload", value=key == "upload")
    if no_column.button("Discard", key=f"{key}-no", width="stretch"):
        _forget()
        st.rerun()
    if go_column.button("Import", type="primary", key=f"{key}-go", icon=":material/download:", width="stretch"):
        manifest = write_plan(plan, name=name or _name(plan, key), copy=copy or key == "upload")
        _forget()
        cohort = Cohort.load(manifest)
        state.open_cohort(cohort.name)
        st.session_state["imported"] = cohort.description
        st.session_state[PARTS] = WHAT
        st.session_state[IMPORTS] = st.session_state.get(IMPORTS, 0) + 1
        st.rerun()


def _table(plan: Plan, key: str) -> list[dict[Any, Any]]:
    table = pd.DataFrame(plan.rows())
    table["why"] = table["why"].map(of_the_page)
    modalities = list(dict.fromkeys([*MODALITIES, *filter(None, table["modality"])]))
    regions = list(dict.fromkeys(["", *REGIONS, *table["region"]]))
    edited = st.data_editor(
        table,
        key=f"{key}-plan-{plan.source}-{id(plan)}",
        hide_index=True,
        placeholder=style.EMPTY,
        width="stretch",
        height=min(ROW * (len(table) + 1) + 3, MOST_HEIGHT),
        disabled=[column for column in table.columns if column not in CORRECTABLE],
        column_order=["role", "file", "patient", "modality", "region", "why", "volume", "sequence", "session"],
        column_config={
            "role": st.column_config.SelectboxColumn("role", options=ROLES, required=True, width="small"),
            "patient": st.column_config.TextColumn("patient", help="Every split is by patient."),
            "modality": st.column_config.SelectboxColumn("modality", options=modalities),
            "region": st.column_config.SelectboxColumn("body region", options=regions),
            "volume": st.column_config.TextColumn("volume", help="The scan's name; a label map bears its scan's."),
            "file": st.column_config.TextColumn("file", width="medium"),
            "why": st.column_config.TextColumn("why", width="medium"),
        },
    )
    return edited.to_dict("records")


def _counts(plan: Plan) -> None:
    maps = sum(item.role in LABELS for item in plan.items)
    left = sum(len(item.parts) for item in plan.left_out)
    text = [
        f"{len(plan.images)} volumes of {len({item.patient for item in plan.images})} patients",
        f"{maps} label maps",
        f"{left} files left out",
    ]
    st.markdown(f"Recognised as {plain('; '.join(plan.said))}: **{', '.join(text)}**.")


def _name(plan: Plan, key: str) -> str:
    return "upload" if key == "upload" else name_from(plan.source)


def _forget() -> None:
    _, plan = st.session_state.pop(PLAN, (None, None))
    if plan is not None:
        forget_plan(plan)
