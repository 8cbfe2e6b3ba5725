"""A login before every page and all voxels, where the server's secrets name an identity provider (OpenID Connect)."""

import streamlit as st
from starlette.requests import HTTPConnection
from streamlit.errors import StreamlitSecretNotFoundError

from isimed.core import paths

COOKIE = "_streamlit_user"  # signed by Streamlit, set by a login and taken away by Log out


def wanted() -> bool:
    """Whether ``secrets.toml`` has an ``[auth]``; without one whoever reaches the server may see everything."""
    try:
        return "auth" in st.secrets
    except StreamlitSecretNotFoundError:
        return False


def ask() -> None:
    """End the page with a button to log in, unless nobody has to or who looks has done so."""
    if not wanted():
        return
    if st.user.get("is_logged_in", False):
        st.sidebar.button("Log out", type="tertiary", icon=":material/logout:", on_click=st.logout)
        return
    st.title("isimed")
    st.write(f"{paths.RESEARCH_ONLY} Log in to see the cohorts of this server.")
    st.button("Log in", type="primary", on_click=st.login)
    st.stop()


def passed(request: HTTPConnection) -> bool:
    """Whether a request beside the pages may be answered: nobody has to log in, or it brings the cookie of a login."""
    if not wanted():
        return True
    from streamlit.web.server.server_util import get_cookie_secret
    from streamlit.web.server.starlette.starlette_app_utils import decode_signed_value

    cookie = request.cookies.get(COOKIE)
    return cookie is not None and decode_signed_value(get_cookie_secret(), COOKIE, cookie) is not None
