"""Which network opens: by what the scan is, then by what the cards say."""

from pathlib import Path
from types import SimpleNamespace
from typing import cast

import pytest

from isimed.core.errors import InputError
from isimed.data.cohorts.cohort import Cohort
from isimed.data.cohorts.shipped import shipped_folder
from isimed.data.prepared.source import digests_of
from isimed.explore.one_scan import choose, profile
from isimed.explore.one_scan import describe as describing
from isimed.explore.one_scan.choose import fitting_checkpoints, has_its_own, networks_for
from isimed.explore.one_scan.describe import best_checkpoint, describe, described
from isimed.explore.one_scan.fit import Fit
from isimed.explore.one_scan.look import judge_of
from isimed.explore.one_scan.profile import make_profile, read_profile
from isimed.explore.one_scan.where import Description
from isimed.models.card import Card
from isimed.models.checkpoint import open_checkpoint
from tests.small import write_cohort


def fit(name: str, times: float) -> Fit:
    return Fit(name, times <= 1, 50.0, times, 1.0, 0.95)


def of(name: str, modality: str, *, synthetic: bool = False, fingerprint: str = "of mine") -> Cohort:
    about = SimpleNamespace(name=name, modality=modality, synthetic=synthetic, fingerprint=fingerprint, volumes=[])
    return cast(Cohort, about)


def test_the_network_that_opens_first_was_trained_on_such_data_and_knows_millimetres() -> None:
    assert fitting_checkpoints(of("headneck-ct", "CT"))[:2] == ["headneck-ct-dense", "headneck-ct"]
    assert fitting_checkpoints(of("mine", "MRI")) == ["brain-flair", "demo-brain"]
    assert fitting_checkpoints(of("demo-ct", "CT", synthetic=True))[0] == "demo-ct"
    assert fitting_checkpoints(of("demo-brain", "MRI", synthetic=True))[0] == "demo-brain"


@pytest.mark.parametrize("synthetic", [False, True])
def test_a_kind_of_scan_that_no_network_is_for_is_one_sentence(synthetic: bool) -> None:
    with pytest.raises(InputError, match="There is no checkpoint for PET: train one"):
        best_checkpoint(of("mine", "PET", synthetic=synthetic))


def test_a_network_that_does_not_fit_the_scan_comes_last_whatever_its_card_says() -> None:
    torso = of("torso", "CT")
    heads = [fit("headneck-ct", 1.6), fit("headneck-ct-dense", 1.3)]
    assert fitting_checkpoints(torso)[0] == "headneck-ct-dense"
    assert fitting_checkpoints(torso, [*heads, fit("demo-ct", 0.9)])[0] == "demo-ct"
    none = fitting_checkpoints(torso, [*heads, fit("demo-ct", 1.2)])
    assert none == ["headneck-ct-dense", "headneck-ct", "demo-ct", "barlow-twins"]  # unmeasured is no better for it


def test_of_two_networks_that_fit_the_dense_one_opens() -> None:
    both = [fit("headneck-ct", 0.5), fit("headneck-ct-dense", 0.8)]
    assert fitting_checkpoints(of("mine", "CT"), both)[:2] == ["headneck-ct-dense", "headneck-ct"]
    only = [fit("headneck-ct", 0.5), fit("headneck-ct-dense", 1.1)]
    assert fitting_checkpoints(of("mine", "CT"), only)[0] == "headneck-ct"


def test_a_real_scan_is_not_compared_with_networks_of_synthetic_patients() -> None:
    assert {"demo-ct", "demo-brain"}.isdisjoint(networks_for())
    assert {"demo-ct", "demo-brain"}.isdisjoint(networks_for(of("mine", "CT")))
    assert {"demo-ct", "headneck-ct"} <= set(networks_for(of("demo-ct", "CT", synthetic=True)))


def test_an_unusual_patient_does_not_take_its_own_network_from_a_cohort() -> None:
    heads = of("headneck-ct", "CT", fingerprint="5662053312b235fc")
    assert has_its_own(heads)
    assert fitting_checkpoints(heads, [fit("headneck-ct-dense", 1.1), fit("demo-ct", 0.9)])[0] == "headneck-ct-dense"


