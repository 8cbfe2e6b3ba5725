"""What scans are, measured behind the page."""

from collections.abc import Callable

import streamlit as st

from isimed.core.progress import Progress, Say
from isimed.core.text import plain
from isimed.data.cohorts.cohort import Cohort, Entry
from isimed.explore.one_scan.choose import has_its_own
from isimed.explore.one_scan.describe import describe, described
from isimed.explore.one_scan.where import Description
from isimed.explore.tables.store import tables_of
from isimed.ui import background

LOOKING = "Looking at what this scan shows and which network fits it"


def of_scan(
    cohort: Cohort, entry: Entry, *, patience: float = 0.0, first: Callable[[], object] = lambda: None
) -> Description | None:
    """What a scan is; None while it is looked at, then progress stands on the page.

    Args:
        first: what is waited for before a scan is looked at.
    """
    kept = described(cohort, entry)
    if kept is not None:
        return kept

    def look(progress: Progress, say: Say) -> Description:
        say(LOOKING)
        first()
        return describe(cohort, entry)

    return background.result(_key(cohort, entry), look, patience=patience)


def _key(cohort: Cohort, entry: Entry) -> str:
    return f"where-{cohort.fingerprint}-{entry.id}"


def before_choosing(cohort: Cohort, meanwhile: Callable[[Entry], object] | None = None) -> None:
    """Wait, with progress on the page, until it is known which network fits a new cohort's first scan.

    Nothing is to be found out where a network was trained on the cohort, or where it is embedded already.

    Args:
        meanwhile: shows what can be seen of the scan without a network, before it is compared with anything.
    """
    if cohort.synthetic or has_its_own(cohort) or tables_of(cohort.name) or not cohort.volumes:
        return
    entry = cohort.volumes[0]
    work = background.of(_key(cohort, entry))
    alone = meanwhile is not None and described(cohort, entry) is None and not (work and work.finished.is_set())
    if alone and meanwhile is not None:
        meanwhile(entry)
    if of_scan(cohort, entry, patience=0.0 if alone else 0.5) is None or alone:
        st.caption(plain(f"The first scan of {cohort.name} is compared with what each network was trained on."))
        st.stop()
