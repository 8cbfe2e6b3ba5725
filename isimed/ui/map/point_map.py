"""Flat maps as a Streamlit element: points on a canvas of its own, a click or a lasso gives their numbers.

The browser draws into plain pixels and keeps its canvas between runs. Plotly's WebGL is made anew at every change of
the figure, which took seconds for 50,000 points without a graphics card.
"""

import hashlib
import re
from collections.abc import Callable, Sequence
from dataclasses import asdict
from typing import Any

import numpy as np
import pandas as pd
import streamlit as st
from numpy.typing import NDArray

from isimed.ui.map import plots
from isimed.ui.map.colours import Colour
from isimed.ui.map.plots import Panel
from isimed.ui.slice_viewer.component import voxel_session
from isimed.ui.slice_viewer.files import loader
from isimed.ui.slice_viewer.voxel_server import publish

SHADES = 256  # of a continuous scale
STEPS = 65_535  # places between the ends of a panel's axis

_component = st.components.v2.component("isimed_point_map", js=loader("map.js"))


def point_map(
    panels: Sequence[Panel],
    *,
    names: NDArray,
    position: NDArray,
    key: str,
    selected: NDArray | None = None,
    same_scale: bool = True,
    height: int = 490,
    on_choose: Callable[[NDArray[np.int64]], None] | None = None,
) -> None:
    """Show one map, or several side by side; point i is the same crop in each.

    Args:
        names: (N,) patients, for the hover.
        position: (N, 3) mm, for the hover.
        key: the element's key, as of any Streamlit widget.
        selected: indices of the points that are lit; the others turn grey. None lights all.
        same_scale: 1 mm is as long across as up.
        height: in pixels, in a window of a usual height.
        on_choose: called with the sorted indices of chosen points, none where a double click clears, before the
            page runs again.
    """
    codes, subjects = pd.factorize(np.asarray(names))
    about = np.column_stack([np.clip(np.rint(position), -32_000, 32_000), codes]).astype(np.int16)
    shown = _source(about)
    data = {
        "panels": [_panel(panel) for panel in panels],
        "about": shown,
        "subjects": [str(subject) for subject in subjects],
        "lit": None if selected is None else _source(_mask(selected, len(names))),
        "same_scale": same_scale,
        "height": height,
        "looks": {"dark": asdict(plots.DARK), "light": asdict(plots.LIGHT)},  # the browser knows the theme
        "legend": list(panels[0].colour.legend),
    }

    def chosen() -> None:
        indices = choice_from(st.session_state[key].get("choice"), shown["url"], len(names))
        if on_choose and indices is not None:
            on_choose(indices)

    _component(key=key, data=data, on_choice_change=chosen)


def choice_from(event: Any, url: str, count: int) -> NDArray[np.int64] | None:
    """The points in a browser's message; None for no message, or one about other points than are shown."""
    if not isinstance(event, dict) or event.get("url") != url or not isinstance(event.get("indices"), list):
        return None
    indices = {i for i in event["indices"] if isinstance(i, int) and 0 <= i < count}
    return np.array(sorted(indices), dtype=np.int64)


def shades_of(colour: Colour) -> tuple[NDArray[np.uint16], list[list[int]]]:
    """The number of each point's shade, and the shades as red, green, blue."""
    if isinstance(colour.scale[0], str):
        scale = np.array([[float(part) for part in re.findall(r"[\d.]+", shade)[:3]] for shade in colour.scale])
        stops = np.linspace(0, 1, len(scale))
        shades = np.stack([np.interp(np.linspace(0, 1, SHADES), stops, part) for part in scale.T], axis=1)
        share = (colour.values - colour.low) / max(colour.high - colour.low, 1e-9)
        return (np.clip(share, 0, 1) * (SHADES - 1)).round().astype(np.uint16), shades.round().astype(int).tolist()
    steps = [shade for _, shade in colour.scale[::2]]
    return colour.values.astype(np.uint16), [[int(shade[n : n + 2], 16) for n in (1, 3, 5)] for shade in steps]


def _panel(panel: Panel) -> dict:
    places = np.asarray(panel.places, dtype=np.float64)
    low, high = places.min(axis=0), places.max(axis=0)
    size = np.maximum(high - low, 1e-9)
    values, shades = shades_of(panel.colour)
    colour = panel.colour
    bar = {"title": colour.title, "low": colour.low, "high": colour.high, "ends": list(colour.ends)}
    return {
        "places": _source(((places - low) / size * STEPS).round().astype(np.uint16)),
        "low": low.tolist(),
        "size": size.tolist(),
        "labels": list(panel.labels),
        "title": panel.title,
        "colour": _source(values),
        "shades": shades,
        "bar": None if colour.legend else bar,
    }


def _mask(indices: NDArray, count: int) -> NDArray[np.uint8]:
    mask = np.zeros(count, dtype=np.uint8)
    mask[indices] = 1
    return mask


def _source(array: NDArray) -> dict:
    """Fetched once by the browser: the same content has the same address."""
    name = f"map-{array.dtype}-{hashlib.sha256(np.ascontiguousarray(array).data).hexdigest()}"
    shape = [*array.shape[::-1], 1, 1][:3]
    return {"url": publish(array, name, voxel_session()), "dtype": array.dtype.name, "shape": shape}
