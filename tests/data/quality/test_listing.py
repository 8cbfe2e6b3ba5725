"""The list of a cohort from headers alone: what it says is what measuring finds."""

import json
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
import SimpleITK as sitk

from isimed.data.cohorts.cohort import Cohort
from isimed.data.prepared.memory import MemoryBudget
from isimed.data.quality import listing
from isimed.data.quality.facts import facts_of
from isimed.data.quality.listing import listed
from tests.data.make import affine, blob, write_dicom, write_nifti

OBLIQUE = np.array([[0, -2.0, 0.2, 40], [0, 0.1, -3.0, 30], [1.5, 0, 0, -90], [0, 0, 0, 1]])  # all axes swapped


@pytest.fixture
def cohort(tmp_path: Path) -> Cohort:
    write_nifti(tmp_path / "plain.nii.gz")
    write_nifti(tmp_path / "turned.nii", blob(), OBLIQUE)
    image = sitk.GetImageFromArray(blob().T)
    image.SetSpacing((1.5, 2.0, 3.0))
    image.SetDirection((0, 1, 0, -1, 0, 0, 0, 0, 1))
    sitk.WriteImage(image, str(tmp_path / "itk.nrrd"))
    sitk.WriteImage(image, str(tmp_path / "meta.mha"))
    stack = np.stack([blob(), blob(seed=1)], axis=-1)
    nib.save(nib.Nifti1Image(stack, affine()), tmp_path / "two.nii.gz")
    volumes = [{"subject": "P", "image": name} for name in ("plain.nii.gz", "turned.nii", "itk.nrrd", "meta.mha")]
    volumes.append({"subject": "P", "image": "two.nii.gz", "channel": 1})
    (tmp_path / "dataset.json").write_text(json.dumps({"name": "c", "modality": "CT", "volumes": volumes}))
    return Cohort.load(tmp_path)


def test_headers_say_the_shape_spacing_and_axes_that_measuring_finds(cohort: Cohort) -> None:
    for entry in cohort.volumes:
        said, (found, _) = listed(cohort, entry), facts_of(cohort, entry, MemoryBudget())
        assert (said.id, said.subject) == (found.id, found.subject)
        assert (said.shape, said.file_axes) == (found.shape, found.file_axes)
        assert said.spacing_mm == pytest.approx(found.spacing_mm, abs=1e-4)
        assert said.field_of_view_mm == pytest.approx(found.field_of_view_mm, rel=1e-4)
        assert not said.intensity


def test_no_voxel_is_read_for_the_list(cohort: Cohort, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Cohort, "read", lambda *_: pytest.fail("a volume was read"))
    assert all(listed(cohort, entry).shape for entry in cohort.volumes)


def test_what_no_header_says_stays_empty_and_the_list_goes_on(tmp_path: Path) -> None:
    write_dicom(tmp_path / "series", blob())
    (tmp_path / "broken.nii").write_bytes(b"no header")
    images = ("series", "broken.nii", "gone.nii.gz")
    volumes = [{"subject": image, "image": image} for image in images]
    (tmp_path / "dataset.json").write_text(json.dumps({"name": "c", "modality": "CT", "volumes": volumes}))
    cohort = Cohort.load(tmp_path)
    assert [listing.listed(cohort, entry).shape for entry in cohort.volumes] == [(0, 0, 0)] * 3
