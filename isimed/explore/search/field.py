"""Where every place of one scan is in another: a smooth field that the embeddings start and the voxels finish.

One affine map cannot bend a neck. ConvexAdam (Siebert et al., "ConvexAdam: Self-Configuring Dual-Optimisation-Based 3D
Multitask Medical Image Registration", IEEE TMI 2024) can: it compares descriptors of the voxels around every place
(MIND-SSC, so contrast may differ), solves for a smooth field, and polishes it by gradient descent. It finds what lies
within some centimetres of its start; what the codes of all crops agree on (`correspondence`) is that start.

A field takes seconds and answers every later click in the two scans in a millisecond, so it is kept on the disk, under
a name made of what went into it: it can be deleted at any time, and is never stale.
"""

import hashlib
import warnings
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import ndimage

from isimed.core import paths
from isimed.core.files import UNREADABLE, write_file
from isimed.data.formats.volume import apply_affine
from isimed.data.prepared.preprocess import Prepared

VOXEL_MM = 4.0  # at which voxels are compared
NODE = 2  # the field is kept at every second of them: it is smooth on that scale
SMOOTHING = 0.42  # of a voxel of the comparison, standard deviation: no aliasing
SETTINGS = {"grid_sp": 4, "disp_hw": 4, "selected_niter": 60, "lambda_weight": 1.25, "grid_sp_adam": 2}
VERSION = 1
MOST = 2000  # fields on the disk, about 0.3 MB each
Map = Callable[[NDArray], NDArray]


@dataclass(frozen=True, eq=False)
class Field:
    """Where the places of one scan are in another.

    Attributes:
        affine: (4, 4) node -> scanner mm of the source.
        target_mm: (X, Y, Z, 3) scanner mm of the target, at every node.
    """

    affine: NDArray[np.float64]
    target_mm: NDArray[np.float32]

    def map(self, points_mm: ArrayLike) -> NDArray[np.float64]:
        """(..., 3) source mm -> target mm; outside of the nodes as at the nearest one."""
        points = np.asarray(points_mm, dtype=np.float64)
        nodes = apply_affine(np.linalg.inv(self.affine), points.reshape(-1, 3)).T
        axes = np.moveaxis(self.target_mm, 3, 0)
        found = [np.asarray(ndimage.map_coordinates(axis, nodes, order=1, mode="nearest")) for axis in axes]
        return np.stack(found, axis=-1).astype(np.float64).reshape(points.shape)


def fit_field(source: Prepared, target: Prepared, start: Map) -> Field:
    """Move a start to where the voxels of two scans look alike, everywhere at once and smoothly.

    Args:
        source, target: prepared alike; seconds for heads, more for whole bodies.
        start: (N, 3) source mm -> target mm, right to about 5 cm.

    Returns:
        The field from the source to the target.
    """
    affine, shape = _grid(source)
    voxels = np.moveaxis(np.indices(shape), 0, -1)
    places = apply_affine(affine, voxels)
    moved = start(places.reshape(-1, 3)).reshape(places.shape)
    shift = _convex_adam(_sample(source, places), _sample(target, moved))[::NODE, ::NODE, ::NODE]
    nodes = voxels[::NODE, ::NODE, ::NODE]
    there = start(apply_affine(affine, nodes + shift).reshape(-1, 3)).reshape(nodes.shape)
    return Field(affine @ np.diag([NODE, NODE, NODE, 1.0]), there.astype(np.float32))


def kept_field(source: Prepared, target: Prepared, start: Map) -> Field:
    """`fit_field`, from ``ISIMED_HOME/fields`` where the same was asked for before."""
    file = field_file(source, target, start)
    try:
        with np.load(file, allow_pickle=False) as arrays:
            return Field(arrays["affine"], arrays["target_mm"])
    except UNREADABLE:  # not there, or damaged: made anew
        field = fit_field(source, target, start)
    write_file(file, lambda open_file: np.savez(open_file, affine=field.affine, target_mm=field.target_mm))
    _forget_oldest(file.parent)
    return field


def field_file(source: Prepared, target: Prepared, start: Map) -> Path:
    """Where a field is kept: named by the voxels, where they lie, and where the start puts them."""
    digest = digest_of(f"{VERSION} {VOXEL_MM} {NODE} {sorted(SETTINGS.items())}", source, target)
    corners = np.stack(np.meshgrid(*[[0, size // 2, size - 1] for size in source.image.shape]), axis=-1).reshape(-1, 3)
    digest.update(np.round(start(source.to_mm(corners)), 2).tobytes())
    return paths.home() / "fields" / f"{digest.hexdigest()[:32]}.npz"


def digest_of(how: str, *volumes: Prepared) -> "hashlib._Hash":
    """Of some volumes, their voxels and where they lie, and of how something is made of them."""
    digest = hashlib.sha256(how.encode())
    for volume in volumes:
        digest.update(np.ascontiguousarray(volume.image).tobytes())
        digest.update(volume.affine.tobytes())
    return digest


def _grid(volume: Prepared) -> tuple[NDArray[np.float64], tuple[int, int, int]]:
    """The grid of the comparison: an affine to scanner mm, and a shape that the method's grids divide."""
    step = VOXEL_MM / volume.spacing
    size = [max(16, -(-int(np.ceil(n / step)) // 4) * 4) for n in volume.image.shape]
    affine = volume.affine @ np.diag([step, step, step, 1.0])
    affine[:3, 3] = volume.to_mm(np.full(3, (step - 1) / 2))
    return affine, (size[0], size[1], size[2])


def _sample(volume: Prepared, places_mm: NDArray) -> NDArray[np.float32]:
    image = np.asarray(volume.image, dtype=np.float32)
    coarser = VOXEL_MM / volume.spacing
    if coarser > 1.05:
        image = ndimage.gaussian_filter(image, SMOOTHING * coarser)
    voxels = volume.to_voxel(places_mm.reshape(-1, 3)).T
    return ndimage.map_coordinates(image, voxels, order=1, cval=volume.background).reshape(places_mm.shape[:-1])


def _convex_adam(fixed: NDArray[np.float32], moving: NDArray[np.float32]) -> NDArray[np.float64]:
    """(X, Y, Z, 3) voxels: ``fixed[v]`` looks like ``moving[v + shift]``."""
    import torch

    with warnings.catch_warnings():  # the package switches all warnings off when it is imported, and needs that
        warnings.simplefilter("ignore")
        from convexAdam.convex_adam_MIND import convex_adam_pt

        shift = convex_adam_pt(
            torch.from_numpy(fixed),
            torch.from_numpy(moving),
            dtype=torch.float32,
            device=torch.device("cpu"),
            **SETTINGS,
        )
    return np.asarray(shift, dtype=np.float64)


def _forget_oldest(folder: Path) -> None:
    made: list[tuple[float, Path]] = []
    for file in folder.glob("*.npz"):
        with suppress(FileNotFoundError):  # another process forgets it at this moment
            made.append((file.stat().st_mtime, file))
    for _, file in sorted(made)[:-MOST]:
        file.unlink(missing_ok=True)
