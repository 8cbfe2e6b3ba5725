"""Long work asks before it begins: how long it takes on this machine, and a button."""

import streamlit as st

from isimed.core.text import plain
from isimed.training.runs.estimate import in_words
from isimed.ui import background

LONG_S = 30.0  # what takes no longer begins at once


def may_begin(key: str, seconds: float, what: str, button: str) -> bool:
    """Whether a work may begin: at once where it is short or under way, else once its button is pressed.

    Args:
        key: of the work, as for `isimed.ui.background.start`.
        seconds: that it takes, as far as can be told.
        what: a clause about it, "8 scans are not embedded yet".
        button: what the button says.
    """
    if seconds <= LONG_S or background.of(key) is not None:
        return True
    row = st.container(horizontal=True, vertical_alignment="center")
    row.caption(plain(f"{what}: {takes(seconds)}."), width="content")
    return row.button(
        button, key=f"begin-{key}", type="primary",
        help="You may leave this page meanwhile. What is finished when you stop it is kept.",
    )  # fmt: skip


def takes(seconds: float) -> str:
    """How long, in words: "about 12 min on this machine"."""
    return f"about {in_words(max(seconds, 1))} on this machine"
