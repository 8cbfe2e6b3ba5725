"""Where every point of a virtual patient lies in the template, and so in every other virtual patient."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import ndimage

from isimed.core.errors import InputError
from isimed.core.files import UNREADABLE
from isimed.data.formats.volume import apply_affine

GRID_MM = 5.0
MARGIN_MM = 30.0
MAX_STRAIN = 0.7
INVERSE_TOLERANCE_MM = 1e-4


@dataclass(frozen=True, eq=False)
class Warp:
    """A smooth invertible map from one patient's scanner to the template.

    ``to_template(p) = q + u(q)`` with ``q = affine p``; ``u`` is interpolated linearly between the
    points of a coarse grid and is 0 outside it. ``|du/dq| < 1``, hence no folding and a unique inverse.

    Attributes:
        affine: (4, 4) scanner mm -> template mm, the patient's size and pose.
        displacement_mm: (3, X, Y, Z) float32, ``u`` in mm at the grid's points.
        grid_affine: (4, 4) grid index -> template mm.
    """

    affine: NDArray[np.float64]
    displacement_mm: NDArray[np.float32]
    grid_affine: NDArray[np.float64]

    def to_template(self, points_mm: ArrayLike) -> NDArray[np.float64]:
        """(..., 3) scanner mm -> (..., 3) template mm, inside and outside the field of view."""
        points = apply_affine(self.affine, points_mm)
        return points + self._displacement(points)

    def from_template(self, points_mm: ArrayLike) -> NDArray[np.float64]:
        """(..., 3) template mm -> (..., 3) scanner mm.

        Solves ``q + u(q) = points_mm`` by fixed-point iteration ``q <- points_mm - u(q)``, to better than
        0.001 mm. The result may lie outside the scan: compare it with the scan's bounds where that matters.
        """
        target = np.asarray(points_mm, dtype=np.float64)
        points = target.copy()
        for _ in range(100):
            following = target - self._displacement(points)
            step = np.abs(following - points).max(initial=0.0)
            points = following
            if step < INVERSE_TOLERANCE_MM:
                break
        return apply_affine(np.linalg.inv(self.affine), points)

    def save(self, path: str | Path) -> None:
        """Write plain arrays to an ``.npz``; the same warp gives the same bytes."""
        np.savez(
            path,
            affine=np.asarray(self.affine, dtype=np.float64),
            displacement_mm=np.asarray(self.displacement_mm, dtype=np.float32),
            grid_affine=np.asarray(self.grid_affine, dtype=np.float64),
        )

    @classmethod
    def load(cls, path: str | Path) -> "Warp":
        """Read what ``save`` wrote; never unpickles.

        Raises:
            InputError: the file is missing, damaged or not a warp.
        """
        try:
            with Path(path).open("rb") as file, np.load(file, allow_pickle=False) as arrays:
                warp = cls(arrays["affine"], arrays["displacement_mm"], arrays["grid_affine"])
        except UNREADABLE as error:
            raise InputError(f"{path} is not a readable warp ({error}): make the demo cohort again.") from error
        if warp.affine.shape != (4, 4) or warp.grid_affine.shape != (4, 4) or warp.displacement_mm.shape[:1] != (3,):
            raise InputError(f"{path} does not hold a warp's arrays: make the demo cohort again.")
        return warp

    def _displacement(self, points_mm: NDArray[np.float64]) -> NDArray[np.float64]:
        """(..., 3) template mm -> (..., 3) displacement in mm."""
        coordinates = apply_affine(np.linalg.inv(self.grid_affine), points_mm).reshape(-1, 3).T
        moved = [ndimage.map_coordinates(u, coordinates, order=1, output=np.float64) for u in self.displacement_mm]
        return np.stack(moved, axis=-1).reshape(points_mm.shape)


def random_warp(rng: np.random.Generator, *, low_mm: ArrayLike, high_mm: ArrayLike) -> Warp:
    """Draw one patient's anatomy: size, pose and a smooth diffeomorphism of up to 10 mm.

    The diffeomorphism is ``exp(v)`` of a stationary velocity field ``v`` (smoothed noise of 26 mm and 13 mm
    width) by scaling and squaring (Arsigny et al., MICCAI 2006, "A log-Euclidean framework for statistics
    on diffeomorphisms"). ``v`` falls to zero around the box, so that ``u`` is continuous everywhere.

    Args:
        rng: the source of everything random here.
        low_mm, high_mm: (3,) corners of the template's body in template mm.
    """
    low, high = np.asarray(low_mm, dtype=np.float64), np.asarray(high_mm, dtype=np.float64)
    affine = _random_pose(rng, centre_mm=(low + high) / 2)
    shape = tuple(int(n) for n in np.ceil((high - low + 2 * MARGIN_MM) / GRID_MM) + 1)
    grid_affine = np.diag([GRID_MM, GRID_MM, GRID_MM, 1.0])
    grid_affine[:3, 3] = low - MARGIN_MM

    inside = (slice(None), *(slice(int(MARGIN_MM / GRID_MM), -int(MARGIN_MM / GRID_MM)) for _ in range(3)))
    broad, fine = (_smooth_noise(rng, shape, sigma_mm) for sigma_mm in (26.0, 13.0))
    velocity = broad / _peak(broad[inside]) + 0.35 * fine / _peak(fine[inside])
    velocity *= _taper(shape) * rng.uniform(6.0, 10.0) / _peak(velocity[inside])
    displacement = exponential(velocity, GRID_MM)
    while (excess := max(strain(displacement, GRID_MM) / MAX_STRAIN, _peak(displacement) / 10.0)) > 1:
        velocity *= 0.98 / excess
        displacement = exponential(velocity, GRID_MM)
    return Warp(affine, displacement.astype(np.float32), grid_affine)


def exponential(velocity_mm: NDArray, grid_mm: float, *, squarings: int = 6) -> NDArray[np.float64]:
    """The displacement of ``exp(v)``: start from ``v / 2**n`` and compose it with itself ``n`` times.

    Args:
        velocity_mm: (3, X, Y, Z) stationary velocity in mm.
        grid_mm: distance of the grid's points.

    Returns:
        (3, X, Y, Z) displacement in mm.
    """
    index = np.indices(velocity_mm.shape[1:], dtype=np.float64)
    displacement = velocity_mm / 2**squarings
    for _ in range(squarings):
        moved = index + displacement / grid_mm
        displacement = displacement + np.stack([ndimage.map_coordinates(u, moved, order=1) for u in displacement])
    return displacement


def strain(displacement_mm: NDArray, grid_mm: float) -> float:
    """The greatest Frobenius norm of ``du/dx`` on the grid; below 1 the map cannot fold."""
    gradient = np.stack([np.stack(np.gradient(u, grid_mm)) for u in displacement_mm])
    return float(np.sqrt((gradient**2).sum(axis=(0, 1))).max())


def load_warps(cohort: str | Path, subjects: list[str] | None = None) -> dict[str, Warp]:
    """The warps of a demo cohort, by subject.

    Args:
        cohort: its folder or its ``dataset.json``.
        subjects: whose warps; all by default.

    Raises:
        InputError: the cohort cannot be read, or one of the subjects has no warp.
    """
    manifest = Path(cohort)
    manifest = manifest / "dataset.json" if manifest.is_dir() else manifest
    try:
        volumes = json.loads(manifest.read_text(encoding="utf-8"))["volumes"]
        paths = {entry["subject"]: manifest.parent / entry["warp"] for entry in volumes if entry.get("warp")}
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise InputError(f"{manifest} is not a readable cohort manifest: make the demo cohort again.") from error
    wanted = list(paths) if subjects is None else subjects
    for subject in wanted:
        if subject not in paths:
            raise InputError(f"{manifest} has no warp for {subject}: true points are known in demo cohorts only.")
    return {subject: Warp.load(paths[subject]) for subject in wanted}


def true_point(
    warps: str | Path | Mapping[str, Warp], point_mm: ArrayLike, source: str, target: str
) -> NDArray[np.float64]:
    """The same anatomical point in another virtual patient.

    Args:
        warps: what ``load_warps`` returned (for many calls), or the cohort's folder or ``dataset.json``.
        point_mm: (..., 3) scanner mm of ``source``.
        source, target: subjects, for example ``"VP-01"``.

    Returns:
        (..., 3) scanner mm of ``target``. It may lie outside the target's field of view: whether
        ``target_volume.to_voxel(point)`` is within ``0 .. shape - 1`` tells.

    Raises:
        InputError: one of the subjects has no warp.
    """
    if not isinstance(warps, Mapping):
        warps = load_warps(warps, list(dict.fromkeys((source, target))))
    for subject in (source, target):
        if subject not in warps:
            raise InputError(f"There is no warp for {subject}: choose one of {', '.join(warps)}.")
    return warps[target].from_template(warps[source].to_template(point_mm))


def rotation(angles: ArrayLike) -> NDArray[np.float64]:
    """(3, 3) rotation by three angles in radians, about x, then y, then z."""
    (a, b, c), (sa, sb, sc) = np.cos(angles), np.sin(angles)
    about_x = np.array([[1, 0, 0], [0, a, -sa], [0, sa, a]])
    about_y = np.array([[b, 0, sb], [0, 1, 0], [-sb, 0, b]])
    about_z = np.array([[c, -sc, 0], [sc, c, 0], [0, 0, 1]])
    return about_z @ about_y @ about_x


def _random_pose(rng: np.random.Generator, *, centre_mm: NDArray) -> NDArray[np.float64]:
    """Scanner mm -> template mm: turned by up to 8 degrees an axis, scaled by up to 8 %, sheared a little, moved."""
    turn = rotation(np.deg2rad(rng.uniform(-8, 8, size=3)))
    shear = np.eye(3)
    shear[np.triu_indices(3, k=1)] = rng.uniform(-0.03, 0.03, size=3)
    affine = np.eye(4)
    affine[:3, :3] = np.diag(rng.uniform(0.92, 1.08, size=3)) @ shear @ turn
    affine[:3, 3] = centre_mm - affine[:3, :3] @ rng.uniform(-25, 25, size=3)
    return affine


def _smooth_noise(rng: np.random.Generator, shape: tuple[int, ...], sigma_mm: float) -> NDArray[np.float64]:
    noise = rng.standard_normal((3, *shape))
    return ndimage.gaussian_filter(noise, (0, *[sigma_mm / GRID_MM] * 3), mode="reflect")


def _taper(shape: tuple[int, ...]) -> NDArray[np.float64]:
    """(X, Y, Z): 1 in the box, falling as a cosine to 0 two points before the border."""
    width = MARGIN_MM / GRID_MM - 2
    taper = np.ones(shape)
    for axis, n in enumerate(shape):
        edge = np.clip((np.minimum(np.arange(n), np.arange(n)[::-1]) - 2) / width, 0, 1)
        taper *= (0.5 - 0.5 * np.cos(np.pi * edge)).reshape([-1 if a == axis else 1 for a in range(3)])
    return taper


def _peak(field: NDArray) -> float:
    """The longest vector of a (3, ...) field."""
    return float(np.sqrt((field**2).sum(axis=0)).max())
