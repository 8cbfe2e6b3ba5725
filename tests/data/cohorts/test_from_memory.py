"""Scans that a program holds become a cohort whose voxels lie where they did."""

from pathlib import Path

import numpy as np
import pytest

import isimed
from isimed.core.errors import InputError

AFFINE = np.array([[0, -2.0, 0, 30], [0, 0, 3.0, -40], [1.5, 0, 0, 7], [0, 0, 0, 1]])


def test_arrays_keep_their_values_and_places(home: Path) -> None:
    voxels = np.random.default_rng(3).normal(size=(9, 8, 7))
    cohort = isimed.cohort_of("held", [(voxels, AFFINE), (voxels + 1, AFFINE)], modality="CT")
    assert cohort.subjects == ["scan-0001", "scan-0002"]
    volume = isimed.read_volume(cohort.root / "scan-0001.nii.gz")
    there = np.array([2, 3, 4])
    at = np.rint(volume.to_voxel(AFFINE[:3, :3] @ there + AFFINE[:3, 3])).astype(int)
    assert volume.voxels[tuple(at)] == pytest.approx(voxels[2, 3, 4], rel=1e-6)


def test_items_of_monai_and_torchio_say_whose_they_are(home: Path) -> None:
    torch, monai = pytest.importorskip("torch"), pytest.importorskip("monai.data")
    image = monai.MetaTensor(torch.arange(120.0).reshape(1, 4, 5, 6), affine=torch.tensor(AFFINE))

    class ScalarImage:  # TorchIO's has these two
        data, affine = image.as_tensor(), AFFINE

    items = [
        {"image": image, "subject": "A"},
        {"image": image, "subject": "A"},
        {"image": ScalarImage(), "subject_id": 7},
    ]
    cohort = isimed.cohort_of("items", iter(items), modality="MRI")
    assert [entry.subject for entry in cohort.volumes] == ["A", "A", "7"]
    first, last = (isimed.read_volume(cohort.root / f"scan-000{n}.nii.gz") for n in (1, 3))
    np.testing.assert_array_equal(first.voxels, last.voxels)
    np.testing.assert_allclose(first.affine, last.affine)


def test_a_patient_called_0_is_one_patient(home: Path) -> None:
    items = [{"image": torch_like(), "subject": 0}, {"image": torch_like(), "subject": np.int64(0)}]
    items += [{"image": torch_like(), "subject": None, "subject_id": 0}, {"image": torch_like(), "subject": ""}]
    assert isimed.cohort_of("zero", items, modality="MRI").subjects == ["0", "scan-0004"]


def torch_like():
    class Image:
        data, affine = np.ones((1, 4, 5, 6), dtype=np.float32), AFFINE

    return Image()


def test_what_is_no_scan_is_one_sentence_and_leaves_nothing(home: Path) -> None:
    for scans, said in (
        ([], "no scans"),
        ([(np.zeros((3, 3)), np.eye(4))], "has the shape"),
        ([(np.zeros((3, 3, 3)), np.eye(3))], r"affine of shape \(3, 3\)"),
        ([np.zeros((3, 3, 3))], "give pairs"),
        ([{"t1": 0}], "under which key"),
        ([{"image": np.zeros((3, 3, 3))}], "with its affine"),
    ):
        with pytest.raises(InputError, match=said):
            isimed.cohort_of("none", scans, modality="CT")  # type: ignore[arg-type]
        assert not (home / "cohorts" / "none").exists()
    isimed.cohort_of("one", [(np.ones((3, 3, 3)), np.eye(4))], modality="CT")
    with pytest.raises(InputError, match="already"):
        isimed.cohort_of("one", [(np.ones((3, 3, 3)), np.eye(4))], modality="CT")
