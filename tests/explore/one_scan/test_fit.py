"""Whether a network fits a scan: the limit's promise, the profile's file, and scans of other things."""

from pathlib import Path

import nibabel as nib
import numpy as np
import pytest

from isimed.core.errors import InputError
from isimed.data.cohorts.cohort import Cohort
from isimed.data.formats.volume import read_volume
from isimed.data.prepared.preprocess import Preparation, prepare
from isimed.explore.one_scan.fit import fit_of, limit_of, place_percentile
from isimed.explore.one_scan.look import look
from isimed.explore.one_scan.profile import (
    FILE,
    Profile,
    left_out,
    make_profile,
    read_profile,
    sample_crops,
    save_profile,
)
from isimed.explore.tables.embed import embed_crops
from isimed.models.card import Card
from isimed.models.checkpoint import Checkpoint, open_checkpoint, save_checkpoint, untrained
from tests.small import write_cohort

PATIENTS = 6


@pytest.fixture(scope="module")
def cohort(tmp_path_factory: pytest.TempPathFactory) -> Cohort:
    return Cohort.load(write_cohort(tmp_path_factory.mktemp("scans"), patients=PATIENTS))


@pytest.fixture(scope="module")
def checkpoint(cohort: Cohort, tmp_path_factory: pytest.TempPathFactory) -> Checkpoint:
    """A network whose card says that it was trained on the first patients of the cohort."""
    preparation = Preparation(spacing_mm=4.0)
    card = Card(
        name="small",
        method="isimed",
        modality="MRI",
        preparation=preparation,
        cohort={"name": cohort.name, "train": cohort.subjects[:4], "validation": cohort.subjects[4:5]},
    )
    folder = tmp_path_factory.mktemp("checkpoints") / "small"
    return open_checkpoint(save_checkpoint(folder, untrained(preparation).encoder, card))


@pytest.fixture(scope="module")
def profile(checkpoint: Checkpoint, cohort: Cohort, tmp_path_factory: pytest.TempPathFactory) -> Profile:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("ISIMED_HOME", str(tmp_path_factory.mktemp("home")))
        return make_profile(checkpoint, cohort, crops=6)


def test_the_limit_lets_at_least_95_of_100_exchangeable_scans_pass() -> None:
    rng = np.random.default_rng(0)
    passed = []
    for _ in range(2000):
        scans = rng.gamma(2, size=27)
        passed.append(scans[-1] <= limit_of(scans[:-1])[0])
    assert 0.95 <= np.mean(passed) < 0.98


def test_few_scans_promise_less_and_say_so() -> None:
    limit, coverage = limit_of(np.arange(9.0))
    assert (limit, coverage) == (8.0, 0.9)
    assert limit_of(np.arange(19.0))[1] == 0.95


def test_a_scan_like_the_training_fits_and_one_of_something_else_does_not(
    checkpoint: Checkpoint, profile: Profile, cohort: Cohort, tmp_path: Path
) -> None:
    unseen = prepare(cohort.read(cohort.volumes[-1]), checkpoint.card.preparation)
    fitting = fit_of(checkpoint, profile, unseen)
    assert "fits this scan" in fitting.sentence()
    rng = np.random.default_rng(1)
    stripes = 100 + 80 * np.sin(np.arange(40) * 1.5)[:, None, None] + rng.normal(0, 30, (40, 40, 40))
    nib.Nifti1Image(stripes.astype(np.float32), np.diag([4.0, 4, 4, 1])).to_filename(tmp_path / "stripes.nii.gz")
    other = fit_of(checkpoint, profile, prepare(read_volume(tmp_path / "stripes.nii.gz"), checkpoint.card.preparation))
    assert not other.fits
    assert other.percentile == 100
    assert other.misfit > 1.5 * fitting.misfit
    assert "does not fit" in other.sentence()


def test_a_place_that_looks_like_nothing_in_the_training_stands_out(
    checkpoint: Checkpoint, profile: Profile, cohort: Cohort
) -> None:
    unseen = prepare(cohort.read(cohort.volumes[-1]), checkpoint.card.preparation)
    usual = sample_crops(checkpoint, unseen, count=6)[1]
    broken = unseen.image.copy()
    broken[10:30, 10:30, 10:30] = np.random.default_rng(0).choice([-1, 1], (20, 20, 20))
    odd = type(unseen)(broken, unseen.body, {}, unseen.affine, unseen.box_centre_mm, unseen.background)
    there = embed_crops(checkpoint, odd, np.array([[19, 19, 19]]))[0]
    assert place_percentile(profile, there)[0] > np.median(place_percentile(profile, usual))
    assert place_percentile(profile, there)[0] > 95


