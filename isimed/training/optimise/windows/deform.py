"""Virtual patients made of real ones, and windows onto them: the geometry, in three frames.

``p``: voxel index of a prepared volume. ``u``: mm in the virtual patient, 0 at the volume's middle. ``w``: mm in a
window, 0 at its middle. ``p = middle + (scale u + bend(u)) / spacing``, ``u = y + sway(y)``, ``y = centre + turn w``.

Scale and bend make another patient, in whom distances are measured. Turn, zoom and sway belong to one window alone,
and are to be seen through.
"""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional as F

FIELD = 24  # points of a displacement field along each axis
COARSE = 6  # independent ones among them
REACH = 0.85  # of half a window: how far off its middle the place lies, at most, that it has to show
ROUNDS = 8  # of the fixed-point iteration that turns a displacement round


@dataclass(frozen=True)
class Strength:
    """How much things vary: standard deviations, of logarithms where nothing else is said."""

    size: float = 0.05
    shape: float = 0.03
    bend_mm: float = 6.0
    zoom: float = 0.08
    axis_zoom: float = 0.05
    turn_rad: float = 0.12
    sway_mm: float = 4.0


class Draw:
    """Random tensors on a device, a row a volume, from one generator.

    Args:
        seed: the same numbers for the same one.
        device: where they are.
        total: volumes of the global batch, and ``first`` of them those of this process: all processes draw all rows,
            so that several give what one gives. By default a process has them all.
    """

    def __init__(self, seed: int, device: torch.device, *, total: int | None = None, first: int = 0) -> None:
        self.device, self.total, self.first = device, total, first
        self.generator = torch.Generator(device).manual_seed(seed)

    def uniform(self, count: int, *shape: int) -> Tensor:
        return self._rows(torch.rand, count, shape)

    def normal(self, count: int, *shape: int) -> Tensor:
        return self._rows(torch.randn, count, shape)

    def _rows(self, kind: Callable[..., Tensor], count: int, shape: tuple[int, ...]) -> Tensor:
        drawn = kind(self.total or count, *shape, generator=self.generator, device=self.device)
        return drawn[self.first : self.first + count]

    def bend(self, amount_mm: Tensor) -> Tensor:
        """(B, 3, 24, 24, 24) smooth random displacement, of (B,) mm standard deviation."""
        rough = self.normal(len(amount_mm), 3, COARSE, COARSE, COARSE)
        smooth = F.interpolate(rough, size=(FIELD,) * 3, mode="trilinear", align_corners=True)
        for _ in range(2):
            smooth = F.avg_pool3d(F.pad(smooth, (1,) * 6, mode="replicate"), 3, 1)
        return smooth / smooth.std(dim=(1, 2, 3, 4), keepdim=True) * amount_mm.view(-1, 1, 1, 1, 1)


def sample(grid: Tensor, places: Tensor, half: float) -> Tensor:
    """(B, C, X, Y, Z) at (B, ..., 3) from its middle, ``half`` to its outermost points -> (B, ..., C)."""
    at = (places / half).flip(-1).reshape(len(places), -1, 1, 1, 3)
    found = F.grid_sample(grid, at, mode="bilinear", padding_mode="border", align_corners=True)
    return found.flatten(2).transpose(1, 2).reshape(*places.shape[:-1], grid.shape[1])


class VirtualPatients:
    """B real volumes, each stretched and bent into another patient.

    Args:
        volumes: (B, 1, X, Y, Z) prepared voxels, each in the corner of a common shape.
        sizes: (B, 3) how many voxels each really has.
        background: (B,) value outside each volume.
        spacing: mm of a voxel.
        longest: voxels along the longest axis of any volume of the global batch; by default of these.
    """

    def __init__(
        self,
        volumes: Tensor,
        sizes: Tensor,
        background: Tensor,
        spacing: float,
        strength: Strength,
        draw: Draw,
        *,
        longest: int | None = None,
    ) -> None:
        self.volumes, self.sizes, self.background, self.spacing = volumes, sizes.float(), background, spacing
        count = len(volumes)
        much = 0.5 + draw.uniform(count)
        logarithm = much[:, None] * (strength.size * draw.normal(count, 1) + strength.shape * draw.normal(count, 3))
        self.scale = logarithm.clamp(-0.45, 0.45).exp()
        self.bend = draw.bend(much * strength.bend_mm * (0.3 + draw.uniform(count)))
        self.middle = (self.sizes - 1) / 2
        self.half_mm = float(longest or self.sizes.max()) * spacing / 2 + 40

    def to_voxel(self, u: Tensor) -> Tensor:
        """(B, ..., 3) mm of the virtual patient -> voxel indices of the volume."""
        moved = u * _lift(self.scale, u) + sample(self.bend, u, self.half_mm)
        return _lift(self.middle, u) + moved / self.spacing

    def from_voxel(self, p: Tensor) -> Tensor:
        """The way back."""
        moved = (p - _lift(self.middle, p)) * self.spacing
        u = moved / _lift(self.scale, p)
        for _ in range(ROUNDS):
            u = (moved - sample(self.bend, u, self.half_mm)) / _lift(self.scale, p)
        return u

    def values(self, p: Tensor, repeat: Tensor) -> Tensor:
        """(B, X, Y, Z, 3) voxel indices -> (B, 1, X, Y, Z); beyond the ends background, or the end repeated.

        Args:
            repeat: (B, 3) along which axes the ends are repeated.
        """
        last = _lift(self.sizes - 1, p)
        held = torch.minimum(p.clamp(min=0), last)
        away = (p - held).abs() * _lift((~repeat).float(), p)
        inside = (1 - away.amax(-1)).clamp(0, 1)[:, None]  # fades over one voxel
        most = torch.tensor(self.volumes.shape[2:], device=p.device) - 1
        at = (held / most.clamp(min=1) * 2 - 1).flip(-1)
        found = F.grid_sample(self.volumes, at, mode="bilinear", padding_mode="border", align_corners=True)
        around = self.background.view(-1, 1, 1, 1, 1)
        return (found - around) * inside + around


