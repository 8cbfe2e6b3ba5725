"""Task `segmentation`: organs from one, three or five labelled patients, on the frozen backbone's dense features."""

from collections.abc import Callable, Mapping, Sequence
from functools import partial

import numpy as np
import torch
from numpy.typing import NDArray
from scipy import ndimage
from sklearn.neighbors import NearestNeighbors
from torch.nn import functional

from isimed.data.prepared.crops import crop_middles
from isimed.data.prepared.preprocess import Preparation, Prepared
from isimed.evaluation.context.context import Context
from isimed.evaluation.context.outcome import Outcome
from isimed.evaluation.statistics.bootstrap import Figure, bootstrap_means
from isimed.evaluation.statistics.intervals import SHARE
from isimed.evaluation.tasks.task import Group, Task
from isimed.explore.tables.embed import embed_crops
from isimed.models.checkpoint import Checkpoint
from isimed.models.encoder import Encoder

SHOTS = (1, 3, 5)
BACKGROUND_A_VOLUME = 1200
ORGAN_VOXELS = 150
NEIGHBOURS = 9
LAYERS = ("relu0", "denseblock1", "denseblock2", "denseblock3")
SEGMENTED_VOLUMES = 15


def segmentation(context: Context, checkpoint: Checkpoint) -> Outcome:
    look = partial(field_features, checkpoint) if checkpoint.card.architecture == "dense" else None
    return _segmentation(context, checkpoint.card.preparation, look or partial(dense_features, checkpoint.encoder))


def segmentation_from_position(context: Context, preparation: Preparation, crop_size: int) -> Outcome:
    """An atlas without any image: a voxel's mm from the centre of the body's box instead of features."""
    return _segmentation(context, preparation, place_of_voxels)


def _segmentation(context: Context, preparation: Preparation, look: Callable[[Prepared], NDArray]) -> Outcome:
    """Few-shot Dice on features (F, X', Y', Z') that ``look`` gives of a volume, at half its resolution."""
    volumes = context.volumes(preparation)
    drawn = np.random.default_rng([context.seed, 31]).permutation(len(volumes))
    order = [int(i) for i in drawn if context.entries[i].organs][:SEGMENTED_VOLUMES]
    features, labels, bodies = [], [], []
    for done, i in enumerate(order):
        dense = look(volumes[i])
        features.append(dense)
        labels.append(at_half_resolution(volumes[i].labels["organs"], dense.shape[1:]))
        bodies.append(at_half_resolution(volumes[i].body, dense.shape[1:]) > 0)
        context.advance(0.5 * (done + 1) / len(order))
    subjects = [context.entries[i].subject for i in order]
    names = context.cohort.organs or {
        int(n): str(n) for n in np.unique(np.concatenate([x.ravel() for x in labels])) if n
    }
    mean, by_organ = few_shot_dice(features, labels, bodies, subjects, names, seed=context.seed)
    if not mean:
        return Outcome(details={"notes": ["segmentation: left out, it needs organ maps of two patients."]})
    return Outcome({"segmentation": mean, "segmentation_by_organ": by_organ}, {"volumes": len(order)})


