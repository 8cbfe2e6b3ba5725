"""Cohorts that come with isimed reach the home whole, and nothing that stands there is touched."""

import json
from pathlib import Path

import pytest

from isimed.core import paths
from isimed.core.errors import InputError
from isimed.data.cohorts.cohort import Cohort, register
from isimed.data.cohorts.shipped import bring, shipped_folder, shipped_names
from isimed.models.card import CARD
from tests.conftest import REPOSITORY
from tests.small import write_cohort

PATIENTS = ["462", "464", "465", "467", "474", "476", "480", "484"]


def test_the_brains_in_the_home_are_those_that_came(home: Path) -> None:
    cohort = Cohort.load(bring("demo-flair"))
    assert cohort.root == home / "cohorts" / "demo-flair"
    assert cohort.subjects == [f"BRATS_{number}" for number in PATIENTS]
    assert cohort.fingerprint == Cohort.load(shipped_folder("demo-flair")).fingerprint
    for entry in cohort.volumes:
        for file in (entry.image, entry.tumour):
            assert file is not None
            assert cohort.path(file).read_bytes() == (shipped_folder("demo-flair") / file).read_bytes()
    assert not (cohort.root / "tables").exists()


def test_every_cohort_that_comes_along_says_whose_scans_it_shows_and_under_which_licence() -> None:
    assert shipped_names()
    for name in shipped_names():
        cohort, notice = Cohort.load(shipped_folder(name)), shipped_folder(name) / "LICENSE.md"
        assert cohort.licence
        assert cohort.credit
        assert cohort.licence in cohort.credit
        assert "creativecommons.org/licenses" in notice.read_text(encoding="utf-8")
        assert cohort.licence in (REPOSITORY / "README.md").read_text(encoding="utf-8")


def test_a_cohort_of_ones_own_under_the_same_name_stays(tmp_path: Path) -> None:
    mine = register(write_cohort(tmp_path / "mine"), name="demo-flair")
    before = mine.read_bytes()
    assert bring("demo-flair") == mine
    assert mine.read_bytes() == before


def test_what_did_not_come_is_named_with_what_did() -> None:
    with pytest.raises(InputError, match=r"No cohort demo-liver came with isimed: choose one of: demo-flair, torso\."):
        bring("demo-liver")
    with pytest.raises(InputError, match="No cohort"):
        bring("../checkpoints/brain-flair")


def test_the_network_that_opens_it_was_trained_on_none_of_its_patients() -> None:
    card = json.loads((REPOSITORY / "checkpoints" / "brain-flair" / CARD).read_text(encoding="utf-8"))
    split = json.loads((REPOSITORY / "docs" / "splits" / "brain-flair.json").read_text(encoding="utf-8"))
    shipped = Cohort.load(shipped_folder("demo-flair"))
    assert sorted(card["cohort"]["train"]) == sorted(split["train"])
    assert not set(shipped.subjects) & set(card["cohort"]["train"])
    assert sorted(shipped.subjects) == sorted([*split["validation"], *split["test"]])
    for subject in split["validation"]:  # the best epoch was chosen on these: it is said
        assert subject in shipped.description
    assert card["reference"] == "demo-flair"


def test_they_are_the_files_of_their_source(shared: Path) -> None:
    source, here = shared / "data" / "brain-flair", shipped_folder("demo-flair")
    for image in (shipped_folder("torso") / "images").iterdir():
        assert image.read_bytes() == (shared / "data" / "torso-ct" / "images" / image.name).read_bytes()
    for entry in Cohort.load(here).volumes:
        for file in (entry.image, entry.tumour):
            assert file is not None
            assert (here / file).read_bytes() == (source / file).read_bytes()


def test_they_are_small() -> None:
    scans = [file for part in ("images", "tumour") for file in (paths.shipped_cohorts_dir()).glob(f"*/{part}/*")]
    assert len(scans) >= 2 * len(PATIENTS)
    assert sum(file.stat().st_size for file in scans) < 12e6
