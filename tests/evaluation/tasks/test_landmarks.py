import numpy as np
import pytest
from scipy import ndimage

from isimed.data.prepared.preprocess import Prepared
from isimed.evaluation.sampling.organ_places import organ_places
from isimed.evaluation.tasks.landmarks import landmark_outcome, other_side
from isimed.evaluation.tasks.segmentation import dice, few_shot_dice, place_of_voxels
from isimed.evaluation.transfer.registration import affine_transform, carry
from isimed.evaluation.transfer.transfers import Transfer, box_map, choose_transfers, mapped

PLACES = [
    {"left ear": np.array([-50.0, 0, 0]), "right ear": np.array([50.0, 0, 0]), "nose": np.array([0.0, 80, 0])},
    {"left ear": np.array([-40.0, 5, 0]), "right ear": np.array([40.0, 5, 0]), "nose": np.array([0.0, 70, 0])},
    {"nose": np.array([1.0, 75, 0])},
]


def test_transfers_never_stay_in_a_patient() -> None:
    subjects = ["a", "b", "a"]
    transfers = choose_transfers(PLACES, subjects, seed=0)
    assert all(subjects[t.source] != subjects[t.target] for t in transfers)
    assert all(t.name in PLACES[t.source] and t.name in PLACES[t.target] for t in transfers)
    assert transfers == choose_transfers(PLACES, subjects, seed=0)


def test_every_volume_is_source_and_target_equally_often() -> None:
    places = [{"nose": np.zeros(3)}] * 9
    transfers = choose_transfers(places, [f"S{i}" for i in range(9)], seed=0, volumes=6, sources=3)
    assert len(transfers) == 18
    for role in ("source", "target"):
        used = [getattr(t, role) for t in transfers]
        assert len(set(used)) == 6
        assert all(used.count(number) == 3 for number in used)


def test_figures_of_known_errors() -> None:
    transfers = [Transfer(1, 0, name) for name in PLACES[0]] + [Transfer(0, 1, name) for name in PLACES[1]]
    true = np.array([PLACES[t.target][t.name] for t in transfers])
    found = true + np.array([[4.0, 0, 0]] * 3 + [[0, 0, 15.0]] * 3)
    found[0] = [49.0, 0, 0]  # the left ear found at the right one
    outcome = landmark_outcome(
        found, PLACES, transfers, ["a", "b", "c"], before_mm={"coarse": true, "agreed": true + 1}
    )
    figures = outcome.figures["landmarks"]
    assert figures["median_mm"].value == pytest.approx(15)
    assert figures["within_5mm"].value == pytest.approx(2 / 6)
    assert figures["within_20mm"].value == pytest.approx(5 / 6)
    assert figures["left_right_confusion"].value == pytest.approx(1 / 4)
    assert figures["coarse_median_mm"].value == 0
    assert figures["agreed_median_mm"].value == pytest.approx(3**0.5)
    assert outcome.figures["landmarks_by_organ"]["nose"].value == pytest.approx((4 + 15) / 2)
    assert figures["mean_mm"].value == pytest.approx((99 + 4 + 4 + 3 * 15) / 6)
    assert figures["within_10mm"].value == pytest.approx(2 / 6)
    assert outcome.figures["left_right_by_organ"]["left ear"].value == pytest.approx(1 / 2)
    assert outcome.figures["left_right_by_organ"]["right ear"].value == 0
    assert "nose" not in outcome.figures["left_right_by_organ"]
    assert outcome.figures["landmarks_within_20mm_by_organ"]["left ear"].value == pytest.approx(1 / 2)
    assert outcome.details["worst"]["landmarks"][0]["unit"] == "mm from the left ear"


def blob(shift: float, *, size: int = 48) -> Prepared:
    grid = np.stack(np.meshgrid(*[np.arange(size)] * 3, indexing="ij")).astype(float)
    image = np.zeros((size,) * 3)
    for centre, width in (((24, 24, 24), 10), ((14, 26, 20), 4), ((30, 16, 32), 5)):
        middle = np.array(centre)[:, None, None, None] + np.array([shift, 0, -shift])[:, None, None, None]
        image += np.exp(-np.square(grid - middle).sum(0) / (2 * width**2))
    affine = np.diag([3.0, 3.0, 3.0, 1.0])
    affine[:3, 3] = (-70, -60, 10)
    organs = (image > 1.0).astype(np.uint16) * 2
    return Prepared(image.astype(np.float16), image > 0.1, {"organs": organs}, affine, affine[:3, 3] + 70, 0.0)


def test_affine_registration_recovers_a_shift() -> None:
    source, target = blob(0), blob(3)
    points = source.to_mm(np.array([[24, 24, 24], [14, 26, 20], [30, 16, 32]]))
    found = carry(affine_transform(source, target), points)
    np.testing.assert_allclose(found, points + [9, 0, -9], atol=3)


