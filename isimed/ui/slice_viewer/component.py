"""The slice viewer as a Streamlit element: three linked planes, a click gives the exact voxel."""

import math
import secrets
from collections.abc import Callable, Sequence
from dataclasses import asdict
from typing import Any

import numpy as np
import streamlit as st
from numpy.typing import ArrayLike, NDArray

from isimed.data.formats.volume import Volume
from isimed.ui.slice_viewer import voxel_server
from isimed.ui.slice_viewer.encoding import (
    Encoded,
    EncodingCache,
    encode,
    encode_heat,
    encode_labels,
    looks_like_ct,
    presets,
)
from isimed.ui.slice_viewer.files import loader
from isimed.ui.slice_viewer.options import NEAR_MIDLINE_MM, PLANES, Appearance, Behaviour, Click, Drawn
from isimed.ui.slice_viewer.overlays import HeatMap, LabelMap, Overlays
from isimed.ui.slice_viewer.payload import (
    box_data,
    cursor_voxel_of,
    frame_of,
    marker_data,
    measure_data,
    narrowed,
    window_data,
)

GRID_LEAST_MM = 300.0
NO_OVERLAYS, PLAIN, PASSIVE = Overlays(), Appearance(), Behaviour()

_component = st.components.v2.component("isimed_slice_viewer", js=loader("main.js"))
_encodings = EncodingCache()


def slice_viewer(
    volume: Volume,
    *,
    key: str,
    volume_key: str | None = None,
    modality: str | None = None,
    cursor_mm: ArrayLike | None = None,
    cursor_voxel: ArrayLike | None = None,
    overlays: Overlays = NO_OVERLAYS,
    appearance: Appearance = PLAIN,
    behaviour: Behaviour = PASSIVE,
) -> Click | None:
    """Show a volume as linked slices which scroll, zoom and change window in the browser, without a rerun.

    The voxels travel once; later reruns send about 3 kB. The crosshair stays where the user put it until
    ``cursor_mm`` or ``cursor_voxel`` changes.

    Args:
        volume: (X, Y, Z) voxels in R A S and their affine.
        key: the element's key, as of any Streamlit widget.
        volume_key: what the voxels are (say path, mtime and size); by default the array's identity, which only
            helps when the same array comes again. Never reuse one for other voxels.
        modality: as in the cohort; "CT" gives HU and its presets. By default guessed from the values.
        cursor_mm: where the crosshair is, in scanner mm; by default the middle of the volume.
        cursor_voxel: the same as a voxel index.
        overlays: what lies over the volume.
        appearance: how it looks.
        behaviour: what a click does.

    Returns:
        The click that caused this run, else None. In the callback and here it is the same click.

    Raises:
        ValueError: a label map on another grid, an unknown window.
    """
    encoded = _encode(volume.voxels, volume_key, encode)
    ct = modality.upper().startswith("CT") if modality else looks_like_ct(encoded)
    choices = presets(encoded, ct=ct)
    cursor = cursor_voxel_of(volume, cursor_mm, cursor_voxel)
    look = appearance
    source = _source(encoded, volume_key) | {
        "spacing": volume.spacing.tolist(),
        "affine": np.asarray(volume.affine, dtype=float).tolist(),
        "inverse": np.linalg.inv(volume.affine).tolist(),
        "frame": _frame(volume, encoded, look),
        "unit": "HU" if ct else "",
    }
    data = {
        "volume": source,
        "cursor": cursor,
        "boxes": [box_data(volume, box) for box in overlays.boxes],
        "markers": [marker_data(volume, marker) for marker in overlays.markers],
        "measures": [measure_data(volume, measure) for measure in overlays.measures],
        "labels": _labels(volume, overlays.labels),
        "heat": _heat(overlays.heat),
        "presets": choices,
        "window": window_data(look.chosen_window or look.window, choices, ct=ct),
        "first_window": window_data(look.window, choices, ct=ct),
        "convention": look.convention,
        "layout": look.layout,
        "height": look.height,
        "grows": look.grows,
        "compact": look.compact,
        "controls": look.controls and not look.compact,
        "readout": look.readout and not look.compact,
        "crosshair": look.crosshair and not look.compact,
        "midline": None if look.midline_mm is None else {"mm": look.midline_mm, "near": NEAR_MIDLINE_MM},
        "header": asdict(look.header) if look.header else None,
        "corner": list(look.corner),
        "link": behaviour.link,
        "measures_here": behaviour.on_measure is not None,
        "reports": behaviour.reports_clicks,
        "reports_window": behaviour.on_window is not None,
        "has_room": behaviour.has_room if behaviour.on_room else None,
    }

    def read(event: Any) -> Click | None:
        return click_from(event, volume, source["url"])

    def tell(what: str, whom: Callable[[Click], None] | None) -> None:
        click = read(st.session_state[key].get(what))
        if whom and click:
            whom(click)

    def tell_drawn() -> None:
        drawn = drawn_from(st.session_state[key].get("measure"), volume, source["url"])
        if behaviour.on_measure and drawn:
            behaviour.on_measure(drawn)

    def tell_window() -> None:
        chosen = window_from(st.session_state[key].get("window"), source["url"])
        if behaviour.on_window and chosen:
            behaviour.on_window(chosen)

    def tell_room() -> None:
        event = st.session_state[key].get("room")
        if behaviour.on_room and isinstance(event, dict):
            behaviour.on_room(wide=event.get("wide") is True)

    result = _component(
        key=key,
        data=data,
        on_click_change=lambda: tell("click", behaviour.on_click),
        on_action_change=lambda: tell("action", behaviour.on_action),
        on_measure_change=tell_drawn,
        on_window_change=tell_window,
        on_room_change=tell_room,
    )
    return read(result.get("click"))


