"""What a person sees when a page raises."""

import logging

import streamlit as st

from isimed.core.errors import InputError
from isimed.core.text import plain

log = logging.getLogger(__name__)


def show_error(error: Exception) -> bool:
    """Show an `InputError` as it is and anything else as one calm sentence; the traceback goes to the log.

    Returns:
        True: the error has been shown (what ``st.App(on_script_error=...)`` wants to know).
    """
    if isinstance(error, InputError):
        st.error(plain(error), icon=":material/error:")
    else:
        log.error("A page raised %s", type(error).__name__, exc_info=error)
        st.error(
            "Something unexpected happened here. The details are in the server's log; reload the page to go on.",
            icon=":material/error:",
        )
    return True