def test_a_cohort_that_merely_has_the_name_of_the_training_is_measured_like_any_other(tmp_path: Path) -> None:
    for name in ("headneck-ct", "demo-flair"):
        assert not has_its_own(Cohort.load(write_cohort(tmp_path / name, patients=1, name=name)))
    assert not has_its_own(of("mine", "CT", fingerprint="5662053312b235fc"))
    assert has_its_own(Cohort.load(shipped_folder("demo-flair")))


def test_a_part_of_the_training_is_known_by_its_voxels(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    cohort = Cohort.load(write_cohort(tmp_path / "part", patients=2, name="whole"))
    (digest, _) = digests_of(cohort, cohort.volumes).values()
    card = Card(name="a", method="isimed", cohort={"name": "whole", "fingerprint": "", "voxels": {"train": [digest]}})
    monkeypatch.setattr(choose, "checkpoint_names", lambda: ["a"])
    monkeypatch.setattr(choose, "find_checkpoint", lambda name: tmp_path)
    monkeypatch.setattr(choose, "read_card", lambda folder: card)
    assert has_its_own(cohort)
    first, second = (cohort.path(entry.image) for entry in cohort.volumes)
    first.write_bytes(second.read_bytes())
    assert not has_its_own(Cohort.load(cohort.root))


@pytest.fixture
def looked(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Which scans were looked at; each fits the FLAIR network but "P1"."""
    seen: list[str] = []

    def where(scan: SimpleNamespace, *, cohort: Cohort) -> Description:
        seen.append(scan.name)
        misfits = 1.4 if "P1" in scan.name else 0.7
        return Description((fit("brain-flair", misfits), fit("demo-brain", misfits + 0.5)), kind="MRI")

    monkeypatch.setattr(describing, "where", where)
    return seen


def test_a_scan_is_looked_at_once_and_the_answer_is_on_disk(tmp_path: Path, looked: list[str]) -> None:
    cohort = Cohort.load(write_cohort(tmp_path / "small", patients=2))
    assert described(cohort, cohort.volumes[0]) is None
    said = describe(cohort, cohort.volumes[0])
    assert describe(cohort, cohort.volumes[0]) == described(cohort, cohort.volumes[0]) == said
    assert len(looked) == 1
    cohort.path(cohort.volumes[0].image).touch()  # another file
    assert described(cohort, cohort.volumes[0]) is None


def test_what_cannot_be_read_is_a_sentence_and_is_not_kept(tmp_path: Path) -> None:
    cohort = Cohort.load(write_cohort(tmp_path / "small", patients=1))
    cohort.path(cohort.volumes[0].image).write_bytes(b"no scan")
    said = describe(cohort, cohort.volumes[0])
    assert said.best is None
    assert "P0" in said.notes[0]
    assert described(cohort, cohort.volumes[0]) is None


def test_no_network_is_chosen_for_a_scan_that_none_fits(tmp_path: Path, looked: list[str]) -> None:
    cohort = Cohort.load(write_cohort(tmp_path / "small", patients=2))
    assert best_checkpoint(cohort) == "brain-flair"
    with pytest.raises(InputError, match=r"P1: No network here fits.*brain-flair \(1.4.*--checkpoint brain-flair"):
        best_checkpoint(cohort, "P1")


def test_a_dense_network_is_judged_by_the_crops_of_the_same_patients(monkeypatch: pytest.MonkeyPatch) -> None:
    """Its own features say where a place is and nothing else: every torso looked like a neck to it."""
    dense = open_checkpoint("headneck-ct-dense")
    assert judge_of(dense).name == "headneck-ct"
    assert judge_of(open_checkpoint("headneck-ct")).name == "headneck-ct"
    assert read_profile(dense) is None
    monkeypatch.setattr(profile, "check_fit", lambda cohort, checkpoint: None)
    with pytest.raises(InputError, match="judged_by"):
        make_profile(dense, Cohort(name="any", modality="CT", volumes=[]))
