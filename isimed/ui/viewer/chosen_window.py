"""The window of the clicked scan: it stays with the scan, and a link carries it."""

import math

import streamlit as st

from isimed.data.cohorts.cohort import Cohort

Window = tuple[float, float]  # level and width, in the scan's values
_CHOSEN, _LINK = "chosen_windows", "window"


def window_of(cohort: Cohort, volume_id: str) -> Window | None:
    """What was chosen for a scan, here or by the link that opened the page; None leaves it to the viewer.

    Any CT may have another one's window: HU are the same in all. Values of other scans are not comparable.
    """
    chosen = st.session_state.setdefault(_CHOSEN, {})
    key = _key(cohort, volume_id)
    if key not in chosen and (not chosen or cohort.modality.upper().startswith("CT")):
        chosen[key] = window_from_link(st.query_params.get(_LINK, ""))
    _say_in_link(chosen.get(key))
    return chosen.get(key)


def keep_window(cohort: Cohort, volume_id: str, window: Window) -> None:
    st.session_state.setdefault(_CHOSEN, {})[_key(cohort, volume_id)] = window


def window_from_link(words: str) -> Window | None:
    """Level and width in a link.

    >>> window_from_link("40,400"), window_from_link("40,-1"), window_from_link("bone")
    ((40.0, 400.0), None, None)
    """
    try:
        level, width = (float(part) for part in words.split(","))
    except ValueError:
        return None
    return (level, width) if math.isfinite(level) and 0 < width < math.inf else None


def _say_in_link(window: Window | None) -> None:
    if window:
        st.query_params[_LINK] = ",".join(f"{value:.6g}" for value in window)
    elif _LINK in st.query_params:
        del st.query_params[_LINK]


def _key(cohort: Cohort, volume_id: str) -> str:
    return f"{cohort.fingerprint}/{volume_id}"
