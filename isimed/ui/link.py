"""What a page's address says, and when it counts: at first, and when the browser goes back to an older one."""

import streamlit as st

_WRITTEN = "written_link"


def write(**values: str) -> None:
    """Put values into the address, in one step: each step is one for the browser's Back."""
    st.session_state.setdefault(_WRITTEN, {}).update(values)
    if any(st.query_params.get(name) != value for name, value in values.items()):
        st.query_params.update(values)


def has_moved(*names: str) -> bool:
    """Whether the address says something else than was last written there: the reader went back, or edited it."""
    written = st.session_state.get(_WRITTEN, {})
    return any(st.query_params.get(name) not in (None, written[name]) for name in names if name in written)


def wished(name: str, chosen: str | None) -> str | None:
    """What was chosen in this session, or what the address says where nothing was, or where it has moved."""
    return st.query_params.get(name) if has_moved(name) or not chosen else chosen
