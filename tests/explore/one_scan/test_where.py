"""What a scan shows: its axes, its region, its organ, in words and JSON."""

import json
from pathlib import Path

import numpy as np
import pytest

from isimed.__main__ import main
from isimed.explore.one_scan.look import axes_by_fit, axes_of, region_of
from isimed.explore.one_scan.profile import Profile, ProfileInfo
from tests.data.make import write_nifti

PLACE = np.random.default_rng(0).uniform(-100, 100, (60, 3))


def looks(turn: np.ndarray, noise: float = 10.0) -> np.ndarray:
    return PLACE @ turn + np.random.default_rng(1).normal(0, noise, PLACE.shape)


@pytest.mark.parametrize(
    ("turn", "said"),
    [
        (np.eye(3), "plausible"),
        (np.diag([1, 1, -1]), "reversed: inferior-superior"),
        (np.diag([1, -1, -1]), "reversed: posterior-anterior, inferior-superior"),
        (np.eye(3)[[0, 2, 1]], "turned: posterior-anterior runs along inferior-superior"),
        (np.zeros((3, 3)), "unclear"),
    ],
)
def test_axes_are_told_from_where_crops_are_and_where_they_look_to_be(turn: np.ndarray, said: str) -> None:
    assert axes_of(PLACE, looks(turn)).startswith(said)


@pytest.mark.parametrize(
    ("misfits", "said"),
    [
        ([1.0, 1.3, 1.2, 1.6], "plausible"),
        ([1.0, 1.3, 1.05, 1.6], "unclear"),
        ([1.3, 1.0, 1.6, 1.2], "reversed: inferior-superior"),
        ([1.6, 1.2, 1.3, 1.0], "reversed: posterior-anterior, inferior-superior"),
        ([1.05, 1.0, 1.3, 1.3], "unclear"),
    ],
)
def test_a_scan_is_reversed_where_turned_over_it_fits_clearly_better(misfits: list[float], said: str) -> None:
    assert axes_by_fit(misfits) == said


def test_too_few_crops_leave_the_axes_unclear() -> None:
    assert axes_of(PLACE[:3], looks(np.eye(3))[:3]) == "unclear"


def profile(organs: dict[int, float]) -> Profile:
    info = ProfileInfo(
        checkpoint_fingerprint="", cohort="", modality="CT", patients=9, crops=9, scans=9, held_out=False, created="",
        organs={label: f"organ_{label}" for label in organs},
    )  # fmt: skip
    empty = np.zeros((0, 3), np.float32)
    places = np.array([[0, 0, level] for level in organs.values()], np.float32).reshape(-1, 3)
    label = np.array(list(organs), np.float32)
    return Profile(info, empty, empty, empty, empty, label, places, empty, empty)


def test_the_region_goes_from_the_lowest_organ_that_is_shown_to_the_highest() -> None:
    known = profile({1: -80.0, 2: 40.0, 3: 0.0, 4: 300.0})
    assert region_of(known, PLACE.astype(np.float32)) == "from organ 1 to organ 2"
    assert region_of(profile({1: 0.0}), PLACE.astype(np.float32)) is None
    assert region_of(profile({}), PLACE.astype(np.float32)) is None


def test_where_exits_0_and_says_so_where_no_network_can_tell(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("isimed.explore.one_scan.choose.checkpoint_names", list)
    scan = write_nifti(tmp_path / "scan.nii.gz")
    assert main(["where", str(scan), "--json"]) == 0
    said = json.loads(capsys.readouterr().out)
    assert set(said) == {"checkpoint", "fits", "percentile", "region", "axes", "organ", "notes", "registered"}
    assert said["checkpoint"] is None
    assert said["fits"] is False
    assert "isimed profile" in said["notes"][0]
    assert main(["where", str(scan)]) == 0
    assert "No checkpoint here" in capsys.readouterr().out


@pytest.mark.parametrize("place", [("1000", "10", "60"), ("0", "0", "-4000")])
def test_a_place_outside_is_refused_where_no_network_can_tell(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, place: tuple[str, ...]
) -> None:
    monkeypatch.setattr("isimed.explore.one_scan.choose.checkpoint_names", list)
    assert main(["where", str(write_nifti(tmp_path / "scan.nii.gz")), "--mm", *place]) == 2
    assert "lies outside scan.nii.gz" in capsys.readouterr().err
