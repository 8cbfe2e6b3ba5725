"""Views of crops: what changes, what must not, and that several processes draw what one draws."""

import pytest
import torch

from isimed.training.optimise import augment
from isimed.training.optimise.augment import Dice, make_view
from isimed.training.optimise.config import TrainConfig

CPU = torch.device("cpu")


def dice(rows: int, seed: int = 0) -> Dice:
    return Dice(seed, rows, slice(0, rows), CPU)


@pytest.fixture
def crops() -> torch.Tensor:
    return torch.rand(8, 1, 32, 32, 32, generator=torch.Generator().manual_seed(1))


def test_one_view_methods_only_add_noise_by_default(crops: torch.Tensor) -> None:
    config = TrainConfig(cohort="any")
    difference = make_view(crops, config, dice(8), coarse=False) - crops
    assert difference.std() == pytest.approx(0.05, rel=0.02)
    assert config.flips == 0


def test_several_processes_draw_what_one_draws(crops: torch.Tensor) -> None:
    config = TrainConfig(cohort="any", intensity=0.2, blur=1.0, flips=0.5)
    whole = make_view(crops, config, dice(8), coarse=True)
    parts = [make_view(crops[rows], config, Dice(0, 8, rows, CPU), coarse=True) for rows in (slice(0, 3), slice(3, 8))]
    torch.testing.assert_close(torch.cat(parts), whole)


def test_coarse_dropout_replaces_boxes_or_everything_outside_them(crops: torch.Tensor) -> None:
    many = crops[:1].expand(64, -1, -1, -1, -1) + 10  # the noise lies in the crop's own range
    changed = augment.coarse_dropout(many, dice(64))
    assert changed.min() >= many.min()
    assert changed.max() <= many.max()
    share = (changed != many).float().mean((1, 2, 3, 4))
    assert (share > 0).all()
    assert (share < 1).all()
    assert share.min() < 0.3
    assert share.max() > 0.3


def test_coarse_shuffle_keeps_every_value_and_moves_few(crops: torch.Tensor) -> None:
    shuffled = augment.coarse_shuffle(crops, 1.0, dice(8))
    assert torch.equal(shuffled.flatten(1).sort().values, crops.flatten(1).sort().values)
    moved = (shuffled != crops).flatten(1).sum(1)
    assert (moved > 100).all()
    assert (moved <= 2 * 6**3).all()
    assert torch.equal(augment.coarse_shuffle(crops, 0.0, dice(8)), crops)


def test_flip_is_a_mirror_image(crops: torch.Tensor) -> None:
    assert torch.equal(augment.flip(crops, 1.0, dice(8)), crops.flip(2, 3, 4))


def test_blur_keeps_constants_and_smooths(crops: torch.Tensor) -> None:
    torch.testing.assert_close(augment.blur(torch.ones_like(crops), 2.0, dice(8)), torch.ones_like(crops))
    assert augment.blur(crops, 2.0, dice(8)).std() < crops.std()


def test_local_view_shows_half_the_edge_enlarged() -> None:
    ramp = torch.arange(32.0).view(1, 1, 32, 1, 1).expand(1, 1, 32, 32, 32)
    local = augment.local_view(ramp, dice(1))
    assert local.shape == ramp.shape
    assert local.max() - local.min() == 15


def test_another_spacing_is_the_same_place_seen_with_larger_or_smaller_voxels() -> None:
    edge = augment.size_before(32, 0.25)
    assert edge == 40
    along = torch.arange(edge) - (edge - 1) / 2  # voxels from the middle
    ramp = along.view(1, 1, -1, 1, 1).expand(64, 1, edge, edge, edge)
    seen = augment.change_spacing(ramp, 32, 0.25, dice(64))
    assert seen.shape == (64, 1, 32, 32, 32)
    factor = (seen[:, 0, -1] - seen[:, 0, 0]).mean((1, 2)) / 31
    assert (factor >= 1 / 1.25 - 1e-4).all()
    assert (factor <= 1.25 + 1e-4).all()
    assert factor.max() - factor.min() > 0.3
    middle = seen[:, 0, 15:17].mean((1, 2, 3))
    torch.testing.assert_close(middle, torch.zeros(64), atol=1e-3, rtol=0)
