"""What the browser says was measured, the windows it offers, and colours that everybody can tell apart."""

import itertools
import re

import numpy as np
import pytest

from isimed.data.formats.volume import Volume
from isimed.ui.slice_viewer import encoding
from isimed.ui.slice_viewer.component import drawn_from, window_from
from isimed.ui.slice_viewer.files import FILES
from isimed.ui.slice_viewer.overlays import ACCENT, PALETTE
from isimed.ui.viewer import chosen_crops, point_list

VOLUME = Volume(np.zeros((10, 12, 14), np.int16), np.diag([2.0, 1.0, 3.0, 1.0]))
EVENT = {"kind": "circle", "plane": "axial", "ends": [[1, 2, 3], [4, 2, 3]], "count": 1, "url": "u"}
# Machado, Oliveira, Fernandes 2009, "A Physiologically-based Model for Simulation of Color Vision Deficiency"
SEEN = {
    "normal": np.eye(3),
    "protanopia": [[0.152286, 1.052583, -0.204868], [0.114503, 0.786281, 0.099216], [-0.003882, -0.048116, 1.051998]],
    "deuteranopia": [[0.367322, 0.860646, -0.227968], [0.280085, 0.672501, 0.047413], [-0.011820, 0.042940, 0.968881]],
    "tritanopia": [[1.255528, -0.076749, -0.178779], [-0.078411, 0.930809, 0.147602], [0.004733, 0.691367, 0.303900]],
}


def test_what_was_drawn_comes_in_millimetres():
    drawn = drawn_from(EVENT, VOLUME, "u")
    assert (drawn.kind, drawn.plane) == ("circle", "axial")
    assert drawn.ends_mm == ((2.0, 2.0, 9.0), (8.0, 2.0, 9.0))


@pytest.mark.parametrize(
    "wrong",
    [{"url": "other"}, {"kind": "x"}, {"plane": "oblique"}, {"ends": [[1, 2], [3, 4]]}, {"ends": None},
     {"ends": [[float("nan"), 0, 0], [1, 1, 1]]}, {"ends": [[1e9, 0, 0], [1, 1, 1]]}],
)  # fmt: skip
def test_a_message_about_another_scan_or_an_impossible_place_is_dropped(wrong):
    assert drawn_from(EVENT | wrong, VOLUME, "u") is None


def test_ct_has_its_windows_under_the_number_keys_and_mr_its_percentiles():
    voxels = np.arange(1000, dtype=np.int16).reshape(10, 10, 10) - 1000
    names = {ct: [one["name"] for one in encoding.presets(encoding.encode(voxels), ct=ct)] for ct in (True, False)}
    assert names[True][:4] == ["Lung", "Soft tissue", "Bone", "Brain"]
    assert len(names[True]) <= 9
    assert names[False] == ["1–99 %", "5–95 %", "0.1–99.9 %", "Full"]
    middle = encoding.presets(encoding.encode(voxels), ct=False)[1]
    assert (middle["level"], middle["width"]) == (pytest.approx(-500.5), pytest.approx(899.1))


def lab(colour: str, matrix) -> np.ndarray:
    """CIELAB (D65) of "#rrggbb" as seen through a matrix of linear RGB."""
    rgb = np.array([int(colour[n : n + 2], 16) for n in (1, 3, 5)]) / 255
    linear = np.where(rgb <= 0.04045, rgb / 12.92, ((rgb + 0.055) / 1.055) ** 2.4)
    linear = np.clip(np.asarray(matrix) @ linear, 0, 1)
    xyz = np.array([[0.4124, 0.3576, 0.1805], [0.2126, 0.7152, 0.0722], [0.0193, 0.1192, 0.9505]]) @ linear
    x, y, z = np.cbrt(np.maximum(xyz / (0.9505, 1.0, 1.089), 1e-6))
    return np.array([116 * y - 16, 500 * (x - y), 200 * (y - z)])


def drawn_colours() -> dict[str, str]:
    """What is drawn over a scan: the crop, the chosen crops, the kept points, the measurements."""
    measured = re.search(r'COLOUR = "(#\w{6})"', FILES["measure.js"].decode())
    return {"crop": ACCENT, "chosen": chosen_crops.LIT, "point": point_list.COLOUR, "measured": measured[1]}


@pytest.mark.parametrize("sight", SEEN)
def test_the_colour_blind_tell_apart_all_that_is_drawn_over_a_scan(sight):
    colours = drawn_colours() | {f"label {n}": colour for n, colour in enumerate(PALETTE)}
    seen = {name: lab(colour, SEEN[sight]) for name, colour in colours.items()}
    apart = {pair: np.linalg.norm(seen[pair[0]] - seen[pair[1]]) for pair in itertools.combinations(seen, 2)}
    assert min(apart.values()) > 12, min(apart, key=apart.get)


@pytest.mark.parametrize("sight", SEEN)
def test_the_colour_blind_take_nothing_that_is_drawn_for_a_part_of_the_scan(sight):
    greys = [lab(f"#{grey:02x}{grey:02x}{grey:02x}", SEEN["normal"]) for grey in range(0, 256, 3)]
    for name, colour in drawn_colours().items():
        seen = lab(colour, SEEN[sight])
        assert min(np.linalg.norm(seen - grey) for grey in greys) > 12, name
        assert seen[0] > 55, name  # bright enough over the dark of air and lung


@pytest.mark.parametrize(
    "wrong", [{"url": "other"}, {"level": "x"}, {"width": 0}, {"width": float("inf")}, {"level": None}]
)
def test_a_window_is_heard_and_an_impossible_one_is_not(wrong):
    said = {"level": 40, "width": 400, "url": "u"}
    assert window_from(said, "u") == (40.0, 400.0)
    assert window_from(said | wrong, "u") is None
