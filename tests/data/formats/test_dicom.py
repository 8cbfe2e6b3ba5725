"""DICOM: series from folders and zips, their geometry, and what is odd about them."""

import shutil
import zipfile
from pathlib import Path

import numpy as np
import pydicom
import pytest
import SimpleITK as sitk
from pydicom.uid import RLELossless, generate_uid

from isimed.core.errors import InputError
from isimed.data.cohorts.cohort import Cohort
from isimed.data.cohorts.importing import import_cohort
from isimed.data.formats.dicom_series import scan_folder
from isimed.data.formats.volume import Volume, read_volume
from isimed.data.prepared.preprocess import upright
from tests.data.make import SHAPE, blob, write_dicom, write_enhanced, write_nifti


def as_ras(stored: np.ndarray) -> np.ndarray:
    """DICOM's (columns to the left, rows to the back) as R A S."""
    return stored[::-1, ::-1]


def test_series_is_sorted_and_rescaled(tmp_path: Path) -> None:
    write_dicom(tmp_path / "s", blob())
    volume = read_volume(tmp_path / "s")
    np.testing.assert_array_equal(volume.voxels, as_ras(blob()))
    assert volume.voxels.dtype == np.int16
    assert volume.file_axes == "LPS"
    np.testing.assert_allclose(volume.spacing, [2, 2, 3])
    np.testing.assert_allclose(volume.to_mm([SHAPE[0] - 1, SHAPE[1] - 1, 0]), [20, 30, 40])
    assert volume.notes == ()


def test_one_file_a_zip_and_a_folder_give_the_same(tmp_path: Path) -> None:
    files = write_dicom(tmp_path / "s", blob())
    with zipfile.ZipFile(tmp_path / "s.zip", "w") as archive:
        for file in files:
            archive.write(file, f"deep/{file.name}")
    whole = read_volume(tmp_path / "s").voxels
    np.testing.assert_array_equal(read_volume(files[3]).voxels, whole)
    np.testing.assert_array_equal(read_volume(tmp_path / "s.zip").voxels, whole)
    manifest = import_cohort(tmp_path / "s.zip")
    cohort = Cohort.load(manifest)
    np.testing.assert_array_equal(cohort.read(cohort.volumes[0]).voxels, whole)


def test_per_slice_rescale(tmp_path: Path) -> None:
    """As in PET: every slice has a slope of its own."""

    def scale(k: int, data: pydicom.Dataset) -> None:
        data.RescaleSlope, data.RescaleIntercept = 1 + k / 8, 0

    stored = np.abs(blob())
    write_dicom(tmp_path / "s", stored - 1024, each=scale, Modality="PT")
    expected = stored * (1 + np.arange(SHAPE[2]) / 8)
    volume = read_volume(tmp_path / "s")
    np.testing.assert_allclose(volume.voxels, as_ras(expected), rtol=1e-6)
    assert volume.voxels.dtype == np.float32


def test_several_series_in_one_folder(tmp_path: Path) -> None:
    write_dicom(tmp_path / "a", blob(), SeriesDescription="one", PatientID="P1")
    write_dicom(tmp_path / "b", blob(seed=1), SeriesDescription="two", PatientID="P2")
    flat = tmp_path / "flat"
    flat.mkdir()
    for folder in "ab":
        for file in (tmp_path / folder).iterdir():
            shutil.copy(file, flat / f"{folder}{file.name}")
    with pytest.raises(InputError, match="holds 2 series"):
        read_volume(flat)
    choices = scan_folder(flat).series
    assert {series.patient for series in choices} == {"P1", "P2"}
    cohort = Cohort.load(import_cohort(flat))
    assert cohort.subjects == ["P1", "P2"]
    for seed, entry in enumerate(cohort.volumes):
        np.testing.assert_array_equal(cohort.read(entry).voxels, as_ras(blob(seed=seed)))
    one = import_cohort(flat, name="one", series=[choices[0].uid])
    assert len(Cohort.load(one).volumes) == 1
    assert len(cohort.fingerprint) == 16


