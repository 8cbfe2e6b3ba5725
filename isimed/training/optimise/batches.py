"""A step's batch: which volumes, which crops, which views. A function of (seed, step), so nothing need be stored."""

from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from isimed.data.prepared.crops import crop_centre_mm, random_centres
from isimed.data.prepared.preprocess import Prepared
from isimed.training.optimise.augment import Dice, change_spacing, local_view, make_view, size_before
from isimed.training.optimise.config import TrainConfig
from isimed.training.optimise.crop_source import CropSource

ORDER, CENTRES, VIEWS = 0, 1, 3  # streams of random numbers; 2 belongs to `validation`


@dataclass(frozen=True)
class Batch:
    """Crops of one step, this process's part.

    Attributes:
        crops: (n, 1, S, S, S), larger where their spacing will be changed.
        centres_mm: (n, 3) scanner mm.
        positions_mm: (n, 3) mm from the centre of the body's box.
        groups: (n,) number of the volume in the step's global batch.
        total: crops of the global batch.
        first: where this process's rows begin in it.
        shown: of windows, which show a place; crops are all shown.
    """

    crops: Tensor
    centres_mm: Tensor
    positions_mm: Tensor
    groups: Tensor
    total: int
    first: int
    shown: None = None


class Steps(ABC):
    """Which volumes a step shows, and batches made of them.

    Args:
        config: the training's options.
        volumes: all training volumes.
        device: where batches are made.
        rank: this process, counted from 0; a step's volumes are dealt out among all.
        world: how many processes there are.
    """

    def __init__(
        self, config: TrainConfig, volumes: Sequence[Prepared], device: torch.device, *, rank: int = 0, world: int = 1
    ) -> None:
        self.config, self.volumes, self.device = config, volumes, device
        self.rank, self.world = rank, world

    @abstractmethod
    def draw(self, step: int) -> Any:
        """This process's part of a step: with ``centres_mm``, ``positions_mm``, ``groups``, ``shown`` and ``total``."""

    @abstractmethod
    def views(self, batch: Any, step: int) -> list[Any]:
        """What the network looks at."""

    @abstractmethod
    def ask(self, network: Any, views: Sequence[Any]) -> list[dict[str, Tensor]]:
        """What the network says of each view: name of a head -> rows."""

    @property
    def steps_per_epoch(self) -> int:
        return self.config.steps_per_epoch(len(self.volumes))

    def chosen(self, step: int) -> np.ndarray:
        """Indices of the volumes in a step: every volume once an epoch, in a new order each epoch."""
        epoch, place = divmod(step, self.steps_per_epoch)
        order = np.random.default_rng((self.config.seed, ORDER, epoch)).permutation(len(self.volumes))
        return np.array_split(order, self.steps_per_epoch)[place]

    def upcoming(self, first: int, end: int) -> Iterator[Any]:
        """Batches of the steps ``first`` to ``end - 1``; on a GPU the next is cut while one is worked on."""
        if self.device.type == "cpu":
            yield from (self.draw(step) for step in range(first, end))
            return
        with ThreadPoolExecutor(1) as pool:
            ahead = pool.submit(self.draw, first) if first < end else None
            for step in range(first, end):
                batch = ahead.result() if ahead else self.draw(step)
                ahead = pool.submit(self.draw, step + 1) if step + 1 < end else None
                yield batch


class Batches(Steps):
    """Crops around random places of the body, as many from each volume.

    Args:
        config, volumes, rank, world: as for `Steps`.
        source: where crops are cut.
        views: full-size views of each crop.
        whole_views: the first of them, without coarse dropout and shuffle.
        local_views: views of half a crop's edge beside them.
    """

    def __init__(
        self,
        config: TrainConfig,
        volumes: Sequence[Prepared],
        source: CropSource,
        *,
        rank: int = 0,
        world: int = 1,
        views: int = 1,
        whole_views: int = 0,
        local_views: int = 0,
    ) -> None:
        super().__init__(config, volumes, source.device, rank=rank, world=world)
        self.source = source
        self.full_views, self.whole_views, self.local_views = views, whole_views, local_views

    def draw(self, step: int) -> Batch:
        """This process's crops of a step."""
        chosen, count, size = self.chosen(step), self.config.crops_per_volume, self.config.crop_size
        mine = np.array_split(np.arange(len(chosen)), self.world)[self.rank]
        centres = [
            random_centres(
                self.volumes[chosen[g]], count, np.random.default_rng((self.config.seed, CENTRES, step, g)), peek=True
            )
            for g in mine
        ]
        volumes = [self.volumes[chosen[g]] for g in mine]
        centres_mm = [crop_centre_mm(volume, where, size) for volume, where in zip(volumes, centres, strict=True)]
        positions = [volume.position(points) for volume, points in zip(volumes, centres_mm, strict=True)]
        device = self.source.device
        return Batch(
            crops=self.source.cut(
                [int(i) for i in chosen[mine]], centres, size_before(size, self.config.spacing_change)
            ),
            centres_mm=torch.from_numpy(np.concatenate(centres_mm)).float().to(device),
            positions_mm=torch.from_numpy(np.concatenate(positions)).float().to(device),
            groups=torch.from_numpy(np.repeat(mine, count)).to(device),
            total=len(chosen) * count,
            first=int(mine[0]) * count,
        )

    def views(self, batch: Batch, step: int) -> list[Tensor]:
        """The full-size views of a batch, then the local ones; each (n, 1, S, S, S)."""
        config, rows = self.config, slice(batch.first, batch.first + len(batch.crops))
        views = []
        for view in range(self.full_views + self.local_views):
            seed = int(np.random.default_rng((config.seed, VIEWS, step, view)).integers(2**62))
            dice = Dice(seed, batch.total, rows, batch.crops.device)
            crops = batch.crops
            if config.spacing_change:
                crops = change_spacing(crops, config.crop_size, config.spacing_change, dice)
            if view >= self.full_views:
                crops = local_view(crops, dice)
            coarse = self.full_views > 1 and view >= self.whole_views
            views.append(make_view(crops, config, dice, coarse=coarse))
        return views

    def ask(self, network: Any, views: Sequence[Tensor]) -> list[dict[str, Tensor]]:
        """All views in one pass: one set of batch statistics."""
        found = {name: rows.chunk(len(views)) for name, rows in network.outputs(torch.cat(list(views))).items()}
        return [{name: parts[view] for name, parts in found.items()} for view in range(len(views))]
