"""A step's batch for a dense network: of each volume two windows onto one virtual patient, and places of the body.

A function of (seed, step), so nothing need be stored: a resumed run draws what the unbroken one would have, and
several processes what one would.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from torch import Tensor

from isimed.data.prepared.crops import random_centres
from isimed.data.prepared.preprocess import Prepared
from isimed.models.dense import MULTIPLE
from isimed.training.optimise.batches import Steps
from isimed.training.optimise.config import TrainConfig
from isimed.training.optimise.windows.deform import Draw, Strength, VirtualPatients, Window
from isimed.training.optimise.windows.window_look import Looks, draw_cut, picture

SHAPES, PLACES, WINDOWS = 4, 5, 6  # streams of random numbers; the smaller ones belong to crops and validation
SMALLEST = 32  # voxels along each axis of a window
CANDIDATES = 4  # places of a volume that are drawn for one that counts
MARGIN_MM = 4.0


@dataclass(frozen=True)
class Recipe:
    """How windows are made.

    Attributes:
        smallest: shortest edge of a window, voxels; a multiple of 16.
        places: of each volume, that count in a step.
        strength: how much virtual patients and windows vary.
        looks: what is hidden, blurred and brightened.
    """

    smallest: int = SMALLEST
    places: int = 768
    strength: Strength = field(default_factory=Strength)
    looks: Looks = field(default_factory=Looks)


@dataclass(frozen=True)
class View:
    """What one window shows of each volume.

    Attributes:
        images: (b, 1, X, Y, Z).
        voxels: (b, P, 3) where the step's places are in it, fractional voxel indices.
    """

    images: Tensor
    voxels: Tensor


@dataclass(frozen=True)
class WindowBatch:
    """Two windows of each volume of a step, this process's part.

    Attributes:
        windows: both.
        centres_mm: (b, P, 3) mm of the virtual patients: where the step's places are.
        positions_mm: the same.
        shown: (b, 2, P) 1 where a window shows a place, else 0.
        groups: (b,) number of the volume in the step's global batch.
        total: windows of the global batch.
    """

    windows: tuple[View, View]
    centres_mm: Tensor
    shown: Tensor
    groups: Tensor
    total: int

    @property
    def positions_mm(self) -> Tensor:
        return self.centres_mm


class WindowBatches(Steps):
    """Draws the batch of any step.

    Args:
        config: the training's options.
        volumes: all training volumes.
        device: where windows are made.
        rank, world: this process, counted from 0, and how many there are.
        recipe: how windows are made.
    """

    def __init__(
        self,
        config: TrainConfig,
        volumes: Sequence[Prepared],
        device: torch.device,
        *,
        rank: int = 0,
        world: int = 1,
        recipe: Recipe | None = None,
    ) -> None:
        super().__init__(config, volumes, device, rank=rank, world=world)
        self.recipe = recipe or Recipe()
        smallest = self.recipe.smallest
        longest = max(max(volume.image.shape) for volume in volumes)
        largest = max(smallest, min(config.largest_window, longest + MULTIPLE - 1))
        self.sizes = np.arange(smallest, largest + 1, MULTIPLE)
        self.calibrated = all(volume.calibrated for volume in volumes)

    def draw(self, step: int) -> WindowBatch:
        """This process's windows of a step."""
        chosen, seed, recipe = self.chosen(step), self.config.seed, self.recipe
        mine = np.array_split(np.arange(len(chosen)), self.world)[self.rank]
        volumes = [self.volumes[chosen[g]] for g in mine]
        number = int(np.random.default_rng((seed, WINDOWS, step, 0)).integers(2**62))
        draw = Draw(number, self.device, total=len(chosen), first=int(mine[0]))
        longest = max(max(self.volumes[i].image.shape) for i in chosen)
        patients = virtual_patients(volumes, draw, recipe.strength, longest=longest)
        places = [self._places(volume, step, int(g)) for volume, g in zip(volumes, mine, strict=True)]
        u = patients.from_voxel(torch.from_numpy(np.stack(places)).float().to(self.device))
        shapes = np.random.default_rng((seed, SHAPES, step)).choice(self.sizes, (2, 3)).tolist()
        windows = [Window(patients, (x, y, z), u[:, 0], recipe.strength, draw) for x, y, z in shapes]
        cuts = [draw_cut(window, recipe.looks, draw) for window in windows]
        pairs, at = list(zip(windows, cuts, strict=True)), [window.from_patient(u) for window in windows]
        images = [picture(window, cut, recipe.looks, draw, calibrated=self.calibrated) for window, cut in pairs]
        seen = [
            (w.abs() < window.half - MARGIN_MM).all(-1) & cut.shows(w, MARGIN_MM)
            for (window, cut), w in zip(pairs, at, strict=True)
        ]
        shown = torch.stack(seen, dim=1).float()
        kept = (
            (draw.uniform(*u.shape[:2]) + shown.amax(1)).topk(recipe.places, dim=1).indices
        )  # what any window shows comes first
        first, second = (
            View(image, window.to_window_voxel(_take(w, kept)))
            for window, image, w in zip(windows, images, at, strict=True)
        )
        return WindowBatch(
            windows=(first, second),
            centres_mm=_take(u, kept),
            shown=torch.stack([part.gather(1, kept) for part in shown.unbind(1)], dim=1),
            groups=torch.from_numpy(mine).to(self.device),
            total=2 * len(chosen),
        )

    def views(self, batch: WindowBatch, step: int) -> list[View]:
        """Both windows."""
        return list(batch.windows)

    def ask(self, network: Any, views: Sequence[View]) -> list[dict[str, Tensor]]:
        """What a network says of the places in each window; one pass a window, since they differ in size."""
        return [network.outputs(view.images, view.voxels) for view in views]

    def _places(self, volume: Prepared, step: int, group: int) -> np.ndarray:
        """(N, 3) fractional voxel indices, drawn evenly from the body, four times as many as count."""
        rng, count = np.random.default_rng((self.config.seed, PLACES, step, group)), CANDIDATES * self.recipe.places
        return random_centres(volume, count, rng, peek=True) + rng.uniform(-0.5, 0.5, (count, 3))


def virtual_patients(
    volumes: Sequence[Prepared], draw: Draw, strength: Strength | None = None, *, longest: int | None = None
) -> VirtualPatients:
    """Prepared volumes as virtual patients on the device that numbers are drawn on."""
    sizes = np.array([volume.image.shape for volume in volumes])
    x, y, z = sizes.max(axis=0)
    images = torch.zeros(len(volumes), 1, x, y, z)
    for image, volume in zip(images[:, 0], volumes, strict=True):
        a, b, c = volume.image.shape
        image[:a, :b, :c] = torch.from_numpy(np.array(volume.image, dtype=np.float32))
    return VirtualPatients(
        images.to(draw.device),
        torch.from_numpy(sizes).to(draw.device),
        torch.tensor([volume.background for volume in volumes], device=draw.device),
        volumes[0].spacing,
        strength or Strength(),
        draw,
        longest=longest,
    )


def _take(rows: Tensor, index: Tensor) -> Tensor:
    return rows.gather(1, index[..., None].expand(-1, -1, rows.shape[-1]))
