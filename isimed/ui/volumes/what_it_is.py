"""What each scan of a cohort is and which network fits it, looked at behind the page and kept on disk."""

import streamlit as st

from isimed.core.progress import Progress, Say
from isimed.core.text import plain
from isimed.data.cohorts.cohort import Cohort, Entry
from isimed.explore.one_scan.choose import has_its_own
from isimed.explore.one_scan.describe import all_described, describe
from isimed.explore.one_scan.where import Description
from isimed.ui import background, style

PARTS, WHAT = "volumes_part", "What it is"  # which tab of the page is open; the one of this module
AT_ONCE = 20  # scans that are looked at unasked: some seconds each
COLUMNS = ("volume", "what it is", "which network fits", "how well", "axes", "to know")


def show_what_it_is(cohort: Cohort) -> None:
    """One row a scan, those looked at already; the others are looked at behind the page.

    Only when asked, where a network was trained on the cohort: it must not keep a new scan waiting.
    """
    if cohort.synthetic:
        st.caption("These patients are made by a program: what they show is known, and was not measured.")
        return
    key = f"where-all-{cohort.fingerprint}"
    said = all_described(cohort, cohort.volumes)
    waiting = [entry for entry in cohort.volumes if said[entry.id] is None]
    unasked = len(cohort.volumes) <= AT_ONCE and not has_its_own(cohort)
    asked = unasked or background.of(key) is not None
    if waiting and not asked:
        asked = st.button(f"Look at {len(waiting)} scans", icon=":material/search:", help="Some seconds a scan.")
    if waiting and asked:
        work = background.start(key, lambda progress, say: _look(cohort, waiting, progress, say))
        if not work.finished.is_set() or work.error:
            _at_work(cohort, key)
            return
    _table(cohort, key)


def row(volume: str, said: Description) -> dict[str, str]:
    """A scan in words."""
    best = said.best
    shows = f"the body {said.region}" if said.region else ""
    fitting = [fit.checkpoint for fit in said.fits if fit.fits]
    if best is None:
        fits, how = "not known", ""
    elif fitting:
        fits, how = ", ".join(fitting), f"{best.percentile:.0f} % of scans like its training lie nearer"
    else:
        fits = "none: found by registration" if said.registered else "none"
        how = f"the nearest, {best.checkpoint}: {best.misfit / best.limit:.1f} times its limit"
    values = (volume, "; ".join(filter(None, [said.what(), shows])), fits, how, said.axes or "", " ".join(said.notes))
    return dict(zip(COLUMNS, values, strict=True))


def _look(cohort: Cohort, entries: list[Entry], progress: Progress, say: Say) -> dict[str, Description]:
    found = {}
    for done, entry in enumerate(entries):
        progress(done, len(entries))
        say(f"Looking at {entry.id}, {done + 1} of {len(entries)}")
        found[entry.id] = describe(cohort, entry)
    return found


@st.fragment(run_every=2.0)
def _at_work(cohort: Cohort, key: str) -> None:
    work = background.of(key)
    if work is None or (work.finished.is_set() and not work.error):
        st.rerun()
    else:
        background.show(key, work, f"{work.text}…")
    _table(cohort, key)


def _table(cohort: Cohort, key: str) -> None:
    work = background.of(key)
    unkept = work.result if work is not None and work.result else {}
    said = {volume: one or unkept.get(volume) for volume, one in all_described(cohort, cohort.volumes).items()}
    rows = [row(plain(volume), one) for volume, one in said.items() if one is not None]
    if rows:
        style.table(rows, row_height=52)
        st.caption(
            "Which network fits: how far the scan's crops lie from those that the network was trained on. "
            "Left and right look alike to the networks: a mirrored scan can pass."
        )
