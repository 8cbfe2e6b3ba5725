"""A strip of small pictures in one row; a click chooses one."""

import base64
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import streamlit as st

from isimed.ui.slice_viewer.files import loader

_component = st.components.v2.component("isimed_picture_strip", js=loader("strip.js"))


@dataclass(frozen=True)
class Picture:
    """One picture of a strip: JPEG bytes, a title in bold, a line of figures below it."""

    jpeg: bytes
    title: str
    note: str = ""


def picture_strip(
    pictures: Sequence[Picture],
    *,
    key: str,
    plane: str,
    height: int = 120,
    on_choose: Callable[[int], None] | None = None,
) -> int | None:
    """Show pictures side by side, the row scrolls where they are many.

    The browser letters their sides and mirrors them where the page's viewers are switched to neurological.

    Args:
        pictures: in their order, the patient's right on the left (sagittal: anterior on the left), without letters.
        plane: axial, coronal or sagittal.
        key: the element's key.
        height: of the pictures in pixels.
        on_choose: called with the number of the clicked picture before the page runs again.

    Returns:
        The number of the picture whose click caused this run, else None.
    """
    items = [
        {"src": f"data:image/jpeg;base64,{base64.b64encode(p.jpeg).decode()}", "title": p.title, "note": p.note}
        for p in pictures
    ]

    def chosen() -> None:
        number = choice_from(st.session_state[key].get("choice"), items)
        if on_choose and number is not None:
            on_choose(number)

    result = _component(key=key, data={"pictures": items, "height": height, "plane": plane}, on_choice_change=chosen)
    return choice_from(result.get("choice"), items)


def choice_from(event: Any, pictures: Sequence[dict]) -> int | None:
    """The number in a browser's message, if that picture is (still) what was clicked."""
    if not isinstance(event, dict):
        return None
    number, title = event.get("number"), event.get("title")
    known = isinstance(number, int) and 0 <= number < len(pictures) and pictures[number]["title"] == title
    return number if known else None
