"""What colours a map: numbers with a continuous legend, categories with names, or positions as red, green, blue."""

from dataclasses import dataclass

import numpy as np
import pandas as pd
import plotly.express as px
from numpy.typing import NDArray
from plotly.colors import sample_colorscale

from isimed.explore.tables.selection import NOT_KNOWN, organ_name
from isimed.explore.tables.store import AXES, Table

ENDS = {"sagittal": ("left", "right"), "coronal": ("back", "front"), "axial": ("feet", "head")}
# Perceptually even, without the ends that vanish on a dark or a light ground.
SCALE = sample_colorscale("Viridis", list(np.linspace(0.12, 1, 17)))
HEAT = sample_colorscale("Inferno", list(np.linspace(0.25, 1, 17)))
PALETTE = [*px.colors.qualitative.Light24]
NONE = "#5b6675"
LEVELS = 7
LEGEND_LIMIT = 24


@dataclass(frozen=True, eq=False)
class Colour:
    """Colours of N points: always numbers on a scale, since 50,000 colour names would take seconds to send.

    Attributes:
        title: what they mean, with the unit.
        values: (N,) numbers; of categories, which step of the scale.
        scale: as of plotly.
        low, high: the values at its ends.
        ends: words for the ends of the scale, may be "".
        legend: (name, "#rrggbb") of the categories; empty for continuous colours, which get a colour bar.
    """

    title: str
    values: NDArray
    scale: list
    low: float = 0.0
    high: float = 1.0
    ends: tuple[str, str] = ("", "")
    legend: tuple[tuple[str, str], ...] = ()


# Below, ``rows`` are the crops that are drawn; scales and legends are those of the whole table.
ALL = slice(None)
Rows = NDArray | slice


def axis_colour(table: Table, axis: str, rows: Rows = ALL) -> Colour:
    """Position along one body axis in mm from the centre of the body's box, ends at the 1st and 99th percentile."""
    values = table.position[:, AXES.index(axis)]
    low, high = np.percentile(values, (1, 99))
    return Colour(f"{axis.capitalize()} position, mm", values[rows], SCALE, float(low), float(high), ENDS[axis])


def rgb_colour(table: Table, rows: Rows = ALL) -> Colour:
    """All three positions at once: red grows to the right, green to the front, blue to the head, in 7 levels each."""
    low, high = np.percentile(table.position, (1, 99), axis=0)
    share = np.clip((table.position[rows] - low) / np.maximum(high - low, 1e-6), 0, 1)
    level = np.rint(share * (LEVELS - 1)).astype(np.int32)
    steps = [
        "#" + "".join(f"{55 + round(200 * n / (LEVELS - 1)):02x}" for n in part) for part in np.ndindex((LEVELS,) * 3)
    ]
    legend = (("red: to the right", "#ff5050"), ("green: to the front", "#50e050"), ("blue: to the head", "#6080ff"))
    return _steps("Position as colour", level @ [LEVELS**2, LEVELS, 1], steps, legend)


def patient_colour(table: Table, rows: Rows = ALL) -> Colour:
    return _categories("Patient", table.subject, rows)


def organ_colour(table: Table, organs: dict[int, str], rows: Rows = ALL) -> Colour:
    """The organ at the crop's centre; crops without a label are grey."""
    labels, inverse = np.unique(table.organ, return_inverse=True)
    names = np.array([organ_name(label, organs) for label in labels])
    return _categories("Organ", names[inverse], rows, grey=("no organ", NOT_KNOWN))


def tumour_colour(table: Table, rows: Rows = ALL) -> Colour:
    """Share of the crop's voxels that are tumour, in %; grey where the volume has no tumour map."""
    values = table.tumour * 100
    known = np.isfinite(values)
    high = float(max(values[known].max(initial=0), 1))
    if known.all():
        return Colour("Tumour, % of the crop", values[rows], HEAT, 0.0, high)
    low = -high / 20  # a step below none
    step = -low / (high - low)
    heat = [[step + (1 - step) * n / (len(HEAT) - 1), shade] for n, shade in enumerate(HEAT)]
    shown = np.where(known, values, low)[rows]
    return Colour("Tumour, % of the crop (grey: not known)", shown, [[0, NONE], [step, NONE], *heat], low, high)


def error_colour(error_mm: NDArray, rows: Rows = ALL) -> Colour:
    """How far the position that is read from the embedding lies from the true one."""
    known = error_mm[np.isfinite(error_mm)]
    high = float(np.percentile(known, 98)) if len(known) else 1.0
    return Colour(
        "Position error, mm", np.nan_to_num(error_mm[rows]), HEAT, 0.0, max(high, 1e-3), ("read right", "wrong")
    )


def _categories(title: str, names: NDArray, rows: Rows, *, grey: tuple[str, ...] = ()) -> Colour:
    codes, order = pd.factorize(names, sort=True)
    counts = np.bincount(codes)
    shades = [NONE if name in grey else PALETTE[n % len(PALETTE)] for n, name in enumerate(order)]
    shown = np.sort(np.argsort(-counts, kind="stable")[:LEGEND_LIMIT])  # the largest, by name
    legend = [(str(order[n]), shades[n]) for n in shown]
    if len(order) > len(shown):
        legend.append((f"and {len(order) - len(shown)} more", NONE))
    return _steps(title, codes[rows], shades, tuple(legend))


def _steps(title: str, codes: NDArray, shades: list[str], legend: tuple[tuple[str, str], ...]) -> Colour:
    scale = [[(n + end) / len(shades), shade] for n, shade in enumerate(shades) for end in (0, 1)]
    return Colour(title, codes, scale, -0.5, len(shades) - 0.5, legend=legend)
