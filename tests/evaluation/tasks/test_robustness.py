import numpy as np
import pytest

from isimed.evaluation.statistics.protocol import STRICT
from isimed.evaluation.tasks.robustness import robustness_outcome
from tests.evaluation.made import crops, lifted


def test_unchanged_crops_are_placed_and_moved_ones_miss_by_their_move() -> None:
    position, subject = crops()
    features = lifted(position)
    rows = np.arange(0, 200, 5)
    moved = lifted(position + np.array([30.0, 0, 0]))[rows]
    outcome = robustness_outcome(features, position, subject, {"none": features[rows], "moved": moved}, rows, STRICT)
    found = outcome.figures["robustness"]
    assert found["none"].value < 0.5
    assert found["moved"].value == pytest.approx(30, abs=1)
    full = outcome.figures["robustness_full"]
    assert full["none: r2_sagittal"].value == pytest.approx(1, abs=1e-3)
    assert full["moved: mean_mm"].value == pytest.approx(30, abs=1)
    assert full["moved: r2_axial"].value == pytest.approx(1, abs=1e-3)
    assert len(full) == 2 * 6
    low, high = full["moved: p95_mm"].interval()
    assert low <= full["moved: p95_mm"].value <= high
