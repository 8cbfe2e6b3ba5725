"""The demo cohort is what its manifest says, repeats byte by byte, and follows its warps."""

import hashlib
import json
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
from scipy import ndimage

from isimed.core.errors import InputError
from isimed.data.cohorts.cohort import Cohort
from isimed.data.demo import virtual_patients
from isimed.data.demo.phantom import ORIENTATIONS, make_patient
from isimed.data.demo.template import load_template
from isimed.data.demo.virtual_patients import make_demo
from isimed.data.demo.warp import load_warps, true_point

PATIENTS = 4


@pytest.fixture(scope="module")
def template():
    return load_template()


@pytest.fixture(scope="module")
def made(template, tmp_path_factory) -> Path:
    return make_demo(tmp_path_factory.mktemp("cohorts") / "demo", patients=PATIENTS, template=template)


@pytest.fixture(scope="module")
def cohort(made) -> Cohort:
    return Cohort.load(made)


@pytest.fixture(scope="module")
def volumes(cohort) -> dict:
    return {entry.subject: (cohort.read(entry), cohort.read_labels(entry)) for entry in cohort.volumes}


def digests(folder: Path) -> dict[str, str]:
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    return {str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest() for path in files}


def values_at(volume, points_mm, *, order):
    return ndimage.map_coordinates(volume.voxels.astype(np.float32), volume.to_voxel(points_mm).T, order=order)


def within(volume, points_mm):
    voxel = volume.to_voxel(points_mm)
    return ((voxel >= 0) & (voxel <= np.array(volume.shape) - 1)).all(axis=1)


def test_manifest_says_what_it_is(made, cohort):
    assert cohort.name == "demo-brain"
    assert cohort.synthetic
    assert "synthetic" in cohort.description.lower()
    assert "approximate" in cohort.description
    assert cohort.modality == "MRI"
    assert cohort.subjects == ["VP-01", "VP-02", "VP-03", "VP-04"]
    assert sum(entry.tumour is not None for entry in cohort.volumes) == PATIENTS / 2
    assert {"left_thalamus", "right_thalamus", "pons"} <= set(cohort.organs.values())
    manifest = json.loads(made.read_text())
    for entry in manifest["volumes"]:
        for key in ("image", "organs", "tumour", "warp"):
            assert key not in entry or (not Path(entry[key]).is_absolute() and (made.parent / entry[key]).is_file())


def test_geometry_differs_and_is_what_the_header_says(cohort, volumes):
    for number, entry in enumerate(cohort.volumes):
        image = nib.load(cohort.path(entry.image))
        assert "".join(nib.aff2axcodes(image.affine)) == ORIENTATIONS[number]
        assert np.allclose(image.get_qform(), image.get_sform(), atol=1e-3)
        assert image.get_data_dtype() == np.int16
        volume, labels = volumes[entry.subject]
        assert ((volume.spacing > 1.19) & (volume.spacing < 2.41)).all()
        for label in labels.values():
            assert label.shape == volume.shape
            assert np.allclose(label.affine, volume.affine)
    assert len({tuple(volume.spacing.round(3)) for volume, _ in volumes.values()}) == PATIENTS
    tilt = [np.abs(volume.affine[:3, :3] / volume.spacing - np.eye(3)).max() for volume, _ in volumes.values()]
    assert (np.array(tilt) > 0.01).tolist() == [False, False, False, True]


def test_background_is_exactly_zero_and_the_brain_is_one_piece_above_it(volumes):
    for volume, labels in volumes.values():
        assert volume.voxels.min() == 0
        brain = volume.voxels > 0
        pieces, _ = ndimage.label(brain)
        assert np.bincount(pieces.ravel())[1:].max() > 0.99 * brain.sum()
        assert 0.2 < brain.mean() < 0.7
        litres = brain.sum() * np.prod(volume.spacing) / 1e6
        assert 1.2 < litres < 2.6
        assert all(not label.voxels[~brain].any() for label in labels.values())


def test_some_scans_end_inside_the_brain(volumes):
    def cut(subject, plane):
        return bool((volumes[subject][0].voxels[:, :, plane] > 0).any())

    assert [(cut(s, 0), cut(s, -1)) for s in ("VP-01", "VP-02", "VP-03")] == [
        (False, False),
        (False, True),
        (True, False),
    ]


def test_left_is_left(cohort, volumes):
    label = {name: number for number, name in cohort.organs.items()}
    lefts = [name for name in label if name.startswith("left_")]
    assert len(lefts) >= 8
    for volume, labels in volumes.values():
        organs = labels["organs"].voxels
        for left in lefts:
            x = [
                volume.to_mm(np.argwhere(organs == label[name])).mean(axis=0)[0]
                for name in (left, left.replace("left_", "right_"))
            ]
            assert x[0] < x[1] - 5
        front, back = (
            volume.to_mm(np.argwhere(organs == label[name])).mean(axis=0)
            for name in ("left_frontal_pole", "left_occipital_pole")
        )
        assert front[1] > back[1] + 100


def test_contrast_is_that_of_t1_and_flair(cohort, volumes, template):
    warps = load_warps(cohort.root)
    tissue_points = {
        name: np.argwhere(ndimage.binary_erosion(share > 0.9))[::7] @ template.affine[:3, :3].T + template.affine[:3, 3]
        for name, share in template.tissues.items()
    }
    for entry in cohort.volumes:
        volume, _ = volumes[entry.subject]
        mean = {}
        for name, points in tissue_points.items():
            values = values_at(volume, warps[entry.subject].from_template(points), order=1)
            mean[name] = np.median(values[values > 0])
        order = sorted(mean, key=mean.get)
        assert order == (["fluid", "grey", "white"] if entry.contrast == "T1-like" else ["fluid", "white", "grey"])


