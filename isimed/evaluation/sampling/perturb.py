"""Changes of a crop that should not change where it is."""

from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from isimed.data.demo.warp import rotation
from isimed.data.prepared.preprocess import Prepared

MASS_MM = 12.0
FIELD_MM = 12.0


@dataclass(frozen=True, eq=False)
class Setting:
    """What a change may use: edge of a voxel in mm, the value outside the scan, and a generator."""

    spacing_mm: float
    background: float
    rng: np.random.Generator


Change = Callable[[NDArray[np.float32], Setting], NDArray[np.float32]]


@dataclass(frozen=True, eq=False)
class Perturbation:
    """A named change.

    Attributes:
        text: what is done, in words and numbers; intensities are prepared ones, -1 to 1.
        matrix: (3, 3) crop voxel -> volume voxel, about the crop's centre.
        change: applied to the (S, S, S) crop.
    """

    name: str
    text: str
    matrix: NDArray[np.float64] = field(default_factory=lambda: np.eye(3))
    change: Change = lambda crop, setting: crop

    def cut(self, volume: Prepared, centres: NDArray, size: int, *, seed: int) -> NDArray[np.float32]:
        """(N, 1, size, size, size) changed crops around (N, 3) voxels; noise belongs to the voxel and the seed."""
        image = np.asarray(volume.image, dtype=np.float32)
        spacing = volume.spacing
        middle = np.full(3, (size - 1) / 2)
        crops = np.empty((len(centres), 1, size, size, size), dtype=np.float32)
        for crop, centre in zip(crops[:, 0], np.asarray(centres), strict=True):
            offset = centre - (0.5 if size % 2 == 0 else 0.0) - self.matrix @ middle
            found = ndimage.affine_transform(
                image, self.matrix, offset=offset, output_shape=crop.shape, order=1, cval=volume.background
            )
            rng = np.random.default_rng([seed, *(int(x) + 2**31 for x in centre)])
            crop[:] = self.change(found, Setting(spacing, volume.background, rng))
        return crops


def _turned(degrees: float) -> NDArray[np.float64]:
    return rotation(np.deg2rad([degrees, degrees, degrees]) / np.sqrt(3))


def _noise(sigma: float) -> Change:
    return lambda crop, s: crop + s.rng.normal(0, sigma, crop.shape).astype(np.float32)


def _mass(crop: NDArray[np.float32], s: Setting) -> NDArray[np.float32]:
    """A ball of 24 mm diameter at a random place of the crop, brighter than what it covers."""
    grid = np.stack(np.meshgrid(*[np.arange(n) for n in crop.shape], indexing="ij"), axis=-1)
    middle = np.array(crop.shape) / 2 + s.rng.uniform(-0.25, 0.25, 3) * crop.shape
    distance = np.linalg.norm(grid - middle, axis=-1) * s.spacing_mm
    return crop + (0.6 / (1 + np.exp((distance - MASS_MM) / 1.5))).astype(np.float32)


def _cut_field(crop: NDArray[np.float32], s: Setting) -> NDArray[np.float32]:
    """The scan ends 12 mm above the crop's centre."""
    kept = crop.copy()
    kept[:, :, int(np.ceil(crop.shape[2] / 2 + FIELD_MM / s.spacing_mm)) :] = s.background
    return kept


ALIGNMENT_NOISE = Perturbation("noise 0.05", "Gaussian noise, sigma 0.05", change=_noise(0.05))
PERTURBATIONS = (
    Perturbation("none", "cut with the same interpolation, nothing changed"),
    Perturbation("brighter 0.2", "intensity + 0.2", change=lambda crop, s: crop + np.float32(0.2)),
    Perturbation("contrast 0.8", "intensity x 0.8", change=lambda crop, s: crop * np.float32(0.8)),
    Perturbation("noise 0.1", "Gaussian noise, sigma 0.1", change=_noise(0.1)),
    Perturbation("blur", "Gaussian blur, sigma 1 voxel", change=lambda crop, s: ndimage.gaussian_filter(crop, 1.0)),
    Perturbation("spacing x 1.15", "voxels 15 % larger than the header says", matrix=1.15 * np.eye(3)),
    Perturbation("turned 5 degrees", "turned by 5 degrees about an oblique axis", matrix=_turned(5.0)),
    Perturbation("turned 10 degrees", "turned by 10 degrees about an oblique axis", matrix=_turned(10.0)),
    Perturbation("turned 15 degrees", "turned by 15 degrees about an oblique axis", matrix=_turned(15.0)),
    Perturbation("synthetic mass", "a bright ball of 24 mm somewhere in the crop", change=_mass),
    Perturbation("cut field", "the scan ends 12 mm above the crop's centre", change=_cut_field),
)
