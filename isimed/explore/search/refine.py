"""The last millimetres: the voxels around a found place are compared with those around the clicked one.

The network says which part of the body this is, ``correspondence`` puts all crops' answers together; both err
by some millimetres that are the network's, and asking it again around the place errs the same way. Here a ball of
voxels around the clicked point is slid over the target around the place so far, and normalised cross-correlation
(Lewis, "Fast normalized cross-correlation", 1995) says where it fits. The new place is the mean over the shifts, each
weighted by ``exp((correlation - (shift / FAR_MM)^2 / 2) / TEMPERATURE)``: sharp where one shift fits best, nearly
unmoved where none does.

Of CT, values below and above the ball's median are compared apart and count the same: bone and air lie a thousand units
from everything else, in one correlation they would drown what tells one soft tissue from another. Where a value means
something else in every scan (MRI), the one median says nothing of the other scan, and all values are compared at once.

The constants were chosen on patients that no figure is told of (docs/search.md).
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import fft, ndimage

from isimed.data.prepared.preprocess import Prepared

FAR_MM = 40.0
TEMPERATURE = 0.03
LEAST_VARIANCE = 1e-4
STRETCH = (0.5, 2.0)


@dataclass(frozen=True)
class Ball:
    """How two places are compared.

    Attributes:
        voxel_mm: of the comparison.
        ball_mm: what is compared: up to here in each direction, weighted by a Gaussian of half of it.
        reach_mm: how far it is slid.
        apart: whether values below and above the median are compared apart.
    """

    voxel_mm: float
    ball_mm: float
    reach_mm: float
    apart: bool


CALIBRATED = Ball(6.0, 48.0, 24.0, apart=True)
RELATIVE = Ball(3.0, 24.0, 18.0, apart=False)


@dataclass(frozen=True)
class Sharp:
    """A place found by its voxels.

    Attributes:
        mm: (3,) scanner mm of the target.
        spread_mm: how far apart the shifts lie that fit about equally well.
        correlation: of the best shift, -1 to 1.
    """

    mm: NDArray[np.float64]
    spread_mm: float
    correlation: float


def sharpen(source: Prepared, point_mm: ArrayLike, target: Prepared, near_mm: ArrayLike, turn: ArrayLike) -> Sharp:
    """Move a found place to where the target's voxels look like those around the clicked point.

    Args:
        source, point_mm: the clicked volume and point, scanner mm.
        target, near_mm: the other volume and the place so far.
        turn: (3, 3), source offset @ turn = target offset: how the one body is turned and scaled into the other.
    """
    back = _inverse(np.asarray(turn, dtype=np.float64))
    look = CALIBRATED if source.calibrated and target.calibrated else RELATIVE
    reaches = (look.ball_mm, look.reach_mm, look.ball_mm + look.reach_mm)
    ball, shifts, region = (_offsets(reach, look.voxel_mm) for reach in reaches)
    weights = np.exp(-0.5 * np.square(ball).sum(axis=-1) / (look.ball_mm / 2) ** 2)
    pattern = _sample(source, np.asarray(point_mm) + ball @ back)
    fit = (_fit_apart if look.apart else _correlation)(pattern, weights, _sample(target, np.asarray(near_mm) + region))
    score = fit - np.square(shifts / FAR_MM).sum(axis=-1) / 2
    shares = np.exp((score - score.max()) / TEMPERATURE)
    shares = (shares / shares.sum())[..., None]
    shift = (shares * shifts).sum(axis=(0, 1, 2))
    spread = float(np.sqrt((shares * np.square(shifts - shift)).sum()))
    return Sharp(np.asarray(near_mm) + shift, spread, float(fit.max()))


def _offsets(reach_mm: float, voxel_mm: float) -> NDArray[np.float64]:
    """(n, n, n, 3) mm of a grid around 0."""
    count = round(reach_mm / voxel_mm)
    axis = np.arange(-count, count + 1) * voxel_mm
    return np.stack(np.meshgrid(axis, axis, axis, indexing="ij"), axis=-1)


def _sample(volume: Prepared, points_mm: NDArray) -> NDArray[np.float64]:
    """(...) values at (..., 3) scanner mm; only the voxels between them are read."""
    voxels = volume.to_voxel(points_mm.reshape(-1, 3))
    low = np.maximum(np.floor(voxels.min(axis=0)).astype(int), 0)
    high = np.minimum(np.ceil(voxels.max(axis=0)).astype(int) + 1, volume.image.shape)
    if (low >= high).any():
        return np.full(points_mm.shape[:-1], volume.background)
    part = np.asarray(volume.image[tuple(slice(a, b) for a, b in zip(low, high, strict=True))], dtype=np.float64)
    values = ndimage.map_coordinates(part, (voxels - low).T, order=1, cval=volume.background)
    return values.reshape(points_mm.shape[:-1])


def _fit_apart(pattern: NDArray, weights: NDArray, region: NDArray) -> NDArray[np.float64]:
    """Correlation at every shift, mean over the values below and above the pattern's median."""
    middle = np.quantile(pattern, 0.5, weights=weights, method="inverted_cdf")
    parts = [cut for cut in ((-np.inf, middle), (middle, np.inf)) if np.ptp(np.clip(pattern, *cut)) > 0]
    if not parts:
        return np.zeros(np.array(region.shape) - np.array(pattern.shape) + 1)
    return np.mean([_correlation(np.clip(pattern, *cut), weights, np.clip(region, *cut)) for cut in parts], axis=0)


def _correlation(pattern: NDArray, weights: NDArray, region: NDArray) -> NDArray[np.float64]:
    """Weighted correlation of a pattern with a larger region at every shift that lies within it."""
    weights = weights / weights.sum()
    centred = pattern - (weights * pattern).sum()

    size = [fft.next_fast_len(length, real=True) for length in region.shape]
    within = tuple(slice(a - b + 1) for a, b in zip(region.shape, pattern.shape, strict=True))

    def slide(values: NDArray, kernel: NDArray) -> NDArray:
        """The sum of values under a kernel at every shift; what goes round the end lies beyond ``within``."""
        return fft.irfftn(fft.rfftn(values, size) * fft.rfftn(kernel, size).conj(), size)[within]

    variance = slide(region**2, weights) - slide(region, weights) ** 2
    own = max(float((weights * centred**2).sum()), LEAST_VARIANCE)
    return slide(region, weights * centred) / np.sqrt(own * np.maximum(variance, LEAST_VARIANCE))


def _inverse(turn: NDArray[np.float64]) -> NDArray[np.float64]:
    """Of a map under which one body can be the other; an untrained network's often is none: then no turn at all."""
    sizes = np.linalg.svd(turn, compute_uv=False)
    plausible = STRETCH[0] < sizes.min() and sizes.max() < STRETCH[1] and np.linalg.det(turn) > 0
    return np.asarray(np.linalg.inv(turn)) if plausible else np.eye(3)