def test_lesions_are_of_the_right_size_and_brightness(cohort, volumes):
    for entry in cohort.volumes:
        volume, labels = volumes[entry.subject]
        if "tumour" not in labels:
            continue
        lesion = labels["tumour"].voxels > 0
        radius = (lesion.sum() * np.prod(volume.spacing) * 3 / (4 * np.pi)) ** (1 / 3)
        assert 8 <= radius <= 20
        assert ndimage.label(lesion, np.ones((3, 3, 3)))[1] == 1
        around = ndimage.binary_dilation(lesion, iterations=6) & ~ndimage.binary_dilation(lesion, iterations=3)
        inside, outside = (np.median(volume.voxels[where & (volume.voxels > 0)]) for where in (lesion, around))
        assert inside < 0.8 * outside if entry.contrast == "T1-like" else inside > 1.1 * outside


def test_labels_follow_the_warp_into_every_other_patient(cohort, volumes):
    warps = load_warps(cohort.root)
    for source, target in [("VP-01", "VP-02"), ("VP-02", "VP-04"), ("VP-04", "VP-03")]:
        (volume, labels), (other, other_labels) = volumes[source], volumes[target]
        organs = labels["organs"].voxels
        flat = ndimage.maximum_filter(organs, 3) == ndimage.minimum_filter(organs, 3)
        voxels = np.argwhere((organs > 0) & flat)
        there = true_point(warps, volume.to_mm(voxels), source, target)
        seen = within(other, there)
        assert seen.mean() > 0.9
        found = values_at(other_labels["organs"], there[seen], order=0)
        assert (found == organs[tuple(voxels[seen].T)]).mean() > 0.97


def test_images_follow_the_warp(cohort, volumes):
    """Values at true points correlate between patients of one contrast, and no longer do 6 mm beside them."""
    for source, target in [("VP-01", "VP-03"), ("VP-02", "VP-04")]:
        (volume, _), (other, _) = volumes[source], volumes[target]
        voxels = np.argwhere(volume.voxels > 0)[::11]
        there = true_point(cohort.root, volume.to_mm(voxels), source, target)

        def correlation(points, volume=volume, other=other, voxels=voxels):
            values = values_at(other, points, order=1)
            seen = values > 0
            return np.corrcoef(values[seen], volume.voxels[tuple(voxels[seen].T)])[0, 1]

        assert correlation(there) > 0.75
        assert correlation(there) > correlation(there + [6, 0, 0]) + 0.3


def test_true_points_are_exact_over_the_brain(cohort, volumes):
    volume, _ = volumes["VP-01"]
    points = volume.to_mm(np.random.default_rng(0).permutation(np.argwhere(volume.voxels > 0))[:4000])
    there = true_point(cohort.root, points, "VP-01", "VP-02")
    assert np.abs(true_point(cohort.root / "dataset.json", there, "VP-02", "VP-01") - points).max() < 0.05


def test_the_same_seed_gives_the_same_bytes_whatever_the_workers_and_the_size(made, template, tmp_path):
    again = make_demo(tmp_path / "again", patients=2, template=template, workers=1)
    first, second = digests(made.parent), digests(again.parent)
    second.pop("dataset.json")
    assert len(second) == 8
    assert second == {name: first[name] for name in second}


def test_another_seed_gives_another_patient(template, volumes):
    assert make_patient(template, seed=1000, index=0).image.shape != volumes["VP-01"][0].shape


def test_a_complete_cohort_is_not_made_again(made):
    before, calls = made.stat().st_mtime_ns, []
    assert make_demo(made.parent, patients=PATIENTS, progress=lambda *call: calls.append(call)) == made
    assert made.stat().st_mtime_ns == before
    assert calls == [(PATIENTS, PATIENTS)]


@pytest.fixture
def quick(monkeypatch, template):
    """``make_demo`` with one prepared scan, for tests of files only."""
    scan = make_patient(template, seed=0, index=2)
    monkeypatch.setattr(virtual_patients, "make_patient", lambda template, seed, index: scan)
    return lambda folder, **options: make_demo(folder, template=template, **options)


def test_progress_counts_to_the_end_and_another_size_replaces_the_cohort(quick, tmp_path):
    calls = []
    quick(tmp_path / "demo", patients=3, progress=lambda *call: calls.append(call))
    assert calls == [(1, 3), (2, 3), (3, 3)]
    assert len(Cohort.load(quick(tmp_path / "demo", patients=2)).volumes) == 2
    assert [path.name for path in tmp_path.iterdir()] == ["demo"]


def test_a_cohort_with_a_missing_file_is_made_again(quick, tmp_path):
    path = quick(tmp_path / "demo", patients=1)
    (path.parent / "warps/VP-01.npz").unlink()
    quick(tmp_path / "demo", patients=1)
    assert (path.parent / "warps/VP-01.npz").is_file()


def test_an_interrupted_run_leaves_nothing(quick, tmp_path):
    def stop(done, total):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        quick(tmp_path / "demo", patients=3, progress=stop)
    assert list(tmp_path.iterdir()) == []


def test_foreign_folders_and_impossible_numbers_are_refused(tmp_path):
    (tmp_path / "dataset.json").write_text('{"name": "mine", "volumes": []}')
    with pytest.raises(InputError, match="something other"):
        make_demo(tmp_path)
    with pytest.raises(InputError, match="is a file"):
        make_demo(tmp_path / "dataset.json")
    with pytest.raises(InputError, match="0 patients"):
        make_demo(tmp_path / "new", patients=0)
    with pytest.raises(InputError, match="-1"):
        make_demo(tmp_path / "new", seed=-1)
