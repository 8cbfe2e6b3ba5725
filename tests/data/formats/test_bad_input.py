"""Files that cannot be used: one sentence that names the file and what to do, never another exception."""

import gzip
import os
import struct
import zipfile
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
import SimpleITK as sitk

from isimed.core.errors import InputError
from isimed.data.cohorts.importing import import_cohort
from isimed.data.formats.archive import unzip
from isimed.data.formats.volume import read_volume
from tests.data.make import affine, blob, write_nifti


def refused(path: Path, match: str = ".") -> str:
    with pytest.raises(InputError, match=match) as caught:
        read_volume(path)
    message = str(caught.value)
    assert "\n" not in message
    assert path.name[:20] in message
    assert message.rstrip().endswith(".")
    return message


def patched(path: Path, offset: int, kind: str, *values: float) -> Path:
    """A good NIfTI with some header bytes replaced."""
    write_nifti(path)
    raw = bytearray(path.read_bytes())
    struct.pack_into(kind, raw, offset, *values)
    path.write_bytes(raw)
    return path


def test_truncated_gzip(tmp_path: Path) -> None:
    path = write_nifti(tmp_path / "scan.nii.gz")
    whole = path.read_bytes()
    for keep in (len(whole) // 2, len(whole) - 4, 200, 5, 0):
        path.write_bytes(whole[:keep])
        refused(path)


def test_truncated_plain(tmp_path: Path) -> None:
    path = write_nifti(tmp_path / "scan.nii")
    path.write_bytes(path.read_bytes()[:-100])
    refused(path, "truncated")


def test_flipped_byte_in_gzip_is_noticed(tmp_path: Path) -> None:
    path = write_nifti(tmp_path / "scan.nii.gz")
    raw = bytearray(path.read_bytes())
    raw[len(raw) // 2] ^= 0xFF
    path.write_bytes(raw)
    refused(path)


@pytest.mark.parametrize("suffix", [".nii", ".nii.gz", ".nrrd", ".mha", ".mhd", ".nhdr", ".dcm", ".txt", ""])
def test_text_file(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"scan{suffix}"
    path.write_text("this is no scan at all, only some words\n" * 50)
    refused(path)


def test_wrong_magic(tmp_path: Path) -> None:
    refused(patched(tmp_path / "scan.nii", 344, "4s", b"abcd"), "magic")


def test_a_million_million_voxels(tmp_path: Path) -> None:
    """Refused from the header alone."""
    refused(patched(tmp_path / "scan.nii", 40, "8h", 3, 10000, 10000, 10000, 1, 1, 1, 1), "promises")
    path = tmp_path / "scan.nrrd"
    path.write_bytes(
        b"NRRD0004\ntype: short\ndimension: 3\nsizes: 10000 10000 10000\nencoding: raw\nendian: little\n\n"
    )
    refused(path, "promises")
    path = tmp_path / "scan.mha"
    path.write_bytes(b"NDims = 3\nDimSize = 10000 10000 10000\nElementType = MET_SHORT\nElementDataFile = LOCAL\n")
    refused(path, "promises")


def test_promise_within_limits_but_nothing_there(tmp_path: Path) -> None:
    path = patched(tmp_path / "scan.nii", 40, "8h", 3, 1200, 1200, 1200, 1, 1, 1, 1)
    refused(path, "truncated")
    zipped = tmp_path / "scan.nii.gz"
    zipped.write_bytes(gzip.compress(path.read_bytes()))
    refused(zipped, "truncated")


@pytest.mark.parametrize("value", [0.0, -1.0, float("nan"), float("inf")])
def test_impossible_spacing(tmp_path: Path, value: float) -> None:
    refused(patched(tmp_path / "scan.nii", 84, "f", value), "spacing")


def test_impossible_dimensions(tmp_path: Path) -> None:
    refused(patched(tmp_path / "scan.nii", 40, "8h", 3, -5, 10, 10, 1, 1, 1, 1), "dimensions")
    refused(patched(tmp_path / "scan.nii", 40, "8h", 2, 5, 10, 1, 1, 1, 1, 1), "three axes")


def test_singular_affine(tmp_path: Path) -> None:
    path = tmp_path / "scan.nii"
    image = nib.Nifti1Image(blob(), affine())
    image.header["sform_code"], image.header["qform_code"] = 1, 0
    image.header["srow_x"], image.header["srow_y"], image.header["srow_z"] = [1, 0, 0, 0], [1, 0, 0, 0], [0, 0, 1, 0]
    path.write_bytes(image.header.binaryblock + b"\0" * 4 + blob().tobytes(order="F"))
    refused(path, "no place")


@pytest.mark.parametrize(
    ("dtype", "word"), [(np.complex64, "complex"), ([("R", "u1"), ("G", "u1"), ("B", "u1")], "RGB")]
)
def test_complex_and_rgb(tmp_path: Path, dtype: object, word: str) -> None:
    nib.Nifti1Image(np.zeros((4, 5, 6), dtype), np.eye(4)).to_filename(tmp_path / "scan.nii")
    refused(tmp_path / "scan.nii", word)


def test_complex_nrrd_and_two_dimensions(tmp_path: Path) -> None:
    sitk.WriteImage(sitk.Image(8, 8, 8, sitk.sitkComplexFloat32), str(tmp_path / "scan.mha"))
    refused(tmp_path / "scan.mha")
    sitk.WriteImage(sitk.Image(8, 8, sitk.sitkInt16), str(tmp_path / "scan.nrrd"))
    refused(tmp_path / "scan.nrrd", "three axes")


def test_truncated_nrrd_and_mha(tmp_path: Path) -> None:
    image = sitk.GetImageFromArray(blob().T)
    for suffix in (".nrrd", ".mha"):
        path = tmp_path / f"scan{suffix}"
        for compress in (False, True):
            sitk.WriteImage(image, str(path), compress)
            path.write_bytes(path.read_bytes()[:-500])
            refused(path)


def test_header_may_not_name_other_files(tmp_path: Path) -> None:
    secret = tmp_path / "secret.raw"
    secret.write_bytes(b"\0" * 1000)
    header = "ObjectType = Image\nNDims = 3\nDimSize = 5 5 5\nElementType = MET_UCHAR\nElementDataFile = {}\n"
    folder = tmp_path / "in"
    folder.mkdir()
    for target in (str(secret), "../secret.raw"):
        (folder / "scan.mhd").write_text(header.format(target))
        refused(folder / "scan.mhd", "outside its folder")
    (folder / "scan.mhd").write_text(header.format("absent.raw"))
    refused(folder / "scan.mhd", "not there")


def test_missing_empty_unknown(tmp_path: Path) -> None:
    refused(tmp_path / "absent.nii", "does not exist")
    (tmp_path / "empty").mkdir()
    refused(tmp_path / "empty")
    (tmp_path / "scan.docx").write_bytes(b"x" * 500)
    refused(tmp_path / "scan.docx", "not a known format")


def test_import_of_empty_folder(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    with pytest.raises(InputError, match="is empty"):
        import_cohort(tmp_path / "empty")


@pytest.mark.skipif(hasattr(os, "geteuid") and os.geteuid() == 0, reason="root may read everything")
def test_no_read_permission(tmp_path: Path) -> None:
    path = write_nifti(tmp_path / "scan.nii")
    path.chmod(0)
    refused(path, "permission")


def test_symlink_loops(tmp_path: Path) -> None:
    (tmp_path / "a.nii").symlink_to(tmp_path / "b.nii")
    (tmp_path / "b.nii").symlink_to(tmp_path / "a.nii")
    refused(tmp_path / "a.nii", "leads back to itself")
    folder = tmp_path / "scans"
    write_nifti(folder / "one.nii.gz")
    (folder / "again").symlink_to(folder)
    manifest = import_cohort(folder)
    assert manifest.read_text("utf-8").count('"image"') == 1


def test_names_of_all_kinds(tmp_path: Path) -> None:
    for name in ("Größe 扫描 é", "x" * 200, "a b'c\"d"):
        path = write_nifti(tmp_path / name / f"{name}.nii.gz")
        assert read_volume(path).shape == blob().shape
    assert import_cohort(tmp_path, name="Größe 扫描").is_file()
    refused(tmp_path / ("y" * 400 + ".nii"))


@pytest.mark.parametrize("name", ["../evil.nii", "/etc/evil.nii", "a/../../evil.nii", "..\\evil.nii", "C:\\evil.nii"])
def test_zip_that_leaves_its_folder(tmp_path: Path, name: str) -> None:
    with zipfile.ZipFile(tmp_path / "scans.zip", "w") as archive:
        archive.writestr(name, b"x")
    with pytest.raises(InputError, match="outside its folder"):
        import_cohort(tmp_path / "scans.zip")
    assert not (tmp_path / "evil.nii").exists()


def test_zip_bomb(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "bomb.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("zeros.nii", b"\0" * 20_000_000)
    with pytest.raises(InputError, match="times its size"):
        unzip(tmp_path / "bomb.zip", tmp_path)
    assert not (tmp_path / "zeros.nii").exists()


def test_zip_that_is_none(tmp_path: Path) -> None:
    (tmp_path / "scans.zip").write_bytes(b"PK\x03\x04 but nothing else")
    with pytest.raises(InputError, match="unpack it yourself"):
        import_cohort(tmp_path / "scans.zip")


@pytest.mark.parametrize("name", ["", " ", "../up", "a/b", ".hidden", "x" * 200, "a\nb"])
def test_bad_cohort_names(tmp_path: Path, name: str) -> None:
    write_nifti(tmp_path / "scans" / "one.nii.gz")
    with pytest.raises(InputError, match="cohort's name"):
        import_cohort(tmp_path / "scans", name=name)


def test_others_go_on(tmp_path: Path) -> None:
    """One bad file among good ones is named, and the good ones are imported."""
    write_nifti(tmp_path / "scans" / "good.nii.gz")
    (tmp_path / "scans" / "bad.nii.gz").write_text("no scan")
    manifest = import_cohort(tmp_path / "scans").read_text("utf-8")
    assert "good.nii.gz" in manifest
    assert "1 file was left out" in manifest
