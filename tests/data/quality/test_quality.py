"""The quality report: every kind of problem is planted once and has to be found, and a good cohort gives none."""

import json
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
from scipy import ndimage

from isimed.core import paths
from isimed.data.cohorts.cohort import Cohort
from isimed.data.formats.volume import Volume
from isimed.data.quality.orientation import likely_turned
from isimed.data.quality.report import QualityReport, check_cohort
from isimed.data.quality.thumbnails import LETTERS, planes
from isimed.ui.volumes.pictures import three_planes
from tests.data.make import write_nifti

SHAPE = (48, 40, 44)


def body(seed: int, shape: tuple[int, int, int] = SHAPE) -> np.ndarray:
    """A CT-like head on shoulders: front, back, top and bottom differ; small differences between patients."""
    rng = np.random.default_rng(seed)
    x, y, z = np.stack(np.meshgrid(*[np.linspace(-1, 1, size) for size in shape], indexing="ij"))
    wide = 0.45 + 0.35 * (z < -0.3) + rng.normal(0, 0.01)
    inside = ((x / wide) ** 2 + ((y - 0.3 * (z > -0.3)) / 0.5) ** 2 < 1) & (np.abs(z) < 0.85)
    bone = inside & ((y < -0.35) & (np.abs(x) < 0.15) | (z > 0.5) & (y > 0.2))
    array = np.where(bone, 900, np.where(inside, 40, -1000)) + rng.normal(0, 3, shape)
    return np.where(inside, array, -1000).astype(np.int16)


def matrix(spacing: float = 6.0) -> np.ndarray:
    return np.diag([spacing] * 3 + [1.0])


def cohort_of(
    folder: Path, arrays: dict[str, np.ndarray], affines: dict[str, np.ndarray] | None = None, **more
) -> Cohort:
    volumes = []
    for name, array in arrays.items():
        write_nifti(folder / f"{name}.nii.gz", array, (affines or {}).get(name, matrix()))
        volumes.append({"subject": name, "image": f"{name}.nii.gz"} | more.pop(name, {}))
    (folder / "dataset.json").write_text(json.dumps({"name": "t", "modality": "CT", "volumes": volumes, **more}))
    return Cohort.load(folder)


def kinds(report: QualityReport, volume: str) -> set[str]:
    return {finding.kind for finding in report.findings if finding.volume == volume}


@pytest.fixture
def arrays() -> dict[str, np.ndarray]:
    return {f"P{seed}": body(seed) for seed in range(6)}


def test_good_cohort_has_no_problems(tmp_path: Path, arrays: dict[str, np.ndarray]) -> None:
    cohort = cohort_of(tmp_path, arrays)
    report = check_cohort(cohort)
    assert [finding for finding in report.findings if finding.severity != "notice"] == []
    assert report.state == "good"
    one = report.volumes[0]
    assert one.shape == SHAPE
    assert one.file_axes == "RAS"
    assert one.field_of_view_mm == (288, 240, 264)
    assert 0.15 < one.body_fraction < 0.4
    assert json.loads(report.to_json())["volumes"][0]["spacing_mm"] == [6, 6, 6]
    assert check_cohort(cohort) == report  # read back from what was kept
    (kept,) = (paths.home() / "quality" / "reports").glob("*.json")
    kept.write_bytes(kept.read_bytes()[:100])
    assert check_cohort(cohort) == report  # measured again
    assert json.loads(kept.read_bytes())


@pytest.mark.parametrize(
    ("axis", "words"), [((2,), "head-foot axis seems reversed"), ((1,), "front-back"), ((0, 2), "head-foot")]
)
def test_reversed_axis(tmp_path: Path, arrays: dict[str, np.ndarray], axis: tuple[int, ...], words: str) -> None:
    arrays["P3"] = np.flip(arrays["P3"], axis)
    report = check_cohort(cohort_of(tmp_path, arrays))
    found = [finding for finding in report.findings if finding.kind == "orientation"]
    assert [finding.volume for finding in found] == ["P3"]
    assert words in found[0].message


def test_swapped_axes(tmp_path: Path, arrays: dict[str, np.ndarray]) -> None:
    arrays["P3"] = arrays["P3"].transpose(0, 2, 1)
    report = check_cohort(cohort_of(tmp_path, arrays))
    assert "swapped" in next(finding.message for finding in report.findings if finding.kind == "orientation")