def test_rle_and_jpeg2000(tmp_path: Path) -> None:
    files = write_dicom(tmp_path / "rle", blob())
    for file in files:
        data = pydicom.dcmread(file)
        data.compress(RLELossless)
        data.save_as(file)
    np.testing.assert_array_equal(read_volume(tmp_path / "rle").voxels, as_ras(blob()))

    write_dicom(tmp_path / "plain", blob())
    (tmp_path / "j2k").mkdir()
    for file in (tmp_path / "plain").iterdir():
        writer = sitk.ImageFileWriter()
        writer.SetImageIO("GDCMImageIO")
        writer.SetFileName(str(tmp_path / "j2k" / file.name))
        writer.SetUseCompression(True)
        writer.SetCompressor("JPEG2000")
        writer.KeepOriginalImageUIDOn()
        image = sitk.ReadImage(str(file), imageIO="GDCMImageIO")
        narrow = sitk.Cast(image, sitk.sitkInt16)  # GDCM encodes at most 16 bits
        for key in image.GetMetaDataKeys():
            narrow.SetMetaData(key, image.GetMetaData(key))
        writer.Execute(narrow)
    compressed = pydicom.dcmread(next((tmp_path / "j2k").iterdir())).file_meta.TransferSyntaxUID
    assert compressed.is_compressed
    np.testing.assert_array_equal(read_volume(tmp_path / "j2k").voxels, as_ras(blob()))


@pytest.mark.parametrize("slopes", [None, [1.0] * 8 + [2.0] * 8], ids=["one scale", "a scale a frame"])
def test_enhanced_multi_frame(tmp_path: Path, slopes: list[float] | None) -> None:
    write_enhanced(tmp_path / "e" / "ct.dcm", blob(), slopes=slopes)
    volume = read_volume(tmp_path / "e" / "ct.dcm")
    np.testing.assert_allclose(volume.voxels, as_ras(blob()), atol=1.0 if slopes else 0.0)
    np.testing.assert_allclose(volume.spacing, [2, 2, 3])
    np.testing.assert_allclose(volume.to_mm([SHAPE[0] - 1, SHAPE[1] - 1, 0]), [20, 30, 40])
    assert len(Cohort.load(import_cohort(tmp_path / "e")).volumes) == 1


def test_gantry_tilt_is_said_and_exact(tmp_path: Path) -> None:
    write_dicom(tmp_path / "s", blob(), tilt_mm=0.8)
    volume = read_volume(tmp_path / "s")
    assert any("tilted by 14.9°" in note for note in volume.notes)
    first, last = volume.to_mm([0, SHAPE[1] - 1, 0]), volume.to_mm([0, SHAPE[1] - 1, SHAPE[2] - 1])
    np.testing.assert_allclose(last - first, [0, -0.8 * 15, 45], atol=1e-6)


def test_upright_keeps_every_voxel_in_its_place() -> None:
    """A field linear in scanner mm is the same after the shear is taken out."""
    matrix = np.array([[2, 0, 0.1, -20], [0, 2, 0.8, 5], [0, 0, 3, 40], [0, 0, 0, 1.0]])
    index = np.stack(np.meshgrid(*[np.arange(size) for size in SHAPE], indexing="ij"), axis=-1)
    weights = np.array([1.0, -2.0, 0.5])
    sheared = Volume((index @ matrix[:3, :3].T + matrix[:3, 3]) @ weights, matrix)
    notes: list[str] = []
    straight = upright(sheared, notes)
    assert notes
    np.testing.assert_allclose(np.linalg.norm(straight.affine[:3, :3], axis=0), [2, 2, 3], rtol=1e-6)
    mm = straight.to_mm(np.stack(np.meshgrid(*[np.arange(s) for s in straight.shape], indexing="ij"), axis=-1))
    source = sheared.to_voxel(mm)
    inside = ((source >= 0.01) & (source <= np.array(SHAPE) - 1.01)).all(axis=-1)
    assert inside.mean() > 0.4
    np.testing.assert_allclose(straight.voxels[inside], (mm @ weights)[inside], atol=1e-3)


