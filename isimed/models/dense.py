"""The dense network: one pass over a volume gives every place its features; a code is a linear head on them.

A residual U-Net (5.5 M parameters). Nothing it does at a border tells where the border is: edges are repeated, never
padded with noughts. The idea that thousands of places a volume can be supervised at once is that of APE, Anatomical
Positional Embeddings, arXiv 2409.10291; what is learned is ISImed's, arXiv 2410.16947.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, Literal

import torch
from torch import Tensor, nn
from torch.nn import functional as F

STRIDE = 2  # voxels between features
MULTIPLE = 16  # of voxels, that each axis of what goes in has to have
WIDTHS = (48, 96, 128, 128)
LARGEST = 5_000_000  # voxels of one pass: it takes about 230 bytes for each
OVERLAP = 96  # voxels, of neighbouring tiles of a larger volume
AIR = 8  # voxels of background around a volume's body, in the axial plane
CT_WINDOWS_HU = ((-120.0, 200.0), (-1000.0, -500.0))  # soft tissue and lung
Edges = Literal["repeated", "noughts"]
MOMENTUM = 0.02  # of batch norm: windows vary more from step to step than crops do


class DenseBackbone(nn.Module):
    """Windows of any size in, features of every second voxel out.

    Args:
        windows: for scans whose values mean the same everywhere (CT): (low, high) of prepared values that the network
            sees as channels of their own, each stretched to -1 to 1. Soft tissue and lung are a few per cent of CT's
            range. None for scans without such values (MRI).
        widths: features at each level, of which every checkpoint has the same; narrower ones are for studies.
        edges: what lies beyond a window's border at every convolution; noughts, as is usual, tell where it is.
    """

    def __init__(
        self,
        windows: Sequence[tuple[float, float]] = (),
        *,
        widths: Sequence[int] = WIDTHS,
        edges: Edges = "repeated",
    ) -> None:
        super().__init__()
        self.windows, self.width, self.edges = tuple(windows), widths[0], edges
        self.stem = _convolution(1 + len(self.windows), widths[0] // 2, 3)
        self.enter = _convolution(widths[0] // 2, widths[0], STRIDE, step=STRIDE)
        deepest = len(widths) - 1
        self.encode = nn.ModuleList(
            nn.Sequential(*(_Block(width, edges) for _ in range(2 if level in (0, deepest) else 1)))
            for level, width in enumerate(widths)
        )
        self.down = nn.ModuleList(_convolution(a, b, 2, step=2) for a, b in pairwise(widths))
        self.up = nn.ModuleList(_convolution(b, a, 2, step=2, up=True) for a, b in pairwise(widths))
        self.decode = nn.ModuleList(_Block(width, edges) for width in widths[:-1])

    def field(self, images: Tensor) -> Tensor:
        """(N, 1, X, Y, Z) prepared voxels, sizes multiples of 16 -> (N, 48, X/2, Y/2, Z/2) features.

        Feature i lies between voxels 2i and 2i + 1 of its axis.
        """
        parts = [((images - low) / (high - low) * 2 - 1).clamp(-1, 1) for low, high in self.windows]
        x = torch.cat([images, *parts], dim=1)
        if x.is_cuda:
            x = x.contiguous(memory_format=torch.channels_last_3d)
        x = F.relu(self.enter(F.relu(self.stem(extend(x, 1, self.edges)))))
        kept = []
        for level, blocks in enumerate(self.encode):
            x = blocks(x)
            if level < len(self.down):
                kept.append(x)
                x = F.relu(self.down[level](x))
        for level in reversed(range(len(self.up))):
            x = self.decode[level](F.relu(self.up[level](x) + kept[level]))
        return x

    def forward(self, crops: Tensor) -> Tensor:
        """(N, 1, S, S, S) -> (N, 48) features of the middle of each crop, which is all that the network sees."""
        size = crops.shape[-1]
        missing = -size % MULTIPLE
        padded = F.pad(crops, (missing // 2, missing - missing // 2) * 3, mode="replicate") if missing else crops
        middle = torch.full((len(crops), 1, 3), (size - 1) / 2 + missing // 2, device=crops.device)
        return read_field(self.field(padded), middle)[:, 0]


class _Block(nn.Module):
    """Two convolutions beside a short cut."""

    def __init__(self, width: int, edges: Edges) -> None:
        super().__init__()
        self.edges = edges
        self.first, self.second = _convolution(width, width, 3), _convolution(width, width, 3)
        nn.init.constant_(self.second[1].get_parameter("weight"), 0.5)

    def forward(self, x: Tensor) -> Tensor:
        if self.edges == "repeated":
            return F.relu(x + self.second(F.relu(self.first(repeat_edges(x, 2)))))
        return F.relu(x + self.second(extend(F.relu(self.first(extend(x, 1, self.edges))), 1, self.edges)))


def _convolution(size_in: int, size_out: int, edge: int, *, step: int = 1, up: bool = False) -> nn.Sequential:
    kind = nn.ConvTranspose3d if up else nn.Conv3d
    return nn.Sequential(kind(size_in, size_out, edge, step, bias=False), nn.BatchNorm3d(size_out, momentum=MOMENTUM))


def extend(x: Tensor, count: int, edges: Edges) -> Tensor:
    """(N, C, X, Y, Z) with ``count`` more voxels on all sides."""
    return repeat_edges(x, count) if edges == "repeated" else F.pad(x, (count,) * 6)


def repeat_edges(x: Tensor, count: int) -> Tensor:
    """(N, C, X, Y, Z) with its border repeated ``count`` times on all sides."""
    if not x.is_cuda:
        return F.pad(x, (count,) * 6, mode="replicate")
    x = x.permute(0, 2, 3, 4, 1)  # joined along the memory's order: faster than padding there, and reproducible
    for axis in (1, 2, 3):
        first, last = x.narrow(axis, 0, 1), x.narrow(axis, x.shape[axis] - 1, 1)
        x = torch.cat([first] * count + [x] + [last] * count, dim=axis)
    return x.permute(0, 4, 1, 2, 3)


def read_field(field: Tensor, voxels: Tensor) -> Tensor:
    """Features between those that a field has, by trilinear interpolation; beyond its ends those of the end.

    Args:
        field: (N, C, x, y, z), as `DenseBackbone.field` gives it.
        voxels: (N, P, 3) indices of voxels of the image, fractional ones too.

    Returns:
        (N, P, C).

    >>> import torch
    >>> ramp = torch.arange(4.0)[None, None, :, None, None] * 2 + 0.5  # each feature is where it lies
    >>> read_field(ramp, torch.tensor([[[3.0, 0.0, 0.0], [4.25, 0.0, 0.0]]]))[0, :, 0]
    tensor([3.0000, 4.2500])
    """
    extent = torch.tensor(field.shape[2:], device=field.device) * STRIDE
    at = ((voxels + 0.5) / extent * 2 - 1).flip(-1).to(field.dtype)
    found = F.grid_sample(field, at[:, :, None, None], mode="bilinear", padding_mode="border", align_corners=False)
    return found[..., 0, 0].transpose(1, 2)


def in_prepared_values(
    windows_hu: Sequence[tuple[float, float]], whole_hu: tuple[float, float]
) -> list[tuple[float, float]]:
    """Windows of Hounsfield units as prepared values, of which -1 and 1 are the ends of ``whole_hu``.

    >>> in_prepared_values([(-1000.0, 0.0)], (-1000.0, 1000.0))
    [(-1.0, 0.0)]
    """
    low, high = whole_hu
    return [((a - low) * 2 / (high - low) - 1, (b - low) * 2 / (high - low) - 1) for a, b in windows_hu]


@dataclass(frozen=True, eq=False)
class Field:
    """The features of all places of one volume.

    Attributes:
        features: (C, x, y, z) float16, of every second voxel.
        before: (3,) voxels that were put before the volume's first.
    """

    features: Tensor
    before: tuple[int, int, int]

    def at(self, voxels: Tensor) -> Tensor:
        """(P, 3) voxel indices of the volume, fractional ones too -> (P, C) float32."""
        places = voxels.to(self.features.device).float() + torch.tensor(self.before, device=self.features.device)
        return read_field(self.features[None].float(), places[None])[0]


def whole_field(backbone: Any, image: Tensor, background: float) -> Field:
    """One pass over a volume: around its body lies background, above and below the scan's ends are repeated.

    What is larger than a pass should be is looked at in overlapping tiles, so that memory stays below 2 GB.

    Args:
        backbone: a `DenseBackbone`, or what `for_inference` made of one.
        image: (X, Y, Z) prepared voxels.
        background: what lies around the body.
    """
    air = (AIR, AIR, 0)
    sizes = [-(-(size + 2 * more) // MULTIPLE) * MULTIPLE for size, more in zip(image.shape, air, strict=True)]
    x0, y0, z0 = before = [(to - size) // 2 for to, size in zip(sizes, image.shape, strict=True)]
    x1, y1, z1 = (to - size - b for to, size, b in zip(sizes, image.shape, before, strict=True))
    around = F.pad(image[None, None].float(), (0, 0, y0, y1, x0, x1), value=background)
    return Field(_in_tiles(backbone, F.pad(around, (z0, z1, 0, 0, 0, 0), mode="replicate"))[0], (x0, y0, z0))


def _in_tiles(backbone: Any, images: Tensor) -> Tensor:
    """float16 `DenseBackbone.field` of (1, 1, X, Y, Z); of two tiles that overlap each gives its half of that."""
    axis = max((2, 3, 4), key=lambda axis: images.shape[axis])
    tiles = tiles_along(images.shape[axis], LARGEST * images.shape[axis] // images.numel())
    seams = [0, *((end + start) // 2 for (_, end), (start, _) in pairwise(tiles)), images.shape[axis]]
    parts = []
    for (start, end), (low, high) in zip(tiles, pairwise(seams), strict=True):
        features = backbone.field(images.narrow(axis, start, end - start))
        parts.append(features.narrow(axis, (low - start) // STRIDE, (high - low) // STRIDE).half())
    return torch.cat(parts, dim=axis)


def tiles_along(size: int, most: int) -> list[tuple[int, int]]:
    """Where tiles begin and end that cover an axis, overlap by 96 voxels or more, and lie on multiples of 16.

    >>> tiles_along(480, 300)
    [(0, 288), (192, 480)]
    """
    length = max(most // MULTIPLE * MULTIPLE, 2 * OVERLAP)
    if size <= length:
        return [(0, size)]
    count = -(-(size - OVERLAP) // (length - OVERLAP))
    starts = [number * (size - length) // (count - 1) // MULTIPLE * MULTIPLE for number in range(count)]
    return [(start, start + length) for start in starts]
