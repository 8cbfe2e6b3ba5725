"""NRRD and MetaImage: all spellings of a detached file, all files that hold voxels, and what a header leaves out."""

import gzip
import os
import zipfile
from contextlib import suppress
from pathlib import Path

import numpy as np
import pytest
import SimpleITK as sitk
from hypothesis import given, settings
from hypothesis import strategies as st

from isimed.core.errors import InputError
from isimed.data.cohorts.cohort import Cohort
from isimed.data.cohorts.importing import import_cohort
from isimed.data.formats.dispatch import format_of
from isimed.data.formats.itk_header import read_text_header
from isimed.data.formats.volume import read_volume
from isimed.data.prepared.cache import prepared
from isimed.data.prepared.preprocess import Preparation
from tests.data.make import SHAPE, blob

NRRD = (
    "NRRD0005\ntype: short\ndimension: 3\nsizes: 20 24 16\nendian: little\nencoding: raw\n"
    "space: left-posterior-superior\nspace directions: (2,0,0) (0,2,0) (0,0,3)\nspace origin: (1,2,3)\n"
)
META = (
    "ObjectType = Image\nNDims = 3\nBinaryData = True\nBinaryDataByteOrderMSB = False\n"
    "TransformMatrix = 1 0 0 0 1 0 0 0 1\nElementSpacing = 2 2 3\nDimSize = 20 24 16\nElementType = MET_SHORT\n"
)
PARTS = ["..", ".", "deeper", "own.raw", "secret.raw", "link.raw", "%d", "", " ", "\\"]
VOXELS = blob().T.astype("<i2").tobytes()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Voxels in the folder of the headers, and the same voxels outside of it."""
    inside = tmp_path / "scans"
    (inside / "deeper").mkdir(parents=True)
    for place in (tmp_path / "secret.raw", inside / "own.raw", inside / "deeper" / "own.raw"):
        place.write_bytes(VOXELS)
    return inside


def slices(folder: Path) -> list[str]:
    names = [f"s{k:02d}.raw" for k in range(SHAPE[2])]
    for k, name in enumerate(names):
        (folder / name).write_bytes(blob()[..., k].T.astype("<i2").tobytes())
    return names


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("a.nhdr", NRRD + "data file: own.raw\n"),
        ("a.nrrd", NRRD + "datafile: own.raw\n\n"),
        ("a.nhdr", NRRD + "Data File:   deeper/own.raw\r\n"),
        ("a.nhdr", NRRD + "data file: ./own.raw\n# a comment\nold min: 0\n\n"),
        ("a.mhd", META + "ElementDataFile = own.raw\n"),
        ("a.mha", META + "ElementDataFile = deeper/own.raw\n"),
    ],
)
def test_voxels_beside_their_header_are_read(folder: Path, name: str, text: str) -> None:
    (folder / name).write_text(text, newline="")
    found = read_volume(folder / name)
    np.testing.assert_array_equal(found.voxels[::-1, ::-1], blob())
    files = format_of(folder / name).files(folder / name, None)
    assert [file.name for file in files] == [name, "own.raw"]


@pytest.mark.parametrize("name", ["list.nhdr", "list.mhd", "pattern.nhdr", "pattern.mhd"])
def test_a_volume_of_one_file_a_slice_is_read_and_all_its_files_count(folder: Path, name: str) -> None:
    names = slices(folder)
    listed = "\n".join(names) + "\n"
    text = {
        "list.nhdr": NRRD + f"data file: LIST\n{listed}",
        "list.mhd": META + f"ElementDataFile = LIST 2\n{listed}",
        "pattern.nhdr": NRRD + "data file: s%02d.raw 0 15 1\n",
        "pattern.mhd": META + "ElementDataFile = s%02d.raw 0 15 1\n",
    }[name]
    (folder / name).write_text(text)
    assert [file.name for file in format_of(folder / name).files(folder / name, None)] == [name, *names]
    np.testing.assert_array_equal(read_volume(folder / name).voxels[::-1, ::-1], blob())


def spellings(secret: Path) -> dict[str, str]:
    return {
        "up.nhdr": NRRD + "data file: ../secret.raw\n",
        "down and up.nrrd": NRRD + "DATAFILE: deeper/../../secret.raw\n\n",
        "absolute.nrrd": NRRD + f"data file: {secret}\n\n",
        "later.nhdr": NRRD.replace("type", f"data file: {secret}\ntype"),
        "twice.nhdr": NRRD + f"data file: own.raw\ndata file: {secret}\n",
        "list.nhdr": NRRD + f"data file: LIST 3\nown.raw\n{secret}\n",
        "pattern.nhdr": NRRD + "data file: ../secret.ra%c 119 119 1\n",
        "pattern2.nhdr": NRRD + f"data file: {secret.parent}/secret%d.raw 0 1 1\n",
        "named.mha": META + f"ElementDataFile = {secret}\n",
        "colon.mhd": META + f"ElementDataFile : {secret}\n",
        "spelled.mhd": META + f"element data file = own.raw\nElementDataFile = {secret}\n",
        "case.mhd": META + f"ELEMENTDATAFILE = LOCAL\nElementDataFile = {secret}\n",
        "list.mhd": META + f"ElementDataFile = LIST\n{secret}\n",
        "link.mhd": META + "ElementDataFile = link.raw\n",
        "linked folder.nhdr": NRRD + "data file: linked/secret.raw\n",
        "device.mhd": META + "ElementDataFile = device\n",
        "pipe.nhdr": NRRD + "data file: pipe\n",
        "stdin.nhdr": NRRD + "data file: -\n",
        "home.nhdr": NRRD + "data file: ~/secret.raw\n",
        "windows.mhd": META + "ElementDataFile = C:\\secret.raw\n",
        "empty.mhd": META + "ElementDataFile = \n",
        "none.mhd": META,
    }


@pytest.mark.parametrize("name", spellings(Path("/x")))
def test_no_header_reads_outside_its_folder_in_any_spelling(folder: Path, name: str) -> None:
    secret = folder.parent / "secret.raw"
    (folder / "link.raw").symlink_to(secret)
    (folder / "linked").symlink_to(folder.parent)
    (folder / "device").symlink_to("/dev/zero")
    os.mkfifo(folder / "pipe")
    (folder / name).write_text(spellings(secret)[name])
    for look in (read_volume, lambda path: format_of(path).shape(path), lambda path: format_of(path).files(path, None)):
        with pytest.raises(InputError, match=name):
            look(folder / name)


def test_nor_does_a_header_in_a_zip(folder: Path, home: Path) -> None:
    packed = folder.parent / "scans.zip"
    with zipfile.ZipFile(packed, "w") as archive:
        for name, text in spellings(folder.parent / "secret.raw").items():
            archive.writestr(f"wrapper/{name}", text)
    with pytest.raises(InputError):
        import_cohort(packed, name="stolen")
    assert not (home / "cohorts" / "stolen").exists()


def test_a_pipe_or_device_in_place_of_a_scan_is_refused_at_once(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "scan.nii.gz")
    (tmp_path / "scan.mhd").symlink_to("/dev/zero")
    for name in ("scan.nii.gz", "scan.mhd"):
        with pytest.raises(InputError, match="neither a file nor a folder"):
            read_volume(tmp_path / name)


@settings(max_examples=150)
@given(
    key=st.sampled_from(["data file", "datafile", "Data File", "data  file", " DATAFILE ", "ElementDataFile"]),
    sign=st.sampled_from([":", ": ", "=", " = ", ":\t"]),
    prefix=st.sampled_from(["", "LIST\n", "LIST 2\n", "own.raw\n", "#\n", "LOCAL\n"]),
    parts=st.lists(
        st.sampled_from(["..", ".", "deeper", "own.raw", "secret.raw", "link.raw", "%d", "", " ", "\\"]), max_size=5
    ),
    start=st.sampled_from(["", "/", "~/", "./"]),
    end=st.sampled_from(["\n", "\r\n", "\r", "\n\n"]),
    kind=st.sampled_from([("fuzz.nhdr", NRRD), ("fuzz.nrrd", NRRD), ("fuzz.mhd", META), ("fuzz.mha", META)]),
)
def test_whatever_a_header_says_its_files_lie_in_its_folder(
    folder: Path, key: str, sign: str, prefix: str, parts: list[str], start: str, end: str, kind: tuple[str, str]
) -> None:
    link = folder / "link.raw"
    if not link.is_symlink():
        link.symlink_to(folder.parent / "secret.raw")
    path = folder / kind[0]
    path.write_text(f"{kind[1]}{key}{sign}{prefix}{start}{'/'.join(parts)}{end}", newline="")
    try:
        files = read_text_header(path).files
        shape = format_of(path).shape(path)
    except InputError:
        return
    assert shape == SHAPE
    for file in files:
        assert file.resolve().is_relative_to(folder.resolve())


@settings(max_examples=80)
@given(
    sizes=st.lists(st.sampled_from([0, 1, 20, 24, 16, 2**16, 2**31 - 1, 2**40, -5]), min_size=1, max_size=5),
    encoding=st.sampled_from(["raw", "gzip", "ascii", "bzip2"]),
    skip=st.sampled_from(["", "byte skip: -1\n", "byte skip: 99999999999\n", "line skip: 9999999\n"]),
)
def test_huge_or_impossible_sizes_take_no_memory(folder: Path, sizes: list[int], encoding: str, skip: str) -> None:
    text = NRRD.replace("sizes: 20 24 16", f"sizes: {' '.join(map(str, sizes))}").replace("raw", encoding)
    text = text.replace("dimension: 3", f"dimension: {len(sizes)}")
    (folder / "huge.nhdr").write_text(f"{text}{skip}data file: own.raw\n")
    with suppress(InputError):
        assert read_volume(folder / "huge.nhdr").voxels.size * 2 <= 1100 * len(VOXELS)


def test_a_changed_raw_file_is_noticed_and_a_copy_is_whole(folder: Path, home: Path) -> None:
    (folder / "a.mhd").write_text(META + "ElementDataFile = deeper/own.raw\n")
    (folder / "own.raw").unlink()
    cohort = Cohort.load(import_cohort(folder, name="linked"))
    copy = Cohort.load(import_cohort(folder, name="copied", copy=True))
    how = Preparation.for_modality("CT", spacing_mm=3.0)
    before, fingerprint = np.array(prepared(cohort, cohort.volumes[0], how).image), cohort.fingerprint
    (folder / "deeper" / "own.raw").write_bytes((blob() - 100).T.astype("<i2").tobytes())
    again = Cohort.load(home / "cohorts" / "linked")
    assert again.fingerprint != fingerprint
    assert not np.array_equal(prepared(again, again.volumes[0], how).image, before)
    np.testing.assert_array_equal(prepared(copy, copy.volumes[0], how).image, before)


SPACE, AXES = "space: left-posterior-superior\n", "space directions: (2,0,0) (0,2,0) (0,0,3)\n"
ORIGIN = "space origin: (1,2,3)\n"


@pytest.mark.parametrize(
    ("changes", "said", "mm"),
    [
        ({}, [], (2, 2, 3)),
        ({SPACE: "space: LPS\n"}, [], (2, 2, 3)),
        ({SPACE: "space dimension: 3\n"}, ["orientation"], (2, 2, 3)),
        ({SPACE: "", AXES: "spacings: 2 2 3\n", ORIGIN: ""}, ["orientation"], (2, 2, 3)),
        ({SPACE: "", AXES: "", ORIGIN: ""}, ["orientation", "spacing"], (1, 1, 1)),
        ({SPACE: SPACE + 'space units: "cm" "cm" "cm"\n'}, ["spacing"], (20, 20, 30)),
        ({SPACE: SPACE + 'space units: "Centimeters" "Centimeters" "Centimeters"\n'}, ["spacing"], (20, 20, 30)),
        ({SPACE: SPACE + 'space units: "mm" "mm" "mm"\n'}, [], (2, 2, 3)),
        ({SPACE: SPACE + 'space units: "" "" ""\n'}, [], (2, 2, 3)),
        ({SPACE: SPACE + 'space units: "parsec" "mm" "mm"\n'}, ["spacing"], (2, 2, 3)),
        ({SPACE: SPACE + 'space units: "inch" "inch" "inch"\n'}, ["spacing"], (2, 2, 3)),
        ({SPACE: SPACE + 'space units: "cm" "cm" "mm"\n'}, ["spacing"], (2, 2, 3)),
        ({SPACE: "", AXES: 'spacings: 2 2 3\nunits: "cm" "cm" "cm"\n', ORIGIN: ""}, ["orientation", "spacing"],
         (20, 20, 30)),
        ({SPACE: "", AXES: 'spacings: 2 2 3\nunits: "mm" "mm" "s"\n', ORIGIN: ""}, ["orientation"], (2, 2, 3)),
        ({SPACE: "", AXES: 'spacings: 2 2 3\nunits: "mm" "mm" "ms"\n', ORIGIN: ""}, ["orientation"], (2, 2, 3)),
    ],
)  # fmt: skip
def test_what_a_nrrd_leaves_out_is_said(
    folder: Path, changes: dict[str, str], said: list[str], mm: tuple[int, int, int]
) -> None:
    text = NRRD
    for old, new in changes.items():
        text = text.replace(old, new)
    (folder / "a.nhdr").write_text(text + "data file: own.raw\n")
    found = read_volume(folder / "a.nhdr")
    assert [note.kind for note in found.notes] == said
    np.testing.assert_allclose(found.spacing, mm)


def test_vectors_lists_and_channels_choose_one_volume(tmp_path: Path) -> None:
    both = np.stack([blob(), blob() + 7], axis=-1)
    image = sitk.GetImageFromArray(both.transpose(2, 1, 0, 3), isVector=True)
    sitk.WriteImage(image, str(tmp_path / "vector.nrrd"))
    sitk.WriteImage(image, str(tmp_path / "vector.mha"))
    plain = sitk.GetImageFromArray(blob().T)
    sitk.WriteImage(plain, str(tmp_path / "plain.nrrd"))
    packed = NRRD.replace("raw", "gzip") + "\n"
    (tmp_path / "packed.nrrd").write_bytes(packed.encode() + gzip.compress(VOXELS))
    for name in ("vector.nrrd", "vector.mha"):
        assert (
            read_volume(tmp_path / name, channel=1).voxels - read_volume(tmp_path / name, channel=0).voxels == 7
        ).all()
        for wrong in (None, 2, -1):
            with pytest.raises(InputError, match="--channel"):
                read_volume(tmp_path / name, channel=wrong)
    for name in ("plain.nrrd", "packed.nrrd"):
        assert read_volume(tmp_path / name, channel=0).shape == SHAPE
        with pytest.raises(InputError, match=r"holds one volume .* leave out --channel 1"):
            read_volume(tmp_path / name, channel=1)