def test_missing_slices_are_said_and_filled(tmp_path: Path) -> None:
    files = write_dicom(tmp_path / "s", blob())
    by_place = sorted(files, key=lambda file: pydicom.dcmread(file).ImagePositionPatient[2])
    for file in by_place[5:7]:
        file.unlink()
    volume = read_volume(tmp_path / "s")
    assert volume.shape == SHAPE
    assert any("2 slices are missing" in note for note in volume.notes)
    kept = [k for k in range(SHAPE[2]) if k not in (5, 6)]
    np.testing.assert_array_equal(volume.voxels[..., kept], as_ras(blob())[..., kept])


def test_uneven_spacing_is_said_and_evened(tmp_path: Path) -> None:
    """Slices at odd places of a field linear in z: after evening, value and place still agree."""
    places = np.cumsum([0] + [3.0, 3.0, 4.0, 3.0, 2.5] * 3)
    array = np.broadcast_to((places * 10).astype(np.int16), (12, 12, len(places)))
    write_dicom(tmp_path / "s", np.array(array), places=places.tolist())
    volume = read_volume(tmp_path / "s")
    assert any("uneven (2.50 to 4.00 mm)" in note for note in volume.notes)
    z = volume.to_mm([[5, 5, k] for k in range(volume.shape[2])])[:, 2] - 40
    np.testing.assert_allclose(volume.voxels[5, 5], z * 10, atol=0.6)


class TestWhatMakesNoVolume:
    def test_without_pixel_data(self, tmp_path: Path) -> None:
        for file in write_dicom(tmp_path / "s", blob()):
            data = pydicom.dcmread(file)
            del data.PixelData
            data.save_as(file)
        with pytest.raises(InputError, match="without pixel data"):
            read_volume(tmp_path / "s")

    def test_no_image_at_all(self, tmp_path: Path) -> None:
        for file in write_dicom(tmp_path / "s", blob()):
            data = pydicom.dcmread(file)
            del data.PixelData, data.Rows, data.Columns
            data.Modality = "SR"
            data.save_as(file)
        with pytest.raises(InputError, match="without an image"):
            read_volume(tmp_path / "s")
        with pytest.raises(InputError, match="without"):
            read_volume(next((tmp_path / "s").iterdir()))

    def test_mixed_modalities_under_one_uid(self, tmp_path: Path) -> None:
        def mix(k: int, data: pydicom.Dataset) -> None:
            data.Modality = "CT" if k % 2 else "PT"

        write_dicom(tmp_path / "s", blob(), each=mix)
        with pytest.raises(InputError, match="mixes modalities"):
            read_volume(tmp_path / "s")

    def test_two_volumes_of_one_uid(self, tmp_path: Path) -> None:
        uid = generate_uid()
        write_dicom(tmp_path / "s" / "a", blob(), SeriesInstanceUID=uid)
        write_dicom(tmp_path / "s" / "b", blob(seed=1), SeriesInstanceUID=uid)
        with pytest.raises(InputError, match="under one series UID, and nothing tells"):
            read_volume(tmp_path / "s")

    def test_two_acquisitions_can_be_chosen(self, tmp_path: Path) -> None:
        uid = generate_uid()
        write_dicom(tmp_path / "s" / "a", blob(), SeriesInstanceUID=uid, AcquisitionNumber=1)
        write_dicom(tmp_path / "s" / "b", blob(seed=1), SeriesInstanceUID=uid, AcquisitionNumber=2)
        with pytest.raises(InputError, match="--channel 0 to 1"):
            read_volume(tmp_path / "s")
        np.testing.assert_array_equal(read_volume(tmp_path / "s", channel=1).voxels, as_ras(blob(seed=1)))

    def test_the_same_files_twice_are_used_once(self, tmp_path: Path) -> None:
        write_dicom(tmp_path / "s", blob())
        shutil.copytree(tmp_path / "s", tmp_path / "s" / "copy")
        volume = read_volume(tmp_path / "s")
        np.testing.assert_array_equal(volume.voxels, as_ras(blob()))
        assert any("twice" in note for note in volume.notes)

    def test_scout_is_left_out(self, tmp_path: Path) -> None:
        write_dicom(tmp_path / "s", blob())
        write_dicom(tmp_path / "scout", blob()[:, :, :1])
        manifest = import_cohort(tmp_path)
        assert len(Cohort.load(manifest).volumes) == 1
        assert "scout" in manifest.read_text("utf-8")

    def test_without_a_place(self, tmp_path: Path) -> None:
        def forget(k: int, data: pydicom.Dataset) -> None:
            del data.ImagePositionPatient

        write_dicom(tmp_path / "s", blob(), each=forget)
        with pytest.raises(InputError, match="ImagePositionPatient"):
            read_volume(tmp_path / "s")


