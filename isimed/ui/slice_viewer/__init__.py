"""A volume as linked slices in the browser."""

from isimed.ui.slice_viewer.component import slice_viewer
from isimed.ui.slice_viewer.options import Appearance, Behaviour, Click, Drawn, PaneHeader
from isimed.ui.slice_viewer.overlays import Box, HeatMap, LabelMap, Marker, Measure, Overlays
from isimed.ui.slice_viewer.strip import Picture, picture_strip

__all__ = [
    "Appearance",
    "Behaviour",
    "Box",
    "Click",
    "Drawn",
    "HeatMap",
    "LabelMap",
    "Marker",
    "Measure",
    "Overlays",
    "PaneHeader",
    "Picture",
    "picture_strip",
    "slice_viewer",
]
