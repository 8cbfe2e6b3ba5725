"""Crops -> embeddings: of a grid over every volume of a cohort, of one scan, of a few points."""

import threading
import warnings
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from isimed.core.caching import kept
from isimed.core.errors import InputError
from isimed.core.progress import Progress
from isimed.data.cohorts.cohort import Cohort, Entry
from isimed.data.formats.volume import read_volume
from isimed.data.prepared.cache import prepare_cohort
from isimed.data.prepared.crops import crop_centre_mm, crop_middles, cut_crops, grid_centres
from isimed.data.prepared.preprocess import Preparation, Prepared, prepare
from isimed.explore.tables.columns import UNKNOWN_ORGAN
from isimed.explore.tables.store import (
    Table,
    TableInfo,
    checked_step,
    mark_unknown,
    open_table,
    table_info,
    volume_file,
    write_volume,
)
from isimed.models.card import UNTRAINED, Card
from isimed.models.checkpoint import Checkpoint, load_checkpoint, open_checkpoint, untrained

if TYPE_CHECKING:
    from isimed.models.dense import Field

BATCH = 32
SMALL_BATCH = 16  # of threads that compute a batch each
GPU_BATCH = 256  # crops at a time, for a GPU to have something to do


def embed_crops(
    checkpoint: Checkpoint, volume: Prepared, centres: NDArray, *, on_batch: Callable[[int], None] | None = None
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Embed the crops around some voxels of a prepared volume.

    A dense network embeds the middles of these crops, which it has from one pass over the whole volume.

    Args:
        centres: (N, 3) voxel indices; whole ones, or any for a dense network.
        on_batch: called with the number of crops of each finished batch.

    Returns:
        Embeddings (N, E) and codes (N, D), whose L2 distances are mm if the network has a distance head.
    """
    import torch  # seconds, which those who only look into a table need not wait

    encoder, backbone = checkpoint.encoder, checkpoint.backbone  # made here, not by the first threads
    if checkpoint.card.architecture == "dense" and not encoder.training:
        return _read_places(checkpoint, volume, centres, on_batch)
    device = next(encoder.parameters()).device

    @torch.inference_mode()
    def embed_batch(batch: NDArray) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        crops = torch.from_numpy(cut_crops(volume, batch, checkpoint.card.crop_size)).to(device)
        embeddings = backbone(crops)
        return embeddings.float().cpu().numpy(), encoder.code(embeddings).float().cpu().numpy()

    places = np.asarray(centres).reshape(-1, 3)
    on_cpu = device.type == "cpu"
    side_by_side = on_cpu and len(places) > SMALL_BATCH and not encoder.training
    size = SMALL_BATCH if side_by_side else BATCH if on_cpu or encoder.training else GPU_BATCH
    batches = [places[start : start + size] for start in range(0, len(places), size)]
    found = _workers(torch.get_num_threads()).map(embed_batch, batches) if side_by_side else map(embed_batch, batches)
    parts = []
    for part in found:
        parts.append(part)
        if on_batch:
            on_batch(len(part[0]))
    return np.concatenate([e for e, _ in parts]), np.concatenate([c for _, c in parts])


def _read_places(
    checkpoint: Checkpoint, volume: Prepared, centres: NDArray, on_batch: Callable[[int], None] | None
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """What `embed_crops` gives, read from the field of a dense network."""
    import torch

    field = _field_of(checkpoint, volume)
    middles = crop_middles(np.asarray(centres).reshape(-1, 3), checkpoint.card.crop_size)
    with torch.inference_mode():
        embeddings = field.at(torch.from_numpy(middles))
        found = embeddings.cpu().numpy(), checkpoint.encoder.code(embeddings).float().cpu().numpy()
    if on_batch:
        on_batch(len(middles))
    return found


@kept(8)
def _field_of(checkpoint: Checkpoint, volume: Prepared) -> "Field":
    """The features of all places of a volume, kept for the next click into it."""
    import torch

    from isimed.models.dense import whole_field

    device = next(checkpoint.encoder.parameters()).device
    with torch.inference_mode():
        image = torch.from_numpy(np.array(volume.image, dtype=np.float32)).to(device)
        return whole_field(checkpoint.backbone, image, volume.background)


@lru_cache(maxsize=1)
def _workers(count: int) -> ThreadPoolExecutor:
    """Threads that compute a batch each, alone: less waiting for each other than all of them on one batch.

    torch keeps a number of threads for each thread, and one for those to come, which is put back.
    """
    import torch

    here = threading.Barrier(count)

    def become_one() -> None:
        torch.get_num_threads()  # a thread that has not asked yet would be given the number for those to come later
        torch.set_num_threads(1)
        here.wait()

    pool = ThreadPoolExecutor(count, "embed")
    for made in [pool.submit(become_one) for _ in range(count)]:
        made.result()
    torch.set_num_threads(count)
    return pool


def embed_cohort(
    cohort: Cohort,
    checkpoint: Checkpoint,
    *,
    step_mm: float | None = None,
    entries: Sequence[Entry] | None = None,
    progress: Progress | None = None,
    say: Callable[[str], None] | None = None,
) -> Table:
    """Embed a grid of crops over volumes; what an earlier call wrote is kept.

    Args:
        step_mm: distance of neighbouring crops, by default a quarter of a crop's edge; a whole number of voxels.
        entries: which volumes; all by default.
        progress: called with (crops done, crops in all).
        say: called with a sentence about volumes that are smaller than a crop.

    Returns:
        The table of these volumes.

    Raises:
        InputError: the checkpoint does not fit the cohort, or a scan cannot be read.
    """
    check_fit(cohort, checkpoint)
    info = table_info(cohort, checkpoint, step_mm)
    entries = list(cohort.volumes if entries is None else entries)
    missing = [entry for entry in entries if not volume_file(info, entry.id).is_file()]
    volumes = prepare_cohort(cohort, checkpoint.card.preparation, entries=missing)
    small = [entry.id for entry, volume in zip(missing, volumes, strict=True) if _is_small(volume, checkpoint)]
    if small and say:
        names = ", ".join(small[:3]) + (f" and {len(small) - 3} more" if len(small) > 3 else "")
        say(f"{names}: {_too_small(checkpoint)}")
    grids = [grid_centres(volume, info.step_mm) for volume in volumes]
    total, done = sum(map(len, grids)), 0

    def advance(crops: int) -> None:
        nonlocal done
        done += crops
        if progress:
            progress(done, total)

    for entry, volume, centres in zip(missing, volumes, grids, strict=True):
        columns = _columns(
            checkpoint, volume, centres, cohort=cohort.name, subject=entry.subject, name=entry.id, advance=advance
        )
        write_volume(info, entry.id, columns)
    mark_unknown(info, entries)
    return open_table(info, [entry.id for entry in entries])


def _is_small(volume: Prepared, checkpoint: Checkpoint) -> bool:
    """Whether a crop is more than half empty along some axis wherever it lies."""
    return min(volume.image.shape) < checkpoint.card.crop_size / 2


def _too_small(checkpoint: Checkpoint) -> str:
    crop = f"a crop of {checkpoint.name} ({checkpoint.card.crop_mm:g} mm)"
    return f"smaller than {crop}, so that most of each crop is empty and codes are no places."


def embed(
    path: str | Path,
    *,
    checkpoint: str | Checkpoint,
    step_mm: float | None = None,
    organs: str | Path | None = None,
    tumour: str | Path | None = None,
) -> Table:
    """Embed one scan: a row a crop with ``centre_mm``, ``position``, ``embedding`` and ``code``.

    Args:
        path: any scan that ``read_volume`` reads.
        checkpoint: name, run id or folder, or a loaded checkpoint.
        step_mm: distance of neighbouring crops, by default a quarter of a crop's edge.
        organs: label map of organs, on any grid in the same scanner millimetres.
        tumour: label map of tumours, whose labels above 0 are tumour.

    Raises:
        InputError: the scan, a label map or the checkpoint cannot be used.

    A scan that is smaller than a crop is embedded with a warning, since its codes are no places.
    """
    loaded = checkpoint if isinstance(checkpoint, Checkpoint) else load_checkpoint(checkpoint)
    scan = read_volume(path)
    labels = {name: read_volume(file) for name, file in (("organs", organs), ("tumour", tumour)) if file is not None}
    volume = prepare(scan, loaded.card.preparation, labels=labels)
    if _is_small(volume, loaded):
        warnings.warn(f"{scan.name}: {_too_small(loaded)}", stacklevel=2)
    return embed_prepared(scan.name, volume, loaded, step_mm=step_mm)


def embed_prepared(
    name: str,
    volume: Prepared,
    checkpoint: Checkpoint,
    *,
    step_mm: float | None = None,
    progress: Progress | None = None,
) -> Table:
    """Embed one prepared volume, which need not be of any cohort; the table is in memory only.

    Args:
        name: what the volume and its patient are called in the table.
        step_mm: distance of neighbouring crops, by default a quarter of a crop's edge.
        progress: called with (crops done, crops in all).
    """
    info = TableInfo(
        cohort=name,
        cohort_fingerprint="",
        checkpoint=checkpoint.name,
        checkpoint_fingerprint=checkpoint.fingerprint,
        step_mm=checked_step(step_mm, checkpoint),
        crop_size=checkpoint.card.crop_size,
        spacing_mm=checkpoint.card.preparation.spacing_mm,
        in_mm=checkpoint.card.in_mm,
    )
    centres, done = grid_centres(volume, info.step_mm), 0

    def advance(crops: int) -> None:
        nonlocal done
        done += crops
        if progress:
            progress(done, len(centres))

    return Table(info, _columns(checkpoint, volume, centres, cohort="", subject=name, name=name, advance=advance))


def modality_fits(cohort: Cohort, card: Card) -> bool:
    """Whether a checkpoint's modality is the cohort's, as far as both are known; PT is what DICOM calls PET."""
    theirs, ours = ("PE" if one[:2] == "PT" else one[:2] for one in (card.modality.upper(), cohort.modality.upper()))
    return "UN" in (theirs, ours) or theirs == ours


def check_fit(cohort: Cohort, checkpoint: Checkpoint) -> None:
    """Refuse a checkpoint of another modality.

    Raises:
        InputError: one sentence that names both.
    """
    if not modality_fits(cohort, checkpoint.card):
        raise InputError(
            f"{checkpoint.name} was trained on {checkpoint.card.modality}, {cohort.name} is {cohort.modality}: "
            "choose a checkpoint of the same modality."
        )


def _columns(
    checkpoint: Checkpoint,
    volume: Prepared,
    centres: NDArray,
    *,
    cohort: str,
    subject: str,
    name: str,
    advance: Callable[[int], None],
) -> dict[str, NDArray]:
    if not len(centres):
        raise InputError(f"{name} is smaller than the grid's step: embed it with a smaller --step-mm.")
    size = checkpoint.card.crop_size
    embeddings, codes = embed_crops(checkpoint, volume, centres, on_batch=advance)
    centre_mm = crop_centre_mm(volume, centres, size)
    return {
        "cohort": np.full(len(centres), cohort),
        "subject": np.full(len(centres), subject),
        "volume": np.full(len(centres), name),
        "centre_mm": centre_mm,
        "position": volume.position(centre_mm),
        "organ": organ_at(volume, centres),
        "tumour": tumour_share(volume, centres, size),
        "embedding": embeddings,
        "code": codes,
    }


def organ_at(volume: Prepared, centres: NDArray) -> NDArray[np.int32]:
    """(N,) label at each centre; -1 where the volume has no organ map."""
    organs = volume.labels.get("organs")
    if organs is None:
        return np.full(len(centres), UNKNOWN_ORGAN, np.int32)
    return organs[tuple(np.asarray(centres).T)].astype(np.int32)


def tumour_share(volume: Prepared, centres: NDArray, size: int) -> NDArray[np.float32]:
    """(N,) share of each crop's voxels that are tumour; NaN where the volume has no tumour map."""
    tumour = volume.labels.get("tumour")
    if tumour is None:
        return np.full(len(centres), np.nan, np.float32)
    inside = np.pad(np.asarray(tumour) > 0, size)
    total = np.zeros(np.array(inside.shape) + 1, dtype=np.int32)
    total[1:, 1:, 1:] = inside.cumsum(0, dtype=np.int32).cumsum(1).cumsum(2)
    low = np.asarray(centres) - size // 2 + size
    corners = [(total[tuple((low + size * np.array(c)).T)], (-1) ** (3 - sum(c))) for c in np.ndindex(2, 2, 2)]
    return (sum(sign * value for value, sign in corners) / size**3).astype(np.float32)


def checkpoint_for(name: str, cohort: Cohort, *, like: Checkpoint | None = None, lazily: bool = False) -> Checkpoint:
    """Load a checkpoint for a cohort; ``untrained`` gets the preparation of ``like``, or the modality's own.

    Args:
        lazily: read the weights, and find damage, when the network is first needed.

    Raises:
        InputError: there is no such checkpoint, or it was trained on another modality.
    """
    if name == UNTRAINED:
        preparation = like.card.preparation if like else Preparation.for_modality(cohort.modality)
        return untrained(preparation, modality=cohort.modality)
    checkpoint = (open_checkpoint if lazily else load_checkpoint)(name)
    check_fit(cohort, checkpoint)
    return checkpoint