def test_problems_of_one_volume(tmp_path: Path, arrays: dict[str, np.ndarray]) -> None:
    arrays["nan"] = body(10).astype(np.float32)
    arrays["nan"][0, 0, :5] = np.nan
    arrays["constant"] = np.full(SHAPE, 7, np.int16)
    arrays["zeros"] = body(11)
    arrays["zeros"][..., 20:] = 0
    arrays["repeat"] = body(12)
    arrays["repeat"][..., 10] = arrays["repeat"][..., 9]
    arrays["unsigned"] = body(13) + 1024
    arrays["huge"], arrays["tiny"] = body(14), body(15)
    arrays["twin"] = arrays["P2"].astype(np.float32)
    arrays["P1-b"] = body(16)
    cohort = cohort_of(tmp_path, arrays, {"huge": matrix(30.0), "tiny": matrix(0.5)})
    (tmp_path / "P0.nii.gz").write_bytes(b"damaged")
    report = check_cohort(cohort)
    assert kinds(report, "P0") == {"unreadable"}
    assert "NaN voxels" in kinds(report, "nan")
    assert "constant" in kinds(report, "constant")
    assert "truncated" in kinds(report, "zeros")
    assert "missing slices" in kinds(report, "repeat")
    assert "intensity" in kinds(report, "unsigned")
    assert "wrong spacing" in kinds(report, "huge")
    assert "wrong spacing" in kinds(report, "tiny")
    assert "duplicate" in kinds(report, "twin")
    assert "patient names" in kinds(report, "P1-b")
    severities = [finding.severity for finding in report.findings]
    assert severities == sorted(severities, key=["error", "warning", "notice"].index)
    text = report.lines()
    assert text[1].startswith("error")
    assert report.table()[0]["state"] == "error"


def test_size_unlike_the_cohort(tmp_path: Path, arrays: dict[str, np.ndarray]) -> None:
    short = body(9)[..., 16:28]
    report = check_cohort(cohort_of(tmp_path, arrays | {"wide": body(8), "short": short}, {"wide": matrix(11.0)}))
    assert "wrong spacing" in kinds(report, "wide")
    assert "truncated" in kinds(report, "short")


def test_labels(tmp_path: Path, arrays: dict[str, np.ndarray]) -> None:
    parts = np.zeros(SHAPE, np.uint8)
    parts[30:34, 20:24, 20:24], parts[14:18, 20:24, 20:24] = 1, 2
    (tmp_path / "l").mkdir()
    write_nifti(tmp_path / "l/good.nii.gz", parts, matrix())
    write_nifti(tmp_path / "l/swapped.nii.gz", parts[::-1], matrix())
    write_nifti(tmp_path / "l/air.nii.gz", (body(0) < -500).astype(np.uint8) * 1, matrix())
    far = matrix()
    far[0, 3] = 5000
    write_nifti(tmp_path / "l/far.nii.gz", parts, far)
    write_nifti(tmp_path / "l/unknown.nii.gz", parts * 9, matrix())
    names = ["good", "swapped", "air", "far", "unknown"]
    given = {f"P{n}": {"organs": f"l/{name}.nii.gz"} for n, name in enumerate(names)}
    cohort = cohort_of(tmp_path, arrays, None, organs={"1": "right_parotid", "2": "left_parotid"}, **given)
    report = check_cohort(cohort)
    assert kinds(report, "P0") <= {"padded"}
    assert "left and right" in kinds(report, "P1")
    assert "label mismatch" in kinds(report, "P2")
    assert "label elsewhere" in kinds(report, "P3")
    assert "label mismatch" in kinds(report, "P4")
    assert report.volumes[0].labels["organs"].voxels == {1: 64, 2: 64}


def test_lungs_lie_on_the_body_and_a_map_beside_it_does_not(tmp_path: Path) -> None:
    grid = np.stack(np.meshgrid(*[np.linspace(-1, 1, 48)] * 3, indexing="ij"))
    inside, lungs = np.square(grid).sum(0) < 0.9, np.square(grid * [[[[2.2]]], [[[1.6]]], [[[1.4]]]]).sum(0) < 0.6
    scan = np.where(lungs, -850, np.where(inside, 40, -1000)).astype(np.int16)
    volumes = []
    for name, organs in (("a", lungs), ("b", ~inside & (grid[0] > 0.9))):
        for kind, voxels in (("", scan), ("-organs", organs.astype(np.uint8))):
            nib.Nifti1Image(voxels, matrix()).to_filename(tmp_path / f"{name}{kind}.nii.gz")
        volumes.append({"subject": name, "image": f"{name}.nii.gz", "organs": f"{name}-organs.nii.gz"})
    (tmp_path / "dataset.json").write_text(json.dumps({"name": "c", "modality": "CT", "volumes": volumes}))
    report = check_cohort(Cohort.load(tmp_path))
    said = {finding.volume: finding.message for finding in report.findings if finding.kind == "label mismatch"}
    assert set(said) == {"b"}, said
    assert said["b"].endswith("% of organs lies on body: is it this scan's?")


