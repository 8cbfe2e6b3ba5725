"""Places that are points: ends and poles of outlined organs, where a centroid would hide how an outline was drawn.

Found by the organs' names, in whatever data set they are: a mandible gives both condyles and gonial angles and the
chin, a brainstem its lower end, a larynx its top and bottom, a parotid its poles, a spinal cord its middle at 30, 60
and 90 mm below the brainstem. What the scan cuts off gives no point. A pole is the mean of the outermost voxels along
a direction (2 % of the organ), so that one stray voxel moves it little.
"""

from collections.abc import Mapping

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import ndimage

from isimed.data.prepared.preprocess import Prepared
from isimed.evaluation.sampling.organ_places import Places

UP, DOWN = (0, 0, 1), (0, 0, -1)
OUTERMOST = 0.02
FEWEST_VOXELS = 20
OPEN = ("cord", "esophagus", "oesophagus")  # as long as the scan happens to be: their centroids are no places
CORD_MM = (30, 60, 90)


def landmark_points(volume: Prepared, names: Mapping[int, str]) -> Places:
    """Points and closed organs' centroids of a volume.

    Args:
        volume: with its map ``organs``.
        names: organ number -> name.

    Returns:
        Name -> (3,) scanner mm; empty where there are no organs.
    """
    organs = volume.labels.get("organs")
    if organs is None:
        return {}
    found: dict[str, NDArray[np.float64]] = {}
    for number, name in names.items():
        mask = np.asarray(organs) == number
        if mask.sum() >= FEWEST_VOXELS:
            found |= _points_of(name, volume, mask)
    cords = [number for number, name in names.items() if "cord" in name.lower()]
    ends = [point for name, point in found.items() if "brainstem" in name.lower() and name.endswith("lower end")]
    if cords and ends:
        found |= _cord_points(volume, np.asarray(organs) == cords[0], ends[0])
    return found


def is_centroid(name: str, names: Mapping[int, str]) -> bool:
    """Whether a place is an organ's centroid and no point of it."""
    return name in names.values()


def _points_of(name: str, volume: Prepared, mask: NDArray[np.bool_]) -> dict[str, NDArray[np.float64]]:
    voxels, kind = np.argwhere(mask), name.lower()
    mm, found = volume.to_mm(voxels), {}
    whole_below, whole_above = voxels[:, 2].min() > 0, voxels[:, 2].max() < mask.shape[2] - 1
    if whole_below and whole_above and not any(word in kind for word in OPEN):
        found[name] = mm.mean(axis=0)
    if "brainstem" in kind and whole_below:
        found[f"{name}, lower end"] = pole(mm, DOWN)
    if "larynx" in kind or "parotid" in kind:
        if whole_above:
            found[f"{name}, top"] = pole(mm, UP)
        if whole_below:
            found[f"{name}, bottom"] = pole(mm, DOWN)
    if "mandible" in kind and whole_below and whole_above:
        found |= _mandible(name, mm)
    return found


def pole(mm: NDArray, direction: ArrayLike, share: float = OUTERMOST) -> NDArray[np.float64]:
    """(3,) mean of the outermost of (N, 3) points along a direction."""
    height = mm @ np.asarray(direction, dtype=float)
    return np.asarray(mm[np.argsort(-height)[: max(8, int(share * len(mm)))]].mean(axis=0))


def _mandible(name: str, mm: NDArray) -> dict[str, NDArray[np.float64]]:
    low, high = mm[:, 0].min(), mm[:, 0].max()
    off_centre = (mm[:, 0] - (low + high) / 2) / ((high - low) / 2)
    found = {f"{name}, chin": pole(mm[np.abs(off_centre) < 0.2], (0, 1, -1), 0.05)}
    for side, sign in (("left", -1), ("right", 1)):  # x rises to the right
        half = mm[sign * off_centre > 0.5]
        behind = half[half[:, 1] < np.quantile(half[:, 1], 0.35)]  # not the coronoid process, which lies in front
        found[f"{name}, {side} gonial angle"] = pole(half, (0, -1, -1))
        found[f"{name}, {side} condyle"] = pole(behind, UP, 0.04)
    return found


def _cord_points(volume: Prepared, mask: NDArray[np.bool_], below: NDArray) -> dict[str, NDArray[np.float64]]:
    """Along the cord's middle line, from the height of the brainstem's lower end."""
    levels = np.flatnonzero(mask.any(axis=(0, 1)))[::-1]
    if len(levels) < 2:
        return {}
    middles = np.array([[*np.argwhere(mask[:, :, z]).mean(axis=0), z] for z in levels])
    line = ndimage.gaussian_filter1d(volume.to_mm(middles), 2, axis=0, mode="nearest")
    line = line[line[:, 2] <= below[2]]
    if len(line) < 2:
        return {}
    along = np.concatenate([[0.0], np.cumsum(np.linalg.norm(np.diff(line, axis=0), axis=1))])
    return {
        f"cord, {mm} mm below the brainstem": np.array([np.interp(mm, along, line[:, axis]) for axis in range(3)])
        for mm in CORD_MM
        if along[-1] > mm
    }
