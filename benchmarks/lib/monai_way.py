"""Pretraining as the paper's authors do it: MONAI reads and crops files each epoch, the loss is on the CPU."""

import copy
from collections.abc import Callable
from typing import Any

import torch
from monai.data import CacheDataset, DataLoader, Dataset, list_data_collate
from monai.transforms import (
    Compose,
    CropForegroundd,
    LoadImaged,
    Orientationd,
    RandSpatialCropSamplesd,
    ScaleIntensityRangePercentilesd,
    Spacingd,
    SpatialPadd,
)
from torch.optim import AdamW

from isimed.data.cohorts.cohort import Cohort
from isimed.data.prepared.preprocess import Preparation
from isimed.losses.distance import distance_loss, pairs_within
from isimed.models.encoder import Encoder, end_transitions_with
from isimed.training.optimise.config import TrainConfig

SIZE = 32


def reading() -> list[Any]:
    return [LoadImaged("image", ensure_channel_first=True)]


def same_grid(spacing_mm: float) -> list[Any]:
    """What makes volumes comparable as ours does: R A S, isotropic."""
    return [Orientationd("image", axcodes="RAS", labels=None), Spacingd("image", pixdim=(spacing_mm,) * 3)]


def scaling(preparation: Preparation) -> list[Any]:
    """Foreground box, percentiles 5 and 95 to -1 and 1, at least a crop's size."""

    def is_body(image: torch.Tensor) -> torch.Tensor:
        return image > preparation.foreground_above

    return [
        CropForegroundd("image", source_key="image", select_fn=is_body, allow_smaller=True),
        ScaleIntensityRangePercentilesd("image", lower=5, upper=95, b_min=-1.0, b_max=1.0),
        SpatialPadd("image", spatial_size=(SIZE,) * 3),
    ]


def loader(cohort: Cohort, config: TrainConfig, *, count: int, workers: int = 0, cached: bool = False) -> DataLoader:
    """Batches of dictionaries with ``image`` (N, 1, 32, 32, 32) and its affine; ``count`` patients an epoch."""
    preparation = Preparation.for_modality(cohort.modality, spacing_mm=config.spacing_mm)
    cropping = RandSpatialCropSamplesd("image", roi_size=(SIZE,) * 3, num_samples=config.crops_per_volume)
    cropping.set_random_state(0)
    resampling = same_grid(config.spacing_mm) if cached else []
    steps = Compose([*reading(), *resampling, *scaling(preparation), cropping])
    files = [{"image": str(cohort.path(entry.image))} for entry in cohort.volumes[:count]]
    dataset = CacheDataset(files, steps, progress=False) if cached else Dataset(files, steps)
    return DataLoader(
        dataset,
        batch_size=config.volumes_per_step,
        shuffle=True,
        num_workers=workers,
        collate_fn=list_data_collate,
    )


def epoch_of(data: DataLoader, config: TrainConfig, *, device: str = "cpu") -> Callable[[], float]:
    """A turn: one epoch of the same network and optimiser on a loader's batches; it returns the number of crops."""
    encoder = as_monai_builds_it(Encoder(mm_per_unit=config.mm_per_unit)).train().to(device)
    optimiser = AdamW(encoder.parameters(), lr=1e-4, weight_decay=config.weight_decay)
    middle = torch.tensor([SIZE / 2 - 0.5] * 3 + [1.0], dtype=torch.float64)

    def turn() -> float:
        crops = 0
        for batch in data:
            images = batch["image"]
            centres = (images.affine @ middle)[:, :3].float()
            groups = torch.arange(len(images)) // config.crops_per_volume
            code = encoder.outputs(images.as_tensor().float().to(device))["distance"]
            distance_loss(code.cpu(), centres, pairs_within(groups), penalty=config.penalty).backward()
            torch.nn.utils.clip_grad_norm_(encoder.parameters(), config.clip_norm)
            optimiser.step()
            optimiser.zero_grad()
            crops += len(images)
        return crops

    return turn


def as_monai_builds_it(encoder: Encoder) -> Encoder:
    """A copy whose transitions average after their convolution, where `Encoder` does it before."""
    copied = copy.deepcopy(encoder)
    end_transitions_with(copied.backbone, "pool")
    return copied