def test_a_patient_is_compared_with_the_others_alone(profile: Profile) -> None:
    """Or a scan's own crops, at distance 0, would make every limit too low."""
    assert (profile.info.scans, profile.info.held_out) == (5, False)
    subject = np.repeat(["A", "A2", "B", "C"], 8)
    subject[subject == "A2"] = "A"  # two scans of one patient, alike
    features = np.repeat(np.array([[0.0], [0.0], [3.0], [4.0]]), 8, axis=0)
    scan = np.repeat(np.arange(4), 8)
    known = np.ones(32, bool)
    assert [float(left_out(features, known, scan == one, subject).mean()) for one in (0, 2, 3)] == [3.0, 1.0, 1.0]


def test_a_profile_is_small_has_no_patient_and_comes_back_the_same(
    checkpoint: Checkpoint, profile: Profile, cohort: Cohort
) -> None:
    assert checkpoint.folder is not None
    file = save_profile(profile, checkpoint.folder / FILE)
    assert file.stat().st_size < 300_000
    content = file.read_bytes()
    head = content[8 : 8 + int.from_bytes(content[:8], "little")]
    assert b'"about"' in head
    assert not any(entry.id.encode() in head or entry.subject.encode() in head for entry in cohort.volumes)
    back = read_profile(checkpoint)
    assert back is not None
    assert back.info == profile.info
    np.testing.assert_allclose(back.features, profile.features, atol=1e-3)
    file.write_bytes(content[:100])
    with pytest.raises(InputError, match="is damaged"):
        read_profile(checkpoint)
    file.unlink()
    assert read_profile(checkpoint) is None


def test_a_network_gets_the_scan_as_it_wants_it_whatever_its_judge_wants(
    checkpoint: Checkpoint, profile: Profile, cohort: Cohort, tmp_path: Path
) -> None:
    assert checkpoint.folder is not None
    file = save_profile(profile, checkpoint.folder / FILE)
    coarser = Preparation(spacing_mm=6.0)
    card = Card(name="coarse", method="isimed", modality="MRI", preparation=coarser, judged_by=str(checkpoint.folder))
    folder = save_checkpoint(tmp_path / "coarse", untrained(coarser).encoder, card)
    judge, other = sorted(
        look(cohort.read(cohort.volumes[-1]), [str(checkpoint.folder), str(folder)]), key=lambda one: one.volume.spacing
    )
    assert judge.volume.spacing == judge.judged.spacing == other.judged.spacing == pytest.approx(4.0)
    assert other.volume.spacing == pytest.approx(6.0)
    assert other.fit.misfit == judge.fit.misfit
    file.unlink()


def test_a_profile_of_other_weights_is_none(checkpoint: Checkpoint, profile: Profile) -> None:
    assert checkpoint.folder is not None
    other = Profile(
        profile.info.model_copy(update={"checkpoint_fingerprint": "another"}),
        *(getattr(profile, name) for name in ("mean", "directions", "features", "slope", "organ", "organ_place")),
        profile.crop_misfits,
        profile.scan_misfits,
    )
    file = save_profile(other, checkpoint.folder / FILE)
    assert read_profile(checkpoint) is None
    file.unlink()


def test_a_cohort_without_the_training_patients_is_refused(checkpoint: Checkpoint, tmp_path: Path) -> None:
    other = Cohort.load(write_cohort(tmp_path, patients=2))
    with pytest.raises(InputError, match="give the cohort of its card"):
        make_profile(checkpoint, other)


@pytest.mark.parametrize("name", ["headneck-ct", "brain-flair", "demo-brain"])
def test_a_shipped_profile_is_that_of_its_network_and_says_what_it_was_measured_on(name: str) -> None:
    shipped = open_checkpoint(name)
    found = read_profile(shipped)
    assert found is not None, "make it again: isimed profile"
    assert found.info.patients == shipped.card.patients
    assert limit_of(found.scan_misfits)[1] >= 0.93
    assert shipped.card.region
    assert shipped.card.sequence
    assert shipped.card.licence
