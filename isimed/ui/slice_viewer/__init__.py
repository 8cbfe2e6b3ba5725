"""A volume as linked slices in the browser."""

from isimed.ui.slice_viewer.component import Click, slice_viewer
from isimed.ui.slice_viewer.overlays import Box, HeatMap, LabelMap, Marker

__all__ = ["Box", "Click", "HeatMap", "LabelMap", "Marker", "slice_viewer"]
