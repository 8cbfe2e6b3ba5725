"""A checkpoint's preparation for programs of one's own gives the crops that isimed itself embeds."""

from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
import torch

import isimed
from isimed.core.errors import InputError
from isimed.data.cohorts.cohort import Cohort


@pytest.fixture
def scan(cohort: Cohort) -> Path:
    """With axes and an affine that a careless program would get wrong."""
    image = nib.load(cohort.root / "P0.nii.gz")
    turned = image.as_reoriented(nib.orientations.axcodes2ornt(("P", "S", "L")))
    turned.to_filename(path := cohort.root / "turned.nii.gz")
    return path


def test_crops_give_the_codes_of_the_table(scan: Path) -> None:
    checkpoint = isimed.load_checkpoint("demo-brain")
    table = isimed.embed(scan, checkpoint=checkpoint, step_mm=40)
    preprocessing = isimed.Preprocessing(checkpoint)
    image = nib.load(scan)
    crops = preprocessing(image.get_fdata(), image.affine, step_mm=40)
    assert len(crops) == len(table)
    np.testing.assert_allclose(crops.centres_mm, table.centre_mm, atol=1e-3)
    with torch.no_grad():
        codes = checkpoint.encoder.cpu().outputs(torch.from_numpy(crops.voxels))["distance"].numpy()
    np.testing.assert_allclose(codes, table.code, atol=0.05)
    assert "demo-brain" in repr(preprocessing)


def test_the_monai_transform_gives_the_same_crops_and_millimetres(scan: Path) -> None:
    from monai.transforms import Compose, EnsureChannelFirstd, LoadImaged

    preprocessing = isimed.Preprocessing("demo-brain")
    load = [LoadImaged("image", reader="NibabelReader"), EnsureChannelFirstd("image")]
    data = Compose([*load, preprocessing.as_monai()])({"image": str(scan)})
    ours = preprocessing(scan)
    assert torch.equal(data["image"], torch.from_numpy(ours.voxels))
    np.testing.assert_allclose(data["image_centres_mm"].numpy(), ours.centres_mm)
    with pytest.raises(InputError, match="MetaTensor"):
        preprocessing.as_monai()({"image": torch.zeros(8, 8, 8)})


def test_a_crop_is_centred_where_it_is_asked_for(scan: Path) -> None:
    preprocessing = isimed.Preprocessing("demo-brain")
    centre = preprocessing(scan).centres_mm.mean(axis=0)
    crops = preprocessing(scan, at_mm=[centre, centre + [3.3, -2.1, 4.7]])
    off = np.abs(crops.centres_mm - [centre, centre + [3.3, -2.1, 4.7]])
    assert off.max() <= preprocessing.card.preparation.spacing_mm / 2 + 1e-6


def test_voxels_without_a_place_are_refused() -> None:
    with pytest.raises(InputError, match="affine"):
        isimed.Preprocessing("demo-brain")(np.zeros((40, 40, 40)))
