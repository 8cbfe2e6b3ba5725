"""Whose patients a place is looked for in, and whether the network fits the clicked scan."""

import streamlit as st

from isimed.core.progress import Progress, Say
from isimed.core.text import plain
from isimed.data.cohorts.cohort import Cohort
from isimed.explore.one_scan.fit import Fit, fit_of
from isimed.explore.one_scan.profile import read_profile
from isimed.explore.search.query import Query
from isimed.explore.tables.references import bring_reference, references
from isimed.explore.tables.store import Table
from isimed.models.card import Card
from isimed.models.checkpoint import Checkpoint
from isimed.ui import background, state

OWN = "This cohort"


def choose_reference(cohort: Cohort, checkpoint: Checkpoint) -> Cohort | None:
    """Another cohort to look in; by default where this one has one patient.

    Returns:
        None for the cohort itself.
    """
    alone = len(cohort.subjects) == 1
    names = references(checkpoint, besides=cohort)
    if not names:
        if alone:
            st.sidebar.info(
                "This cohort has one patient. To see the place in others, open a second cohort with this checkpoint "
                "once; it can then be looked in from here.",
                icon=":material/person:",
            )
        return None
    chosen = st.sidebar.selectbox("Look in", [OWN, *names], index=int(alone), help="Whose patients are searched.")
    return None if chosen == OWN else state.load_cohort(bring_reference(chosen, checkpoint))


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


def say_fit(query: Query) -> None:
    """In the sidebar: what the network was trained on, and whether the clicked scan is of that kind."""
    st.sidebar.caption(plain(about(query.checkpoint.card)))
    profile = read_profile(query.checkpoint)
    if profile is None:
        return

    def measure(progress: Progress, say: Say) -> Fit:
        say("Comparing this scan with the training")
        return fit_of(query.checkpoint, profile, query.prepared())

    with st.sidebar:
        fit: Fit | None = background.result(
            f"fit-{query.checkpoint.fingerprint}-{query.cohort.fingerprint}-{query.volume}",
            measure,
            patience=0.0,
        )
        if fit is not None:
            (st.caption if fit.fits else st.warning)(plain(fit.sentence()))


def about(card: Card) -> str:
    """One line about a network: "Trained on 35 patients: MRI FLAIR, head"."""
    kind = card.modality if card.sequence in card.modality else f"{card.modality} {card.sequence}"
    what = ", ".join(filter(None, [kind, card.region]))
    return f"Trained on {card.patients} patients: {what}." if card.patients else f"Not trained; {what}."
