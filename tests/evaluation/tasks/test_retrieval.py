"""Recall at k, on crops whose neighbours are known."""

import numpy as np
import pytest

from isimed.evaluation.tasks.retrieval import offsets, recalls

RNG = np.random.default_rng(0)
SUBJECT = np.repeat([f"S{i}" for i in range(6)], 20)
ORGAN = np.tile(np.repeat([1, 2], 10), 6)
OFFSET = np.tile(np.arange(10) * 25.0, 12)[:, None] * [1.0, 0, 0]  # ten places of each organ, 25 mm apart


def test_features_that_know_the_place_find_it() -> None:
    where = np.column_stack([ORGAN * 1000, OFFSET])
    hits = recalls(where + RNG.normal(0, 1, where.shape), ORGAN, SUBJECT, OFFSET)
    assert {name: float(hit.mean()) for name, hit in hits.items()} == dict.fromkeys(hits, 1.0)


def test_features_that_know_nothing_find_what_chance_finds() -> None:
    hits = recalls(RNG.normal(size=(120, 8)), ORGAN, SUBJECT, OFFSET)
    assert hits["organ_recall1"].mean() == pytest.approx(0.5, abs=0.15)
    assert hits["organ_recall5"].mean() == pytest.approx(1 - 0.5**5, abs=0.06)
    assert hits["place_recall1"].mean() == pytest.approx(1 / 20, abs=0.06)


def test_a_patient_never_finds_himself() -> None:
    of_the_patient = np.unique(SUBJECT, return_inverse=True)[1][:, None] * 1000.0 + ORGAN[:, None]
    alone = recalls(of_the_patient, np.where(SUBJECT == "S0", 7, ORGAN), SUBJECT, OFFSET)["organ_recall1"]
    assert np.isnan(alone[SUBJECT == "S0"]).all(), "nobody else has that organ: unknown, not wrong"
    assert np.isfinite(alone[SUBJECT != "S0"]).all()


def test_an_offset_is_from_the_middle_of_the_own_organ() -> None:
    mm = np.array([[0.0, 0, 0], [10, 0, 0], [100, 5, 0], [100, 15, 0]])
    found = offsets(np.array([1, 1, 1, 1]), np.array([0, 0, 1, 1]), mm)
    assert np.allclose(found, [[-5, 0, 0], [5, 0, 0], [0, -5, 0], [0, 5, 0]])
