"""What all tasks of one evaluation share: the patients, their prepared volumes, crops and embeddings.

Embeddings are kept under ``ISIMED_HOME/evaluations/crops``, one file a volume and checkpoint, so that a crop that
was embedded once is never embedded again, whichever task or evaluation asks.
"""

import copy
import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from isimed.core import paths
from isimed.data.cohorts.cohort import Cohort, Entry
from isimed.data.prepared.cache import prepare_cohort
from isimed.data.prepared.crops import cut_crops
from isimed.data.prepared.preprocess import Preparation, Prepared
from isimed.evaluation.context.embedding_cache import Features, embedded_once
from isimed.evaluation.sampling import sample
from isimed.evaluation.sampling.matched import matched_centres
from isimed.evaluation.sampling.perturb import Perturbation
from isimed.evaluation.sampling.sample import CROPS_A_VOLUME, Crops, describe, nearest_voxels
from isimed.evaluation.statistics.protocol import Protocol
from isimed.explore.tables.embed import BATCH, embed_crops
from isimed.models.checkpoint import Checkpoint

DRAWS: dict[str, Callable[..., NDArray[np.int64]]] = {
    "body": sample.body_centres,
    "tumour": sample.tumour_centres,
    "organ": sample.organ_centres,
}
HISTOGRAM_BINS = np.linspace(-1.5, 1.5, 31)


def evaluations_dir() -> Path:
    return paths.home() / "evaluations"


