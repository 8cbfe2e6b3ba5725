"""The Viewer page's dress: it needs the whole width and height of the window."""

import streamlit as st
from streamlit.delta_generator import DeltaGenerator

# Streamlit has no option for a page's margins or the gap between its elements.
_STYLE = """<style>
[data-testid="stMainBlockContainer"] { padding: 2.6rem 1.5rem 1rem; max-width: none; }
[data-testid="stMainBlockContainer"] [data-testid="stVerticalBlock"] { gap: 0.5rem; }
@media (max-width: 1100px) {
  .st-key-halves > div > [data-testid="stHorizontalBlock"],
  .st-key-halves > [data-testid="stHorizontalBlock"] { flex-wrap: wrap; }
  .st-key-halves > div > [data-testid="stHorizontalBlock"] > [data-testid="stColumn"],
  .st-key-halves > [data-testid="stHorizontalBlock"] > [data-testid="stColumn"] { min-width: 100%; }
}
</style>"""


def full_width() -> None:
    st.html(_STYLE)


def halves() -> tuple[DeltaGenerator, ...]:
    """Two columns, below one another where the window is narrow."""
    return st.container(key="halves").columns(2, gap="medium")


def line(text: str, *, help: str | None = None) -> None:
    """A heading of one line that stays small: the pictures are the page."""
    st.markdown(f"##### {text}", help=help, width="content")


def row() -> DeltaGenerator:
    """What stands side by side where there is room, and below one another where there is not."""
    return st.container(horizontal=True, horizontal_alignment="distribute", vertical_alignment="center", gap="small")
