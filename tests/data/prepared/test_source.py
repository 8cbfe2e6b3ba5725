"""A scan is known by its voxels: whatever it is called, wherever it lies, in whatever format it comes."""

from pathlib import Path

import nibabel as nib
import numpy as np
import pytest

from isimed.data.cohorts.cohort import Cohort, Entry
from isimed.data.formats.volume import read_volume
from isimed.data.prepared import source
from isimed.data.prepared.cache import prepare_cohort
from isimed.data.prepared.preprocess import Preparation
from isimed.data.prepared.source import digests_of, voxel_digest
from isimed.data.quality.report import check_cohort


def test_format_type_orientation_and_place_do_not_change_a_digest_but_one_voxel_does(tmp_path: Path) -> None:
    values = np.random.default_rng(0).integers(-1000, 1500, (7, 9, 33)).astype(np.int16)
    affine = np.diag([2.0, 3.0, 4.0, 1.0])
    nib.Nifti1Image(values, affine).to_filename(tmp_path / "a.nii.gz")
    moved = affine.copy()
    moved[:3, 3] = 50.0
    nib.Nifti1Image(values.astype(np.float64), moved).to_filename(tmp_path / "b.nii")
    turned = nib.Nifti1Image(values, affine).as_reoriented(np.array([[1, -1], [0, 1], [2, -1]]))
    turned.to_filename(tmp_path / "c.nii.gz")
    changed = values.copy()
    changed[3, 4, 5] += 1
    nib.Nifti1Image(changed, affine).to_filename(tmp_path / "d.nii.gz")
    a, b, c, d = (voxel_digest(read_volume(file)) for file in sorted(tmp_path.iterdir()))
    assert a == b == c
    assert d != a


def test_a_digest_is_kept_when_a_volume_is_prepared_and_is_the_reports(
    cohort: Cohort, monkeypatch: pytest.MonkeyPatch
) -> None:
    prepare_cohort(cohort, Preparation(spacing_mm=5.0))

    def read(self: Cohort, entry: Entry) -> None:
        pytest.fail("read again")

    with monkeypatch.context() as patched:
        patched.setattr(Cohort, "read", read)
        kept = digests_of(cohort, cohort.volumes)
    assert kept == {one.id: one.digest for one in check_cohort(cohort).volumes}
    assert len(set(kept.values())) == 3


def test_check_and_preparation_compute_a_digest_once_between_them(
    cohort: Cohort, monkeypatch: pytest.MonkeyPatch
) -> None:
    computed = []
    monkeypatch.setattr(source, "voxel_digest", lambda volume: computed.append(volume.name) or f"{len(computed):032x}")
    report = check_cohort(cohort)
    prepare_cohort(cohort, Preparation(spacing_mm=5.0))
    assert len(computed) == len(cohort.volumes)
    assert digests_of(cohort, cohort.volumes) == {one.id: one.digest for one in report.volumes}
