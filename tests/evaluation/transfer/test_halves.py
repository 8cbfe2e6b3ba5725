"""Landmarks in halves of a scan: what was cut away is told from what is there, and which is which is known."""

import numpy as np
import pytest

from isimed.data.prepared.preprocess import Prepared
from isimed.evaluation.statistics.scores import auc
from isimed.evaluation.transfer.halves import in_halves
from isimed.explore.tables.store import Table, TableInfo
from tests.explore.known import code

SPACING, STEP, SHIFT = 4.0, 16.0, np.array([5.0, -3, 40])
PLACES = {"crown": np.array([0.0, 0, 100]), "sole": np.array([10.0, 0, -100]), "navel": np.array([0.0, 5, 2])}


def column(shift: np.ndarray) -> Prepared:
    """A body that goes on above and below its scan: 128 x 128 x 320 mm."""
    body = np.zeros((32, 32, 80), dtype=bool)
    body[4:28, 4:28] = True
    affine = np.diag([SPACING] * 3 + [1.0])
    affine[:3, 3] = shift - SPACING * (np.array(body.shape) - 1) / 2
    return Prepared(body.astype(np.float16), body, {}, affine, shift, 0.0)


@pytest.fixture(scope="module")
def table() -> Table:
    axes = [np.arange(-end, end + 1, STEP) for end in (48, 48, 144)]
    grid = np.stack(np.meshgrid(*axes, indexing="ij"), -1).reshape(-1, 3)
    info = TableInfo(
        cohort="known", cohort_fingerprint="", checkpoint="isometry", checkpoint_fingerprint="", step_mm=STEP,
        crop_size=8, spacing_mm=SPACING, in_mm=True,
    )  # fmt: skip
    return Table(
        info,
        {
            "subject": np.repeat(["A", "B"], len(grid)),
            "volume": np.repeat(["A", "B"], len(grid)),
            "centre_mm": np.concatenate([grid, grid + SHIFT]).astype(np.float32),
            "code": np.tile(code(grid), (2, 1)).astype(np.float16),
        },
    )


def test_what_was_cut_away_is_told_and_a_landmark_at_the_cut_does_not_count(table: Table) -> None:
    volumes = [column(np.zeros(3)), column(SHIFT)]
    places = [PLACES, {name: mm + SHIFT for name, mm in PLACES.items()}]
    found = in_halves(table, volumes, ["A", "B"], places, [(0, 1), (0, 1), (1, 0)])
    assert found is not None
    assert len(found.absent) == 2 * 2 * 2  # two pairs, two halves, the crown and the sole: the navel lies at the cut
    assert found.absent.mean() == 0.5
    assert auc(found.absent, found.beyond_mm) == 1
    assert found.beyond_mm[found.absent] == pytest.approx(100, abs=12)
    assert found.beyond_mm[~found.absent] == pytest.approx(-60, abs=12)
    assert set(found.target) == {0, 1}


def test_volumes_that_share_no_landmark_say_nothing(table: Table) -> None:
    volumes = [column(np.zeros(3)), column(SHIFT)]
    assert in_halves(table, volumes, ["A", "B"], [PLACES, {}], [(0, 1)]) is None
