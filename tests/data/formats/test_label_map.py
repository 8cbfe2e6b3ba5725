"""Label maps: what is no label is none, and no label becomes another one."""

from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
import SimpleITK as sitk

from isimed.core.errors import InputError
from isimed.data.cohorts.cohort import Cohort
from isimed.data.formats.label_map import KIND, as_labels
from isimed.data.formats.volume import Volume, read_volume
from isimed.data.prepared.preprocess import Preparation, prepare
from tests.data.make import affine, blob, write_nifti

CT = Preparation.for_modality("CT", spacing_mm=2.0)
HOT = (slice(6, 12), slice(7, 13), slice(5, 9))


def labelled(dtype: str, value: float, outside: float = 0) -> np.ndarray:
    array = np.full(blob().shape, outside, dtype)
    array[HOT] = value
    return array


def through_preparation(label: np.ndarray) -> tuple[set[int], tuple[str, ...]]:
    ready = prepare(Volume(blob(), affine()), CT, labels={"organs": Volume(label, affine(), name="map.nii")})
    return set(np.unique(ready.labels["organs"]).tolist()), ready.notes


@pytest.mark.parametrize(
    ("dtype", "value", "outside", "found"),
    [
        ("int8", 5, -128, {0, 5}),
        ("int64", 7, -1, {0, 7}),
        ("float32", 3, np.nan, {0, 3}),
        ("float32", 2, -np.inf, {0, 2}),
        ("float32", -1, 0, {0}),
        ("int32", 65536, 0, {0, 65536}),
        ("int32", 131073, 1, {1, 131073}),  # the two are one in 16 bits
        ("int64", 2**40 + 1, 2**40, {2**40 + 1, 2**40}),
        ("uint64", 2**33, 0, {0, 2**33}),
        ("uint8", 255, 0, {0, 255}),
    ],
)
def test_labels_come_out_as_they_went_in(dtype: str, value: float, outside: float, found: set[int]) -> None:
    labels, notes = through_preparation(labelled(dtype, value, outside))
    assert labels == found
    negative = bool(min(value, outside) < 0 or np.isnan(outside))
    assert [note.kind for note in notes] == [KIND] * negative


def test_noise_is_rounded_and_interpolation_is_said() -> None:
    noisy = labelled("float32", 4) + np.random.default_rng(1).uniform(-0.02, 0.02, blob().shape).astype(np.float32)
    assert through_preparation(noisy) == ({0, 4}, ())
    smooth = labelled("float32", 4)
    smooth[:, 3] = 0.4
    labels, notes = through_preparation(smooth)
    assert labels == {0, 4}
    assert "Is map.nii a label map?" in notes[0]


@pytest.mark.parametrize(("dtype", "value"), [("float32", 2.0**25), ("float32", np.inf), ("int64", 2**60)])
def test_labels_that_cannot_be_told_apart_are_refused_by_name(dtype: str, value: float) -> None:
    with pytest.raises(InputError, match=r"map\.nii holds the label .* number its labels anew"):
        as_labels(Volume(labelled(dtype, value), affine(), name="map.nii"))


def test_sixteen_bits_stay_as_they_are_and_are_not_copied() -> None:
    one = Volume(labelled("uint16", 65535), affine())
    assert as_labels(one) is one
    assert as_labels(Volume(labelled("int16", 9), affine())).voxels.dtype == np.uint16


def test_an_empty_map_says_none_and_a_missing_one_says_nothing(tmp_path: Path) -> None:
    write_nifti(tmp_path / "a.nii.gz")
    write_nifti(tmp_path / "a_tumour.nii.gz", np.zeros(blob().shape, np.uint8))
    cohort = Cohort.model_validate(
        {"name": "c", "volumes": [{"subject": "a", "image": "a.nii.gz", "tumour": "a_tumour.nii.gz"}]}
    )
    cohort._root = tmp_path
    ready = prepare(cohort.read(cohort.volumes[0]), CT, labels=cohort.read_labels(cohort.volumes[0]))
    assert set(ready.labels) == {"tumour"}
    assert not ready.labels["tumour"].any()


def test_stored_with_a_slope_or_in_another_format_it_is_the_same_map(tmp_path: Path) -> None:
    plain = labelled("int16", 6)
    image = nib.Nifti1Image(plain // 2, affine())
    image.header.set_slope_inter(2.0, 0.0)
    image.to_filename(tmp_path / "scaled.nii")
    written = sitk.GetImageFromArray(plain.T.astype(np.int64))
    sitk.WriteImage(written, str(tmp_path / "map.seg.nrrd"))
    for name in ("scaled.nii", "map.seg.nrrd"):
        found = as_labels(read_volume(tmp_path / name)).voxels
        assert set(np.unique(found).tolist()) == {0, 6}
