"""What is passed on names no patient, can be read by colleagues, and is still known to have seen its patients."""

import os
import stat
from pathlib import Path

import pytest

from isimed.core.errors import InputError
from isimed.data.cohorts.cohort import Cohort
from isimed.data.prepared.source import digests_of
from isimed.evaluation.context.subjects import choose_subjects
from isimed.models.card import Card, trained_on
from isimed.models.checkpoint import open_checkpoint, save_checkpoint
from isimed.models.encoder import untrained_encoder
from isimed.models.sharing.export import export_checkpoint
from tests.small import write_cohort


@pytest.fixture
def old(cohort: Cohort, tmp_path: Path) -> Path:
    """A checkpoint as it was written before cards kept digests: it names its patients and its cohort's path."""
    about = {"name": cohort.name, "fingerprint": cohort.fingerprint, "train": ["S0", "S2"], "validation": ["S1"]}
    card = Card(name="old", method="isimed", cohort=about, training={"cohort": str(cohort.root / "dataset.json")})
    return save_checkpoint(tmp_path / "old", untrained_encoder(), card)


def test_an_exported_card_has_digests_in_the_place_of_names(cohort: Cohort, old: Path, tmp_path: Path) -> None:
    folder = export_checkpoint(old, tmp_path / "out", description="three ellipsoids")
    text = (folder / "checkpoint.json").read_text()
    assert not any(name in text for name in ("S0", "S1", "S2", str(tmp_path)))
    card = open_checkpoint(folder).card
    assert card.cohort["patients"] == {"train": 2, "validation": 1}
    digests = digests_of(cohort, cohort.volumes)
    assert trained_on(card, digests.values()) == set(digests.values())
    assert trained_on(card, digests.values(), parts=["validation"]) == {digests["P1"]}
    again = export_checkpoint(folder, tmp_path / "again", description="passed on")
    assert open_checkpoint(again).card.cohort == card.cohort


def test_a_subset_under_other_names_is_known_by_its_voxels(old: Path, tmp_path: Path) -> None:
    card = open_checkpoint(export_checkpoint(old, tmp_path / "out", description="")).card
    other = Cohort.load(write_cohort(tmp_path / "other", patients=4, name="quite another"))
    digests = digests_of(other, other.volumes)
    assert {volume for volume, digest in digests.items() if trained_on(card, [digest])} == {"P0", "P1", "P2"}


def test_an_old_checkpoint_whose_cohort_is_gone_is_not_exported_blindly(
    cohort: Cohort, old: Path, tmp_path: Path
) -> None:
    (cohort.root / "dataset.json").unlink()
    with pytest.raises(InputError, match=r"keeps no digests.*Put the cohort back"):
        export_checkpoint(old, tmp_path / "out", description="")
    assert not (tmp_path / "out").exists()


def test_evaluation_leaves_out_training_patients_that_are_called_otherwise(old: Path, tmp_path: Path) -> None:
    card = open_checkpoint(export_checkpoint(old, tmp_path / "out", description="")).card
    other = Cohort.load(write_cohort(tmp_path / "other", patients=5, name="quite another"))
    chosen = choose_subjects(other, [card])
    assert chosen.used == ["S3", "S4"]
    assert chosen.left_out == ["S0", "S1", "S2"]


@pytest.mark.skipif(os.name != "posix", reason="other systems have no mode bits")
def test_an_exported_checkpoint_is_readable_as_the_umask_says(old: Path, tmp_path: Path) -> None:
    before = os.umask(0o027)
    try:
        folder = export_checkpoint(old, tmp_path / "out", description="")
    finally:
        os.umask(before)
    assert stat.S_IMODE(folder.stat().st_mode) == 0o750
    assert {stat.S_IMODE(file.stat().st_mode) for file in folder.iterdir()} == {0o640}
