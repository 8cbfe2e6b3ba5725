"""A login before every page, where the server's secrets name an identity provider (OpenID Connect)."""

import streamlit as st
from streamlit.errors import StreamlitSecretNotFoundError

from isimed.core import paths


def wanted() -> bool:
    """Whether ``secrets.toml`` has an ``[auth]``; without one whoever reaches the server may see everything."""
    try:
        return "auth" in st.secrets
    except StreamlitSecretNotFoundError:
        return False


def ask() -> None:
    """End the page with a button to log in, unless nobody has to or who looks has done so.

    Voxels need nothing more: their tokens are given out by pages alone.
    """
    if not wanted() or st.user.get("is_logged_in", False):
        return
    st.title("isimed")
    st.write(f"{paths.RESEARCH_ONLY} Log in to see the cohorts of this server.")
    st.button("Log in", type="primary", on_click=st.login)
    st.stop()
