"""Before the first click: what the network was trained on, and whether the clicked scan is of that kind."""

from dataclasses import replace

import streamlit as st

from isimed.core.progress import Progress, Say
from isimed.core.text import plain
from isimed.explore.one_scan.choose import has_its_own
from isimed.explore.one_scan.fit import Fit, fit_of
from isimed.explore.one_scan.look import judge_of
from isimed.explore.one_scan.profile import read_profile
from isimed.explore.one_scan.where import Description
from isimed.explore.search.query import Query
from isimed.explore.tables.store import table_info, volume_file
from isimed.models.card import Card
from isimed.ui import background, described, state

ON = "go_on_with"
FIGURES = {"pearson": "correlation of distances", "rmse_mm": "error of a distance, mm"}


def say_fit(query: Query) -> Fit | None:
    """In the sidebar: what the network was trained on, what the scan is, and whether the one fits the other.

    Returns:
        The fit, where it is known by now.
    """
    with st.sidebar:
        _card(query.checkpoint.card)
        later = st.container()  # what comes behind the page moves nothing below it: an open menu would close
    with later:
        said = _described(query)
        if said is not None:
            _scan(said)
        fit = said.fit_of(query.checkpoint.name) if said is not None else None
        if fit is None and (said is not None or _is_known(query)):
            fit = _measured(query)
        if fit is not None and fit.fits:
            st.caption(plain(fit.sentence()))
    return fit


def may_go_on(query: Query, fit: Fit | None) -> bool:
    """Says where the network does not fit; False until the user goes on with it all the same.

    Nothing is asked where the scan was embedded with it before.
    """
    if fit is None or fit.fits:
        return True
    said = _described(query)
    none_fits = said is not None and not any(one.fits for one in said.fits)
    st.warning(plain(_what(said) + (said.headline() if said is not None and none_fits else fit.sentence())))
    name, chosen = f"{query.checkpoint.fingerprint}-{query.cohort.fingerprint}", st.session_state.get(ON, ())
    if name in chosen or volume_file(table_info(query.cohort, query.checkpoint), query.volume).is_file():
        return True
    best = said.best.checkpoint if said is not None and said.best is not None and said.best.fits else ""
    if best:
        st.info(plain(f"{best} fits: choose it in the sidebar."), icon=":material/check_circle:")
    if st.button(plain(f"Go on with {query.checkpoint.name} all the same"), icon=":material/arrow_forward:"):
        st.session_state[ON] = [*chosen, name]
        st.rerun()
    return False


def is_registered(query: Query, fit: Fit | None) -> bool:
    """Whether the network does not know a scan, nor does another, but it was found in labelled ones without any."""
    said = _described(query) if fit is not None and not fit.fits else None
    return said is not None and bool(said.registered)


def _described(query: Query) -> Description | None:
    if _is_known(query):
        return None
    return described.of_scan(query.cohort, query.cohort.entry(query.volume), first=state.wait_for_first_view)


def _is_known(query: Query) -> bool:
    """Whether a cohort says what its scans are: they were made, or some network is of this very cohort."""
    return query.cohort.synthetic or has_its_own(query.cohort)


def _what(said: Description | None) -> str:
    return f"This scan: {said.what()}. " if said is not None and said.what() else ""


def _scan(said: Description) -> None:
    """One line about the clicked scan: its kind, size, region and axes, as far as they are known."""
    parts = [said.what(), f"the body {said.region}" if said.region else "", f"axes {said.axes}" if said.axes else ""]
    reversed_ = bool(said.axes and said.axes.startswith(("reversed", "turned")))
    line = "; ".join(filter(None, parts))
    if line:
        (st.warning if reversed_ else st.caption)(plain(f"This scan: {line}."))
    for note in said.notes:
        st.caption(plain(note))


def _measured(query: Query) -> Fit | None:
    """The fit of a network that is not among those that every scan is compared with."""
    judge = judge_of(query.checkpoint)
    profile = read_profile(judge)
    if profile is None:
        return None

    def measure(progress: Progress, say: Say) -> Fit:
        say("Comparing this scan with the training")
        state.wait_for_first_view()
        volume = query.open_scan(query.cohort, query.volume, judge.card.preparation)
        return replace(fit_of(judge, profile, volume), checkpoint=query.checkpoint.name)

    key = f"fit-{query.checkpoint.fingerprint}-{query.cohort.fingerprint}-{query.volume}"
    return background.result(key, measure, patience=0.0)


def _card(card: Card) -> None:
    """One line, and the rest of the card to open."""
    st.caption(plain(about(card)))
    with st.expander("About this network"):
        results = card.results.get("validation", {})
        known = {name: results[key] for key, name in FIGURES.items() if isinstance(results.get(key), float)}
        lines = [card.description, f"Licence: {card.licence}." if card.licence else "", card.limits]
        if known:
            lines.insert(1, "On validation patients: " + ", ".join(f"{k} {v:.2f}" for k, v in known.items()) + ".")
        st.caption(plain("  \n".join(filter(None, lines))))


def about(card: Card) -> str:
    """One line about a network: "Trained on 35 patients: MRI FLAIR, head"."""
    kind = card.modality if card.sequence in card.modality else f"{card.modality} {card.sequence}"
    what = ", ".join(filter(None, [kind, card.region]))
    return f"Trained on {card.patients} patients: {what}." if card.patients else f"Not trained; {what}."
