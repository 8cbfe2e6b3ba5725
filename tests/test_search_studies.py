"""What the studies of the search rest on."""

import numpy as np
import pytest

from benchmarks.studies.field_stress import CHANGES, shown
from benchmarks.studies.field_uncertainty import covered
from benchmarks.studies.shared_misses import shared
from isimed.data.formats.volume import Volume
from isimed.data.prepared.preprocess import Preparation, prepare


def transfers(start: np.ndarray, field: np.ndarray) -> list[dict]:
    pairs = zip(start, field, strict=True)
    return [{"target": f"P{i % 12}", "start_miss_mm": a, "field_miss_mm": b} for i, (a, b) in enumerate(pairs)]


def test_what_two_ways_miss_alike_is_told_from_what_is_their_own() -> None:
    rng = np.random.default_rng(0)
    landmark, codes, voxels = (rng.normal(0, sd, (2400, 3)) for sd in (4.0, 2.0, 3.0))
    found = shared(transfers(landmark + codes, landmark), transfers(landmark + voxels, landmark + voxels))
    assert found["shared_mm"]["value"] == pytest.approx(4 * np.sqrt(3), rel=0.05)
    assert found["codes_own_mm"]["value"] == pytest.approx(2 * np.sqrt(3), rel=0.1)
    assert found["registration_own_mm"]["value"] == pytest.approx(3 * np.sqrt(3), rel=0.1)
    assert found["codes_and_field_own_mm"]["value"] < 1.5


@pytest.mark.parametrize("change", ["turned by 30°", "lower half", "unchanged"])
def test_a_landmark_goes_with_the_change(change: str) -> None:
    """A bright voxel is found again where its place is said to be, or is said not to be shown."""
    voxels = np.full((40, 40, 40), -1000, np.float32)
    voxels[8:32, 8:32, 4:36] = 0
    voxels[19:22, 24:27, 27:30] = 1000
    scan = Volume(voxels, np.diag([4.0, 4.0, 4.0, 1.0]))
    preparation = Preparation.for_modality("CT", spacing_mm=4.0)
    changed, before = CHANGES[change](scan)
    volume = prepare(changed, preparation)
    places = shown({"spot": scan.to_mm([20, 25, 28])}, before, volume)
    if change == "lower half":
        assert places == {}
        return
    bright = np.argwhere(np.asarray(volume.image) > np.asarray(volume.image).max() * 0.5)
    assert np.linalg.norm(volume.to_mm(bright.mean(axis=0)) - places["spot"]) < 3.0


def test_limits_of_a_signal_that_tells_the_error_hold_what_they_say() -> None:
    rng = np.random.default_rng(1)
    error = rng.exponential(4.0, 4000)
    told = covered(error * rng.uniform(0.8, 1.2, 4000), error, rng.random(4000) < 0.5)
    blind = covered(rng.random(4000), error, rng.random(4000) < 0.5)
    assert told["share"] == pytest.approx(0.8, abs=0.03)
    assert blind["share"] == pytest.approx(0.8, abs=0.03)
    assert told["limit_mm"][0] < 0.4 * blind["limit_mm"][0]
