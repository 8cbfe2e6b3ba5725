"""The task `fields`, on two patients whose true correspondence is known."""

from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy import ndimage

from isimed.core.errors import InputError
from isimed.data.prepared.preprocess import Prepared
from isimed.evaluation.run.registry import TASKS, find_tasks
from isimed.evaluation.tasks import fields

MOVE = np.array([0.0, 12.0, -8.0])


def patient(move_mm: NDArray) -> Prepared:
    """A body of blobs with two organs, moved inside its scan."""
    blobs = ndimage.gaussian_filter(np.random.default_rng(0).normal(size=(32, 32, 36)), 2.0)
    organs = np.zeros(blobs.shape, np.uint16)
    organs[8:14, 10:16, 12:18], organs[18:25, 12:20, 16:24] = 1, 2
    voxels = move_mm / 4.0
    image = ndimage.shift(blobs / blobs.std(), voxels, order=3, mode="nearest")
    affine = np.diag([4.0, 4.0, 4.0, 1.0])
    labels = {"organs": ndimage.shift(organs, voxels, order=0)}
    return Prepared(
        image.astype(np.float16), np.ones(image.shape, bool), labels, affine, np.zeros(3), float(image.min())
    )


def test_a_field_mends_a_start_that_is_off_and_carries_organs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ISIMED_HOME", str(tmp_path))
    volumes = [patient(np.zeros(3)), patient(MOVE)]
    entries = [SimpleNamespace(id=f"scan{i}", subject=f"S{i}") for i in range(2)]
    context = SimpleNamespace(
        cohort=SimpleNamespace(organs={1: "first", 2: "second", 3: "in nobody"}),
        entries=entries,
        seed=0,
        advance=lambda share: None,
    )
    places, transfers = fields._asked(context, volumes)  # type: ignore[arg-type]
    pairs = {(t.source, t.target) for t in transfers}
    assert len(transfers) == 2 * len(pairs) == 4
    outcome = fields._outcome(context, volumes, places, transfers, lambda source, target: lambda points: points)  # type: ignore[arg-type]
    figures = outcome.figures["fields"]
    assert figures["start_median_mm"].value > 7
    assert figures["median_mm"].value < 2
    assert figures["within_5mm"].value == 1
    assert outcome.figures["fields_dice_by_organ"]["first"].value > 0.85
    assert "in nobody" not in outcome.figures["fields_dice_by_organ"] or np.isnan(
        outcome.figures["fields_dice_by_organ"]["in nobody"].value
    )
    assert {row["name"] for row in outcome.details["transfers"]} == {"first", "second"}


def test_it_is_measured_only_when_it_is_asked_for() -> None:
    assert "fields" not in [task.name for task in find_tasks("all")]
    assert [task.name for task in find_tasks(["fields"])] == ["fields"]
    assert find_tasks(["all", "fields"])[-1] is TASKS["fields"]
    with pytest.raises(InputError, match="fields"):
        find_tasks("field")
