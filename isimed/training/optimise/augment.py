"""Views of crops, made in batches on the device: coarse dropout and shuffle, intensity, spacing, blur, noise.

Flips are off by default: they would teach that left is right.
"""

import math
from collections.abc import Callable

import torch
from torch import Tensor
from torch.nn import functional as F

from isimed.training.optimise.config import TrainConfig

HOLES = 6
INNER_EDGE, OUTER_EDGE = (0.1, 0.4), (0.3, 0.9)  # of the crop's edge: boxes replaced, and boxes kept
SHUFFLE_HOLES, SHUFFLE_EDGE = 2, 6


class Dice:
    """Random numbers for a batch, the same whether one process draws it or several draw their parts.

    Args:
        seed: of this batch.
        total: rows of the global batch.
        rows: which of them this process has.
        device: where the numbers are wanted.
    """

    def __init__(self, seed: int, total: int, rows: slice, device: torch.device) -> None:
        self.generator = torch.Generator(device).manual_seed(seed)
        self.total, self.rows, self.device = total, rows, device

    def uniform(self, *shape: int) -> Tensor:
        """(rows, *shape) evenly from 0 to 1."""
        return torch.rand((self.total, *shape), generator=self.generator, device=self.device)[self.rows]

    def normal(self, *shape: int) -> Tensor:
        """(rows, *shape) with mean 0 and standard deviation 1."""
        return torch.randn((self.total, *shape), generator=self.generator, device=self.device)[self.rows]


def make_view(crops: Tensor, config: TrainConfig, dice: Dice, *, coarse: bool) -> Tensor:
    """One random view of each crop; its centre stays where it was.

    Args:
        crops: (N, 1, S, S, S).
        coarse: with the paper's coarse dropout and shuffle (methods that compare two views).

    Returns:
        (N, 1, S, S, S).
    """
    if config.flips:
        crops = flip(crops, config.flips, dice)
    if config.intensity:
        crops = change_intensity(crops, config.intensity, dice)
    if config.blur:
        crops = blur(crops, config.blur, dice)
    if coarse and config.coarse_dropout:
        crops = _sometimes(coarse_dropout, crops, config.coarse_dropout, dice)
    if coarse and config.coarse_shuffle:
        crops = coarse_shuffle(crops, config.coarse_shuffle, dice)
    if config.noise:
        crops = crops + config.noise * dice.normal(*crops.shape[1:])
    return crops


def coarse_dropout(crops: Tensor, dice: Dice) -> Tensor:
    """Replace 6 random boxes by noise, or (every second time) everything outside 6 larger boxes.

    The noise is even between the crop's least and largest value. Source: ISImed, arXiv 2410.16947; box sizes
    are those of MONAI's self-supervised tutorial relative to the crop: edges 0.1-0.4 and 0.3-0.9.
    """
    size = crops.shape[-1]
    outside = dice.uniform(1, 1) < 0.5
    shares = dice.uniform(HOLES, 3)
    inner = INNER_EDGE[0] + shares * (INNER_EDGE[1] - INNER_EDGE[0])
    outer = OUTER_EDGE[0] + shares * (OUTER_EDGE[1] - OUTER_EDGE[0])
    boxes = _boxes(torch.where(outside, outer, inner).mul(size).round(), dice.uniform(HOLES, 3), size)
    dropped = boxes ^ outside.view(-1, 1, 1, 1, 1)
    low, high = crops.amin((1, 2, 3, 4), keepdim=True), crops.amax((1, 2, 3, 4), keepdim=True)
    noise = low + (high - low) * dice.uniform(*crops.shape[1:])
    return torch.where(dropped, noise, crops)


def coarse_shuffle(crops: Tensor, probability: float, dice: Dice) -> Tensor:
    """Put the voxels inside each of 2 boxes of 6³ into random order, each crop with a probability.

    Source: ISImed, arXiv 2410.16947.
    """
    size, edge = crops.shape[-1], SHUFFLE_EDGE
    chosen = dice.uniform(1) < probability
    flat = crops.flatten(1)
    for _ in range(SHUFFLE_HOLES):
        start = (dice.uniform(3) * (size - edge + 1)).long()
        order = dice.uniform(edge**3).argsort(dim=1)
        inside = torch.arange(edge, device=crops.device)
        x, y, z = (start[:, axis, None] + inside for axis in range(3))
        where = ((x[:, :, None] * size + y[:, None, :])[..., None] * size + z[:, None, None, :]).flatten(1)
        values = flat.gather(1, where)
        flat = flat.scatter(1, where, torch.where(chosen, values.gather(1, order), values))
    return flat.view_as(crops)


