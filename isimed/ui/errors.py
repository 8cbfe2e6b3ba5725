"""What a person sees when a page raises."""

import logging
import re

import streamlit as st

from isimed.core.errors import InputError
from isimed.core.text import plain
from isimed.ui.field_names import field_of

log = logging.getLogger(__name__)
OPTION = re.compile(r"`[^`]*`|(?<![^\s(])--([a-z][a-z-]+)")  # a command in backticks stays as it is, and a file a--b


def of_the_page(text: str) -> str:
    """A sentence of the library in words of the page: its fields instead of the command line's options.

    >>> of_the_page("m.nii.gz has 4 channels: choose one with --channel 0 to 3.")
    'm.nii.gz has 4 channels: choose one with “Image or channel” 0 to 3.'
    """

    def field(found: re.Match[str]) -> str:
        return f"“{field_of(found[1].replace('-', '_'))}”" if found[1] else found[0]

    return OPTION.sub(field, text)


def show_error(error: Exception) -> bool:
    """Show an `InputError` as it is and anything else as one calm sentence; the traceback goes to the log.

    Returns:
        True: the error has been shown (what ``st.App(on_script_error=...)`` wants to know).
    """
    if isinstance(error, InputError):
        st.error(plain(of_the_page(str(error))), icon=":material/error:")
    else:
        log.error("A page raised %s", type(error).__name__, exc_info=error)
        st.error(
            "Something unexpected happened here. The details are in the server's log; reload the page to go on.",
            icon=":material/error:",
        )
    return True
