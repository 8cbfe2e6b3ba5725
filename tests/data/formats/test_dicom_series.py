"""DICOM as scanners and archives really leave it: several volumes in a series, slices sent again, odd encodings."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pydicom
import pytest
from pydicom.dataset import Dataset
from pydicom.sequence import Sequence
from pydicom.uid import ExplicitVRBigEndian, ImplicitVRLittleEndian, RLELossless, generate_uid

from isimed.core.errors import InputError
from isimed.data.cohorts.cohort import Cohort
from isimed.data.formats.dicom_geometry import frames_of, make_stack
from isimed.data.formats.dispatch import format_of
from isimed.data.formats.volume import read_volume
from isimed.data.quality.report import check_cohort
from tests.data.make import SHAPE, blob, write_dicom, write_enhanced

Each = Callable[[int, pydicom.Dataset], None]


def as_ras(array: np.ndarray) -> np.ndarray:
    return array[::-1, ::-1]


def several(folder: Path, count: int, each: Callable[[int, int, pydicom.Dataset], None], **options) -> list[np.ndarray]:
    """One series with ``count`` volumes at the same places; volume n is the scan plus 100 n."""
    uid = generate_uid()
    arrays = [blob() + 100 * n for n in range(count)]
    for n, array in enumerate(arrays):
        write_dicom(
            folder / str(n), array, SeriesInstanceUID=uid, each=lambda k, data, n=n: each(n, k, data), **options
        )
    return arrays


def mark(**values: Callable[[int, int], object]) -> Callable[[int, int, pydicom.Dataset], None]:
    def each(n: int, k: int, data: pydicom.Dataset) -> None:
        for tag, value in values.items():
            setattr(data, tag, value(n, k))

    return each


@pytest.mark.parametrize(
    ("each", "named"),
    [
        (mark(EchoTime=lambda n, k: [10, 80, 9.5][n]), "EchoTime 9.5, 10.0, 80.0"),
        (mark(InversionTime=lambda n, k: 100 * (n + 1)), "InversionTime 100"),
        (mark(FlipAngle=lambda n, k: 5 + n), "FlipAngle"),
        (mark(TemporalPositionIdentifier=lambda n, k: n + 1), "TemporalPositionIdentifier 1, 2, 3"),
        (mark(DiffusionBValue=lambda n, k: 1000.0 * n), "DiffusionBValue 0"),
        (mark(ImageType=lambda n, k: ["ORIGINAL", "PRIMARY", "MPR"[n]]), "ImageType"),
        (mark(TriggerTime=lambda n, k: 30.0 * n + k), "in the order of TriggerTime"),
        (
            mark(ContentTime=lambda n, k: f"10{n:02d}{k:02d}.5", AcquisitionTime=lambda n, k: f"09{k:02d}00"),
            "ContentTime",
        ),
        (mark(EchoTime=lambda n, k: n // 2, AcquisitionNumber=lambda n, k: n % 2), "EchoTime and AcquisitionNumber"),
    ],
)
def test_volumes_at_one_place_are_told_apart_by_their_tags(tmp_path: Path, each, named: str) -> None:
    arrays = several(tmp_path / "s", 3, each)
    with pytest.raises(InputError, match=f"3 volumes at the same place .*{named}.* --channel 0 to 2"):
        read_volume(tmp_path / "s")
    found = [read_volume(tmp_path / "s", channel=channel).voxels for channel in range(3)]
    order = [2, 0, 1] if "9.5" in named else [0, 1, 2]
    for channel, n in enumerate(order):
        np.testing.assert_array_equal(found[channel], as_ras(arrays[n]))
    for wrong in (3, -1):
        with pytest.raises(InputError, match="--channel"):
            read_volume(tmp_path / "s", channel=wrong)


def test_directions_of_diffusion_are_told_apart_with_their_b_value(tmp_path: Path) -> None:
    each = mark(
        DiffusionBValue=lambda n, k: 0.0 if n == 0 else 700.0,
        DiffusionGradientOrientation=lambda n, k: [0.0, float(n == 1), float(n == 2)],
    )
    arrays = several(tmp_path / "s", 3, each)
    for channel in range(3):
        assert any(
            np.array_equal(read_volume(tmp_path / "s", channel=channel).voxels, as_ras(array)) for array in arrays
        )


def test_a_volume_of_several_that_lost_slices_is_an_error_of_the_check(tmp_path: Path) -> None:
    several(tmp_path / "s", 2, mark(TemporalPositionIdentifier=lambda n, k: n + 1))
    for file in (tmp_path / "s" / "1").glob("*-7.dcm"):
        file.unlink()
    entry = {"subject": "a", "image": "s", "series": series_of(tmp_path / "s"), "channel": 1}
    cohort = Cohort.model_validate({"name": "c", "modality": "CT", "volumes": [entry]})
    cohort._root = tmp_path
    assert ("error", "missing slices") in [(one.severity, one.kind) for one in check_cohort(cohort).findings]


def series_of(folder: Path) -> str:
    return str(pydicom.dcmread(next(folder.rglob("*.dcm"))).SeriesInstanceUID)


def test_time_points_of_an_enhanced_file_are_told_apart_in_any_of_its_groups(tmp_path: Path) -> None:
    path = write_enhanced(tmp_path / "multi", np.concatenate([blob(), blob() + 50], axis=2))
    data = pydicom.dcmread(path)
    half = SHAPE[2]
    for group in data.PerFrameFunctionalGroupsSequence:
        place = group.PlanePositionSequence[0]
        k = round((float(place.ImagePositionPatient[2]) - 40) / 3)
        place.ImagePositionPatient = [-20.0, -30.0, 40.0 + 3.0 * (k % half)]
        echo = Dataset()
        echo.EffectiveEchoTime = 10.0 if k < half else 90.0
        group.MREchoSequence = Sequence([echo])
    data.save_as(path)
    with pytest.raises(InputError, match=r"2 volumes at the same place \(EffectiveEchoTime 10\.0, 90\.0\)"):
        read_volume(path)
    np.testing.assert_array_equal(read_volume(path, channel=0).voxels, as_ras(blob()))
    np.testing.assert_array_equal(read_volume(path, channel=1).voxels, as_ras(blob() + 50))


class TestSentAgain:
    def again(self, folder: Path, places: list[int], change: Each | None = None) -> None:
        files = write_dicom(folder, blob(), each=lambda k, data: setattr(data, "AcquisitionTime", f"1000{k:02d}"))
        for k in places:
            data = pydicom.dcmread(next(file for file in files if file.name.endswith(f"-{k}.dcm")))
            data.SOPInstanceUID = data.file_meta.MediaStorageSOPInstanceUID = generate_uid()
            data.AcquisitionTime = "120000"
            x, y, z = data.ImagePositionPatient
            data.ImagePositionPatient = [x, y, float(z) + 0.004]  # rounded otherwise by another system
            if change:
                change(k, data)
            data.save_as(folder / f"zz-{k}.dcm")

    def test_slices_that_show_the_same_are_used_once_and_named(self, tmp_path: Path) -> None:
        self.again(tmp_path / "s", [3, 11])
        volume = read_volume(tmp_path / "s")
        np.testing.assert_array_equal(volume.voxels, as_ras(blob()))
        assert [note.kind for note in volume.notes] == ["duplicate slices"] * 2
        assert all("zz-" in note for note in volume.notes)
        with pytest.raises(InputError, match="holds one volume"):
            read_volume(tmp_path / "s", channel=1)

    def test_slices_that_show_something_else_are_an_error(self, tmp_path: Path) -> None:
        self.again(tmp_path / "s", [5], lambda k, data: setattr(data, "PixelData", bytes(len(data.PixelData))))
        (note,) = read_volume(tmp_path / "s").notes
        assert note.kind == "slices left out"
        assert "shows something else" in note


@pytest.mark.parametrize("angle", [0.0005, 0.0015, 0.12345])
def test_orientations_that_differ_by_rounding_are_one_volume(tmp_path: Path, angle: float) -> None:
    def each(k: int, data: pydicom.Dataset) -> None:
        turned = angle + [0, 2e-6, -2e-6][k % 3]
        c, s = np.cos(turned), np.sin(turned)
        data.ImageOrientationPatient = [f"{c:.9f}", f"{s:.9f}", "0", f"{-s:.9f}", f"{c:.9f}", "0"]
        data.PixelSpacing = [2.0 + 1e-5 * (k % 2), 2.0]

    write_dicom(tmp_path / "s", blob(), each=each)
    volume = read_volume(tmp_path / "s")
    assert volume.shape == SHAPE
    assert volume.notes == ()


def test_a_localizer_is_left_out_and_other_odd_slices_are_an_error(tmp_path: Path) -> None:
    uid = generate_uid()
    write_dicom(tmp_path / "s", blob(), SeriesInstanceUID=uid)
    turn = mark(ImageOrientationPatient=lambda n, k: [0, 1, 0, 0, 0, -1])
    write_dicom(
        tmp_path / "s" / "x", blob()[..., :1], SeriesInstanceUID=uid, ImageType=["ORIGINAL", "PRIMARY", "LOCALIZER"],
        each=lambda k, data: turn(0, k, data),
    )  # fmt: skip
    assert [note.kind for note in read_volume(tmp_path / "s").notes] == ["localizer"]
    write_dicom(tmp_path / "s" / "y", blob()[..., :2], SeriesInstanceUID=uid, each=lambda k, data: turn(0, k, data))
    assert [note.kind for note in read_volume(tmp_path / "s").notes] == ["localizer", "slices left out"]


def change_all(folder: Path, change: Callable[[pydicom.Dataset, Path], None]) -> None:
    for path in folder.iterdir():
        data = pydicom.dcmread(path)
        change(data, path)


def plain_copy(data: pydicom.Dataset) -> Dataset:
    """The elements alone, to be written in another encoding."""
    copy = Dataset()
    copy.update(data)
    copy.file_meta = data.file_meta
    return copy


class TestEncodings:
    @pytest.fixture
    def folder(self, tmp_path: Path) -> Path:
        write_dicom(tmp_path / "s", blob())
        return tmp_path / "s"

    def check(self, folder: Path) -> None:
        volume = read_volume(folder)
        np.testing.assert_array_equal(volume.voxels, as_ras(blob()))
        assert volume.notes == ()

    @pytest.mark.parametrize("packed", [False, True])
    @pytest.mark.parametrize("signed", [False, True])
    def test_monochrome1_means_the_same_values(self, folder: Path, packed: bool, signed: bool) -> None:
        def change(data: pydicom.Dataset, path: Path) -> None:
            data.PhotometricInterpretation = "MONOCHROME1"
            if signed:
                data.PixelRepresentation, data.RescaleIntercept = 1, 0
                data.PixelData = (np.frombuffer(data.PixelData, "<u2").astype(int) - 1024).astype("<i2").tobytes()
            else:
                data.BitsStored, data.HighBit = 12, 11
            if packed:
                data.compress(RLELossless, generate_instance_uid=False)
            data.save_as(path)

        change_all(folder, change)
        self.check(folder)

    def test_transfer_syntaxes_may_be_mixed(self, folder: Path) -> None:
        def change(data: pydicom.Dataset, path: Path) -> None:
            kind = int(path.stem.split("-")[1]) % 3
            if kind == 0:
                data.compress(RLELossless, generate_instance_uid=False)
            if kind == 1:
                data.file_meta.TransferSyntaxUID = ImplicitVRLittleEndian
                data.save_as(path, implicit_vr=True, little_endian=True)
            else:
                data.save_as(path)

        change_all(folder, change)
        self.check(folder)

    def test_big_endian(self, folder: Path) -> None:
        def change(data: pydicom.Dataset, path: Path) -> None:
            data.file_meta.TransferSyntaxUID = ExplicitVRBigEndian
            data.PixelData = np.frombuffer(data.PixelData, "<u2").astype(">u2").tobytes()
            pydicom.dcmwrite(path, plain_copy(data), implicit_vr=False, little_endian=False)

        change_all(folder, change)
        self.check(folder)

    def test_without_preamble_whatever_the_files_are_called(self, folder: Path) -> None:
        for number, path in enumerate(sorted(folder.iterdir())):
            data = pydicom.dcmread(path)
            raw = pydicom.filebase.DicomBytesIO()
            raw.is_little_endian, raw.is_implicit_VR = True, number % 2 == 0
            pydicom.filewriter.write_dataset(raw, plain_copy(data))
            path.with_name(f"scan.{number}").write_bytes(raw.getvalue())
            path.unlink()
        self.check(folder)
        self.check(folder / "scan.3")
        assert len(format_of(folder / "scan.3").files(folder / "scan.3", None)) == SHAPE[2]

    def test_without_class_or_thickness(self, folder: Path) -> None:
        def change(data: pydicom.Dataset, path: Path) -> None:
            del data.SOPClassUID, data.SliceThickness
            data.save_as(path)

        change_all(folder, change)
        self.check(folder)

    def test_each_slice_has_its_own_slope(self, folder: Path) -> None:
        def change(data: pydicom.Dataset, path: Path) -> None:
            slope = 1.0 if int(path.stem.split("-")[1]) % 2 else 0.5
            stored = np.frombuffer(data.PixelData, "<u2")
            data.RescaleSlope, data.PixelData = slope, (stored / slope).astype("<u2").tobytes()
            data.save_as(path)

        change_all(folder, change)
        self.check(folder)

    def test_floating_point_pixels(self, folder: Path) -> None:
        def change(data: pydicom.Dataset, path: Path) -> None:
            data.FloatPixelData = (np.frombuffer(data.PixelData, "<u2") / 4).astype("<f4").tobytes()
            data.BitsAllocated = data.BitsStored = 32
            data.RescaleIntercept = 0
            del data.PixelData, data.PixelRepresentation
            data.save_as(path)

        change_all(folder, change)
        np.testing.assert_allclose(read_volume(folder).voxels, as_ras((blob() + 1024) / 4))

    @pytest.mark.parametrize(
        ("changes", "said"),
        [
            ({"PhotometricInterpretation": "PALETTE COLOR"}, "colours of a palette"),
            ({"ImageType": ["ORIGINAL", "PRIMARY", "DIFFUSION", "NONE", "ND", "MOSAIC"]}, "MOSAIC.*dcm2niix"),
            ({"SamplesPerPixel": 3, "PhotometricInterpretation": "YBR_FULL"}, "RGB colours"),
        ],
    )
    def test_what_is_no_stack_of_grey_slices_is_refused_by_name(self, folder: Path, changes: dict, said: str) -> None:
        def change(data: pydicom.Dataset, path: Path) -> None:
            for tag, value in changes.items():
                setattr(data, tag, value)
            data.save_as(path)

        change_all(folder, change)
        with pytest.raises(InputError, match=said):
            read_volume(folder)


def test_every_slice_counts_whichever_way_a_series_is_named(tmp_path: Path) -> None:
    files = write_dicom(tmp_path / "s", blob())
    for image, series in (("s", series_of(tmp_path / "s")), ("s", None), (f"s/{files[4].name}", None)):
        cohort = Cohort.model_validate({"name": "c", "volumes": [{"subject": "a", "image": image, "series": series}]})
        cohort._root = tmp_path
        assert sorted(cohort.files(cohort.volumes[0])) == sorted(files)


@pytest.mark.parametrize(
    ("thickness", "mm", "said"), [(4, 4, "its thickness"), (None, 1, "not said"), (-3, 1, "not said")]
)
def test_how_thick_a_single_slice_is_taken_is_said(tmp_path: Path, thickness: int | None, mm: int, said: str) -> None:
    """All but one slice of a series may turn out to be that slice again."""
    (file,) = write_dicom(tmp_path, blob()[:, :, :1], each=lambda _, data: setattr(data, "SliceThickness", thickness))
    stack, notes = make_stack(frames_of(file) * 2, where="here", channel=None)
    assert np.linalg.norm(stack.affine[:3, 2]) == pytest.approx(mm)
    assert [note.kind for note in notes] == ["duplicate slices", "spacing"]
    assert said in notes[1]
