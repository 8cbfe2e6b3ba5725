"""Fuzzing the readers: whatever the bytes, nothing but InputError comes out, quickly and without much memory.

``ISIMED_FUZZ=20000`` tries that many cases of each kind; CI tries a few.
"""

# ruff: noqa: PT017 - whether an error comes is open: if it does, it has to be of this form

import gzip
import os
import resource
import shutil
import zipfile
from pathlib import Path

import numpy as np
import pydicom
import pytest
import SimpleITK as sitk
from hypothesis import given, settings
from hypothesis import strategies as st
from pydicom.uid import RLELossless

from isimed.core.errors import InputError
from isimed.data.cohorts.cohort import Cohort
from isimed.data.cohorts.importing import import_cohort
from isimed.data.formats.archive import unzip
from isimed.data.formats.volume import Volume, read_volume
from isimed.data.prepared.preprocess import Preparation, prepare
from tests.data.make import blob, write_dicom, write_enhanced, write_nifti

CASES = int(os.environ.get("ISIMED_FUZZ", "40"))
MOST_MEMORY = 3 * 2**30
fuzz = settings(max_examples=CASES, deadline=60_000)  # none hangs
SMALL = (7, 6, 5)


@pytest.fixture(scope="module")
def samples(tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    """One small good file of each format."""
    folder = tmp_path_factory.mktemp("samples")
    array = blob(SMALL)
    image = sitk.GetImageFromArray(array.T)
    for name in ("a.nii", "b.nii.gz"):
        write_nifti(folder / name, array)
    for name in ("c.nrrd", "d.mha"):
        sitk.WriteImage(image, str(folder / name))
        sitk.WriteImage(image, str(folder / f"z{name}"), True)
    write_enhanced(folder / "e.dcm", array)
    return {path.name: path.read_bytes() for path in sorted(folder.iterdir())}


def read(path: Path) -> None:
    """Reading gives a volume or an InputError of one sentence, and takes no memory that the file does not justify."""
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    try:
        volume = read_volume(path)
    except InputError as error:
        assert "\n" not in str(error)
        assert str(error).endswith(".")
    else:
        assert isinstance(volume, Volume)
        assert np.isfinite(volume.affine).all()
        assert (volume.spacing > 0).all()
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 - before < MOST_MEMORY


edits = st.lists(st.tuples(st.integers(0, 2**20), st.integers(0, 255)), min_size=1, max_size=12)


def damaged(raw: bytes, changes: list[tuple[int, int]], keep: float, *, within: int | None = None) -> bytes:
    array = bytearray(raw)
    for place, value in changes:
        array[place % min(len(array), within or len(array))] = value
    return bytes(array[: int(len(array) * keep)])


keeps = st.one_of(st.just(1.0), st.floats(0, 1))
names = st.sampled_from(["a.nii", "b.nii.gz", "c.nrrd", "d.mha", "zc.nrrd", "zd.mha", "e.dcm"])


@fuzz
@given(name=names, changes=edits, keep=keeps)
def test_byte_flips(samples: dict[str, bytes], tmp_path_factory, name: str, changes: list, keep: float) -> None:
    path = _target(tmp_path_factory, name)
    path.write_bytes(damaged(samples[name], changes, keep))
    read(path)


@fuzz
@given(name=st.sampled_from(["a.nii", "c.nrrd", "d.mha", "e.dcm"]), changes=edits)
def test_header_flips(samples: dict[str, bytes], tmp_path_factory, name: str, changes: list) -> None:
    path = _target(tmp_path_factory, name)
    path.write_bytes(damaged(samples[name], changes, 1.0, within=400))
    read(path)


@fuzz
@given(
    dim=st.lists(st.integers(-(2**15), 2**15 - 1), min_size=8, max_size=8),
    code=st.one_of(
        st.sampled_from([2, 4, 8, 16, 32, 64, 128, 256, 512, 768, 1024, 1280, 1536, 1792]), st.integers(0, 4000)
    ),
    numbers=st.lists(st.floats(width=32), min_size=30, max_size=30),
    codes=st.tuples(st.integers(-3, 300), st.integers(-3, 300), st.integers(0, 255)),
    small=st.booleans(),
    zipped=st.booleans(),
)
def test_nifti_headers(tmp_path_factory, dim, code, numbers, codes, small, zipped) -> None:
    """Every field of the header that matters, at random."""
    import nibabel as nib

    header = nib.Nifti1Header(check=False)
    header["sizeof_hdr"], header["magic"] = 348, b"n+1"
    header["dim"] = [3, 7, 6, 5, 1, 1, 1, 1] if small else dim
    header["datatype"], header["bitpix"] = code, 16
    header["pixdim"], header["vox_offset"] = numbers[:8], 352 if small else numbers[8]
    header["scl_slope"], header["scl_inter"] = numbers[9], numbers[10]
    for place, field in enumerate(["quatern_b", "quatern_c", "quatern_d", "qoffset_x", "qoffset_y", "qoffset_z"]):
        header[field] = numbers[11 + place]
    for place, field in enumerate(["srow_x", "srow_y", "srow_z"]):
        header[field] = numbers[17 + 4 * place : 21 + 4 * place]
    header["qform_code"], header["sform_code"], header["xyzt_units"] = codes
    raw = header.binaryblock + b"\0" * 4 + blob(SMALL).tobytes() * 4
    path = _target(tmp_path_factory, "h.nii.gz" if zipped else "h.nii")
    path.write_bytes(gzip.compress(raw) if zipped else raw)
    read(path)


@fuzz
@given(changes=edits, which=st.integers(0, 4), keep=keeps)
def test_dicom_series_flips(tmp_path_factory, changes: list, which: int, keep: float) -> None:
    good = _series(tmp_path_factory)
    folder = _target(tmp_path_factory, "series")
    shutil.rmtree(folder, ignore_errors=True)
    shutil.copytree(good, folder)
    file = sorted(folder.iterdir())[which]
    file.write_bytes(damaged(file.read_bytes(), changes, keep, within=1200))
    read(folder)


@fuzz
@given(changes=edits, keep=keeps)
def test_zip_flips(tmp_path_factory, changes: list, keep: float) -> None:
    path = _target(tmp_path_factory, "s.zip")
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for file in sorted(_series(tmp_path_factory).iterdir()):
            archive.write(file, file.name)
    path.write_bytes(damaged(path.read_bytes(), changes, keep))
    folder = tmp_path_factory.mktemp("unzipped")
    try:
        unzip(path, folder)
    except InputError as error:
        assert "\n" not in str(error)
    read(path)
    shutil.rmtree(folder)


@fuzz
@given(text=st.recursive(
    st.none() | st.booleans() | st.floats() | st.text(max_size=8) | st.integers(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(
        st.sampled_from(["volumes", "training", "image", "label", "labels", "modality", "name", "subject"])
        | st.text(max_size=4), inner, max_size=4,
    ), max_leaves=15,
))  # fmt: skip
def test_dataset_json_of_any_content(tmp_path_factory, text) -> None:
    """A manifest or a challenge's dataset.json may hold anything."""
    import json

    folder = _target(tmp_path_factory, "layout")
    (folder / "imagesTr").mkdir(parents=True, exist_ok=True)
    write_nifti(folder / "imagesTr" / "a_0000.nii.gz", blob(SMALL))
    (folder / "dataset.json").write_text(json.dumps(text))
    for call in (lambda: import_cohort(folder, name="fuzz"), lambda: Cohort.load(folder)):
        try:
            call()
        except InputError as error:
            assert str(error)


@fuzz
@given(
    shape=st.tuples(*[st.integers(1, 12)] * 3),
    spacing=st.tuples(*[st.floats(0.3, 9)] * 3),
    values=st.lists(
        st.sampled_from([-3e38, -1000.0, 0.0, 1.0, 500.0, 3e38, np.nan, np.inf, -np.inf]), min_size=2, max_size=6
    ),
    shear=st.floats(-0.6, 0.6),
)
def test_preparation_of_odd_volumes(shape: tuple, spacing: tuple, values: list, shear: float) -> None:
    """Tiny, constant, infinite or sheared volumes are prepared or refused."""
    rng = np.random.default_rng(0)
    matrix = np.diag([*spacing, 1.0])
    matrix[1, 2] = shear * spacing[2]
    volume = Volume(rng.choice(np.array(values, np.float32), shape), matrix)
    for how in (Preparation.for_modality("CT"), Preparation()):
        try:
            ready = prepare(volume, how)
        except InputError:
            continue
        assert np.isfinite(ready.image).all()
        assert ready.body.any()


_made: dict[str, Path] = {}


def _target(factory: pytest.TempPathFactory, name: str) -> Path:
    if "folder" not in _made or not _made["folder"].is_dir():
        _made["folder"] = factory.mktemp("fuzz")
    return _made["folder"] / name


def _series(factory: pytest.TempPathFactory, *, packed: bool = False) -> Path:
    name = f"series-{packed}"
    if name not in _made or not _made[name].is_dir():
        _made[name] = factory.mktemp("good")
        for file in write_dicom(_made[name], blob(SMALL)):
            if packed:
                data = pydicom.dcmread(file)
                data.compress(RLELossless)
                data.save_as(file)
    return _made[name]
