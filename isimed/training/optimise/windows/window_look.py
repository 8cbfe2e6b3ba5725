"""What a window looks like: cut, with pieces missing, blurred, in other contrast. What is missing says nothing.

Cut planes and blocks take away what a network would read positions off instead of the anatomy: where the scan ends.
"""

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional as F

from isimed.training.optimise.windows.deform import Draw, Window

NEVER_MM = 1e6
BLOCKS = 3
PIVOT = -0.2  # of the contrast: soft tissue, where CT is prepared by a window


@dataclass(frozen=True)
class Looks:
    """How often, and how much at most.

    Attributes:
        cut: how often a plane ends what was scanned.
        block: how often each of three blocks is missing.
        repeated: how often what lies beyond a scan is its end repeated and not background, along x, y, z.
        thick: how often slices are as thick as three, along x, y, z.
    """

    cut: float = 0.35
    block: float = 0.5
    repeated: tuple[float, float, float] = (0.2, 0.2, 0.5)
    thick: tuple[float, float, float] = (0.1, 0.1, 0.3)
    contrast: float = 0.08
    brightness: float = 0.015
    noise: float = 0.03


@dataclass(frozen=True)
class Cut:
    """The plane beyond which a window was not scanned: ``normal · w > at_mm``; (B, 3) and (B,)."""

    normal: Tensor
    at_mm: Tensor

    def shows(self, w: Tensor, margin_mm: float = 0.0) -> Tensor:
        """(B, N, 3) mm in the window -> (B, N)."""
        return (w * self.normal[:, None]).sum(-1) < self.at_mm[:, None] - margin_mm


def draw_cut(window: Window, looks: Looks, draw: Draw) -> Cut:
    """A plane about across one axis, some 15 mm or more beyond the place that the window has to show."""
    count, device = len(window.anchors), draw.device
    axis = F.one_hot((draw.uniform(count) * 3).long().clamp(max=2), 3) * (draw.uniform(count, 1) * 2 - 1).sign()
    tilt = 0.15 * draw.normal(count, 3) * (draw.uniform(count, 1) < 0.5)
    normal = F.normalize(axis + tilt, dim=1)
    start, end = (normal * window.anchors).sum(1) + 15, (normal.abs() * window.half).sum(1)
    at = start + draw.uniform(count) * (end - start).clamp(min=0)
    return Cut(normal, torch.where(draw.uniform(count) < looks.cut, at, torch.full((count,), NEVER_MM, device=device)))


def picture(window: Window, cut: Cut, looks: Looks, draw: Draw, *, calibrated: bool) -> Tensor:
    """(B, 1, X, Y, Z) what the network sees.

    Args:
        calibrated: whether values end at -1 and 1, as CT's do.
    """
    count, patients, w = len(window.anchors), window.patients, window.places()
    repeat = draw.uniform(count, 3) < torch.tensor(looks.repeated, device=draw.device)
    x = patients.values(patients.to_voxel(window.to_patient(w)), repeat)
    scanned = cut.shows(w.reshape(1, -1, 3).expand(count, -1, 3)).view(count, 1, *window.shape)
    x = torch.where(scanned, x, _fill(patients.background, 0.75, draw))
    for _ in range(BLOCKS):
        x = torch.where(_block(window, looks, draw), _fill(patients.background, 0.5, draw), x)
    for axis, often in enumerate(looks.thick):
        edge, pad = ([size if axis == k else rest for k in range(3)] for size, rest in ((3, 1), (1, 0)))
        thick = F.avg_pool3d(x, edge, 1, pad, count_include_pad=False)
        x = torch.where(_each(draw.uniform(count)) < often, thick, x)
    contrast, brightness = (1 + looks.contrast * _both_ways(draw, count)), looks.brightness * _both_ways(draw, count)
    x = (x - PIVOT) * contrast + PIVOT + brightness
    x = x + looks.noise * _each(draw.uniform(count)).square() * draw.normal(*x.shape)
    return x.clamp(-1, 1) if calibrated else x


def _fill(background: Tensor, often: float, draw: Draw) -> Tensor:
    """(B, 1, 1, 1, 1) the background, or some other value."""
    count = len(background)
    other = background + 1.4 * draw.uniform(count)
    return _each(torch.where(draw.uniform(count) < often, background, other))


def _block(window: Window, looks: Looks, draw: Draw) -> Tensor:
    """(B, 1, X, Y, Z) where a block of random size and place lies; nowhere in some."""
    count = len(window.anchors)
    edge = (0.08 + 0.32 * draw.uniform(count, 3)) * window.half * (draw.uniform(count, 1) < looks.block)
    middle = (draw.uniform(count, 3) * 2 - 1) * window.half
    inside = (window.places()[None] - middle[:, None, None, None]).abs() < edge[:, None, None, None]
    return inside.all(-1)[:, None]


def _both_ways(draw: Draw, count: int) -> Tensor:
    return _each(draw.uniform(count) * 2 - 1)


def _each(values: Tensor) -> Tensor:
    return values.view(-1, 1, 1, 1, 1)
