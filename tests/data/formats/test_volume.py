"""Geometry: R A S inside, scanner mm outside, in all 48 orientations and for every format."""

from itertools import permutations, product
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
import SimpleITK as sitk

from isimed.core.errors import InputError
from isimed.data.formats.volume import read_volume
from tests.data.make import affine, blob, write_nifti

ORIENTATIONS = [
    "".join(("RL", "AP", "SI")[axis][flip] for axis, flip in zip(order, flips, strict=True))
    for order in permutations(range(3))
    for flips in product((0, 1), repeat=3)
]
OBLIQUE = nib.affines.from_matvec(nib.eulerangles.euler2mat(0.2, -0.15, 0.3) * [1.5, 2.0, 2.5], [-33.0, 12.0, 7.5])


def turned(array: np.ndarray, matrix: np.ndarray, codes: str) -> nib.Nifti1Image:
    """The same body stored with other axes."""
    image = nib.Nifti1Image(array, matrix)
    change = nib.orientations.ornt_transform(
        nib.orientations.io_orientation(matrix), nib.orientations.axcodes2ornt(tuple(codes))
    )
    return image.as_reoriented(change)


@pytest.mark.parametrize("codes", ORIENTATIONS)
@pytest.mark.parametrize("matrix", [affine(), OBLIQUE], ids=["straight", "oblique"])
def test_all_48_orientations_read_alike(tmp_path: Path, codes: str, matrix: np.ndarray) -> None:
    array = blob()
    turned(array, matrix, codes).to_filename(tmp_path / "scan.nii")
    volume = read_volume(tmp_path / "scan.nii")
    assert volume.file_axes == codes
    np.testing.assert_array_equal(volume.voxels, array)
    np.testing.assert_allclose(volume.affine, matrix, atol=1e-5)


@pytest.mark.parametrize("codes", ORIENTATIONS)
def test_click_to_voxel_to_mm_is_exact(tmp_path: Path, codes: str) -> None:
    """A bright voxel is clicked: its mm are those that the file's own affine gives."""
    array = np.zeros((7, 8, 9), np.int16)
    array[5, 2, 6] = 1
    image = turned(array, OBLIQUE, codes)
    image.to_filename(tmp_path / "scan.nii")
    volume = read_volume(tmp_path / "scan.nii")
    clicked = np.argwhere(volume.voxels)[0]
    stored = np.argwhere(np.asarray(image.dataobj))[0]
    expected = nib.affines.apply_affine(nib.load(tmp_path / "scan.nii").affine, stored)
    np.testing.assert_allclose(volume.to_mm(clicked), expected, atol=1e-9)
    np.testing.assert_allclose(volume.to_voxel(volume.to_mm(clicked)), clicked, atol=1e-9)


@pytest.mark.parametrize("suffix", [".nrrd", ".nhdr", ".mha", ".mhd", ".nii", ".nii.gz"])
def test_formats_agree(tmp_path: Path, suffix: str) -> None:
    array = blob()
    image = sitk.GetImageFromArray(array.T)
    direction = np.diag([-1, -1, 1]) @ (OBLIQUE[:3, :3] / np.linalg.norm(OBLIQUE[:3, :3], axis=0))
    image.SetDirection(direction.ravel().tolist())
    image.SetSpacing(np.linalg.norm(OBLIQUE[:3, :3], axis=0).tolist())
    image.SetOrigin((np.diag([-1, -1, 1]) @ OBLIQUE[:3, 3]).tolist())
    sitk.WriteImage(image, str(tmp_path / f"scan{suffix}"))
    volume = read_volume(tmp_path / f"scan{suffix}")
    np.testing.assert_array_equal(volume.voxels, array)
    np.testing.assert_allclose(volume.affine, OBLIQUE, atol=1e-4)
    assert volume.voxels.dtype == np.int16


def test_sheared_affine_is_kept(tmp_path: Path) -> None:
    sheared = affine()
    sheared[1, 2] = 0.8
    image = nib.Nifti1Image(blob(), sheared)
    image.set_sform(sheared, 1)
    image.set_qform(None, 0)
    image.to_filename(tmp_path / "scan.nii")
    np.testing.assert_allclose(read_volume(tmp_path / "scan.nii").affine, sheared, atol=1e-5)


def test_channel_of_4d_file(tmp_path: Path) -> None:
    array = np.stack([blob(), blob(seed=1)], axis=-1)
    write_nifti(tmp_path / "scan.nii.gz", array)
    np.testing.assert_array_equal(read_volume(tmp_path / "scan.nii.gz", channel=1).voxels, array[..., 1])
    with pytest.raises(InputError, match="--channel"):
        read_volume(tmp_path / "scan.nii.gz")
    with pytest.raises(InputError, match="0 to 1"):
        read_volume(tmp_path / "scan.nii.gz", channel=2)


