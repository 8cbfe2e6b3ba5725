"""The quality report and the pictures of a cohort's volumes; the list of them at once, while they are measured."""

import streamlit as st

from isimed.core.progress import Progress, Say
from isimed.core.text import plain
from isimed.data.cohorts.cohort import Cohort, find_manifest
from isimed.data.prepared.memory import MemoryBudget
from isimed.data.quality.facts import Facts, facts_of
from isimed.data.quality.listing import listed
from isimed.data.quality.report import ORDER, QualityReport, check_cohort, kept_report, table_row
from isimed.data.quality.rules import volume_findings
from isimed.ui import background, style
from isimed.ui.volumes.pictures import three_planes

A_PAGE = 12
PATIENCE = 0.5  # seconds until the list stands there without what is measured


def checked(cohort: Cohort) -> QualityReport | None:
    """The report of a cohort, looked up once a session; None while its volumes are measured behind the page."""
    key = _report_key(cohort)
    if key not in st.session_state:
        found = kept_report(cohort) or _measure(cohort, key)
        if found is None:
            return None
        st.session_state[key] = found
    return st.session_state[key]


def _report_key(cohort: Cohort) -> str:
    return f"report-{cohort.name}-{find_manifest(cohort.name).stat().st_mtime_ns}"


def _measure(cohort: Cohort, key: str) -> QualityReport | None:
    """Begin to measure a cohort's volumes, or see how that ended; None while it goes on, or where it broke off."""
    known = _measured(key)

    def check(progress: Progress, say: Say) -> QualityReport:
        say("Measuring every volume")
        known.clear()
        return check_cohort(cohort, progress, seen=lambda facts: known.update({facts.id: facts}))

    work = background.start(key, check)
    if not work.finished.wait(PATIENCE) or work.error:
        return None
    background.forget(key)  # the files may be others when the next session asks
    return work.result


@st.cache_resource(max_entries=8, show_spinner=False)
def _measured(key: str) -> dict[str, Facts]:
    """Volume id -> what was measured so far, for every session."""
    return {}


@st.cache_resource(max_entries=8, show_spinner=False)
def _listed(key: str, _cohort: Cohort) -> list[Facts]:
    return [listed(_cohort, entry) for entry in _cohort.volumes]


def show_quality(cohort: Cohort) -> None:
    """The report; or, while volumes are measured, the list of all as far as it is known."""
    if (report := checked(cohort)) is not None:
        _show_report(report)
    else:
        _show_list(cohort, _report_key(cohort))


@st.fragment(run_every=2.0)
def _show_list(cohort: Cohort, key: str) -> None:
    work, measured = background.of(key), _measured(key)
    if work is None or (work.finished.is_set() and not work.error):
        st.rerun()
    else:
        background.show(key, work, f"{work.text}, once…")
    rows = [
        table_row(measured.get(header.id, header), _state_so_far(measured.get(header.id), cohort))
        for header in _listed(key, cohort)
    ]
    style.table(rows)


def _state_so_far(facts: Facts | None, cohort: Cohort) -> str:
    """What is wrong with a volume on its own; what shows only beside the others is said at the end."""
    if facts is None:
        return "waits"
    found = {finding.severity for finding in volume_findings(facts, cohort)}
    return next((severity for severity in ORDER if severity in found), "measured")


def _show_report(report: QualityReport) -> None:
    """Problems first, then the table of all volumes."""
    rows = [
        {
            "state": finding.severity,
            "volume": finding.volume,
            "what": finding.kind,
            "details": finding.message,
        }
        for finding in report.findings
    ]
    if rows:
        style.table(rows, height=min(38 + 35 * len(rows), 320))
    else:
        st.success("No problems found.", icon=":material/check_circle:")
    style.table(report.table())
    st.download_button("Report as JSON", report.to_json, f"{report.cohort}-check.json", on_click="ignore")


@st.fragment
def show_thumbnails(cohort: Cohort) -> None:
    """Three planes of a dozen volumes at a time, those with problems first; at first of those measured so far."""
    report = checked(cohort)
    order = [str(row["volume"]) for row in report.table()] if report else [*_measured(_report_key(cohort))]
    if not order:
        st.caption("Pictures come when the first volumes are measured.")
        return
    pages = -(-len(order) // A_PAGE)
    page = st.number_input("Page", 1, pages, help=f"{len(order)} volumes, {A_PAGE} a page") if pages > 1 else 1
    columns = st.columns(3)
    for place, volume in enumerate(order[(page - 1) * A_PAGE : page * A_PAGE]):
        _, arrays = facts_of(cohort, cohort.entry(volume), MemoryBudget())
        with columns[place % 3]:
            if arrays:
                st.image(three_planes(arrays), caption=plain(volume), alt=f"Three planes of {volume}", width="stretch")
            else:
                st.caption(f"{plain(volume)}: not readable")
    st.caption("Radiological convention: the patient's right (R) is on the left of the picture.")
