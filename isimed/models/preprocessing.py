"""Voxels and an affine in, crops ready for a network out: a checkpoint's preparation for programs of one's own."""

from collections.abc import Hashable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from isimed.core.errors import InputError
from isimed.data.formats.volume import Volume, read_volume, to_ras
from isimed.data.prepared.crops import centres_around, crop_centre_mm, cut_crops, grid_centres
from isimed.data.prepared.preprocess import Prepared, prepare
from isimed.models.checkpoint import Checkpoint, open_checkpoint

if TYPE_CHECKING:
    from monai.transforms import MapTransform

MM = "_centres_mm"  # behind an image's key: where its crops lie


@dataclass(frozen=True, eq=False)
class Crops:
    """What a network of crops takes.

    Attributes:
        voxels: (N, 1, S, S, S) float32.
        centres_mm: (N, 3) scanner mm (R A S+) of the crops' centres.
        volume: the prepared volume that they were cut from.
    """

    voxels: NDArray[np.float32]
    centres_mm: NDArray[np.float64]
    volume: Prepared

    def __len__(self) -> int:
        return len(self.voxels)


class Preprocessing:
    """How a checkpoint wants its scans: resampled, cut to the body, scaled, cut into crops.

    Args:
        checkpoint: a name, run id or folder, or a loaded checkpoint. Its weights are not read.

    >>> import numpy as np
    >>> prepared = Preprocessing("demo-brain")(np.random.default_rng(0).random((64, 64, 64)), np.eye(4))
    >>> prepared.voxels.shape[1:], prepared.centres_mm.shape[1]
    ((1, 32, 32, 32), 3)
    """

    def __init__(self, checkpoint: Checkpoint | str | Path) -> None:
        self.card = (checkpoint if isinstance(checkpoint, Checkpoint) else open_checkpoint(checkpoint)).card

    def __repr__(self) -> str:
        card = self.card
        return f"Preprocessing({card.name!r}: {card.preparation.spacing_mm:g} mm voxels, crops of {card.crop_mm:g} mm)"

    def volume(self, scan: ArrayLike | Volume | str | Path, affine: ArrayLike | None = None) -> Prepared:
        """The whole scan, prepared: isotropic voxels near [-1, 1], axes R A S, cut to the body, with its affine.

        Args:
            scan: (X, Y, Z) voxels with any axes, a `Volume`, or the path of a scan.
            affine: (4, 4) voxel -> scanner mm (R A S+); for voxels alone.

        Raises:
            InputError: there is no affine, or the scan cannot be prepared.
        """
        if isinstance(scan, str | Path):
            scan = read_volume(scan)
        if not isinstance(scan, Volume):
            if affine is None:
                raise InputError("Voxels alone have no place: give their affine too, (4, 4), voxel -> scanner mm.")
            scan = to_ras(np.asarray(scan), np.asarray(affine, dtype=np.float64), path=Path("voxels"))
        return prepare(scan, self.card.preparation)

    def __call__(
        self,
        scan: ArrayLike | Volume | str | Path,
        affine: ArrayLike | None = None,
        *,
        at_mm: ArrayLike | None = None,
        step_mm: float | None = None,
    ) -> Crops:
        """Crops of a scan: around places, or of a grid over the body.

        Args:
            scan: as `volume` takes it.
            affine: (4, 4), for voxels alone.
            at_mm: (N, 3) scanner mm; each crop is centred within half a voxel of its place.
            step_mm: distance of neighbouring crops of the grid, by default the checkpoint's.
        """
        volume, size = self.volume(scan, affine), self.card.crop_size
        if at_mm is None:
            centres = grid_centres(volume, self.card.step_mm if step_mm is None else step_mm)
        else:
            centres = np.rint(centres_around(volume, np.atleast_2d(at_mm), size)).astype(np.int64)
        return Crops(cut_crops(volume, centres, size), crop_centre_mm(volume, centres, size), volume)

    def as_monai(self, keys: str = "image") -> "MapTransform":
        """The same as a MONAI dictionary transform, for behind ``LoadImaged`` and ``EnsureChannelFirstd``.

        Args:
            keys: the image's key; a (1, X, Y, Z) MetaTensor in R A S+ becomes (N, 1, S, S, S) crops, and their
                centres in scanner mm come as ``<key>_centres_mm`` (N, 3).
        """
        from monai.transforms import MapTransform

        to_crops = self

        class PrepareCropsd(MapTransform):
            def __call__(self, data: Mapping[Hashable, Any]) -> dict[Hashable, Any]:
                import torch

                found = dict(data)
                for key in self.key_iterator(found):
                    image = found[key]
                    if getattr(image, "affine", None) is None or image.ndim != 4 or image.shape[0] != 1:
                        raise InputError(
                            f"{key} is no (1, X, Y, Z) MetaTensor: put LoadImaged and EnsureChannelFirstd first."
                        )
                    crops = to_crops(np.asarray(image[0]), np.asarray(image.affine))
                    found[key] = torch.from_numpy(crops.voxels)
                    found[f"{key}{MM}"] = torch.from_numpy(crops.centres_mm)
                return found

        return PrepareCropsd([keys])
