"""Crops cut on the device are those cut from memory-mapped files, and a step's batch is dealt out whole."""

import numpy as np
import pytest
import torch

from isimed.data.cohorts.cohort import Cohort
from isimed.data.prepared.cache import prepare_cohort
from isimed.data.prepared.crops import crop_centre_mm
from isimed.data.prepared.preprocess import Preparation, Prepared
from isimed.training.optimise.batches import Batches
from isimed.training.optimise.config import TrainConfig
from isimed.training.optimise.crop_source import DeviceCrops, MappedCrops
from isimed.training.optimise.methods import METHODS

CPU = torch.device("cpu")


@pytest.fixture
def volumes(cohort: Cohort) -> list[Prepared]:
    return prepare_cohort(cohort, Preparation(spacing_mm=5.0))


def test_device_crops_equal_mapped_crops_also_at_the_border(volumes: list[Prepared]) -> None:
    rng = np.random.default_rng(0)
    centres = [rng.integers(-20, np.array(volume.image.shape) + 20, size=(5, 3)) for volume in volumes]
    centres[0][0] = 0
    chosen = [2, 0, 1]
    wanted = [centres[index] for index in chosen]
    on_device, mapped = DeviceCrops(volumes, CPU), MappedCrops(volumes, CPU)
    for size in (32, 40):
        assert torch.equal(on_device.cut(chosen, wanted, size), mapped.cut(chosen, wanted, size))


def test_processes_share_a_step_and_every_volume_comes_once_an_epoch(volumes: list[Prepared]) -> None:
    config = TrainConfig(cohort="any", crops_per_volume=2, volumes_per_step=3)
    source = MappedCrops(volumes, CPU)
    alone = Batches(config, volumes, source)
    batch = alone.draw(0)
    parts = [Batches(config, volumes, source, rank=rank, world=2).draw(0) for rank in range(2)]
    for name in ("crops", "centres_mm", "positions_mm", "groups"):
        assert torch.equal(torch.cat([getattr(part, name) for part in parts]), getattr(batch, name))
    assert [part.first for part in parts] == [0, 4]
    assert sorted(alone.chosen(0)) == [0, 1, 2]
    assert not torch.equal(alone.draw(0).crops, alone.draw(1).crops)
    assert torch.equal(alone.draw(0).crops, batch.crops)


def test_a_whole_view_shows_all_of_its_crop_and_only_the_other_has_parts_hidden(volumes: list[Prepared]) -> None:
    config = TrainConfig(cohort="any", crops_per_volume=4, volumes_per_step=3, noise=0.0, coarse_dropout=1.0)
    batches = Batches(
        config, volumes, MappedCrops(volumes, CPU), views=2, whole_views=METHODS["isimed-bt-whole"].whole_views
    )
    batch = batches.draw(0)
    whole, other = batches.views(batch, 0)
    assert torch.equal(whole, batch.crops)
    assert not torch.equal(other, batch.crops)


def test_no_step_has_more_volumes_than_asked_for(volumes: list[Prepared]) -> None:
    for asked in (1, 2, 3, 8):
        batches = Batches(TrainConfig(cohort="any", volumes_per_step=asked), volumes, MappedCrops(volumes, CPU))
        counts = [len(batches.chosen(step)) for step in range(batches.steps_per_epoch)]
        assert max(counts) <= asked
        assert sum(counts) == len(volumes)


def test_positions_are_mm_from_the_middle_of_the_body(volumes: list[Prepared]) -> None:
    config = TrainConfig(cohort="any", crops_per_volume=4, volumes_per_step=1)
    batches = Batches(config, volumes[:1], MappedCrops(volumes[:1], CPU))
    batch = batches.draw(0)
    offset = batch.centres_mm - batch.positions_mm
    expected = torch.as_tensor(volumes[0].box_centre_mm).float().expand(4, 3)
    torch.testing.assert_close(offset, expected)
    assert crop_centre_mm(volumes[0], np.zeros((1, 3))).shape == (1, 3)


def test_upcoming_batches_are_the_batches_of_the_steps(volumes: list[Prepared]) -> None:
    config = TrainConfig(cohort="any", crops_per_volume=2, volumes_per_step=1)
    batches = Batches(config, volumes, MappedCrops(volumes, CPU))
    for step, batch in enumerate(batches.upcoming(0, 3)):
        assert torch.equal(batch.crops, batches.draw(step).crops)


def test_a_training_with_other_spacings_draws_the_same_places(volumes: list[Prepared]) -> None:
    plain, changed = (
        Batches(config, volumes, MappedCrops(volumes, CPU), local_views=1)
        for config in (TrainConfig(cohort="any", noise=0), TrainConfig(cohort="any", noise=0, spacing_change=0.2))
    )
    one, other = plain.draw(0), changed.draw(0)
    torch.testing.assert_close(one.centres_mm, other.centres_mm)
    margin = (other.crops.shape[-1] - 32) // 2
    torch.testing.assert_close(other.crops[..., margin:-margin, margin:-margin, margin:-margin], one.crops)
    assert [view.shape for view in changed.views(other, 0)] == [view.shape for view in plain.views(one, 0)]
