"""Whose patients a place is looked for in."""

import streamlit as st

from isimed.core.text import plain
from isimed.data.cohorts.cohort import Cohort, cohort_names
from isimed.explore.search.query import Query
from isimed.explore.tables.embed import modality_fits
from isimed.explore.tables.references import bring_reference, references
from isimed.explore.tables.store import Table
from isimed.models.checkpoint import Checkpoint
from isimed.ui import state
from isimed.ui.pages import page_file

OWN = "This cohort"


def choose_reference(cohort: Cohort, checkpoint: Checkpoint) -> Cohort | None:
    """Another cohort to look in; by default where this one has one patient.

    Others of the same modality can be chosen as well: they are embedded first.

    Returns:
        None for the cohort itself.
    """
    alone = len(cohort.subjects) == 1
    ready = references(checkpoint, besides=cohort)
    names = [*ready, *(name for name in _others(cohort, checkpoint) if name not in ready)]
    if not names:
        return None
    chosen = st.sidebar.selectbox(
        "Look in",
        [OWN, *names],
        index=int(alone and bool(ready)),
        help="Whose patients are searched.",
        format_func=lambda name: name if name in (OWN, *ready) else f"{name} (to be embedded first)",
    )
    if chosen == OWN:
        return None
    return state.load_cohort(bring_reference(chosen, checkpoint) if chosen in ready else chosen)


def _others(cohort: Cohort, checkpoint: Checkpoint) -> list[str]:
    """Cohorts that could be looked in, once embedded."""
    own = {cohort.name, cohort.root.name}
    return [
        name for name in cohort_names() if name not in own and modality_fits(state.load_cohort(name), checkpoint.card)
    ]


def heading(query: Query, table: Table | None) -> str:
    """Whose patients are looked in, and how many of their scans where not all are embedded yet."""
    cohort, embedded = query.reference or query.cohort, len(table.volumes) if table is not None else 0
    if 0 < embedded < len(cohort.volumes) and not query.reference:
        return f"{embedded} of {len(cohort.volumes)} scans"
    return f"In {plain(query.reference.name)}" if query.reference else "In other patients"


def say_alone(query: Query) -> bool:
    """Where the cohort has one patient and no other is looked in, the place of the matches says how to get some."""
    if query.reference is not None or len(query.cohort.subjects) > 1:
        return False
    others = _others(query.cohort, query.checkpoint)
    st.info(
        "This cohort has one patient, so there is nobody to compare with. "
        + (
            f"Choose in the sidebar whose patients to look in: {plain(', '.join(others))}."
            if others
            else "Add a second cohort of such scans; it can then be looked in from here."
        ),
        icon=":material/person:",
    )
    if not others and st.button("Add volumes", icon=":material/folder_open:"):
        st.switch_page(page_file("volumes"))
    return True


def table_of(query: Query) -> Table | None:
    """The table to search, or None while there is nothing to search yet; then progress stands on the page."""
    own = state.table(query.cohort, query.checkpoint, partial=True)
    if query.reference is None or own is None or query.volume not in own.volumes:
        return own
    other = state.table(query.reference, query.checkpoint, partial=True)
    return None if other is None else _joined(f"{own.fingerprint}-{other.fingerprint}", query.volume, query, own, other)


@st.cache_resource(max_entries=8, show_spinner=False)
def _joined(fingerprints: str, volume: str, _query: Query, _own: Table, _other: Table) -> Table:
    return _query.table(_own, _other)
