"""A volume as linked slices in the browser."""

from isimed.ui.slice_viewer.component import Click, Header, slice_viewer
from isimed.ui.slice_viewer.overlays import Box, HeatMap, LabelMap, Marker
from isimed.ui.slice_viewer.strip import Picture, picture_strip

__all__ = ["Box", "Click", "Header", "HeatMap", "LabelMap", "Marker", "Picture", "picture_strip", "slice_viewer"]