def test_body_box_is_exact_for_the_same_box() -> None:
    source, target = blob(0), blob(0)
    places = [organ_places(source, {2: "core"}), organ_places(target, {2: "core"})]
    expected = source.to_mm(np.array(ndimage.center_of_mass(source.labels["organs"])))
    np.testing.assert_allclose(places[0]["core"], expected)
    found = mapped([source, target], {(0, 1): box_map(source, target)}, places, [Transfer(0, 1, "core")])
    np.testing.assert_allclose(found.before["coarse"][0], expected, atol=1e-6)
    np.testing.assert_allclose(found.refined[0], expected, atol=0.5)


def test_a_control_gets_the_comparison_of_voxels_that_the_search_gets() -> None:
    source, target = blob(0), blob(3)
    places = [organ_places(volume, {2: "core"}) for volume in (source, target)]
    off = places[1]["core"] - places[0]["core"] + np.array([5.0, 4.0, -6.0])
    found = mapped([source, target], {(0, 1): lambda points: points + off}, places, [Transfer(0, 1, "core")])
    missed = [np.linalg.norm(mm[0] - places[1]["core"]) for mm in (found.before["coarse"], found.refined)]
    assert missed[0] == pytest.approx(np.sqrt(25 + 16 + 36))
    assert missed[1] < 3


def test_dice() -> None:
    a, b = np.array([1, 1, 0, 0], bool), np.array([1, 0, 1, 0], bool)
    assert dice(a, a) == 1
    assert dice(a, b) == pytest.approx(0.5)
    assert np.isnan(dice(~a & a, ~a & a))


def test_place_of_voxels_is_mm_from_the_centre() -> None:
    one = blob(0)
    place = place_of_voxels(one)
    assert place.shape == (3, 24, 24, 24)
    np.testing.assert_allclose(place[:, 3, 5, 7], one.position(one.to_mm(np.array([6, 10, 14]))), atol=1e-4)


def test_few_shots_of_perfect_features_segment_perfectly() -> None:
    rng = np.random.default_rng(0)
    labels = [(np.arange(1000).reshape(10, 10, 10) // 250 % 3).astype(np.uint16) for _ in range(5)]
    features = [np.eye(3)[x].transpose(3, 0, 1, 2) + rng.normal(0, 0.01, (3, *x.shape)) for x in labels]
    bodies = [np.ones(x.shape, bool) for x in labels]
    figures, by_organ = few_shot_dice(features, labels, bodies, list("abcde"), {1: "one", 2: "two"}, shots=(1, 3))
    assert figures["dice_1_shot"].value == pytest.approx(1)
    assert figures["dice_3_shot"].n == 2
    assert set(by_organ) == {"one", "two"}


def test_shots_are_patients_and_not_volumes() -> None:
    labels = [(np.arange(1000).reshape(10, 10, 10) // 250 % 3).astype(np.uint16) for _ in range(6)]
    features = [np.eye(3)[x].transpose(3, 0, 1, 2) for x in labels]
    features[1] = features[1][[1, 2, 0]]  # a second scan of a patient who is labelled already
    bodies = [np.ones(x.shape, bool) for x in labels]
    whose = ["a", "a", "b", "c", "c", "d"]
    figures, _ = few_shot_dice(features, labels, bodies, whose, {1: "one", 2: "two"}, shots=(1, 3, 5))
    assert figures["dice_3_shot"].value == pytest.approx(1), "three patients label, once each"
    assert figures["dice_3_shot"].n == 1, "the fourth is measured"
    assert "dice_5_shot" not in figures
    twice = few_shot_dice(features[:2], labels[:2], bodies[:2], ["a", "a"], {1: "one"}, shots=(1,))
    assert twice == ({}, {}), "nobody else is left to measure"


def test_left_is_taken_for_right_however_it_is_written() -> None:
    pairs = {"Left-Thalamus": "Right-Thalamus", "kidney_right": "kidney_left", "RIGHT EYE": "LEFT EYE", "liver": ""}
    assert {name: other_side(name) for name in pairs} == pairs


def test_an_organ_that_some_patients_lack_has_its_dice_over_the_others() -> None:
    labels = [(np.arange(1000).reshape(10, 10, 10) // 250 % 3).astype(np.uint16) for _ in range(6)]
    labels[4] = np.where(labels[4] == 2, 0, labels[4]).astype(np.uint16)
    features = [np.eye(3)[x].transpose(3, 0, 1, 2) for x in labels]
    bodies = [np.ones(x.shape, bool) for x in labels]
    _, by_organ = few_shot_dice(features, labels, bodies, list("abcdef"), {1: "one", 2: "two"}, shots=(1, 3))
    assert by_organ["two"].value == pytest.approx(1)
    assert (by_organ["one"].n, by_organ["two"].n) == (3, 2)
