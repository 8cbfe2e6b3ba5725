"""Comparing latent spaces: what must not matter does not, what matters does."""

import numpy as np
import pytest

from isimed.explore.maps.compare_spaces import linear_cka, neighbour_overlap, procrustes, same_crops
from isimed.explore.tables.store import Table
from tests.tables import columns, info

rng = np.random.default_rng(0)
X = rng.normal(size=(120, 6))
TURN = np.linalg.qr(rng.normal(size=(6, 6)))[0]


def test_a_turned_scaled_moved_map_is_brought_back_exactly():
    moved = procrustes(X, 3.0 * X @ TURN + 5)
    assert np.allclose(moved.coordinates, X)
    assert moved.disparity == pytest.approx(0, abs=1e-12)


def test_unrelated_maps_stay_apart():
    assert procrustes(X, rng.normal(size=X.shape)).disparity > 0.7
    assert procrustes(X, np.ones_like(X)).disparity == 1


def test_cka_ignores_turning_and_scale_and_sees_the_rest():
    assert linear_cka(X, 0.1 * X @ TURN + 3) == pytest.approx(1)
    assert linear_cka(X, rng.normal(size=(120, 40))) < 0.5
    assert linear_cka(X, np.zeros((120, 2))) == 0
    gram_x, gram_y = _centre(X @ X.T), _centre(X[:, :2] @ X[:, :2].T)
    by_definition = (gram_x * gram_y).sum() / np.linalg.norm(gram_x) / np.linalg.norm(gram_y)
    assert linear_cka(X, X[:, :2]) == pytest.approx(by_definition)


def _centre(gram):
    h = np.eye(len(gram)) - 1 / len(gram)
    return h @ gram @ h


def test_neighbours_survive_turning_and_not_shuffling():
    assert neighbour_overlap(X, X @ TURN) == pytest.approx(1, abs=0.01)
    assert neighbour_overlap(X, X[rng.permutation(120)]) < 0.3


def test_shared_neighbours_are_those_counted_by_hand():
    flat = X[:, :2]  # a space that is like X in part

    def nearest(space, query, count):
        away = np.linalg.norm(space - space[query], axis=1)
        away[query] = np.inf
        return set(np.argsort(away)[:count])

    shares = [len(nearest(X, query, 7) & nearest(flat, query, 7)) / 7 for query in range(len(X))]
    assert 0 < np.mean(shares) < 0.7
    assert neighbour_overlap(X, flat, neighbours=7) == pytest.approx(np.mean(shares))
    best, worst = int(np.argmax(shares)), int(np.argmin(shares))
    for queries in ([best], [worst], [worst, best]):
        by_hand = np.mean([shares[query] for query in queries])
        assert neighbour_overlap(X, flat, neighbours=7, queries=queries) == pytest.approx(by_hand)


def test_a_point_is_never_its_own_neighbour_among_duplicates():
    twins, elsewhere = (np.repeat(points, 2, axis=0) for points in (X[:20], rng.normal(size=(20, 6))))
    assert neighbour_overlap(twins, elsewhere, neighbours=1) == 1  # in both spaces a point's nearest is its twin


def test_shapes_must_agree():
    with pytest.raises(ValueError, match="same shape"):
        procrustes(X, X[:5])
    with pytest.raises(ValueError, match="same rows"):
        linear_cka(X, X[:5])
    with pytest.raises(ValueError, match="same rows"):
        neighbour_overlap(X, X[:5])


def test_the_same_crops_of_two_tables():
    first = Table(info(), columns(0, 30))
    shuffled = {name: values[::-1] for name, values in columns(0, 30).items()}
    second = Table(info(checkpoint="d"), {name: values[:20] for name, values in shuffled.items()})
    ours, theirs = same_crops(first, second)
    assert len(ours) == 20
    assert np.array_equal(first.centre_mm[ours], second.centre_mm[theirs])
    assert len(same_crops(first, Table(info(), columns(1, 30)))[0]) == 0
