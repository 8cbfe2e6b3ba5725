"""What only a GPU shows: it skips, and says so, where there is none."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from isimed.data.cohorts.cohort import Cohort
from isimed.data.prepared.cache import prepare_cohort
from isimed.data.prepared.crops import random_centres
from isimed.data.prepared.preprocess import Preparation
from isimed.evaluation.tasks.segmentation import dense_features
from isimed.explore.tables.embed import embed_crops
from isimed.models.checkpoint import load_checkpoint, untrained
from isimed.training.optimise.crop_source import DeviceCrops, MappedCrops
from isimed.training.runs import jobs
from isimed.training.runs.worker import train
from tests.training.tiny import tiny

pytestmark = pytest.mark.skipif(not torch.cuda.is_available(), reason="this machine has no NVIDIA GPU")


def test_the_same_embeddings_as_on_the_cpu(cohort: Cohort, monkeypatch: pytest.MonkeyPatch) -> None:
    preparation = Preparation(spacing_mm=4.0)
    (volume, *_) = prepare_cohort(cohort, preparation)
    centres = random_centres(volume, 300, np.random.default_rng(0))
    there = untrained(preparation, modality="MRI")
    assert next(there.encoder.parameters()).device.type == "cuda"
    ours = embed_crops(there, volume, centres)
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    here = replace(there)
    assert next(here.encoder.parameters()).device.type == "cpu"
    for found, expected in zip(ours, embed_crops(here, volume, centres), strict=True):
        np.testing.assert_allclose(found, expected, rtol=1e-3, atol=1e-3 * np.abs(expected).max())


def test_dense_features_are_those_of_the_cpu(cohort: Cohort) -> None:
    (volume, *_) = prepare_cohort(cohort, Preparation(spacing_mm=4.0))
    encoder = untrained(Preparation(spacing_mm=4.0)).read_encoder()
    here = dense_features(encoder, volume).astype(np.float32)
    there = dense_features(encoder.to("cuda"), volume).astype(np.float32)
    np.testing.assert_allclose(there, here, atol=0.02 * np.abs(here).max())


def test_crops_cut_on_the_device_are_those_of_the_files(cohort: Cohort) -> None:
    volumes, rng = prepare_cohort(cohort, Preparation(spacing_mm=4.0)), np.random.default_rng(0)
    centres = [random_centres(volume, 5, rng) for volume in volumes]
    device, chosen = torch.device("cuda"), list(range(len(volumes)))
    ours = DeviceCrops(volumes, device).cut(chosen, centres, 32)
    torch.testing.assert_close(ours, MappedCrops(volumes, device).cut(chosen, centres, 32))


@pytest.mark.parametrize("method", ["isimed", "isimed-bt", "dino"])
def test_a_training_in_bfloat16_ends_with_a_checkpoint_of_finite_float32(cohort: Cohort, method: str) -> None:
    run = train(tiny(cohort, method=method))
    assert jobs.status(run).state == "finished"
    assert run.job["device"].startswith("cuda")
    losses = [line["terms"]["loss"] for line in run.metrics() if "terms" in line]
    assert len(losses) == 4
    assert np.isfinite(losses).all()
    state = load_checkpoint(run.best).encoder.state_dict()
    assert {tensor.dtype for tensor in state.values() if tensor.is_floating_point()} == {torch.float32}
