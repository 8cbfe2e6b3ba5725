"""Preparation: exact places, agreement with MONAI's chain, labels, and voxels that are not finite."""

from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import ndimage

from isimed.core.errors import InputError
from isimed.data.formats.volume import Volume, apply_affine, read_volume
from isimed.data.prepared.preprocess import Preparation, prepare, resample
from tests.data.make import affine, blob, write_nifti

CT = Preparation.for_modality("CT")
OFF_BY_AT_MOST = 0.09  # of a source voxel: what a triangle filter of no whole width costs (0.086 at a ratio of 1.70)


def grid(shape: tuple[int, ...]) -> np.ndarray:
    return np.stack(np.meshgrid(*[np.arange(size) for size in shape], indexing="ij"), axis=-1)


def linear_volume(matrix: np.ndarray, shape: tuple[int, ...], weights: np.ndarray) -> Volume:
    return Volume(apply_affine(matrix, grid(shape)) @ weights, matrix)


spacings = st.floats(0.5, 6.0)
angles = st.floats(-0.4, 0.4)


@settings(max_examples=40)
@given(
    spacing=st.tuples(spacings, spacings, spacings), turn=st.tuples(angles, angles, angles), to_mm=st.floats(1.0, 5.0)
)
def test_resample_keeps_a_linear_field(spacing: tuple, turn: tuple, to_mm: float) -> None:
    """Voxel values that are a linear function of scanner mm stay that function, away from edges."""
    matrix = nib.affines.from_matvec(nib.eulerangles.euler2mat(*turn) * spacing, [-31.0, 17.0, 5.0])
    weights = np.array([1.0, -2.0, 0.5])
    volume = linear_volume(matrix, (31, 29, 27), weights)
    voxels, new_affine = resample(volume, to_mm)
    expected = apply_affine(new_affine, grid(voxels.shape)) @ weights
    source = volume.to_voxel(apply_affine(new_affine, grid(voxels.shape)))
    reach = np.maximum(1, to_mm / np.array(spacing))
    inside = ((source >= reach) & (source <= np.array(volume.shape) - 1 - reach)).all(axis=-1)
    slope = np.abs(weights @ matrix[:3, :3])  # change of the value along one voxel of each axis
    tolerance = 1e-3 + (OFF_BY_AT_MOST * slope * (reach > 1)).sum()
    assert np.abs(voxels - expected)[inside].max(initial=0) <= tolerance


@pytest.mark.parametrize("factor", [0.5, 1.0, 2.0, 3.0])
def test_resample_is_exact_for_whole_factors_and_refinement(factor: float) -> None:
    weights = np.array([1.0, -2.0, 0.5])
    volume = linear_volume(affine((2, 2, 2)), (31, 29, 27), weights)
    voxels, new_affine = resample(volume, 2 * factor)
    expected = apply_affine(new_affine, grid(voxels.shape)) @ weights
    inner = (slice(2, -2),) * 3
    np.testing.assert_allclose(voxels[inner], expected[inner], atol=1e-3)


def test_a_spot_stays_at_its_place_in_mm(tmp_path: Path) -> None:
    """The centre of mass of a small bright blob, in mm, through the whole preparation."""
    array = np.full((40, 44, 30), -1000, np.int16)
    array[4:-4, 4:-4, 3:-3] = 0
    spot = np.array([22.0, 13.0, 17.0])
    array[tuple(slice(int(c) - 1, int(c) + 2) for c in spot)] = 1000
    write_nifti(tmp_path / "scan.nii", array)
    volume = read_volume(tmp_path / "scan.nii")
    ready = prepare(volume, CT)
    bright = np.clip(np.asarray(ready.image, np.float32) - np.float32(ready.image[2, 2, 2]), 0, None)
    found = ready.to_mm(np.array(ndimage.center_of_mass(bright)))
    np.testing.assert_allclose(found, volume.to_mm(spot), atol=0.15)


@pytest.mark.filterwarnings("ignore")
def test_agrees_with_monai(tmp_path: Path) -> None:
    """LoadImaged, Orientationd, Spacingd, CropForegroundd, ScaleIntensityRangePercentilesd: same places, same values.

    Where MONAI's linear interpolation skips voxels ours averages, so the field is smooth. Tolerance: 0.02 of the
    [-1, 1] range at the median voxel, 0.08 at the 99th percentile.
    """
    from monai.transforms import (
        Compose,
        CropForegroundd,
        EnsureChannelFirstd,
        LoadImaged,
        Orientationd,
        ScaleIntensityRangePercentilesd,
        Spacingd,
    )

    index = grid((60, 64, 50)) / np.array([60, 64, 50]) * 2 - 1
    body = np.square(index).sum(-1) < 0.7
    field = 500 + 200 * np.sin(3 * index[..., 0]) + 150 * index[..., 1] * index[..., 2] + 100 * index[..., 2]
    array = ndimage.gaussian_filter(np.where(body, field, 0), 1.5).astype(np.float32)
    array[array < 5] = 0
    matrix = nib.affines.from_matvec(np.diag([-2.0, -2.2, 3.0]), [60.0, 70.0, -50.0])
    write_nifti(tmp_path / "scan.nii.gz", array, matrix)
    ours = prepare(read_volume(tmp_path / "scan.nii.gz"), Preparation(spacing_mm=3.0))
    chain = Compose(
        [
            LoadImaged("image", reader="NibabelReader"),
            EnsureChannelFirstd("image"),
            Orientationd("image", axcodes="RAS", labels=None),
            Spacingd("image", pixdim=(3.0, 3.0, 3.0), mode="bilinear"),
            CropForegroundd("image", source_key="image"),
            ScaleIntensityRangePercentilesd("image", lower=5, upper=95, b_min=-1, b_max=1),
        ]
    )
    theirs = chain({"image": str(tmp_path / "scan.nii.gz")})["image"]
    their_affine = theirs.affine.numpy().astype(float)
    where = apply_affine(np.linalg.inv(their_affine) @ ours.affine, grid(ours.image.shape))
    sampled = ndimage.map_coordinates(theirs.numpy()[0], np.moveaxis(where, -1, 0), order=1, cval=np.nan)
    inside = ndimage.binary_erosion(ours.body, iterations=2) & np.isfinite(sampled)
    difference = np.abs(ours.image.astype(np.float32) - sampled)[inside]
    assert inside.sum() > 5000
    assert np.median(difference) < 0.02
    assert np.percentile(difference, 99) < 0.08
    np.testing.assert_allclose(np.array(ours.image.shape), theirs.shape[1:], atol=2)
    centre = apply_affine(their_affine, (np.array(theirs.shape[1:]) - 1) / 2)
    np.testing.assert_allclose(ours.box_centre_mm, centre, atol=3.0)


