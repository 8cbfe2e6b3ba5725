import json

import numpy as np
import pytest
from sklearn import metrics
from sklearn.neighbors import KNeighborsClassifier

from isimed.evaluation.sampling.places import place_features
from isimed.evaluation.statistics.logistic import neighbour_probe
from isimed.evaluation.statistics.protocol import PAPER, STRICT, Protocol, choosing_folds, folds
from isimed.evaluation.statistics.scores import auc, average_precision, binary_figures, class_figures, sensitivity_at
from isimed.evaluation.tasks.anomaly import anomaly_figures
from isimed.evaluation.tasks.organs import organ_outcome
from isimed.evaluation.tasks.probe import probe_figures


def test_scores_agree_with_scikit_learn_also_with_ties() -> None:
    rng = np.random.default_rng(0)
    labels = rng.random(300) < 0.3
    for scores in (rng.normal(size=300) + labels, rng.integers(0, 5, 300).astype(float), np.zeros(300)):
        assert auc(labels, scores) == pytest.approx(metrics.roc_auc_score(labels, scores))
        assert average_precision(labels, scores) == pytest.approx(metrics.average_precision_score(labels, scores))
        false, true, _ = metrics.roc_curve(labels, scores, drop_intermediate=False)
        assert sensitivity_at(labels, scores) == pytest.approx(true[false <= 0.1 + 1e-9].max())


def test_scores_of_one_class_are_nan() -> None:
    assert np.isnan(auc(np.ones(4, bool), np.arange(4.0)))
    assert np.isnan(average_precision(np.zeros(4, bool), np.arange(4.0)))


def test_class_figures_agree_with_scikit_learn() -> None:
    rng = np.random.default_rng(0)
    true, predicted = rng.integers(0, 4, 200), rng.integers(0, 4, 200)
    found = class_figures(true, predicted, 4)
    assert found["accuracy"] == pytest.approx(metrics.accuracy_score(true, predicted))
    assert found["macro_f1"] == pytest.approx(metrics.f1_score(true, predicted, average="macro"))


