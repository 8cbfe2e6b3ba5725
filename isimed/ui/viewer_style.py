"""The Viewer page's dress: it needs the whole width and height of the window."""

import streamlit as st

# Streamlit has no option for a page's margins or the gap between its elements.
_STYLE = """<style>
[data-testid="stMainBlockContainer"] { padding: 2.6rem 1.5rem 1rem; max-width: none; }
[data-testid="stMainBlockContainer"] [data-testid="stVerticalBlock"] { gap: 0.5rem; }
</style>"""


def full_width() -> None:
    st.html(_STYLE)


def line(text: str, *, help: str | None = None) -> None:
    """A heading of one line that stays small: the pictures are the page."""
    st.markdown(f"##### {text}", help=help)
