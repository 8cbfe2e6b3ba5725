"""The tour of the Viewer: six steps in a corner, each said in a line; once skipped or ended it never comes back."""

from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import streamlit as st

from isimed.core import paths
from isimed.core.errors import InputError
from isimed.core.files import write_file

STEP, AT_START = "tour_step", "tour_start"


@dataclass(frozen=True)
class Seen:
    """What the page shows now; a step that asks for a change is done when its part is another than before."""

    place: tuple
    plane: str
    points: int


@dataclass(frozen=True)
class Step:
    """What to do, and which part of `Seen` changes when it is done (none: the reader goes on himself)."""

    words: str
    part: str = ""


STEPS = (
    Step("**Click any place** in the three large pictures.", "place"),
    Step("**Look at the other patients**: the same place in each of them. Each says how well it fits."),
    Step("**Turn the wheel** over a picture: all patients go along, slice by slice."),
    Step("**Choose Coronal** above the other patients: the same place from the front.", "plane"),
    Step("**Keep the place**: open *Points*, then *Keep it*. It is there tomorrow, and goes to 3D Slicer.", "points"),
    Step("**Save your result**: one page with the pictures, sides, distances and limits, to print or to send."),
)


def show(seen: Seen, finish: Callable[[], bool], *, by_itself: bool) -> None:
    """Where the tour stands, over the page's lower right corner.

    Args:
        finish: draws the last step's button; True once it was pressed.
        by_itself: whether it begins without being asked for, where it was never taken.
    """
    if STEP not in st.session_state:
        st.session_state[STEP] = 0 if by_itself and not _file().exists() else None
    step = st.session_state[STEP]
    if step is None:
        return
    before = st.session_state.setdefault(AT_START, seen)
    part = STEPS[step].part
    if part and getattr(seen, part) != getattr(before, part):
        step = st.session_state[STEP] = step + 1
    st.session_state[AT_START] = seen
    last = step == len(STEPS) - 1
    with st.container(key="tour"):
        st.markdown(f"{STEPS[step].words} :gray[{step + 1} of {len(STEPS)}]")
        with st.container(horizontal=True, gap="small"):
            if last:
                if finish():
                    end()
                    st.rerun()
            else:
                st.button("Next", key="tour_next", type="primary", on_click=_go_to, args=(step + 1,))
            st.button("End the tour" if last else "Skip the tour", key="tour_skip", type="tertiary", on_click=end)


def end() -> None:
    """It does not come back, neither in this session nor in a later one."""
    st.session_state[STEP] = None
    with suppress(InputError):  # a home that cannot be written: for this session then
        write_file(_file(), "")


def begin() -> None:
    """Take it again, from the first step."""
    st.session_state.pop(AT_START, None)
    st.session_state[STEP] = 0


def _go_to(step: int) -> None:
    st.session_state[STEP] = step


def _file() -> Path:
    return paths.home() / "tour-taken"