class TestLabels:
    def test_another_grid_is_resampled_with_a_notice(self) -> None:
        image = Volume(blob((40, 40, 30)), affine())
        label = Volume(np.zeros((20, 20, 20), np.uint8), affine((4, 4, 4.5)))
        label.voxels[8:12, 8:12, 8:12] = 3
        ready = prepare(image, CT, labels={"organs": label})
        assert any("another grid" in note for note in ready.notes)
        where = np.argwhere(ready.labels["organs"] == 3).mean(axis=0)
        np.testing.assert_allclose(ready.to_mm(where), label.to_mm([9.5, 9.5, 9.5]), atol=1.6)

    def test_same_grid_gives_no_notice(self) -> None:
        image = Volume(blob(), affine())
        assert prepare(image, CT, labels={"organs": Volume((blob() > 0).astype(np.uint8), affine())}).notes == ()

    def test_no_overlap_is_an_error(self) -> None:
        image = Volume(blob(), affine(), name="scan.nii")
        far = Volume((blob() > 0).astype(np.uint8), affine(origin=(500, 0, 0)), name="mask.nii")
        with pytest.raises(InputError, match=r"mask\.nii .* does not overlap its image scan\.nii"):
            prepare(image, CT, labels={"tumour": far})

    def test_labels_partly_outside_are_said(self) -> None:
        image = Volume(blob(), affine())
        half = Volume(np.ones(blob().shape, np.uint8), affine(origin=(0, -30, 40)))
        assert any("outside the image" in note for note in prepare(image, CT, labels={"tumour": half}).notes)


def test_nan_voxels_do_not_spread() -> None:
    array = blob((40, 40, 30)).astype(np.float32)
    clean = prepare(Volume(array.copy(), affine()), CT)
    array[0, 0, 0], array[3, 3, 3] = np.nan, np.inf
    ready = prepare(Volume(array, affine()), CT)
    assert np.isfinite(ready.image).all()
    assert any("not finite" in note for note in ready.notes)
    assert (ready.image == clean.image).mean() > 0.99
    with pytest.raises(InputError, match="no finite voxel"):
        prepare(Volume(np.full((9, 9, 9), np.nan, np.float32), affine()), CT)


@pytest.mark.parametrize("filler", [-np.finfo(np.float32).max, 3e38, 1e30])
def test_fillers_that_overflow_count_as_no_value(filler: float) -> None:
    array = blob((40, 40, 30)).astype(np.float32)
    array[:3] = filler
    ready = prepare(Volume(array, affine()), CT)
    assert np.isfinite(ready.image).all()
    assert any(f"{array[:3].size} voxels are not finite" in note for note in ready.notes)
    with pytest.raises(InputError, match="no finite voxel"):
        prepare(Volume(np.full((9, 9, 9), filler, np.float32), affine()), CT)


def test_constant_and_empty_are_refused() -> None:
    with pytest.raises(InputError, match="no voxel above"):
        prepare(Volume(np.full((9, 9, 9), -1000, np.int16), affine()), CT)
    with pytest.raises(InputError, match="constant"):
        prepare(Volume(np.full((9, 9, 9), 7, np.int16), affine()), Preparation())


@pytest.mark.parametrize(
    ("modality", "intensity", "above"), [("CT", "window", -500), ("ct ", "window", -500), ("MRI T1", "percentile", 0)]
)
def test_the_modality_decides_how_values_are_scaled(modality: str, intensity: str, above: float) -> None:
    how = Preparation.for_modality(modality, spacing_mm=1.7)
    assert (how.spacing_mm, how.intensity, how.foreground_above) == (1.7, intensity, above)


@pytest.mark.parametrize("order", ["C", "F"])
def test_how_much_of_a_label_map_lies_outside_does_not_depend_on_how_it_is_stored(order: str) -> None:
    label = np.zeros((20, 24, 16), np.uint8, order=order)
    label[4:8, 2:22, 3:5] = 1
    shifted = Volume(label, affine(origin=(-20 - 2 * 6, -30, 40)))  # two of its four planes leave the image
    image = Volume(blob(), affine())
    notes = prepare(image, CT, labels={"tumour": shifted}).notes
    assert [note for note in notes if "50%" in note]