@dataclass(eq=False)
class Context:
    """One evaluation at work.

    Attributes:
        entries: the volumes that are measured.
        crops_a_volume: crops of a volume in the samples ``body`` and ``tumour``; the others keep their proportion.
        advance: called with a share (0 to 1) of the task at hand.
    """

    cohort: Cohort
    entries: list[Entry]
    protocol: Protocol
    seed: int = 0
    crops_a_volume: int = CROPS_A_VOLUME
    advance: Callable[[float], None] = lambda share: None
    _volumes: dict[str, list[Prepared]] = field(default_factory=dict)
    _samples: dict[tuple, Crops] = field(default_factory=dict)
    _places: dict[str, list[NDArray[np.float64]]] = field(default_factory=dict)

    @cached_property
    def subjects(self) -> list[str]:
        return list(dict.fromkeys(entry.subject for entry in self.entries))

    def has(self, labels: str) -> bool:
        """Whether any volume has a label map ``organs`` or ``tumour``."""
        return any(getattr(entry, labels) for entry in self.entries)

    def without(self, labels: str) -> list[str]:
        """Patients who have no such map in any volume: what it would show of them is unknown, not none."""
        known = {entry.subject for entry in self.entries if getattr(entry, labels)}
        return [name for name in self.subjects if name not in known]

    def volumes(self, preparation: Preparation) -> list[Prepared]:
        """The prepared volumes, memory-mapped, in the order of ``entries``."""
        key = preparation.model_dump_json()
        if key not in self._volumes:
            self._volumes[key] = prepare_cohort(self.cohort, preparation, entries=self.entries)
        return self._volumes[key]

    def crops(self, name: str, preparation: Preparation, crop_size: int) -> Crops:
        """A sample of crops by name: ``body``, ``tumour``, ``matched`` or ``organ``.

        Places are drawn once, on the volumes as the cohort's modality is prepared by default, and are the same for
        every preparation, to a voxel.
        """
        key = (name, preparation.model_dump_json(), crop_size)
        if key not in self._samples:
            volumes, subjects = self.volumes(preparation), [entry.subject for entry in self.entries]
            places = zip(volumes, self._drawn_mm(name), strict=True)
            centres = [nearest_voxels(volume, points_mm) for volume, points_mm in places]
            self._samples[key] = describe(volumes, subjects, centres, crop_size=crop_size)
        return self._samples[key]

    def _drawn_mm(self, name: str) -> list[NDArray[np.float64]]:
        """V arrays (n, 3) scanner mm of a sample's places."""
        if name not in self._places:
            volumes = self.volumes(Preparation.for_modality(self.cohort.modality))
            subjects, count = [entry.subject for entry in self.entries], self.crops_a_volume
            if name == "matched":
                voxels = matched_centres(volumes, subjects, seed=self.seed, pairs=max(1, 3 * count // 8))
            else:
                draw, pairs = DRAWS[name], zip(volumes, self.entries, strict=True)
                voxels = [draw(volume, entry.id, seed=self.seed, count=count) for volume, entry in pairs]
            self._places[name] = [volume.to_mm(v) for volume, v in zip(volumes, voxels, strict=True)]
        return self._places[name]

    def crops_for(self, name: str, checkpoint: Checkpoint) -> Crops:
        return self.crops(name, checkpoint.card.preparation, checkpoint.card.crop_size)

    def features(self, checkpoint: Checkpoint, name: str) -> Features:
        """(N, E) embeddings and (N, D) codes of a sample."""
        return self.embed(checkpoint, self.crops_for(name, checkpoint).centres)

    def embed(
        self, checkpoint: Checkpoint, centres: Sequence[NDArray], *, perturbation: Perturbation | None = None
    ) -> Features:
        """Embed voxels of each volume (V arrays (n, 3)), or read what an earlier evaluation embedded."""
        total, done, parts = max(sum(map(len, centres)), 1), 0, []
        for number, points in enumerate(centres):
            if len(points):
                parts.append(self.embed_volume(checkpoint, number, points, perturbation=perturbation))
                done += len(points)
                self.advance(done / total)
        if not parts:
            empty = np.empty((0, 1), np.float32)
            return empty, empty
        return np.concatenate([e for e, _ in parts]), np.concatenate([c for _, c in parts])

    def embed_volume(
        self, checkpoint: Checkpoint, number: int, points: NDArray, *, perturbation: Perturbation | None = None
    ) -> Features:
        """Embed (n, 3) voxels of one volume, by its place in ``entries``."""
        frozen = self.protocol.frozen
        file = _file(self.cohort, checkpoint, self.entries[number], perturbation, self.seed, None if frozen else points)

        def embed(wanted: NDArray) -> Features:
            volume = self.volumes(checkpoint.card.preparation)[number]
            if frozen:
                return _embed(checkpoint, volume, wanted, perturbation, seed=self.seed)
            alone = len(wanted) % BATCH == 1  # a batch of one crop has no statistics
            together = np.concatenate([wanted, wanted[-1:]]) if alone else wanted
            a, b = _embed(_updating(checkpoint), volume, together, perturbation, seed=self.seed)
            return a[: len(wanted)], b[: len(wanted)]

        return embedded_once(file, points, embed)

    def histograms(self, name: str, preparation: Preparation, crop_size: int) -> NDArray[np.float64]:
        """(N, 30) share of each crop's voxels a bin of intensity: what a crop tells without any shape."""
        crops, rows = self.crops(name, preparation, crop_size), []
        for volume, points in zip(self.volumes(preparation), crops.centres, strict=True):
            for point in points:
                voxels = np.clip(cut_crops(volume, point[None], crop_size), HISTOGRAM_BINS[0], HISTOGRAM_BINS[-1])
                rows.append(np.histogram(voxels, HISTOGRAM_BINS)[0] / voxels.size)
        return np.array(rows)


@torch.inference_mode()
def _embed(
    checkpoint: Checkpoint, volume: Prepared, centres: NDArray, perturbation: Perturbation | None, *, seed: int
) -> Features:
    if perturbation is None:
        return embed_crops(checkpoint, volume, centres)
    encoder, parts = checkpoint.encoder, []
    device = next(encoder.parameters()).device
    for start in range(0, len(centres), BATCH):
        crops = perturbation.cut(volume, centres[start : start + BATCH], checkpoint.card.crop_size, seed=seed)
        embeddings = checkpoint.backbone(torch.from_numpy(crops).to(device))
        parts.append((embeddings.float().cpu().numpy(), encoder.code(embeddings).float().cpu().numpy()))
    return np.concatenate([e for e, _ in parts]), np.concatenate([c for _, c in parts])


def _updating(checkpoint: Checkpoint) -> Checkpoint:
    """A copy whose batch norm uses the statistics of the batch, as in the authors' probe."""
    encoder = copy.deepcopy(checkpoint.encoder).train()
    return replace(checkpoint, read_encoder=lambda: encoder)


def _file(
    cohort: Cohort,
    checkpoint: Checkpoint,
    entry: Entry,
    perturbation: Perturbation | None,
    seed: int,
    together: NDArray | None,
) -> Path:
    """``together``: crops whose embeddings depend on each other, since they share the statistics of their batch."""
    changed = f"{perturbation.text}-{seed}" if perturbation else ""
    made_by = (cohort.fingerprint, checkpoint.fingerprint, str(checkpoint.card.crop_size), entry.id, changed)
    digest = hashlib.sha256("\0".join(made_by).encode())
    if together is not None:
        digest.update(np.ascontiguousarray(together, dtype=np.int64).tobytes())
    return evaluations_dir() / "crops" / f"{digest.hexdigest()[:24]}.npz"