def test_mixed_modalities_of_a_tree(tmp_path: Path) -> None:
    write_dicom(tmp_path / "ct", blob(), Modality="CT")
    write_dicom(tmp_path / "pt", blob(), Modality="PT")
    write_nifti(tmp_path / "extra.nii.gz")
    cohort = Cohort.load(import_cohort(tmp_path, name="ct"))
    assert (cohort.modality, len(cohort.volumes)) == ("CT", 1)
    assert "left out: PT (1 series)" in cohort.description
    assert "other formats" in cohort.description
    assert Cohort.load(import_cohort(tmp_path, name="pet", channel="PT")).modality == "PET"


def test_scan_is_remembered_until_files_change(tmp_path: Path) -> None:
    write_dicom(tmp_path / "a", blob())
    assert scan_folder(tmp_path) is scan_folder(tmp_path)
    write_dicom(tmp_path / "b", blob())
    assert len(scan_folder(tmp_path).series) == 2


def test_real_series_agrees_with_its_nifti_twin(shared: Path) -> None:
    """Shift found by registration below half a voxel (1.5 mm), HU medians within 5, on the twin's 3 mm grid."""
    from scipy import ndimage

    dicom = read_volume(shared / "data/dicom/CRLM-CT-1004")
    twin = read_volume(shared / "data/torso-ct/images/CRLM-CT-1004.nii.gz")
    to_dicom = np.linalg.inv(dicom.affine) @ twin.affine
    on_grid = ndimage.affine_transform(
        np.maximum(dicom.voxels, -1024).astype(np.float32),
        to_dicom[:3, :3],
        to_dicom[:3, 3],
        twin.shape,
        order=1,
        cval=-1024,
    )
    body = twin.voxels > -500
    body[..., -1] = False  # the twin's last slice lies 1 mm beyond the series
    assert abs(np.median(on_grid[body]) - np.median(twin.voxels[body])) < 5
    moving = sitk.GetImageFromArray(twin.voxels[..., :-1].T.astype(np.float32))
    fixed = sitk.GetImageFromArray(on_grid[..., :-1].T)
    registration = sitk.ImageRegistrationMethod()
    registration.SetMetricAsMeanSquares()
    registration.SetOptimizerAsRegularStepGradientDescent(0.5, 1e-3, 50)
    registration.SetInterpolator(sitk.sitkLinear)
    registration.SetInitialTransform(sitk.TranslationTransform(3), inPlace=False)
    shift = np.array(registration.Execute(fixed, moving).GetParameters())
    assert np.abs(shift).max() < 0.5
    print(f"shift {shift * 3} mm, median {np.median(on_grid[body])} against {np.median(twin.voxels[body])}")  # noqa: T201


@pytest.mark.parametrize("packed", [False, True])
def test_promised_pixels_that_are_not_there(tmp_path: Path, packed: bool) -> None:
    """Found by fuzzing: GDCM took 18 GB for a header's promise. Such files are refused before it sees them."""
    for file in write_dicom(tmp_path / "s", blob()):
        data = pydicom.dcmread(file)
        if packed:
            data.compress(RLELossless)
        data.Rows = data.Columns = 40000
        data.save_as(file)
    with pytest.raises(InputError, match=r"damaged|promises"):
        read_volume(tmp_path / "s")
