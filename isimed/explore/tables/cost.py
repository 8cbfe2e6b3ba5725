"""How long it takes to embed volumes on this machine, told before it begins."""

import time
from collections.abc import Sequence
from dataclasses import dataclass

from isimed.core.caching import kept
from isimed.data.cohorts.cohort import Cohort, Entry
from isimed.data.prepared.cache import is_prepared, prepared
from isimed.data.prepared.crops import grid_centres
from isimed.explore.tables.store import checked_step
from isimed.models.checkpoint import Checkpoint

TIMED, TIMES = 8, 3  # crops, and how often: a full batch took half a minute on a busy machine
COUNTED = 3  # volumes whose crops are counted; the others are taken to have as many
FEW = 200  # crops that no machine of today needs half a minute for: it is not timed for them
HOLDS_S = 300.0  # that a timing holds: a machine is busy now and idle then
PREPARE_S = 1.0  # a volume that is not prepared yet, as assumed


@dataclass(frozen=True)
class Cost:
    """What an embedding takes: about how many crops, and seconds."""

    crops: int
    seconds: float


def cost_of(cohort: Cohort, checkpoint: Checkpoint, entries: Sequence[Entry], *, step_mm: float | None = None) -> Cost:
    """About what it takes to embed some volumes, as `isimed.explore.tables.embed.embed_cohort` does.

    Crops are counted in up to three of them that are prepared; where none is, the first is prepared.

    Args:
        entries: which volumes, at least one.
        step_mm: distance of neighbouring crops, by default a quarter of a crop's edge.
    """
    card = checkpoint.card
    ready = [entry for entry in entries if is_prepared(cohort, entry, card.preparation)]
    volumes = [prepared(cohort, entry, card.preparation) for entry in ready[:COUNTED] or entries[:1]]
    step = checked_step(step_mm, checkpoint)
    share = len(entries) / len(volumes)
    crops = round(share * sum(len(grid_centres(volume, step)) for volume in volumes))
    passes = float(crops)
    if card.architecture == "dense":  # one pass over all of a volume, however many places are read from it
        passes = share * sum(volume.image.size for volume in volumes) / card.crop_size**3
    preparing = PREPARE_S * (len(entries) - len(ready))
    return Cost(crops, preparing + (passes / crops_a_second(checkpoint) if passes > FEW else 0.0))


def crops_a_second(checkpoint: Checkpoint) -> float:
    """Crops that the network takes in a second, on this machine and under its load of these minutes."""
    return _measured(checkpoint, int(time.monotonic() // HOLDS_S))


@kept(16)
def _measured(checkpoint: Checkpoint, now: int) -> float:
    import torch  # seconds, which those who only look into a table need not wait

    device = next(checkpoint.encoder.parameters()).device
    rate = 0.0
    with torch.inference_mode():
        own = torch.Generator(device)  # another thread may be drawing weights from torch's one
        noise = torch.rand(TIMED, 1, *[checkpoint.card.crop_size] * 3, device=device, generator=own)
        checkpoint.backbone(noise[:2])
        for _ in range(TIMES):
            started = time.monotonic()
            checkpoint.backbone(noise).sum().item()
            rate = max(rate, TIMED / max(time.monotonic() - started, 1e-6))
    return rate