def test_vector_nrrd_and_4d_mha(tmp_path: Path) -> None:
    channels = [blob(), blob(seed=1)]
    image = sitk.Compose([sitk.GetImageFromArray(array.T) for array in channels])
    sitk.WriteImage(image, str(tmp_path / "scan.nrrd"))
    np.testing.assert_array_equal(
        np.abs(read_volume(tmp_path / "scan.nrrd", channel=1).voxels[::-1, ::-1]), np.abs(channels[1])
    )
    joined = sitk.JoinSeries([sitk.GetImageFromArray(array.T) for array in channels])
    sitk.WriteImage(joined, str(tmp_path / "scan.mha"))
    assert read_volume(tmp_path / "scan.mha", channel=1).shape == channels[0].shape


@pytest.mark.parametrize("dtype", [np.uint8, np.int16, np.uint16, np.int32, np.float32, np.float64])
@pytest.mark.parametrize("order", "<>")
@pytest.mark.parametrize("kind", [nib.Nifti1Image, nib.Nifti2Image])
def test_types_byte_orders_versions(tmp_path: Path, dtype: type, order: str, kind: type) -> None:
    array = np.abs(blob()).astype(np.dtype(dtype).newbyteorder(order))
    header = kind.header_class(endianness=order)
    header.set_data_dtype(array.dtype)
    kind(array, affine(), header).to_filename(tmp_path / "scan.nii.gz")
    volume = read_volume(tmp_path / "scan.nii.gz")
    np.testing.assert_array_equal(volume.voxels, array)
    assert volume.voxels.dtype == (np.float32 if np.dtype(dtype).kind == "f" else dtype)


def test_slope_and_intercept(tmp_path: Path) -> None:
    image = nib.Nifti1Image(blob(), affine())
    image.header.set_slope_inter(2.0, -100.0)
    image.to_filename(tmp_path / "scan.nii")
    raw = (tmp_path / "scan.nii").read_bytes()
    loaded = nib.load(tmp_path / "scan.nii")
    np.testing.assert_array_equal(read_volume(tmp_path / "scan.nii").voxels, loaded.get_fdata(dtype=np.float32))
    assert raw


class TestConflicts:
    def test_sform_wins_and_it_is_said(self, tmp_path: Path) -> None:
        image = nib.Nifti1Image(blob(), affine())
        image.set_sform(affine(origin=(0, 0, 0)), 1)
        image.set_qform(affine(origin=(50, 0, 0)), 1)
        image.to_filename(tmp_path / "scan.nii")
        volume = read_volume(tmp_path / "scan.nii")
        np.testing.assert_allclose(volume.affine[:3, 3], 0, atol=1e-6)
        assert any("disagree by up to 50 mm: the sform was used" in note for note in volume.notes)

    def test_unusable_sform_falls_back_to_qform(self, tmp_path: Path) -> None:
        path = write_nifti(tmp_path / "scan.nii")
        image = nib.load(path)
        image = nib.Nifti1Image(np.asarray(image.dataobj), affine())
        image.set_qform(affine(), 1)
        image.header["sform_code"] = 1
        for row in "xyz":
            image.header[f"srow_{row}"] = 0
        raw = image.header.binaryblock + b"\0" * 4 + np.asarray(image.dataobj).tobytes(order="F")
        path.write_bytes(raw)
        volume = read_volume(path)
        np.testing.assert_allclose(volume.affine, affine(), atol=1e-5)
        assert any("qform was used" in note for note in volume.notes)

    def test_no_orientation_is_said(self, tmp_path: Path) -> None:
        image = nib.Nifti1Image(blob(), None)
        image.to_filename(tmp_path / "scan.nii")
        assert any("guess" in note for note in read_volume(tmp_path / "scan.nii").notes)

    def test_metres_become_mm(self, tmp_path: Path) -> None:
        image = nib.Nifti1Image(blob(), affine(spacing=(0.002, 0.002, 0.003), origin=(0, 0, 0)))
        image.header.set_xyzt_units("meter")
        image.to_filename(tmp_path / "scan.nii")
        volume = read_volume(tmp_path / "scan.nii")
        np.testing.assert_allclose(volume.spacing, [2, 2, 3], rtol=1e-5)
        assert any("metres" in note for note in volume.notes)
