"""A trunk that no network knows, found in the labelled ones that came along: which part it is, and what lies where."""

from dataclasses import replace
from functools import partial

import numpy as np
import pytest

from isimed.data.cohorts.cohort import Cohort
from isimed.data.formats.volume import Volume
from isimed.data.prepared.preprocess import prepare
from isimed.explore.one_scan import registered
from isimed.explore.one_scan.look import turned_over
from isimed.explore.one_scan.registered import Registered, body_reference, carried_labels, region_of, register
from isimed.explore.one_scan.where import Description, _by_registration, registered_in
from isimed.explore.search.align import PREPARATION, align
from isimed.explore.search.field import Field


def cut(scan: Volume, low: int, high: int) -> Volume:
    affine = scan.affine.copy()
    affine[:3, 3] = scan.to_mm([0, 0, low])
    return replace(scan, voxels=scan.voxels[:, :, low:high], affine=affine, notes=())


@pytest.fixture(scope="module")
def trunks() -> Cohort:
    return body_reference()


@pytest.fixture(scope="module")
def pair(trunks: Cohort) -> Registered:
    """The pelvis and the lower belly of one labelled scan, found in its upper two thirds."""
    entry = trunks.volumes[1]
    scan, labels = trunks.read(entry), trunks.read_labels(entry)["organs"]
    lower = prepare(cut(scan, 0, 75), PREPARATION)
    upper = prepare(cut(scan, 40, scan.shape[2]), PREPARATION, labels={"organs": labels})
    return Registered(entry.subject, "torso/upper", lower, upper, align(lower, upper), trunks.organs)


def centre(trunks: Cohort, organ: str) -> np.ndarray:
    entry = trunks.volumes[1]
    labels = trunks.read_labels(entry)["organs"]
    number = next(label for label, name in trunks.organs.items() if name == organ)
    return labels.to_mm(np.argwhere(labels.voxels == number).mean(axis=0))


def test_a_place_that_both_show_is_found_and_one_below_the_other_is_not(pair: Registered, trunks: Cohort) -> None:
    level = centre(trunks, "vertebrae_L4")
    assert pair.locate(level, deform=False).mm == pytest.approx(level, abs=12)
    assert not pair.locate(level, deform=False).note
    assert pair.locate(centre(trunks, "urinary_bladder")).note == "lies below this scan"  # no field is fitted for that


def test_a_part_says_from_which_vertebra_to_which_it_goes(pair: Registered) -> None:
    assert region_of([pair]) in {
        f"from vertebra {low} to vertebra {high}" for low in ("S1", "L5", "L4") for high in ("L4", "L3", "L2")
    }


def test_labels_are_carried_where_the_other_scan_shows_them_and_nowhere_else(
    pair: Registered, trunks: Cohort, monkeypatch: pytest.MonkeyPatch
) -> None:
    nodes = np.stack(np.meshgrid(*[[0.0, 2000.0]] * 3, indexing="ij"), axis=-1).astype(np.float32) - 1000
    affine = np.diag([2000.0, 2000, 2000, 1])
    affine[:3, 3] = -1000
    monkeypatch.setattr(Registered, "field", lambda self: Field(affine, nodes))  # the identity: both lie where they lay
    scan = cut(trunks.read(trunks.volumes[1]), 0, 75)
    labels = carried_labels(scan, [pair])
    assert labels.shape == scan.shape
    truth = trunks.read_labels(trunks.volumes[1])["organs"].voxels[:, :, :75]
    bladder = next(label for label, name in trunks.organs.items() if name == "urinary_bladder")
    shared, lower = slice(50, 70), slice(0, 30)
    both = (labels.voxels[..., shared] > 0) | (truth[..., shared] > 0)
    assert (labels.voxels[..., shared] == truth[..., shared])[both].mean() > 0.7  # 4 mm between
    assert (truth[..., lower] == bladder).any()
    assert not labels.voxels[..., lower].any()


def test_a_scan_is_never_found_in_itself(trunks: Cohort, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(registered, "ALIKE", -2.0)
    asked = []
    monkeypatch.setattr(registered, "kept_alignment", lambda scan, target: asked.append(1) or align_to_nothing())
    itself = prepare(trunks.read(trunks.volumes[0]), PREPARATION)
    assert [one.volume for one in register(itself, trunks)] == ["torso/totalseg-example"]
    assert len(asked) == 1


def align_to_nothing() -> registered.Alignment:
    return registered.Alignment(np.eye(4)[:, :3], 0.0)


def test_what_is_no_ct_is_not_registered() -> None:
    assert registered_in(Volume(np.ones((40, 40, 40), np.float32), np.eye(4), name="mri")) == []


def test_a_trunk_upside_down_is_told_and_no_organ_is_named(pair: Registered) -> None:
    about = partial(Description, kind="CT")
    right = _by_registration(about, (), [pair], None)
    assert right.axes == "plausible"
    assert right.registered == ("torso/upper",)
    over = turned_over(pair.scan, (2,))
    wrong = replace(pair, scan=over, alignment=align(over, pair.target))
    said = _by_registration(about, (), [wrong], pair.scan.box_centre_mm)
    assert any("wrong way round (reversed: inferior-superior)" in note for note in said.notes)
    assert (said.organ, said.region, said.registered) == (None, None, ())
