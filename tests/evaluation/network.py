"""A network whose embedding is known instead of a real one, and cohorts on which every task can be measured."""

import json
from functools import partial
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
from numpy.typing import NDArray
from torch import nn

from isimed.data.cohorts.cohort import Cohort
from isimed.data.prepared.crops import crop_centre_mm
from isimed.data.prepared.preprocess import Preparation, Prepared
from isimed.evaluation.context import context
from isimed.evaluation.statistics import bootstrap
from isimed.evaluation.tasks import landmarks, segmentation
from isimed.evaluation.tasks.segmentation import place_of_voxels
from isimed.evaluation.transfer.transfers import choose_transfers
from isimed.explore.search import retrieve
from isimed.explore.tables import embed as explore_embed
from isimed.models.card import Card
from isimed.models.checkpoint import Checkpoint
from tests.small import write_cohort

PREPARATION = Preparation(spacing_mm=8.0)
CORNERS = np.array([[x, y, z] for x in (-0.4, 0.4) for y in (-0.4, 0.4) for z in (-0.4, 0.4)])


class Known(nn.Module):
    """Embeds a crop as its position in mm, turned into 16 dimensions and multiplied by a scale."""

    def __init__(self, scale: float) -> None:
        super().__init__()
        self.scale = scale
        self.unused = nn.Parameter()


def known(name: str, scale: float = 1.0, cohort: dict | None = None) -> Checkpoint:
    card = Card(name=name, method="known", preparation=PREPARATION, crop_size=8, cohort=cohort or {})
    network = Known(scale)
    return Checkpoint(card=card, fingerprint=f"fingerprint-{name}", read_encoder=lambda: network)  # type: ignore[arg-type, return-value]


def replace_network(patch: pytest.MonkeyPatch) -> list[int]:
    """Embed as `Known` does, anything else as noughts; returns the number of crops of every call."""
    calls: list[int] = []
    basis, _ = np.linalg.qr(np.random.default_rng(0).normal(size=(16, 16)))

    def embed(
        checkpoint: Checkpoint, volume: Prepared, centres: NDArray, *ignored: object, **also: object
    ) -> tuple[NDArray, NDArray]:
        calls.append(len(centres))
        position = volume.position(crop_centre_mm(volume, centres, checkpoint.card.crop_size))
        code = (getattr(checkpoint.encoder, "scale", 0.0) * position @ basis[:3]).astype(np.float32)
        return code, code

    patch.setattr(context, "_embed", embed)
    for module in (explore_embed, retrieve):
        patch.setattr(module, "embed_crops", embed)
    patch.setattr(segmentation, "dense_features", lambda encoder, volume: place_of_voxels(volume))
    patch.setattr(bootstrap, "DRAWS", 40)
    patch.setattr(landmarks, "choose_transfers", partial(choose_transfers, volumes=4, sources=2))
    return calls


def write_scattered(folder: Path, *, size: int = 32) -> Cohort:
    """Eight patients whose tumours lie in different places, each with four organs."""
    manifest = write_cohort(folder, patients=8, size=size)
    grid = np.stack(np.meshgrid(*[np.linspace(-1, 1, size)] * 3, indexing="ij"))

    def ball(centre: NDArray, radius: float) -> NDArray[np.bool_]:
        return np.square(grid - np.asarray(centre)[:, None, None, None]).sum(0) < radius**2

    said = json.loads(manifest.read_text())
    said["organs"] = {"1": "left_gland", "2": "right_gland", "3": "stem", "4": "jaw"}
    for patient, volume in enumerate(said["volumes"]):
        affine = nib.Nifti1Image.from_filename(folder / volume["image"]).affine
        tumour = ball(CORNERS[patient], 0.23).astype(np.uint8)
        nib.Nifti1Image(tumour, affine).to_filename(folder / volume["tumour"])
        organs = np.zeros(tumour.shape, np.uint8)
        for label, centre in enumerate([(-0.6, 0, 0), (0.6, 0, 0), (0, -0.4, 0.1), (0, 0.6, -0.2)], start=1):
            organs[ball(np.array(centre) + 0.02 * patient, 0.2)] = label
        volume["organs"] = f"P{patient}-organs.nii.gz"
        nib.Nifti1Image(organs, affine).to_filename(folder / volume["organs"])
    manifest.write_text(json.dumps(said))
    return Cohort.load(manifest)