def change_intensity(crops: Tensor, most: float, dice: Dice) -> Tensor:
    """Multiply by 1 ± ``most`` and add ± ``most``, one draw a crop."""
    contrast, brightness = (2 * dice.uniform(2) - 1).mul(most).view(-1, 2, 1, 1, 1, 1).unbind(1)
    return crops * (1 + contrast) + brightness


def size_before(size: int, most: float) -> int:
    """Edge of the crop that `change_spacing` needs: even as the crop's own, so that both have one middle."""
    return size + 2 * math.ceil(size * most / 2)


def change_spacing(crops: Tensor, size: int, most: float, dice: Dice) -> Tensor:
    """(N, 1, B, B, B) -> (N, 1, S, S, S): voxels from 1 / (1 + ``most``) to 1 + ``most`` as large, around the middle.

    Trilinear; evenly in the logarithm of the factor, one draw a crop. B is what `size_before` gives.
    """
    factor = torch.exp((2 * dice.uniform(1) - 1) * math.log1p(most))
    turn = torch.eye(3, 4, device=crops.device) * (factor * size / crops.shape[-1]).unsqueeze(-1)
    grid = F.affine_grid(turn, [len(crops), 1, size, size, size], align_corners=False)
    return F.grid_sample(crops, grid, padding_mode="border", align_corners=False)


def blur(crops: Tensor, most: float, dice: Dice) -> Tensor:
    """Gaussian blur with a standard deviation from 0 to ``most`` voxels, one draw a crop."""
    reach = max(1, round(3 * most))
    steps = torch.arange(-reach, reach + 1, device=crops.device, dtype=crops.dtype)
    deviation = (dice.uniform(1) * most).clamp(min=1e-3)
    kernels = torch.exp(-0.5 * (steps / deviation).square())
    kernels = kernels / kernels.sum(dim=1, keepdim=True)
    count, size = len(crops), crops.shape[-1]
    stacked = F.pad(crops.view(1, count, size, size, size), (reach,) * 6, mode="replicate")
    for shape in ((-1, 1, 1), (1, -1, 1), (1, 1, -1)):
        stacked = F.conv3d(stacked, kernels.view(count, 1, *shape), groups=count)
    return stacked.view_as(crops)


def flip(crops: Tensor, probability: float, dice: Dice) -> Tensor:
    """Mirror along each axis with a probability."""
    mirrored = dice.uniform(3) < probability
    for axis in range(3):
        crops = torch.where(mirrored[:, axis].view(-1, 1, 1, 1, 1), crops.flip(axis + 2), crops)
    return crops


def local_view(crops: Tensor, dice: Dice) -> Tensor:
    """A random cube of half the edge, enlarged to the crop's size (DINO's small views; the network needs 32³)."""
    size, edge = crops.shape[-1], crops.shape[-1] // 2
    start = (dice.uniform(3) * (size - edge + 1)).long()
    inside = torch.arange(edge, device=crops.device)
    x, y, z = (start[:, axis, None] + inside for axis in range(3))
    row = torch.arange(len(crops), device=crops.device)[:, None, None, None]
    small = crops[row, 0, x[:, :, None, None], y[:, None, :, None], z[:, None, None, :]]
    return F.interpolate(small[:, None], size=(size, size, size), mode="trilinear", align_corners=False)


def _sometimes(change: Callable[[Tensor, Dice], Tensor], crops: Tensor, probability: float, dice: Dice) -> Tensor:
    chosen = dice.uniform(1, 1, 1, 1) < probability
    return torch.where(chosen, change(crops, dice), crops)


def _boxes(edges: Tensor, places: Tensor, size: int) -> Tensor:
    """(N, 1, S, S, S) True inside any of a crop's boxes; edges and places (from 0 to 1) are (N, H, 3)."""
    starts = (places * (size - edges + 1)).floor()
    along = torch.arange(size, device=edges.device)
    within = (along >= starts[..., None]) & (along < (starts + edges)[..., None])
    covered = torch.zeros((len(edges), size, size, size), dtype=torch.bool, device=edges.device)
    for hole in range(edges.shape[1]):
        x, y, z = within[:, hole].unbind(1)
        covered |= x[:, :, None, None] & y[:, None, :, None] & z[:, None, None, :]
    return covered[:, None]
