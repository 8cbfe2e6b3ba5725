"""What a page's address says, and when it counts: at first, and when the browser goes back to an older one."""

import streamlit as st

_WRITTEN = "written_link"
# For every page: an address that only says more of what is shown already is no step for the browser's Back, nor is the
# way from "/home" to the first page.
SCRIPT = b"""<script>{
  const push = history.pushState.bind(history);
  const says = (address) => [...new URL(address, location.href).searchParams];
  history.pushState = (state, title, address) => {
    const here = says(location.href), there = new Map(says(address ?? location.href));
    const same = new URL(address ?? "", location.href).pathname === location.pathname;
    const fuller = same && there.size > here.length && here.every(([name, value]) => there.get(name) === value);
    const passing = location.pathname.endsWith("/home");
    (fuller || passing ? history.replaceState.bind(history) : push)(state, title, address);
  };
}</script>"""


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
