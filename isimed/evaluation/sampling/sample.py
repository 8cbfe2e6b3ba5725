"""Which crops are measured: drawn once from a seed, the same for every checkpoint.

A smaller ``count`` draws the first crops of a greater one, so that what was embedded serves both.
"""

import zlib
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.spatial import cKDTree

from isimed.data.prepared.crops import crop_centre_mm, random_centres
from isimed.data.prepared.preprocess import Prepared
from isimed.explore.tables.embed import organ_at, tumour_share

CROPS_A_VOLUME = 32
SHARE_IN_TUMOUR = 0.39
NEAR_MM = 12.0


@dataclass(frozen=True, eq=False)
class Crops:
    """Crops of some volumes, volume by volume, and what is known about them.

    Attributes (N crops, V volumes):
        centres: V arrays (n, 3) of voxel indices.
        volume: (N,) number of the volume. subject: (N,) patient.
        centre_mm: (N, 3) scanner mm. position: (N, 3) mm from the centre of the body's box.
        relative: (N, 3) place in the body's box, each axis -1 to 1.
        tumour: (N,) share of the crop that is tumour, NaN where the volume has no tumour map.
        tumour_mm: (N,) from the centre to the nearest tumour, NaN likewise.
        organ: (N,) label at the centre, -1 where the volume has no organ map.
    """

    centres: tuple[NDArray[np.int64], ...]
    volume: NDArray[np.intp]
    subject: NDArray
    centre_mm: NDArray[np.float64]
    position: NDArray[np.float64]
    relative: NDArray[np.float64]
    tumour: NDArray[np.float32]
    tumour_mm: NDArray[np.float64]
    organ: NDArray[np.int32]

    def __len__(self) -> int:
        return len(self.volume)

    @property
    def has_tumour(self) -> NDArray[np.bool_]:
        """(N,) the paper's label: any tumour voxel in the crop."""
        return self.tumour > 0

    @property
    def near_tumour(self) -> NDArray[np.bool_]:
        """(N,) tumour within 12 mm of the crop's centre."""
        return self.tumour_mm <= NEAR_MM


def describe(
    volumes: Sequence[Prepared], subjects: Sequence[str], centres: Sequence[NDArray], *, crop_size: int
) -> Crops:
    """Look up everything that is known about crops around voxels (V arrays (n, 3)) of volumes."""
    rows = [_row(volume, np.asarray(c).reshape(-1, 3), crop_size) for volume, c in zip(volumes, centres, strict=True)]
    counts = [len(c) for c in centres]
    number = np.repeat(np.arange(len(counts)), counts)
    columns = {name: np.concatenate([row[name] for row in rows]) for name in rows[0]}
    return Crops(
        centres=tuple(np.asarray(c, dtype=np.int64).reshape(-1, 3) for c in centres),
        volume=number,
        subject=np.asarray(list(subjects))[number],
        **columns,
    )


def body_centres(volume: Prepared, name: str, *, seed: int, count: int = CROPS_A_VOLUME) -> NDArray[np.int64]:
    """(count, 3) voxels drawn evenly from the body. ``name`` makes the draw the volume's own."""
    return random_centres(volume, count, _rng(seed, name, 0))


def tumour_centres(volume: Prepared, name: str, *, seed: int, count: int = CROPS_A_VOLUME) -> NDArray[np.int64]:
    """(count, 3) voxels, 39 % of them in tumour where there is any (the paper's share), the others in the body.

    None where the volume has no tumour map: nobody knows whether there is a tumour.
    """
    if "tumour" not in volume.labels:
        return np.empty((0, 3), np.int64)
    inside = np.flatnonzero(np.asarray(volume.labels["tumour"]))
    wanted = round(SHARE_IN_TUMOUR * count) if len(inside) else 0
    others = body_centres(volume, name, seed=seed, count=count - wanted)  # the first of the body's: embedded once
    if not wanted:
        return others
    return np.concatenate([_draw(inside, wanted, volume.body.shape, _rng(seed, name, 1)), others])


def organ_centres(volume: Prepared, name: str, *, seed: int, count: int = CROPS_A_VOLUME) -> NDArray[np.int64]:
    """(n, 3) voxels, an eighth of ``count`` in each organ that the volume has."""
    organs = volume.labels.get("organs")
    if organs is None:
        return np.empty((0, 3), np.int64)
    found = []
    for label in np.unique(organs):  # an atlas's ids go to hundreds of millions: nothing is counted up to them
        if label:
            inside, rng = np.flatnonzero(organs == label), _rng(seed, name, 100 + int(label))
            found.append(_draw(inside, max(1, count // 8), organs.shape, rng))
    return np.concatenate(found) if found else np.empty((0, 3), np.int64)


def nearest_voxels(volume: Prepared, places_mm: NDArray) -> NDArray[np.int64]:
    """(n, 3) voxels of a volume that are nearest to places in scanner mm."""
    voxels = np.rint(volume.to_voxel(np.asarray(places_mm).reshape(-1, 3))).astype(np.int64)
    return np.clip(voxels, 0, np.array(volume.body.shape) - 1)


def first_rows(volume: NDArray, count: int) -> NDArray[np.intp]:
    """Rows of the first ``count`` crops of every volume; ``volume`` (N,) numbers the volumes, in order."""
    starts = np.r_[0, np.flatnonzero(np.diff(volume)) + 1]
    place = np.arange(len(volume)) - np.repeat(starts, np.diff(np.r_[starts, len(volume)]))
    return np.flatnonzero(place < count)


def _row(volume: Prepared, centres: NDArray, crop_size: int) -> dict[str, NDArray]:
    centre_mm = crop_centre_mm(volume, centres, crop_size)
    half = (np.array(volume.image.shape) - 1) / 2
    return {
        "centre_mm": centre_mm,
        "position": volume.position(centre_mm),
        "relative": (volume.to_voxel(centre_mm) - half) / np.maximum(half, 1),
        "tumour": tumour_share(volume, centres, crop_size),
        "tumour_mm": distance_to_tumour(volume, centres),
        "organ": organ_at(volume, centres),
    }


def distance_to_tumour(volume: Prepared, centres: NDArray) -> NDArray[np.float64]:
    """(N,) mm from voxels to the nearest tumour voxel; infinite where there is no tumour, NaN where nobody knows."""
    tumour = volume.labels.get("tumour")
    if tumour is None:
        return np.full(len(centres), np.nan)
    inside = np.argwhere(np.asarray(tumour) > 0) if len(centres) else np.empty((0, 3))
    if not len(inside):
        return np.full(len(centres), np.inf)
    spacing = volume.spacing
    return cKDTree(inside).query(np.asarray(centres))[0] * spacing


def _draw(flat: NDArray, count: int, shape: tuple[int, ...], rng: np.random.Generator) -> NDArray[np.int64]:
    return np.stack(np.unravel_index(rng.choice(flat, size=count), shape), axis=1).astype(np.int64)


def _rng(seed: int, name: str, stream: int) -> np.random.Generator:
    return np.random.default_rng([seed, zlib.crc32(name.encode()), stream])
