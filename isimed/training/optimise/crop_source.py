"""Where a step's crops come from: memory-mapped volumes, or volumes that lie whole in the device's memory."""

from collections.abc import Sequence
from typing import Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from isimed.data.prepared.crops import cut_crops
from isimed.data.prepared.preprocess import Prepared

DEVICE_SHARE = 0.4  # of a GPU's free memory that volumes may take
CHUNK = 256


class CropSource(Protocol):
    """Cuts the same crops wherever the voxels are."""

    device: torch.device

    def cut(self, chosen: Sequence[int], centres: Sequence[NDArray], size: int) -> Tensor:
        """Crops of several volumes as one batch.

        Args:
            chosen: V indices of volumes.
            centres: for each an (n, 3) array of voxel indices.
            size: edge in voxels.

        Returns:
            (V·n, 1, size, size, size) float32 on ``device``.
        """
        ...


class MappedCrops:
    """Reads only the voxels that a step needs from the memory-mapped files: any size of cohort."""

    def __init__(self, volumes: Sequence[Prepared], device: torch.device) -> None:
        self.volumes, self.device = volumes, device

    def cut(self, chosen: Sequence[int], centres: Sequence[NDArray], size: int) -> Tensor:
        crops = [cut_crops(self.volumes[index], where, size) for index, where in zip(chosen, centres, strict=True)]
        host = torch.from_numpy(np.concatenate(crops))
        if self.device.type == "cuda":
            host = host.pin_memory()
        return host.to(self.device, non_blocking=True)


class DeviceCrops:
    """All volumes in one float16 tensor on the device; a step's crops are one indexing operation each 256."""

    def __init__(self, volumes: Sequence[Prepared], device: torch.device) -> None:
        self.device = device
        sizes = [volume.image.size for volume in volumes]
        self.voxels = torch.empty(sum(sizes), dtype=torch.float16, device=device)
        offsets = np.concatenate([[0], np.cumsum(sizes)[:-1]])
        for volume, offset, size in zip(volumes, offsets, sizes, strict=True):
            self.voxels[offset : offset + size] = torch.from_numpy(np.array(volume.image).ravel()).to(device)
        self.offsets = torch.as_tensor(offsets, device=device)
        self.shapes = torch.tensor([volume.image.shape for volume in volumes], device=device)
        self.background = torch.tensor([volume.background for volume in volumes], dtype=torch.float32, device=device)

    def cut(self, chosen: Sequence[int], centres: Sequence[NDArray], size: int) -> Tensor:
        rows = torch.as_tensor(np.repeat(np.asarray(chosen), [len(where) for where in centres]), device=self.device)
        starts = torch.as_tensor(np.concatenate(centres), device=self.device) - size // 2
        parts = zip(rows.split(CHUNK), starts.split(CHUNK), strict=True)
        return torch.cat([self._cut(row, start, size) for row, start in parts])

    def _cut(self, rows: Tensor, starts: Tensor, size: int) -> Tensor:
        edge = torch.arange(size, device=self.device)
        x, y, z = ((starts[:, axis, None] + edge) for axis in range(3))
        shape = self.shapes[rows]
        inside = [(index >= 0) & (index < shape[:, axis, None]) for axis, index in enumerate((x, y, z))]
        x, y, z = (index.clamp(min=0).minimum(shape[:, axis, None] - 1) for axis, index in enumerate((x, y, z)))
        flat = ((x[:, :, None] * shape[:, 1, None, None] + y[:, None, :])[..., None]) * shape[:, 2, None, None, None]
        flat = flat + z[:, None, None, :] + self.offsets[rows][:, None, None, None]
        there = inside[0][:, :, None, None] & inside[1][:, None, :, None] & inside[2][:, None, None, :]
        crops = torch.where(there, self.voxels[flat].float(), self.background[rows][:, None, None, None])
        return crops[:, None]


def crop_source(volumes: Sequence[Prepared], device: torch.device) -> CropSource:
    """On a GPU where the volumes fit into it, from the memory-mapped files otherwise."""
    if device.type == "cuda":
        needed = 2 * sum(volume.image.size for volume in volumes)
        free, _ = torch.cuda.mem_get_info(device)
        if needed < DEVICE_SHARE * free:
            return DeviceCrops(volumes, device)
    return MappedCrops(volumes, device)
