"""Where one body lies in another without a network: the shift and the stretch at which most of their voxels agree.

Two CTs of a trunk may share half an abdomen, or nothing. So all shifts at which they overlap are tried at once, for
some stretches, on three coarse pictures of each: soft tissue, lung and bone. The score is the mean of their masked
normalised correlations (Padfield, "Masked Object Registration in the Fourier Domain", IEEE TIP 2012). Beside a body is
air, which is known; above and below a scan nothing is.

What it finds is right to some centimetres: the start of a smooth field (``isimed.explore.search.field``).
"""

import json
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from itertools import product

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import fft, ndimage

from isimed.core import paths
from isimed.core.files import UNREADABLE, write_json
from isimed.data.prepared.preprocess import Preparation, Prepared
from isimed.explore.search.field import digest_of

PREPARATION = Preparation(spacing_mm=4.0, intensity="window", window_hu=(-1000.0, 1500.0), foreground_above=-500.0)
STEP_MM = 10.0
AIR_MM = 100.0  # beside a body, as far as one may be shifted against the other
STRETCHES = (0.88, 1.0, 1.14)  # across the body and along it
LEAST_OVERLAP = 0.2  # of the smaller scan
VERSION = 1
LEAST_SPREAD = 1e-3  # of a picture where the two overlap: nothing is alike where nothing is
SOFT_HU, LUNG_HU, BONE_HU = (-160.0, 200.0), -500.0, (150.0, 450.0)


@dataclass(frozen=True, eq=False)
class Alignment:
    """Where the places of one scan are in another.

    Attributes:
        matrix: (4, 3): target mm = [source mm, 1] @ matrix.
        score: how alike the two are where they overlap, a correlation of at most 1.
    """

    matrix: NDArray[np.float64]
    score: float

    def map(self, points_mm: ArrayLike) -> NDArray[np.float64]:
        """(..., 3) source mm -> target mm."""
        return np.asarray(points_mm, dtype=np.float64) @ self.matrix[:3] + self.matrix[3]


def align(source: Prepared, target: Prepared) -> Alignment:
    """The best of all shifts and some stretches; some seconds on trunks.

    Args:
        source, target: prepared as ``PREPARATION`` says.
    """
    fixed, to_target = _pictures(target, np.ones(3))
    best, score = np.eye(4), -1.0
    for across, along in product(STRETCHES, STRETCHES):
        moving, to_source = _pictures(source, np.array([across, across, along]))
        fit = correlations(fixed, moving)
        at = np.unravel_index(int(fit.argmax()), fit.shape)
        if fit[at] > score:
            moved = np.eye(4)
            moved[:3, 3] = np.array(at) - (np.array(moving[0].shape) - 1)
            best, score = to_target @ moved @ np.linalg.inv(to_source), float(fit[at])
    return Alignment(best.T[:, :3].copy(), score)


def kept_alignment(source: Prepared, target: Prepared) -> Alignment:
    """`align`, from ``ISIMED_HOME/fields`` where the same was asked for before."""
    how = f"{VERSION} {STEP_MM} {AIR_MM} {STRETCHES} {LEAST_OVERLAP}"
    file = paths.home() / "fields" / f"{digest_of(how, source, target).hexdigest()[:32]}.json"
    with suppress(*UNREADABLE):  # not there, or damaged: made anew
        known = json.loads(file.read_bytes())
        return Alignment(np.array(known["matrix"], dtype=np.float64).reshape(4, 3), float(known["score"]))
    alignment = align(source, target)
    write_json(file, {"matrix": alignment.matrix.tolist(), "score": alignment.score})
    return alignment


def correlations(fixed: Sequence[NDArray], moving: Sequence[NDArray]) -> NDArray[np.float32]:
    """The mean over pairs of pictures of their correlation where they overlap, at every shift.

    Returns:
        At index ``i`` that of the moving grid shifted by ``i - (its shape - 1)``; -1 where they overlap too little.
    """
    sizes = np.array(fixed[0].shape), np.array(moving[0].shape)
    shape = tuple(sizes[0] + sizes[1] - 1)
    padded = [fft.next_fast_len(int(size), real=True) for size in shape]

    def spectrum(picture: NDArray) -> NDArray:
        return fft.rfftn(picture.astype(np.float32), padded)

    def turned(picture: NDArray) -> NDArray:
        return spectrum(picture[::-1, ::-1, ::-1])

    def sums(product_of: NDArray) -> NDArray:
        return fft.irfftn(product_of, padded)[tuple(map(slice, shape))]

    here, there = spectrum(np.ones(sizes[0])), turned(np.ones(sizes[1]))
    overlap = np.maximum(np.rint(sums(here * there)), 1)
    total = np.zeros(shape, np.float32)
    for one, other in zip(fixed, moving, strict=True):
        a, b = spectrum(one), turned(other)
        sum_a, sum_b = sums(a * there), sums(here * b)
        spread_a = sums(spectrum(one**2) * there) - sum_a**2 / overlap
        spread_b = sums(here * turned(other**2)) - sum_b**2 / overlap
        both = sums(a * b) - sum_a * sum_b / overlap
        total += both / np.sqrt(np.maximum(spread_a, LEAST_SPREAD) * np.maximum(spread_b, LEAST_SPREAD)) / len(fixed)
    total[overlap < LEAST_OVERLAP * min(sizes[0].prod(), sizes[1].prod())] = -1
    return total


def _pictures(volume: Prepared, stretch: NDArray) -> tuple[list[NDArray], NDArray[np.float64]]:
    """Soft tissue, lung and bone of a stretched body with air beside it, and grid -> scanner mm, (4, 4)."""
    step = STEP_MM / volume.spacing / stretch
    beside = round(AIR_MM / STEP_MM)
    pad = [(beside, beside), (beside, beside), (0, 0)]
    shape = tuple(int(np.ceil(size / one)) for size, one in zip(volume.body.shape, step, strict=True))

    def coarse(picture: NDArray) -> NDArray:
        smooth = ndimage.gaussian_filter(picture, 0.4 * step)
        return np.pad(ndimage.affine_transform(smooth, step, (step - 1) / 2, shape, order=1, mode="nearest"), pad)

    to_grid = np.diag([*step, 1.0])
    to_grid[:3, 3] = (step - 1) / 2 - step * [beside, beside, 0]
    return [coarse(picture) for picture in _tissues(volume)], volume.affine @ to_grid


def _tissues(volume: Prepared) -> Iterator[NDArray[np.float32]]:
    low, high = PREPARATION.window_hu
    hu = (np.asarray(volume.image, dtype=np.float32) + 1) / 2 * (high - low) + low
    body = np.asarray(volume.body, dtype=np.float32)
    for bottom, top in (SOFT_HU, BONE_HU):
        yield np.clip((hu - bottom) / np.float32(top - bottom), 0, 1, dtype=np.float32) * body
    yield (hu < LUNG_HU) * body
