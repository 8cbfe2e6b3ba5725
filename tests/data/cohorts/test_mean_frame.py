"""Registering a cohort to its mean: scans come to lie on one another, and nothing is resampled."""

import json
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
from numpy.typing import NDArray
from scipy import ndimage
from scipy.spatial.transform import Rotation

from isimed.__main__ import main
from isimed.core.errors import InputError
from isimed.data.cohorts.cohort import Cohort
from isimed.data.cohorts.corrections import Corrections
from isimed.data.cohorts.importing import import_cohort
from isimed.data.cohorts.mean_frame import FRAME, register_to_mean

MOVES = {"A": (0, [0, 0, 0]), "B": (12, [15, -10, 8]), "C": (-10, [-12, 6, 20])}


def pose(degrees: float, shift: list[float]) -> NDArray:
    affine = np.eye(4)
    affine[:3, :3] = Rotation.from_euler("z", degrees, degrees=True).as_matrix()
    affine[:3, 3] = shift
    return affine


@pytest.fixture
def scattered(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """One body, scanned three times, each time lying elsewhere; its voxels are the same."""
    monkeypatch.setenv("ISIMED_HOME", str(tmp_path / "home"))
    rng = np.random.default_rng(3)
    body = ndimage.gaussian_filter(rng.normal(size=(36, 30, 40)), 2.5)
    inside = np.square(np.stack(np.meshgrid(*[np.linspace(-1, 1, n) for n in body.shape], indexing="ij"))).sum(0) < 0.9
    image = np.where(inside, 100 + 400 * (body - body.min()), 0).astype(np.int16)
    for name, (degrees, shift) in MOVES.items():
        affine = pose(degrees, shift) @ np.diag([4.0, 4.0, 4.0, 1.0])
        (tmp_path / "in" / name).mkdir(parents=True)
        nib.Nifti1Image(image, affine).to_filename(tmp_path / "in" / name / "scan.nii.gz")
        nib.Nifti1Image(inside.astype(np.uint8), affine).to_filename(tmp_path / "in" / name / "tumour.nii.gz")
    return tmp_path / "in"


def test_scans_lie_on_one_another_and_keep_every_voxel(scattered: Path, capsys: pytest.CaptureFixture) -> None:
    assert main(["import", str(scattered), "--name", "bodies", "--modality", "MRI", "--register-to-mean"]) == 0
    cohort = Cohort.load("bodies")
    assert cohort.frame == FRAME
    voxel = np.array([[5, 6, 7], [30, 20, 30], [18, 4, 20.0]])
    volumes = {entry.subject: cohort.read(entry) for entry in cohort.volumes}
    places = {name: volume.to_mm(voxel) for name, volume in volumes.items()}
    apart = [np.linalg.norm(places["A"] - places[name], axis=1).max() for name in "BC"]
    assert max(apart) < 3.0, "the same anatomy, after at least 20 mm apart"
    first = nib.load(scattered / "A" / "scan.nii.gz")
    assert np.array_equal(volumes["A"].voxels, np.asarray(first.dataobj))  # type: ignore[attr-defined]
    for entry in cohort.volumes:
        assert np.allclose(cohort.read_labels(entry)["tumour"].affine, cohort.read(entry).affine, atol=1e-4)


def test_files_that_were_given_stay_as_they_are(scattered: Path) -> None:
    before = {file: file.read_bytes() for file in scattered.rglob("*.nii.gz")}
    assert main(["import", str(scattered), "--name", "bodies", "--modality", "MRI", "--register-to-mean"]) == 0
    assert before == {file: file.read_bytes() for file in scattered.rglob("*.nii.gz")}


def test_one_scan_has_no_mean(scattered: Path, tmp_path: Path) -> None:
    alone = {"name": "one", "volumes": [{"subject": "A", "image": str(scattered / "A" / "scan.nii.gz")}]}
    (tmp_path / "dataset.json").write_text(json.dumps(alone))
    with pytest.raises(InputError, match="without --register-to-mean"):
        register_to_mean(Cohort.load(tmp_path / "dataset.json"))


def test_an_empty_scan_that_cannot_be_registered_is_named(scattered: Path) -> None:
    empty = scattered / "B" / "scan.nii.gz"
    image = nib.load(empty)
    nib.Nifti1Image(np.zeros(image.shape, np.int16), image.affine).to_filename(empty)  # type: ignore[attr-defined]
    manifest = import_cohort(scattered, name="bodies", corrections=Corrections(modality="MRI"))
    before = manifest.read_bytes()
    with pytest.raises(InputError, match=r"^B_scan cannot be laid on the others"):
        register_to_mean(Cohort.load(manifest))
    assert manifest.read_bytes() == before


def test_the_place_that_a_cohort_opens_with_moves_with_its_scan(scattered: Path) -> None:
    voxel = [18, 14, 20]
    volumes = [
        {"subject": name, "image": str(scattered / name / "scan.nii.gz"), "name": name, "warp": f"{name}.npz"}
        for name in MOVES
    ]
    start = nib.affines.apply_affine(nib.load(scattered / "B" / "scan.nii.gz").affine, voxel).tolist()  # type: ignore[attr-defined]
    manifest = {"name": "bodies", "modality": "MRI", "start": {"volume": "B", "mm": start}, "volumes": volumes}
    (scattered / "dataset.json").write_text(json.dumps(manifest))
    assert main(["import", str(scattered), "--register-to-mean"]) == 0
    cohort = Cohort.load("bodies")
    assert cohort.start is not None
    there = cohort.read(cohort.entry("B")).to_mm(voxel)
    assert np.linalg.norm(there - start) > 5, "it was moved"
    assert np.allclose(cohort.start.mm, there, atol=1e-3)
    assert not any(getattr(entry, "warp", None) for entry in cohort.volumes), "a warp tells of where scans were before"
