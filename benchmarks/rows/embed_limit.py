"""Embedding a grid of crops against the same network in fp32 and default layout on one constant batch.

Ours cuts every crop from the prepared volume; the other only computes.
"""

from collections.abc import Callable

import numpy as np
import torch

from benchmarks.lib.embedding import grid_of, our_way, volume_of
from benchmarks.lib.monai_way import as_monai_builds_it
from benchmarks.lib.race import Measured, Ratio, Setting, race
from isimed.data.prepared.crops import cut_crops
from isimed.data.prepared.preprocess import Prepared
from isimed.explore.tables.embed import BATCH, checkpoint_for, embed_crops
from isimed.models.checkpoint import Checkpoint

TITLE = "Embedding a grid"
AGAINST = "the same network in fp32, default layout, on one constant batch"


def measure(setting: Setting) -> Measured:
    checkpoint = checkpoint_for(setting.checkpoint, setting.cohort)
    volume = volume_of(setting, checkpoint)
    centres = grid_of(volume, checkpoint, count=2 * BATCH if setting.quick else 4 * BATCH)
    batches = len(centres) // BATCH
    ways = {"ours": our_way(checkpoint, volume, centres), "limit": constant_batch(checkpoint, volume, centres, batches)}
    rates = race(ways, repeats=2 if setting.quick else 7)
    facts = {
        "largest relative difference of codes": f"{difference(checkpoint, volume, centres[:BATCH]):.1e}",
        "crops a turn": len(centres),
    }
    return Measured([Ratio("isimed embed, crops/s", rates["ours"], rates["limit"], "crops/s", target=2.5)], facts)


def constant_batch(checkpoint: Checkpoint, volume: Prepared, centres: np.ndarray, batches: int) -> Callable[[], float]:
    crops = torch.from_numpy(cut_crops(volume, centres[:BATCH], checkpoint.card.crop_size))
    encoder = as_monai_builds_it(checkpoint.encoder)

    @torch.inference_mode()
    def turn() -> float:
        for _ in range(batches):
            encoder.code(encoder(crops))
        return batches * len(crops)

    return turn


@torch.inference_mode()
def difference(checkpoint: Checkpoint, volume: Prepared, centres: np.ndarray) -> float:
    """Largest of ``|ours - plain| / |plain|`` over codes."""
    crops = torch.from_numpy(cut_crops(volume, centres, checkpoint.card.crop_size))
    plain = checkpoint.encoder.code(checkpoint.encoder(crops)).numpy()
    ours = embed_crops(checkpoint, volume, centres)[1]
    return float((np.linalg.norm(ours - plain, axis=1) / np.linalg.norm(plain, axis=1)).max())