class Window:
    """A window onto each virtual patient, turned, zoomed and swayed, that shows a given place of it.

    Args:
        shape: voxels along each axis.
        anchors: (B, 3) mm of the virtual patients that it shows.
    """

    def __init__(
        self,
        patients: VirtualPatients,
        shape: tuple[int, int, int],
        anchors: Tensor,
        strength: Strength,
        draw: Draw,
    ) -> None:
        count = len(anchors)
        self.patients, self.shape = patients, shape
        self.half = torch.tensor(shape, device=anchors.device) * patients.spacing / 2
        logarithm = strength.zoom * draw.normal(count, 1) + strength.axis_zoom * draw.normal(count, 3)
        zoom, turn = logarithm.clamp(-0.3, 0.3).exp(), rotation(strength.turn_rad * draw.normal(count, 3))
        self.matrix, self.inverse = turn * zoom[:, None], turn.transpose(1, 2) / zoom[:, :, None]
        self.sway = draw.bend(strength.sway_mm * draw.uniform(count) * 1.5)
        offset = (draw.uniform(count, 3) * 2 - 1) * REACH * self.half
        centre = anchors - (self.matrix @ offset[..., None])[..., 0]
        over = patients.sizes * patients.spacing / 2 / patients.scale
        over = torch.maximum(over - 0.6 * self.half, 0.25 * over)  # so far its middle may leave the volume's
        pulled = torch.maximum(torch.minimum(centre, over), -over)
        shown = (self._turned_back(anchors - pulled).abs() < 0.95 * self.half).all(-1, keepdim=True)
        self.centre = torch.where(shown, pulled, centre)
        self.anchors = self._turned_back(anchors - self.centre)

    def places(self) -> Tensor:
        """(X, Y, Z, 3) mm in the window of its voxels."""
        axes = [(torch.arange(n, device=self.half.device) - (n - 1) / 2) * self.patients.spacing for n in self.shape]
        return torch.stack(torch.meshgrid(*axes, indexing="ij"), -1)

    def to_patient(self, w: Tensor) -> Tensor:
        """(X, Y, Z, 3) mm in the window -> (B, X, Y, Z, 3) mm of each virtual patient."""
        y = torch.einsum("xyzj,bij->bxyzi", w, self.matrix) + self.centre[:, None, None, None]
        return y + sample(self.sway, y, self.patients.half_mm)

    def from_patient(self, u: Tensor) -> Tensor:
        """(B, N, 3) mm of the virtual patients -> mm in the window, beyond its ends too."""
        y = u
        for _ in range(ROUNDS):
            y = u - sample(self.sway, y, self.patients.half_mm)
        return (y - self.centre[:, None]) @ self.inverse.transpose(1, 2)

    def to_window_voxel(self, w: Tensor) -> Tensor:
        """(B, N, 3) mm in the window -> voxel indices of what it shows."""
        return (w + self.half) / self.patients.spacing - 0.5

    def _turned_back(self, offset: Tensor) -> Tensor:
        return (self.inverse @ offset[..., None])[..., 0]


def rotation(angles: Tensor) -> Tensor:
    """(B, 3) rotation vectors in rad -> (B, 3, 3), by Rodrigues' formula."""
    x, y, z = angles.unbind(-1)
    nought = torch.zeros_like(x)
    return torch.linalg.matrix_exp(torch.stack([nought, -z, y, z, nought, -x, -y, x, nought], -1).view(-1, 3, 3))


def _lift(values: Tensor, like: Tensor) -> Tensor:
    """(B, 3) beside (B, ..., 3)."""
    return values.view(len(values), *(1,) * (like.ndim - 2), 3)
