"""Points of organs whose shapes are known."""

import numpy as np
import pytest

from isimed.data.prepared.preprocess import Prepared
from isimed.evaluation.sampling.landmark_points import is_centroid, landmark_points

NAMES = {1: "Brainstem", 2: "SpinalCord", 3: "Larynx", 7: "Mandible"}


def head(cut_above: int = 0) -> Prepared:
    """Voxels of 2 mm, left to right, back to front, feet to head; the scan may end lower than the jaw's top."""
    organs = np.zeros((60, 60, 80), np.uint16)
    organs[28:33, 10:15, 60:70] = 1
    organs[29:32, 11:14, 5:60] = 2
    organs[25:36, 30:40, 20:30] = 3
    organs[10:51, 20:50, 40:43] = 7  # the jaw's body, its chin in front
    organs[10:13, 20:26, 43:66] = 7  # both rami behind
    organs[48:51, 20:26, 43:66] = 7
    organs = organs[:, :, : organs.shape[2] - cut_above]
    affine = np.diag([2.0, 2.0, 2.0, 1.0])
    body = np.ones(organs.shape, bool)
    return Prepared(np.zeros(organs.shape, np.float16), body, {"organs": organs}, affine, np.zeros(3), -1.0)


def test_a_jaw_gives_condyles_angles_and_chin_on_their_own_sides() -> None:
    points = landmark_points(head(), NAMES)
    for side, x in (("left", 11), ("right", 49)):
        condyle, angle = points[f"Mandible, {side} condyle"], points[f"Mandible, {side} gonial angle"]
        assert condyle == pytest.approx((2 * x, 2 * 22, 2 * 65), abs=6)
        assert angle == pytest.approx((2 * x, 2 * 20, 2 * 40), abs=8)
    assert points["Mandible, chin"] == pytest.approx((60, 98, 80), abs=8)


def test_the_cord_is_met_at_lengths_below_the_brainstem_and_is_no_centroid() -> None:
    points = landmark_points(head(), NAMES)
    end = points["Brainstem, lower end"]
    assert end[2] == pytest.approx(120, abs=2)
    assert points["cord, 60 mm below the brainstem"][2] == pytest.approx(end[2] - 60, abs=4)
    assert "SpinalCord" not in points
    assert "cord, 90 mm below the brainstem" in points


def test_what_the_scan_cuts_off_gives_no_point() -> None:
    points = landmark_points(head(cut_above=30), NAMES)
    assert not [name for name in points if name.startswith(("Mandible", "Brainstem", "cord"))]
    assert {"Larynx", "Larynx, top", "Larynx, bottom"} <= set(points)


def test_points_and_centroids_are_told_apart_and_no_organs_give_none() -> None:
    assert is_centroid("Larynx", NAMES)
    assert not is_centroid("Larynx, top", NAMES)
    empty = head()
    assert landmark_points(Prepared(empty.image, empty.body, {}, empty.affine, np.zeros(3), -1.0), NAMES) == {}
