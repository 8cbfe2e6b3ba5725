"""Measurements are millimetres through the affine, and a circle's figures are those of the voxels it holds."""

import numpy as np
import pytest

from isimed.data.formats.volume import Volume
from isimed.ui.annotations.things import AXES, measured

TURN = np.array([[np.cos(0.3), -np.sin(0.3), 0], [np.sin(0.3), np.cos(0.3), 0], [0, 0, 1]])
SPACING = np.array([0.8, 1.3, 3.0])


@pytest.fixture
def volume() -> Volume:
    affine = np.eye(4)
    affine[:3, :3], affine[:3, 3] = TURN * SPACING, (-20, 30, 5)
    return Volume(np.random.default_rng(0).normal(40, 12, (50, 40, 12)).astype(np.float32), affine)


def measure(volume: Volume, kind: str, plane: str, ends: list):
    a, b = (tuple(volume.to_mm(end).tolist()) for end in ends)
    return measured(volume, name="m", volume_id="V", kind=kind, plane=plane, ends_mm=(a, b), unit="HU")


@pytest.mark.parametrize(("plane", "step"), [("axial", (10, 4, 0)), ("coronal", (10, 0, 3)), ("sagittal", (0, 7, 2))])
def test_a_distance_is_in_millimetres_through_a_turned_affine(volume: Volume, plane: str, step: tuple) -> None:
    start = np.array([20, 20, 5])
    found = measure(volume, "distance", plane, [start, start + step])
    assert found.length_mm == pytest.approx(np.linalg.norm(SPACING * step))
    assert found.words() == f"{found.length_mm:.1f} mm"


@pytest.mark.parametrize("plane", AXES)
def test_a_circle_says_mean_and_sd_of_the_voxels_whose_centres_it_holds(volume: Volume, plane: str) -> None:
    across, up, through = AXES[plane]
    centre = np.array([24.3, 19.6, 6.0])
    rim = centre.copy()
    rim[across] += 6 / SPACING[across]
    found = measure(volume, "circle", plane, [centre, rim])
    held = [
        volume.voxels[index]
        for index in np.ndindex(volume.shape)
        if index[through] == round(centre[through])
        and np.hypot(*((np.array(index) - centre) * SPACING)[[across, up]]) <= 6
    ]
    assert found.voxels == len(held) > 10
    assert (found.mean, found.sd) == (pytest.approx(np.mean(held), rel=1e-5), pytest.approx(np.std(held), rel=1e-5))
    assert found.area_mm2 == pytest.approx(np.pi * 36)
    assert "HU" in found.words()
    assert "113 mm²" in found.words()


def test_a_circle_beside_the_scan_has_no_figures(volume: Volume) -> None:
    found = measure(volume, "circle", "axial", [(-90, -90, 5), (-88, -90, 5)])
    assert (found.mean, found.voxels) == (None, 0)
    assert found.words().startswith("no voxel")
