"""The studies behind the docs measure what they say they do."""

import numpy as np
import pytest
import torch

from benchmarks.studies.carried import figures, halves, shows
from benchmarks.studies.dense_ablation import ROWS, method_of
from benchmarks.studies.dense_border import to_the_cut
from isimed.data.prepared.preprocess import Prepared
from isimed.training.optimise.config import TrainConfig
from isimed.training.optimise.loop import Trainer


def volume(seed: int = 0) -> Prepared:
    rng = np.random.default_rng(seed)
    body = np.zeros((20, 24, 29), bool)
    body[2:19, 1:, :] = True
    affine = np.diag([-8.0, 8.0, 8.0, 1.0])
    affine[:3, 3] = (40, 7, -300)
    image = rng.uniform(-1, 1, body.shape).astype(np.float16)
    return Prepared(image, body, {}, affine, np.zeros(3), -1.0, calibrated=True)


def test_a_half_shows_its_part_of_the_scan_where_it_lies_and_nothing_of_the_other() -> None:
    whole = volume()
    found = dict(halves(whole))
    assert list(found) == ["left", "right", "back", "front", "lower", "upper"]
    for half in found.values():
        assert half.body.any(axis=(1, 2)).all()  # cut to the body again
        mm = half.to_mm(np.argwhere(half.body))
        voxels = np.rint(whole.to_voxel(mm)).astype(int)
        np.testing.assert_array_equal(half.image[half.body], whole.image[tuple(voxels.T)])
    for low, high in (("left", "right"), ("back", "front"), ("lower", "upper")):
        assert found[low].body.sum() + found[high].body.sum() == whole.body.sum()
        place = found[low].to_mm(np.array(found[low].image.shape) / 2)
        assert shows(found[low], place)
        assert not shows(found[high], place)


def test_how_far_a_place_is_from_the_cut_is_how_far_it_is_from_the_middle_of_the_scan() -> None:
    whole = volume()
    middle = np.array(whole.image.shape) // 2 - 0.5
    for kind, half in halves(whole):
        at = np.argwhere(half.body)[::37]
        axis = ("left", "right", "back", "front", "lower", "upper").index(kind) // 2
        there = whole.to_voxel(half.to_mm(at))[:, axis]
        np.testing.assert_allclose(to_the_cut(kind, half, at), 8 * abs(there - middle[axis]), atol=1e-6)


def test_figures_keep_whole_and_half_apart() -> None:
    rows = [
        {"part": part, "target": f"P{n}", "organ": "larynx", "nearest": mm, "agreed": mm / 2}
        for n in range(8)
        for part, mm in (("whole", 10.0 + n), ("upper", 40.0), ("left", 20.0))
    ]
    found = figures(rows)
    assert found["nearest_whole_mm"].value == 13.5
    assert found["agreed_whole_beyond_30"].value == 0
    assert found["nearest_half_beyond_30"].value == 0.5
    low, high = found["nearest_whole_mm"].interval()
    assert low < 13.5 < high


@pytest.mark.parametrize("row", ["full", "all-told", "both", "large"])
def test_a_row_of_the_ablation_trains_with_what_it_says(row: str) -> None:
    config = TrainConfig(
        cohort="any", method="isimed-dense", spacing_mm=8, volumes_per_step=2, epochs=1, threads=1, device="cpu",
        largest_window=ROWS[row].largest,
    )  # fmt: skip
    trainer = Trainer(config, [volume(), volume(1)], method=method_of(ROWS[row]))
    before = [weight.detach().clone() for weight in trainer.encoder.parameters()]
    (step,) = trainer.run_epoch()
    assert step.terms["loss"] == pytest.approx(step.terms["distance"] + step.terms["same_place"] / 2, rel=1e-5)
    assert trainer.encoder.backbone.edges == ROWS[row].edges
    assert any(not torch.equal(a, b) for a, b in zip(before, trainer.encoder.parameters(), strict=True))