def test_turned_bodies_in_a_cohort_of_two_kinds() -> None:
    """Half the cohort shows another part of the body: nobody is turned."""
    rng = np.random.default_rng(0)
    kinds_of_body = [ndimage.gaussian_filter(rng.normal(size=(16, 16, 16)), 2) for _ in range(2)]
    bodies = {}
    for number in range(12):
        one = kinds_of_body[number % 2] + rng.normal(0, 0.02, (16, 16, 16))
        bodies[str(number)] = ((one - one.mean()) / one.std()).astype(np.float32)
    assert likely_turned(bodies) == {}
    bodies["5"] = np.flip(bodies["5"], 2)
    assert list(likely_turned(bodies)) == ["5"]


def test_thumbnails_are_radiological() -> None:
    """A spot to the right, in front, high up: left in axial and coronal, left (anterior) in sagittal, on top."""
    array = np.zeros((30, 30, 30), np.float32)
    array[22:25, 22:25, 22:25] = 1
    pictures = planes(Volume(array, np.diag([2.0, 2, 2, 1])), (23, 23, 23), window=(0, 1), edge=60)
    for name, picture in pictures.items():
        row, column = ndimage.center_of_mass(picture.astype(float))
        assert row < picture.shape[0] / 3, name
        assert column < picture.shape[1] / 3, name
    assert LETTERS["axial"][:2] == ("R", "L")
    assert three_planes(pictures).startswith(b"\x89PNG")


def test_pixels_are_square_in_mm() -> None:
    pictures = planes(
        Volume(np.ones((40, 20, 10), np.int16), np.diag([1.0, 2.0, 6.0, 1.0])), (1, 1, 1), window=(0, 1), edge=60
    )
    assert pictures["axial"].shape == (40, 40)
    assert pictures["coronal"].shape == (60, 40)


def test_real_cohorts(shared: Path) -> None:
    """Known facts of torso-ct: one patient under two names, nothing else that is wrong."""
    report = check_cohort(Cohort.load(shared / "data/torso-ct"))
    assert [(f.kind, f.volume) for f in report.findings if f.severity != "notice"] == [
        ("patient names", "ACRIN-FLT-Breast_001-b")
    ]
    assert nib.aff2axcodes(np.eye(4)) == ("R", "A", "S")


def test_one_patient_under_two_names_is_suspected(tmp_path: Path, arrays: dict[str, np.ndarray]) -> None:
    names = dict(zip(arrays, ("PAT01", "pat_02", "pat01", "Pat-02", "b7", "x"), strict=True))
    cohort = cohort_of(tmp_path, arrays, **{volume: {"subject": name} for volume, name in names.items()})
    found = [one for one in check_cohort(cohort).findings if one.kind == "patient names"]
    assert [one.severity for one in found] == ["warning", "warning"]
    assert {tuple(one.message.split(" have ")[0].split(" and ")) for one in found} == {
        ("PAT01", "pat01"), ("pat_02", "Pat-02"),
    }  # fmt: skip


def test_mixed_modalities_are_an_error(tmp_path: Path, arrays: dict[str, np.ndarray]) -> None:
    cohort = cohort_of(tmp_path, arrays, P1={"modality": "MRI T1"}, P2={"modality": "MRI FLAIR"})
    found = [one for one in check_cohort(cohort).findings if one.kind == "mixed modalities"]
    assert "4 CT, 2 MRI" in found[0].message
    same = {name: {"modality": f"CT {name}"} for name in arrays}
    assert not [one for one in check_cohort(cohort_of(tmp_path, arrays, **same)).findings if one.severity == "error"]


def test_a_frame_that_the_volumes_do_not_share_is_an_error(tmp_path: Path, arrays: dict[str, np.ndarray]) -> None:
    away = matrix()
    away[:3, 3] = 30, -40, 300
    near = matrix()
    near[:3, 3] = 5, -5, 8
    cohort = cohort_of(tmp_path, arrays, {"P2": away, "P4": near}, frame="MNI152")
    found = [one for one in check_cohort(cohort).findings if one.kind == "frame"]
    assert [one.volume for one in found] == ["P2"]
    assert "304 mm" in found[0].message
    assert "frame" not in {one.kind for one in check_cohort(cohort_of(tmp_path, arrays, {"P2": away})).findings}


def test_a_scan_smaller_than_a_crop_is_said(tmp_path: Path, arrays: dict[str, np.ndarray]) -> None:
    arrays["thumb"] = body(7, (20, 20, 20))
    report = check_cohort(cohort_of(tmp_path, arrays, {"thumb": matrix(0.5)}))
    said = " ".join(finding.message for finding in report.findings if finding.volume == "thumb")
    assert "10 × 10 × 10 mm is smaller than the crops" in said
    assert "check the modality" not in said
