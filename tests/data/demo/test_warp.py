"""Warps are smooth, invertible, and the same after a way through a file."""

import numpy as np
import pytest

from isimed.core.errors import InputError
from isimed.data.demo.warp import (
    GRID_MM,
    Warp,
    exponential,
    load_warps,
    random_warp,
    rotation,
    true_point,
)

LOW, HIGH = np.array([-72.0, -107.0, -72.0]), np.array([72.0, 73.0, 82.0])


@pytest.fixture(scope="module")
def warps() -> list[Warp]:
    return [random_warp(np.random.default_rng(seed), low_mm=LOW, high_mm=HIGH) for seed in range(6)]


@pytest.fixture(scope="module")
def points() -> np.ndarray:
    return np.random.default_rng(0).uniform(LOW, HIGH, size=(5000, 3))


def test_there_and_back_is_the_identity(warps, points):
    for warp in warps:
        scanner = warp.from_template(points)
        assert np.abs(warp.to_template(scanner) - points).max() < 1e-3
        assert np.abs(warp.from_template(warp.to_template(scanner)) - scanner).max() < 1e-3


def test_nothing_folds(warps, points):
    """The Jacobian determinant of the map, by differences over 0.1 mm, stays well above 0."""
    for warp in warps:
        scanner = warp.from_template(points)
        steps = 0.05 * np.eye(3)
        columns = [(warp.to_template(scanner + h) - warp.to_template(scanner - h)) / 0.1 for h in steps]
        assert np.linalg.det(np.stack(columns, axis=-1)).min() > 0.15


def test_displacement_is_of_realistic_size_and_ends_at_the_border(warps):
    for warp in warps:
        length = np.sqrt((warp.displacement_mm**2).sum(axis=0))
        assert 4 < length.max() <= 10
        for axis in range(3):
            assert np.take(length, [0, -1], axis=axis).max() == 0


def test_pose_is_within_its_limits(warps):
    for warp in warps:
        assert (np.abs(np.linalg.svd(warp.affine[:3, :3])[1] - 1) < 0.13).all()
        assert np.linalg.det(warp.affine[:3, :3]) > 0


def test_exponential_of_the_negative_field_is_the_inverse():
    index = np.indices((30, 30, 30)) * GRID_MM
    bump = np.exp(-((index - 72.5) ** 2).sum(axis=0) / (2 * 22**2))
    velocity = np.stack([8 * bump, -5 * bump, 3 * bump])
    forth, back = (
        Warp(np.eye(4), exponential(sign * velocity, GRID_MM), np.diag([GRID_MM] * 3 + [1])) for sign in (1, -1)
    )
    points = np.random.default_rng(1).uniform(50, 95, size=(500, 3))
    assert np.abs(forth.to_template(points) - points).max() > 5
    assert np.abs(back.to_template(forth.to_template(points)) - points).max() < 0.15


def test_any_leading_shape_is_kept_and_one_by_one_equals_a_batch(warps):
    batch = np.random.default_rng(2).uniform(LOW, HIGH, size=(2, 4, 3))
    for method in (warps[0].to_template, warps[0].from_template):
        together = method(batch)
        assert together.shape == batch.shape
        assert np.allclose(together[1, 2], method(batch[1, 2]), atol=1e-3)
        assert method(np.empty((0, 3))).shape == (0, 3)
    with pytest.raises(ValueError, match=r"\(5, 2\)"):
        warps[0].to_template(np.zeros((5, 2)))


def test_points_far_outside_move_with_the_affine_alone(warps):
    far = np.array([[400.0, -300.0, 500.0]])
    expected = far @ warps[0].affine[:3, :3].T + warps[0].affine[:3, 3]
    assert np.allclose(warps[0].to_template(far), expected)
    assert np.allclose(warps[0].from_template(expected), far)


def test_true_point_is_an_equivalence(warps, points):
    named = dict(zip("abc", warps[:3], strict=True))
    in_a = warps[0].from_template(points)
    in_b = true_point(named, in_a, "a", "b")
    assert np.allclose(true_point(named, in_a, "a", "a"), in_a, atol=1e-3)
    assert np.allclose(true_point(named, in_b, "b", "a"), in_a, atol=2e-3)
    assert np.allclose(true_point(named, in_b, "b", "c"), true_point(named, in_a, "a", "c"), atol=2e-3)
    assert np.median(np.linalg.norm(in_a - in_b, axis=1)) > 3
    with pytest.raises(InputError, match="no warp for d"):
        true_point(named, in_a, "a", "d")


def test_file_gives_the_same_warp_and_the_same_bytes(warps, points, tmp_path):
    warps[0].save(tmp_path / "one.npz")
    loaded = Warp.load(tmp_path / "one.npz")
    loaded.save(tmp_path / "two.npz")
    assert np.array_equal(loaded.to_template(points), warps[0].to_template(points))
    assert (tmp_path / "one.npz").read_bytes() == (tmp_path / "two.npz").read_bytes()


def test_what_is_no_warp_is_refused_by_name(tmp_path):
    pickled, damaged, other = (tmp_path / name for name in ("pickled.npz", "damaged.npz", "other.npz"))
    np.savez(pickled, affine=np.array([{}], dtype=object), displacement_mm=np.zeros(3), grid_affine=np.eye(4))
    damaged.write_bytes(b"PK\x03\x04 and nothing more")
    np.savez(other, affine=np.eye(3), displacement_mm=np.zeros((3, 2, 2, 2)), grid_affine=np.eye(4))
    for path in (pickled, damaged, other, tmp_path / "missing.npz"):
        with pytest.raises(InputError, match=path.name):
            Warp.load(path)


def test_a_cohort_without_warps_is_refused(tmp_path):
    (tmp_path / "dataset.json").write_text('{"volumes": [{"subject": "P1", "image": "a.nii.gz"}]}')
    assert load_warps(tmp_path) == {}
    with pytest.raises(InputError, match="no warp for P1"):
        load_warps(tmp_path / "dataset.json", ["P1"])
    with pytest.raises(InputError, match="manifest"):
        load_warps(tmp_path / "elsewhere.json")


def test_rotation_is_proper():
    turn = rotation([0.1, -0.2, 0.3])
    assert np.allclose(turn @ turn.T, np.eye(3))
    assert np.isclose(np.linalg.det(turn), 1)
    assert np.allclose(rotation([0, 0, np.pi / 2]) @ [1, 0, 0], [0, 1, 0])
