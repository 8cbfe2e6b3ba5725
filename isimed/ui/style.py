"""The pages' dress: a sidebar that leaves room, and for viewer and map the whole width and height of the window."""

from collections.abc import Mapping, Sequence
from typing import Any, Literal

import pandas as pd
import streamlit as st
from streamlit.delta_generator import DeltaGenerator

SIDEBAR = 260  # pixels
EMPTY = ""  # what a table shows of a value that is not known; Streamlit says None
# Streamlit has no option for margins or the gap between elements.
_ALL = """<style>
[data-testid="stSidebarHeader"] { height: 2.6rem; margin: 0; }
[data-testid="stSidebarNavSeparator"] { margin: 0.4rem 0 0; }
[data-testid="stSidebarUserContent"] { padding: 0.8rem 0 1.5rem; }
[data-testid="stSidebarUserContent"] [data-testid="stVerticalBlock"] { gap: 0.55rem; }
[data-testid="stSidebar"] [data-testid="stWidgetLabel"] { min-height: 0; margin-bottom: 0; }
[data-testid="stHeader"] { height: 2.4rem; background: transparent; }
[data-testid="stHeader"], [data-testid="stToolbar"] { pointer-events: none; } /* what lies below its rim is clicked */
[data-testid="stHeader"] button { pointer-events: auto; }
[data-testid="stMainBlockContainer"] { padding: 2.6rem clamp(1.5rem, 3vw, 5rem) 2rem; }
[data-testid="stMetric"] [data-testid="stMetricLabel"] * { white-space: normal; overflow: visible; }
/* Streamlit's own greys and its blue on a tint are too faint to be read by everybody (WCAG AA). */
[data-selected=true] p { color: light-dark(currentColor, #8cc4e4); }
[data-testid=stCaptionContainer] { opacity: 0.75; }
[data-testid=stImageCaption] { opacity: 1; }
@media (max-width: 1100px) { /* no column becomes too narrow to be read: what has no room stands below */
  [data-testid="stMain"] [data-testid="stHorizontalBlock"]:has(> [data-testid="stColumn"]) { flex-wrap: wrap; }
  [data-testid="stMain"] [data-testid="stColumn"] { min-width: 11rem; }
  [data-testid="stMain"] [class*="st-key-halves"] > div > [data-testid="stHorizontalBlock"] > [data-testid="stColumn"],
  [data-testid="stMain"] [class*="st-key-halves"] > [data-testid="stHorizontalBlock"] > [data-testid="stColumn"] {
    min-width: 100%;
  }
}
</style>"""
_FULL = """<style>
[data-testid="stMainBlockContainer"] { padding: 2.6rem 1.5rem 0.5rem; max-width: none; }
[data-testid="stMainBlockContainer"] [data-testid="stVerticalBlock"] { gap: 0.5rem; }
[data-testid="stMainBlockContainer"] h5 { font-size: 1.05rem; padding: 0.2rem 0 1.1rem; }
[data-testid="stMainBlockContainer"] h5 [data-testid="stHeaderActionElements"] { display: none; }
[data-testid="stPopoverBody"]:not(:has([data-testid="stColumn"])) { max-width: 29rem !important; }
[data-testid="stMainBlockContainer"] [data-testid="stPopoverButton"],
[data-testid="stMainBlockContainer"] [data-testid="stDownloadButton"] button {
  min-height: 2rem; padding-block: 0.1rem;
}
.st-key-tour {
  position: fixed; right: 1.5rem; bottom: 0.8rem; width: min(30rem, 90vw); z-index: 100; padding: 0.8rem 1rem;
  background: var(--st-secondary-background-color, #1a2029); border: 1px solid var(--st-primary-color, #3f87b0);
  border-radius: 0.6rem; box-shadow: 0 4px 24px rgba(0, 0, 0, 0.45);
}
@media (max-width: 1400px) { /* one line, or the strip of pictures is pushed out of a low window */
  .st-key-said p { font-size: 0.78rem; }
}
</style>"""


def put_on() -> None:
    """On every page, before anything else.

    The theme is not asked for here: a page that asks stops looking again by itself (`st.fragment(run_every=…)`).
    """
    st.html(_ALL)


def table(rows: pd.DataFrame | Sequence[Mapping[str, object]], **more: Any) -> Any:
    """Rows to look at, as wide as there is room; what is not known is left empty.

    Args:
        rows: a data frame, or one mapping a row.
        more: what `st.dataframe` takes.
    """
    return st.dataframe(pd.DataFrame(rows), hide_index=True, placeholder=EMPTY, **more)


def full_width() -> None:
    """For a page whose pictures need all there is."""
    st.html(_FULL)


def halves(
    shares: Sequence[int] = (1, 1), *, of: str = "", across: Literal["top", "center"] = "top"
) -> tuple[DeltaGenerator, ...]:
    """Columns, two where nothing else is said, below one another where the window is narrow.

    Args:
        shares: how wide each is beside the others.
        of: tells a page's halves from its other ones.
        across: what is lower than the other one stands at its top or in its middle.
    """
    key = f"halves-{of}" if of else "halves"
    return tuple(st.container(key=key).columns(list(shares), gap="medium", vertical_alignment=across))


def line(text: str, *, help: str | None = None) -> None:
    """A heading of one line that stays small: the pictures are the page."""
    st.markdown(f"##### {text}", help=help, width="content")


def row(across: Literal["top", "center", "bottom"] = "center") -> DeltaGenerator:
    """What stands side by side where there is room, and below one another where there is not."""
    return st.container(horizontal=True, horizontal_alignment="distribute", vertical_alignment=across, gap="small")