@torch.inference_mode()
def dense_features(encoder: Encoder, volume: Prepared) -> NDArray[np.float16]:
    """(F, X', Y', Z') features of half the volume's resolution, from one pass of the backbone over all of it.

    The output of four stages (strides 2, 4, 8, 16; 64 to 1024 channels), each reduced to 24 channels by a seeded
    random projection, scaled to unit variance and interpolated to the finest of them.
    """
    image = np.asarray(volume.image, dtype=np.float32)
    padded = np.pad(image, [(0, -n % 32) for n in image.shape], constant_values=volume.background)
    x = torch.from_numpy(padded)[None, None].to(next(encoder.parameters()).device)
    found: list[torch.Tensor] = []
    generator = torch.Generator().manual_seed(0)
    for name, layer in encoder.backbone.features.named_children():
        x = layer(x)
        if name in LAYERS:
            mixing = torch.randn(24, x.shape[1], generator=generator).to(x.device) / x.shape[1] ** 0.5
            mixed = torch.einsum("fc,ncxyz->nfxyz", mixing, x)
            scale = mixed.std(dim=(2, 3, 4), keepdim=True).clamp_min(1e-6)
            mixed = (mixed - mixed.mean(dim=(2, 3, 4), keepdim=True)) / scale
            size = found[0].shape[2:] if found else mixed.shape[2:]
            found.append(functional.interpolate(mixed, size=size, mode="trilinear", align_corners=False))
        if name == LAYERS[-1]:
            break
    half = [-(-n // 2) for n in image.shape]
    return torch.cat(found, dim=1)[0, :, : half[0], : half[1], : half[2]].half().cpu().numpy()


def field_features(checkpoint: Checkpoint, volume: Prepared) -> NDArray[np.float16]:
    """(48, X', Y', Z') features of a dense network at half the volume's resolution."""
    grid = _every_second_voxel(volume)
    shift = -crop_middles(np.zeros(3), checkpoint.card.crop_size)  # crops whose middles are these voxels
    features = embed_crops(checkpoint, volume, grid.reshape(-1, 3) + shift)[0]
    return np.moveaxis(features.reshape(*grid.shape[:3], -1), -1, 0).astype(np.float16)


def place_of_voxels(volume: Prepared) -> NDArray[np.float32]:
    """(3, X', Y', Z') mm from the centre of the body's box, at half the volume's resolution."""
    return np.moveaxis(volume.position(volume.to_mm(_every_second_voxel(volume))), -1, 0).astype(np.float32)


def _every_second_voxel(volume: Prepared) -> NDArray[np.int64]:
    """(X', Y', Z', 3) indices of the voxels of half the resolution."""
    return 2 * np.moveaxis(np.indices([-(-n // 2) for n in volume.image.shape]), 0, -1)


def few_shot_dice(
    features: Sequence[NDArray],
    labels: Sequence[NDArray],
    bodies: Sequence[NDArray],
    subjects: Sequence[str],
    names: Mapping[int, str],
    *,
    shots: Sequence[int] = SHOTS,
    seed: int = 0,
) -> tuple[dict[str, Figure], dict[str, Figure]]:
    """Per-voxel nearest neighbours: label a volume of each of the first ``max(shots)`` patients, measure on the others.

    Args:
        features: a (F, X, Y, Z) array a volume.
        labels: (X, Y, Z) organ numbers on the same grid.
        bodies: (X, Y, Z) bool, where voxels are classified.
        subjects: a volume's patient; the labelled volumes must be of other patients than the measured ones.

    Returns:
        Mean Dice over organs for each number of shots, and Dice an organ for the most shots; empty where no patient
        is left to measure.
    """
    patients = list(dict.fromkeys(subjects))
    labelled = [list(subjects).index(name) for name in patients[: max(0, min(max(shots), len(patients) - 1))]]
    known = {subjects[i] for i in labelled}
    measured = [i for i in range(len(features)) if subjects[i] not in known]
    figures: dict[str, Figure] = {}
    by_organ: dict[str, Figure] = {}
    for count in sorted(s for s in shots if s <= len(labelled)):
        x, y = _bank(*([part[i] for i in labelled[:count]] for part in (features, labels, bodies)), seed=seed)
        search = NearestNeighbors(n_neighbors=min(NEIGHBOURS, len(x)), algorithm="brute").fit(x)
        rows = [_dice_a_volume(search, y, features[i], labels[i], bodies[i], names) for i in measured]
        owners = [subjects[i] for i in measured]
        figures[f"dice_{count}_shot"] = bootstrap_means(
            owners, [{"m": float(np.nanmean(list(r.values())))} for r in rows], bounds=SHARE
        )["m"]
        by_organ = bootstrap_means(owners, rows, bounds=SHARE)  # the last has the most shots
    return figures, by_organ


def dice(a: NDArray, b: NDArray) -> float:
    """``2 |a and b| / (|a| + |b|)``; NaN where both are empty."""
    total = int(a.sum()) + int(b.sum())
    return float(2 * np.logical_and(a, b).sum() / total) if total else float("nan")


def at_half_resolution(labels: NDArray, shape: tuple[int, ...]) -> NDArray:
    """Every second voxel, cut or padded to a shape."""
    half = np.asarray(labels)[::2, ::2, ::2]
    half = half[tuple(slice(0, n) for n in shape)]
    return np.pad(half, [(0, n - m) for n, m in zip(shape, half.shape, strict=True)])


def _bank(
    features: Sequence[NDArray], labels: Sequence[NDArray], bodies: Sequence[NDArray], *, seed: int
) -> tuple[NDArray[np.float32], NDArray]:
    """Labelled voxels to compare with: some of each organ, some near organs, some anywhere in the body."""
    rng, x, y = np.random.default_rng(seed), [], []
    for volume, label, body in zip(features, labels, bodies, strict=True):
        flat, where = label.ravel(), []
        for organ in np.unique(flat[flat > 0]):
            rows = np.flatnonzero(flat == organ)
            where.append(rng.permutation(rows)[:ORGAN_VOXELS])
        near = ndimage.binary_dilation(label > 0, iterations=3) & (label == 0)
        for region in (near.ravel(), body.ravel() & (flat == 0)):
            where.append(rng.permutation(np.flatnonzero(region))[: BACKGROUND_A_VOLUME // 2])
        rows = np.concatenate(where)
        x.append(volume.reshape(len(volume), -1)[:, rows].T.astype(np.float32))
        y.append(flat[rows])
    return np.concatenate(x), np.concatenate(y)


def _dice_a_volume(
    search: NearestNeighbors, y: NDArray, features: NDArray, label: NDArray, body: NDArray, names: Mapping[int, str]
) -> dict[str, float]:
    rows = np.flatnonzero(body.ravel())
    asked = np.ascontiguousarray(features.reshape(len(features), -1)[:, rows].T, dtype=np.float32)
    near = search.kneighbors(asked, return_distance=False)
    classes = np.unique(y)
    votes = np.stack([(y[near] == c).sum(axis=1) for c in classes], axis=1)
    guess = np.zeros(body.size, dtype=label.dtype)
    guess[rows] = classes[votes.argmax(axis=1)]
    truth = label.ravel()
    return {name: dice(guess == organ, truth == organ) for organ, name in names.items() if (truth == organ).any()} | {
        name: float("nan") for organ, name in names.items() if not (truth == organ).any()
    }


TASK = Task(
    "segmentation",
    "Do one, three or five labelled patients label the others?",
    measure=segmentation,
    controls={"position_only": segmentation_from_position},
    needs="organs",
    version=4,
    groups={
        "segmentation": Group("Few-shot organ segmentation, Dice", unit="Dice, 0 to 1"),
        "segmentation_by_organ": Group("Five-shot Dice by organ", unit="Dice, 0 to 1"),
    },
    figures={f"dice_{count}_shot": f"Dice, {count} labelled patient{'s' if count > 1 else ''}" for count in SHOTS},
)