def patients(count: int = 30, each: int = 16) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Features that say only whose crop it is; half of the patients have many tumour crops, half have few."""
    rng = np.random.default_rng(0)
    subject = np.repeat(np.arange(count), each)
    rate = np.where(np.arange(count) % 2 == 0, 0.85, 0.15)
    labels = rng.random(count * each) < rate[subject]
    features = np.eye(count)[subject] @ rng.normal(size=(count, 32)) + rng.normal(0, 0.01, (count * each, 32))
    return features, labels, subject


def test_leakage_patient_identity_says_nothing_about_unseen_patients() -> None:
    features, labels, subject = patients()
    strict, _ = probe_figures(features, labels, subject, STRICT, with_neighbours=False)
    low, high = strict["auc"].interval()
    assert low <= 0.5 <= high
    assert strict["auc"].value == pytest.approx(0.5, abs=0.15)
    paper, _ = probe_figures(features, labels, subject, PAPER, with_neighbours=False)
    assert paper["auc"].value > 0.75
    assert paper["auc"].value > high


def test_a_separable_label_has_auc_one() -> None:
    rng = np.random.default_rng(0)
    subject = np.repeat(np.arange(12), 20)
    labels = rng.random(240) < 0.4
    features = np.column_stack([labels * 6.0, rng.normal(size=240)])
    found, wrong = probe_figures(features, labels, subject, STRICT, place=rng.normal(size=(240, 2)))
    assert found["auc"].value == pytest.approx(1)
    assert found["knn_auc"].value == pytest.approx(1)
    assert found["with_position_auc"].value == pytest.approx(1)
    assert found["sensitivity_at_90"].value == pytest.approx(1)
    assert found["share_positive"].value == pytest.approx(labels.mean())
    assert wrong.shape == (240,)


def test_position_control_bends_around_a_place() -> None:
    """Tumours in a ball in the middle: a plane cannot part it, the cubic position features can."""
    rng = np.random.default_rng(0)
    position = rng.uniform(-100, 100, (400, 3))
    labels = np.linalg.norm(position, axis=1) < 70
    subject = np.repeat(np.arange(20), 20)
    bent, _ = probe_figures(place_features(position, position / 100), labels, subject, STRICT, with_neighbours=False)
    plane, _ = probe_figures(position, labels, subject, STRICT, with_neighbours=False)
    assert bent["auc"].value > 0.95
    assert plane["auc"].value < 0.65


@pytest.mark.parametrize("labelled", [False, True])
def test_strict_folds_never_part_a_patient(labelled: bool) -> None:
    subject = np.repeat(np.arange(11), 7)
    labels = (np.arange(77) % 3 == 0).astype(int) if labelled else None
    tested = []
    for train, test in folds(subject, STRICT, labels=labels):
        assert not set(subject[train]) & set(subject[test])
        tested += test.tolist()
        for fit, check in choosing_folds(train, test, subject, STRICT):
            assert not set(subject[fit]) & set(subject[check])
            assert not set(check) & set(test)
    assert sorted(tested) == list(range(77))


def test_paper_folds_choose_on_the_evaluated_rows() -> None:
    subject = np.repeat(np.arange(5), 10)
    train, test = folds(subject, PAPER)[0]
    assert set(subject[train]) & set(subject[test])
    assert (choosing_folds(train, test, subject, PAPER)[0][1] == test).all()


@pytest.mark.parametrize("protocol", [STRICT, PAPER])
def test_organs(protocol: Protocol) -> None:
    rng = np.random.default_rng(0)
    organ = rng.integers(1, 4, 240)
    organ[0] = 9  # one crop only: too few to learn from
    features = np.eye(10)[organ] * 4 + rng.normal(0, 0.1, (240, 10))
    outcome = organ_outcome(features, organ, np.repeat(np.arange(12), 20), protocol, {1: "a", 2: "b", 3: "c"})
    assert outcome.figures["organs"]["accuracy"].value == pytest.approx(1)
    assert outcome.details["confusion"]["labels"] == ["a", "b", "c"]
    assert outcome.details["worst"]["organs"] == []


def test_an_organ_that_one_patient_alone_has_is_missed_and_said_in_json() -> None:
    rng = np.random.default_rng(0)
    organ, subject = rng.integers(1, 4, 240), np.repeat(np.arange(12), 20)
    organ[-20:-8] = 7  # whoever is fitted without this patient has no score for it
    features = np.eye(10)[organ] * 4 + rng.normal(0, 0.1, (240, 10))
    outcome = organ_outcome(features, organ, subject, STRICT, {})
    text = json.dumps(outcome.pack(), allow_nan=False)
    worst = json.loads(text)["details"]["worst"]["organs"]
    assert worst
    assert all(case["subject"] == "11" and case["unit"].startswith("7, taken for") for case in worst)


def test_organs_that_one_patient_alone_has_end_no_evaluation() -> None:
    organ, subject = np.zeros(80, int), np.repeat(np.arange(4), 20)
    organ[:20] = np.repeat([1, 2], 10)
    outcome = organ_outcome(np.eye(3)[organ], organ, subject, STRICT, {})
    assert outcome.details["notes"] == ["organs: left out, one patient alone has organs with enough crops."]


def healthy_and_not() -> tuple[np.ndarray, ...]:
    """Features that tell the position of healthy crops exactly, and of tumour crops not at all."""
    rng = np.random.default_rng(0)
    subject = np.repeat(np.arange(12), 20)
    position = rng.uniform(-50, 50, (240, 3))
    tumour = rng.random(240) < 0.2
    features = np.hstack([position / 50, rng.normal(0, 0.1, (240, 5))])
    features[tumour] += rng.normal(0, 1.5, (int(tumour.sum()), 8))
    return features, position, tumour, subject


def test_anomaly_sees_what_lies_off_the_healthy_crops() -> None:
    features, position, tumour, subject = healthy_and_not()
    found = anomaly_figures(features, position, tumour, subject, subject, STRICT, place=position)
    assert found["position_gap_auc"].value > 0.7
    assert found["healthy_distance_auc"].value > 0.9
    assert found["with_position_auc"].value > 0.8
    low, high = found["healthy_distance_auc"].interval()
    assert low <= found["healthy_distance_auc"].value <= high


def test_anomaly_by_position_alone_is_blind_where_tumours_are_anywhere() -> None:
    _, position, _, subject = healthy_and_not()
    blind, rng = np.zeros((240, 1)), np.random.default_rng(1)
    found = []
    for _ in range(8):
        tumour = rng.random(240) < 0.2
        figures = anomaly_figures(position, position, tumour, subject, subject, STRICT, appearance=blind)
        found.append([figures[name].value for name in ("position_gap_auc", "healthy_distance_auc")])
    np.testing.assert_allclose(np.mean(found, axis=0), 0.5, atol=0.05)


def test_anomaly_by_position_alone_sees_a_typical_place() -> None:
    """Tumours far from the middle: the distance from the mean place finds them without an image."""
    _, position, _, subject = healthy_and_not()
    tumour = np.linalg.norm(position, axis=1) > 60
    found = anomaly_figures(position, position, tumour, subject, subject, STRICT, appearance=np.zeros((240, 1)))
    assert found["position_gap_auc"].value > 0.95


def test_nearest_neighbours_agree_with_scikit_learn() -> None:
    rng = np.random.default_rng(0)
    subject = np.repeat(np.arange(10), 20)
    features = rng.normal(size=(200, 5))
    labels = features[:, 0] + rng.normal(0, 0.5, 200) > 0
    found = neighbour_probe(features, labels, subject, STRICT, k=7)
    for train, test in folds(subject, STRICT, labels=labels.astype(int)):
        theirs = KNeighborsClassifier(7).fit(features[train], labels[train]).predict_proba(features[test])[:, 1]
        np.testing.assert_allclose(found.scores[test], theirs)


def test_figures_of_folds_are_averaged() -> None:
    """Scores of two folds on different scales: each has AUC 1, and so has their mean; together they would not."""
    labels = np.array([0, 0, 1, 1, 0, 0, 1, 1], dtype=bool)
    scores = np.array([1, 2, 3, 4, 101, 102, 103, 104], dtype=float)
    fold = np.repeat([0, 1], 4)
    assert auc(labels, scores) == pytest.approx(0.75)
    assert binary_figures(labels, scores, fold)["auc"] == pytest.approx(1)


def test_organs_with_position_know_what_only_position_tells() -> None:
    rng = np.random.default_rng(0)
    organ = rng.integers(1, 3, 240)
    subject = np.repeat(np.arange(12), 20)
    place = np.column_stack([organ * 4.0, rng.normal(size=240)])
    found = organ_outcome(rng.normal(size=(240, 4)), organ, subject, STRICT, {}, place=place).figures["organs"]
    assert found["accuracy"].value == pytest.approx(0.5, abs=0.12)
    assert found["with_position_accuracy"].value > 0.95
