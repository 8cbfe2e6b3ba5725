"""What is shown of a scan that no network knows: its places in the labelled trunks, found by registration."""

from collections.abc import Sequence
from dataclasses import replace

import streamlit as st

from isimed.core.progress import Progress, Say
from isimed.data.cohorts.cohort import Cohort
from isimed.explore.one_scan.registered import Registered, body_reference, register
from isimed.explore.search.align import PREPARATION
from isimed.explore.search.query import Query
from isimed.ui import background, state
from isimed.ui.viewer.search import Found

FIELDS_PATIENCE = 0.4  # seconds: fields that are kept are read within it


def query_of(query: Query) -> Query:
    """The same click, looked for in the labelled trunks."""
    return replace(query, reference=_trunks())


@st.cache_resource(show_spinner=False)
def _trunks() -> Cohort:
    return body_reference()


def find(query: Query) -> list[Found] | None:
    """A click's place in the labelled trunks, the likest first; None while they are laid over the scan.

    Rough at first; when smooth fields are fitted, which goes on behind the page, it runs again.

    Args:
        query: from `query_of`.
    """
    key = f"registered/{query.cohort.fingerprint}/{query.volume}"

    def lay_over(progress: Progress, say: Say) -> list[Registered]:
        say("Finding this scan in labelled ones: no network knows this part of the body")
        state.wait_for_first_view()
        scan = query.open_scan(query.cohort, query.volume, PREPARATION)
        return register(scan, query.reference or body_reference(), progress=progress)

    registered = background.result(key, lay_over, patience=FIELDS_PATIENCE)
    if registered is None:
        return None
    deform = _fields(f"{key}/fields", registered)
    return [Found(one.locate(query.mm, deform=deform)) for one in registered]


def _fields(key: str, registered: Sequence[Registered]) -> bool:
    """Whether smooth fields to the labelled scans are there; they are fitted behind the page."""

    def fit(progress: Progress, say: Say) -> bool:
        say("A closer look: the labelled scans are fitted to this one")
        for done, one in enumerate(registered):
            progress(done, len(registered))
            one.field()
        return True

    return bool(background.result(key, fit, patience=FIELDS_PATIENCE))


def say_how(found: Sequence[Found]) -> None:
    """That no network has a part in it."""
    if found:
        st.caption("Found by registration, rough: no network knows this part of the body. Look at the pictures.")
    else:
        st.info("This scan is not found in the labelled trunks that came with isimed.")
