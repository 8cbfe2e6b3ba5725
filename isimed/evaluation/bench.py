"""What all tasks of one evaluation share: the patients, their prepared volumes, crops and embeddings.

Embeddings are kept under ``ISIMED_HOME/evaluations/crops``, one file a volume and checkpoint, so that what
was embedded once is never embedded again.
"""

import copy
import hashlib
import os
import zipfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from isimed import settings
from isimed.data.cache import prepare_cohort
from isimed.data.cohort import Cohort, Entry
from isimed.data.preprocess import Preparation, Prepared
from isimed.evaluation import sample
from isimed.evaluation.matched import matched_centres
from isimed.evaluation.perturb import Perturbation
from isimed.evaluation.protocol import Protocol
from isimed.evaluation.sample import Crops, describe
from isimed.explore.embed import BATCH, embed_crops
from isimed.models.checkpoint import Checkpoint
from isimed.patches import cut_crops

DRAWS: dict[str, Callable[..., NDArray[np.int64]]] = {
    "body": sample.body_centres,
    "tumour": sample.tumour_centres,
    "organ": sample.organ_centres,
}
HISTOGRAM_BINS = np.linspace(-1.5, 1.5, 31)
Features = tuple[NDArray[np.float32], NDArray[np.float32]]


def evaluations_dir() -> Path:
    return settings.home() / "evaluations"


@dataclass(eq=False)
class Bench:
    """One evaluation at work.

    Attributes:
        entries: the volumes that are measured.
        advance: called with a share (0 to 1) of the task at hand.
    """

    cohort: Cohort
    entries: list[Entry]
    protocol: Protocol
    seed: int = 0
    advance: Callable[[float], None] = lambda share: None
    _volumes: dict[str, list[Prepared]] = field(default_factory=dict)
    _samples: dict[tuple, Crops] = field(default_factory=dict)

    @cached_property
    def subjects(self) -> list[str]:
        return list(dict.fromkeys(entry.subject for entry in self.entries))

    @property
    def has_tumour(self) -> bool:
        return any(entry.tumour for entry in self.entries)

    @property
    def has_organs(self) -> bool:
        return any(entry.organs for entry in self.entries)

    def volumes(self, preparation: Preparation) -> list[Prepared]:
        """The prepared volumes, memory-mapped, in the order of ``entries``."""
        key = preparation.model_dump_json()
        if key not in self._volumes:
            self._volumes[key] = prepare_cohort(self.cohort, preparation, entries=self.entries)
        return self._volumes[key]

    def crops(self, name: str, preparation: Preparation, crop_size: int) -> Crops:
        """A sample of crops by name: ``body``, ``tumour``, ``matched`` or ``organ``."""
        key = (name, preparation.model_dump_json(), crop_size)
        if key not in self._samples:
            volumes = self.volumes(preparation)
            if name == "matched":
                centres = matched_centres(volumes, [e.subject for e in self.entries], seed=self.seed)
            else:
                centres = [DRAWS[name](v, e.id, seed=self.seed) for v, e in zip(volumes, self.entries, strict=True)]
            subjects = [entry.subject for entry in self.entries]
            self._samples[key] = describe(volumes, subjects, centres, crop_size=crop_size)
        return self._samples[key]

    def crops_for(self, name: str, checkpoint: Checkpoint) -> Crops:
        return self.crops(name, checkpoint.card.preparation, checkpoint.card.crop_size)

    def features(self, checkpoint: Checkpoint, name: str) -> Features:
        """(N, 1024) embeddings and (N, 512) codes of a sample."""
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
        changed = f"{perturbation.text if perturbation else ''}-{'frozen' if self.protocol.frozen else 'batch'}"
        file = _file(self.cohort, checkpoint, self.entries[number], points, changed)
        found = _read(file)
        if found is None:
            worker = checkpoint if self.protocol.frozen else _updating(checkpoint)
            volume = self.volumes(checkpoint.card.preparation)[number]
            found = _embed(worker, volume, points, perturbation, seed=self.seed)
            _write(file, found)
        return found

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
        crops = perturbation.cut(volume, centres[start : start + BATCH], checkpoint.card.crop_size, seed=seed + start)
        embeddings = encoder(torch.from_numpy(crops).to(device))
        parts.append((embeddings.float().cpu().numpy(), encoder.code(embeddings).float().cpu().numpy()))
    return np.concatenate([e for e, _ in parts]), np.concatenate([c for _, c in parts])


def _updating(checkpoint: Checkpoint) -> Checkpoint:
    """A copy whose batch norm uses the statistics of the batch, as in the authors' probe."""
    return replace(checkpoint, encoder=copy.deepcopy(checkpoint.encoder).train())


def _file(cohort: Cohort, checkpoint: Checkpoint, entry: Entry, centres: NDArray, changed: str) -> Path:
    made_by = (cohort.fingerprint, checkpoint.fingerprint, str(checkpoint.card.crop_size), entry.id, changed)
    digest = hashlib.sha256("\0".join(made_by).encode())
    digest.update(np.ascontiguousarray(centres, dtype=np.int64).tobytes())
    return evaluations_dir() / "crops" / f"{digest.hexdigest()[:24]}.npz"


def _read(file: Path) -> Features | None:
    try:
        with file.open("rb") as stream, np.load(stream, allow_pickle=False) as arrays:
            return arrays["embedding"].astype(np.float32), arrays["code"].astype(np.float32)
    except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile):
        return None


def _write(file: Path, features: Features) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    temporary = file.with_suffix(f".{os.getpid()}.tmp")
    with temporary.open("wb") as stream:
        np.savez(stream, embedding=features[0], code=features[1])
    temporary.replace(file)