def voxel_session() -> str:
    """Whose arrays those are that this session publishes."""
    return str(st.session_state.setdefault("_isimed_voxel_session", secrets.token_hex(16)))


def click_from(event: Any, volume: Volume, url: str) -> Click | None:
    """The click in a browser's message; None for no message, or one about another or an impossible voxel."""
    if not isinstance(event, dict) or event.get("url") != url:
        return None
    try:
        i, j, k = (int(index) for index in event["voxel"])
        count = int(event["count"])
    except (KeyError, TypeError, ValueError):
        return None
    if not all(0 <= index < size for index, size in zip((i, j, k), volume.shape, strict=True)):
        return None
    x, y, z = volume.to_mm((i, j, k)).tolist()
    return Click(voxel=(i, j, k), mm=(x, y, z), count=count)


def drawn_from(event: Any, volume: Volume, url: str) -> Drawn | None:
    """The measurement in a browser's message; None for no message, or an impossible one."""
    if not isinstance(event, dict) or event.get("url") != url:
        return None
    kind: Any = event.get("kind")
    plane: Any = event.get("plane")
    try:
        ends = np.array(event["ends"], dtype=float)
    except (KeyError, TypeError, ValueError):
        return None
    known = kind in ("distance", "circle") and plane in PLANES and ends.shape == (2, 3) and np.isfinite(ends).all()
    if not known or (np.abs(ends) > 10 * max(volume.shape)).any():
        return None
    (a, b, c), (d, e, f) = volume.to_mm(ends).tolist()
    return Drawn(kind, plane, ((a, b, c), (d, e, f)))


def window_from(event: Any, url: str) -> tuple[float, float] | None:
    """Level and width in a browser's message; None for no message, or impossible ones."""
    if not isinstance(event, dict) or event.get("url") != url:
        return None
    try:
        level, width = float(event["level"]), float(event["width"])
    except (KeyError, TypeError, ValueError):
        return None
    return (level, width) if math.isfinite(level) and 0 < width < math.inf else None


def _encode(voxels: NDArray, key: str | None, how: Callable[[NDArray], Encoded], *options: Any) -> Encoded:
    return _encodings.get((key or id(voxels), how.__name__, *options), lambda: how(voxels))


def _source(encoded: Encoded, key: str | None, *options: Any) -> dict:
    name = repr((key or encoded.name, encoded.raw.shape, *options))
    return {
        "url": voxel_server.publish(encoded.raw, name, voxel_session()),
        "dtype": encoded.raw.dtype.name,
        "shape": list(encoded.raw.shape[::-1]),
        "slope": encoded.slope,
        "intercept": encoded.intercept,
        "low": encoded.low,
        "high": encoded.high,
    }


def _frame(volume: Volume, encoded: Encoded, look: Appearance) -> tuple[Sequence[float], Sequence[float]]:
    if look.field:
        return frame_of(volume, look.field)
    return narrowed(volume, encoded.frame, GRID_LEAST_MM) if look.layout == "grid" else encoded.frame


def _labels(volume: Volume, labels: LabelMap | None) -> dict | None:
    if labels is None:
        return None
    if labels.voxels.shape != volume.voxels.shape:
        raise ValueError(f"labels have shape {labels.voxels.shape}, the volume has {volume.voxels.shape}")
    encoded = _encode(labels.voxels, labels.key, encode_labels)
    return _source(encoded, labels.key, "labels") | {"names": labels.legend()}


def _heat(heat: HeatMap | None) -> dict | None:
    if heat is None:
        return None
    low = float(np.nanmin(heat.voxels)) if heat.low is None else heat.low
    high = float(np.nanmax(heat.voxels)) if heat.high is None else heat.high

    def encode_this(voxels: NDArray) -> Encoded:
        return encode_heat(voxels, low, high, strong_is_low=heat.strong == "low")

    options = ("heat", low, high, heat.strong)
    encoded = _encode(heat.voxels, heat.key, encode_this, *options)
    ends = [f"{value:.3g} {heat.unit}".strip() for value in (low, high)]
    weak, strong = ends if heat.strong == "high" else ends[::-1]
    return _source(encoded, heat.key, *options) | {"title": heat.title, "weak": weak, "strong": strong}
