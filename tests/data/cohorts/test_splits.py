"""Splits by patient, and uploads."""

import io
import json
import zipfile

import numpy as np
import pytest

from isimed.core.errors import InputError
from isimed.data.cohorts.cohort import Cohort
from isimed.data.cohorts.importing import import_cohort
from isimed.data.cohorts.splits import draw_split, read_split, split_path, write_split
from isimed.data.cohorts.uploads import store_uploads
from tests.data.make import blob, write_nifti


def test_split_is_kept_and_read_back(cohort: Cohort) -> None:
    assert set(read_split(cohort).values()) == {"train"}
    parts = draw_split(cohort, validation=0.34, test=0.34, seed=3)
    assert sorted(parts.values()) == ["test", "train", "validation"]
    assert draw_split(cohort, validation=0.34, test=0.34, seed=3) == parts
    write_split(cohort, parts)
    assert read_split(cohort) == parts
    stored = json.loads(split_path(cohort).read_text())
    assert sum(len(stored[part]) for part in ("train", "validation", "test")) == len(cohort.subjects)


def test_split_refuses_nonsense(cohort: Cohort) -> None:
    with pytest.raises(InputError, match="too few"):
        draw_split(cohort, validation=0.5, test=0.5)
    with pytest.raises(InputError, match="no part"):
        write_split(cohort, {"S0": "holdout"})
    with pytest.raises(InputError, match="Nobody"):
        write_split(cohort, dict.fromkeys(cohort.subjects, "test"))


def upload(name: str, content: bytes) -> io.BytesIO:
    file = io.BytesIO(content)
    file.name = name
    return file


def test_uploaded_zip_and_file_import(tmp_path) -> None:
    path = write_nifti(tmp_path / "scan.nii.gz")
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        archive.write(path, "inner/other.nii.gz")
    folder = store_uploads([upload("deep/scan.nii.gz", path.read_bytes()), upload("more.zip", packed.getvalue())])
    cohort = Cohort.load(import_cohort(folder, name="up"))
    assert len(cohort.volumes) == 2
    np.testing.assert_array_equal(cohort.read(cohort.volumes[0]).voxels, blob())


def test_upload_may_not_leave_its_folder() -> None:
    with pytest.raises(InputError, match="outside"):
        store_uploads([upload("../evil.nii", b"x")])
