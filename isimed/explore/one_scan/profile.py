"""What a network was trained on, small enough to lie beside its weights and readable without the training scans.

``fit.safetensors`` holds a sample of the training patients' crops as the network sees them, and how far crops and
scans of patients like them, each left out in turn, lie from that sample. It holds no voxel and no patient id.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, ValidationError
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save
from scipy import ndimage

from isimed.core.errors import InputError
from isimed.core.files import write_file
from isimed.core.progress import Progress
from isimed.data.cohorts.cohort import Cohort, Entry
from isimed.data.prepared.cache import prepared
from isimed.data.prepared.crops import crop_centre_mm, grid_centres
from isimed.data.prepared.preprocess import Prepared
from isimed.data.prepared.source import digests_of
from isimed.explore.tables.components import principal_components
from isimed.explore.tables.embed import check_fit, embed_crops
from isimed.models.card import Card, trained_on
from isimed.models.checkpoint import Checkpoint

FILE = "fit.safetensors"
CROPS = 24  # of a scan: spread over its body
DIRECTIONS = 24
NEIGHBOURS = 5
QUANTILES = 200
RIDGE = 1e-3
LABELLED = 40  # scans whose organs are looked up
LEAST_PATIENTS = 3
LEAST_FOR_95 = 19  # scans, of which the most unusual is the 95 % limit
LARGE = ("directions", "features")  # stored in half precision
ARRAYS = ("mean", "directions", "features", "slope", "organ", "organ_place", "crop_misfits", "scan_misfits")


class ProfileInfo(BaseModel):
    """What a profile was made of.

    Attributes:
        patients: whose crops are in the sample.
        crops: how many of a scan, at most; a new scan is sampled as densely.
        scans: how many scans of patients like them set the limit, each compared with the others' crops alone.
        held_out: whether the network saw none of these.
        organs: label -> name, of the labels that the training scans have.
    """

    model_config = ConfigDict(frozen=True)

    checkpoint_fingerprint: str
    cohort: str
    modality: str
    patients: int
    crops: int
    scans: int
    held_out: bool
    organs: dict[int, str] = {}
    created: str


@dataclass(frozen=True, eq=False)
class Profile:
    """A network's training crops, and how far fitting ones lie from them.

    Attributes:
        mean, directions: (E,) and (K, E), embedding of unit length -> features.
        features: (M, K) of the sample's crops.
        slope: (K, 3), features @ slope: where in the body, in mm along sagittal, coronal, axial, up to a constant that
            is the same for all scans, whatever their field of view.
        organ: (L,) labels that the training scans have.
        organ_place: (L, 3) where they are, in the same mm.
        crop_misfits: (Q,) sorted quantiles over crops of fitting scans.
        scan_misfits: (S,) sorted, a fitting scan each.
    """

    info: ProfileInfo
    mean: NDArray[np.float32]
    directions: NDArray[np.float32]
    features: NDArray[np.float32]
    slope: NDArray[np.float32]
    organ: NDArray[np.float32]
    organ_place: NDArray[np.float32]
    crop_misfits: NDArray[np.float32]
    scan_misfits: NDArray[np.float32]

    def features_of(self, embeddings: NDArray) -> NDArray[np.float32]:
        """(N, E) embeddings -> (N, K)."""
        return np.asarray((unit(embeddings) - self.mean) @ self.directions.T, dtype=np.float32)

    def place(self, embeddings: NDArray) -> NDArray[np.float32]:
        """(N, 3) where in the body crops look to be from, in mm, see ``slope``."""
        return np.asarray(self.features_of(embeddings) @ self.slope, dtype=np.float32)

    def misfit(self, embeddings: NDArray) -> NDArray[np.float32]:
        """(N,) how far crops lie from the training crops: mean distance of the nearest ones.

        Deep nearest neighbours (Sun et al., Out-of-Distribution Detection with Deep Nearest Neighbors, arXiv
        2204.06507), on unit embeddings.
        """
        return neighbour_distance(self.features_of(embeddings), self.features)


def unit(embeddings: NDArray) -> NDArray[np.float32]:
    """Embeddings at length 1."""
    wide = np.asarray(embeddings, dtype=np.float32)
    return wide / np.maximum(np.linalg.norm(wide, axis=1, keepdims=True), 1e-12).astype(np.float32)


def neighbour_distance(asked: NDArray[np.float32], known: NDArray[np.float32]) -> NDArray[np.float32]:
    """(N,) mean distance of each row to its nearest rows among the known ones."""
    squared: NDArray[np.float32] = (asked**2).sum(1)[:, None] + (known**2).sum(1) - 2 * asked @ known.T
    count = min(NEIGHBOURS, len(known))
    near = np.partition(np.maximum(squared, 0), count - 1, axis=1)[:, :count]
    return np.sqrt(near).mean(axis=1).astype(np.float32)


def scan_misfit(crop_misfits: NDArray) -> float:
    """A scan's misfit: the mean over its crops."""
    return float(np.mean(crop_misfits))


def sample_crops(
    checkpoint: Checkpoint, volume: Prepared, *, count: int = CROPS
) -> tuple[NDArray[np.float64], NDArray[np.float32], NDArray[np.float32]]:
    """Some crops of a scan, spread over its body.

    Returns:
        Their centres (N, 3) in scanner mm, embeddings (N, E) and codes (N, D).
    """
    grid = grid_centres(volume, checkpoint.card.step_mm)
    if not len(grid):
        raise InputError(f"The scan is smaller than a crop of {checkpoint.name} ({checkpoint.card.crop_mm:g} mm).")
    centres = grid[np.unique(np.linspace(0, len(grid) - 1, count).astype(int))]
    embeddings, codes = embed_crops(checkpoint, volume, centres)
    return crop_centre_mm(volume, centres, checkpoint.card.crop_size), embeddings, codes


def make_profile(
    checkpoint: Checkpoint, cohort: Cohort, *, crops: int = CROPS, progress: Progress | None = None
) -> Profile:
    """Sample the cohort that a network was trained on, and measure how far scans like these lie from the sample.

    The sample is that of the card's training patients. The limit comes from its validation patients; where they are
    fewer than 19, too few for 95 %, training patients are measured as well, each against the others.

    Args:
        crops: of a scan, at most.
        progress: called with (scans done, scans in all).

    Raises:
        InputError: the cohort lacks the card's training patients, or is of another modality; the network is dense.
    """
    check_fit(cohort, checkpoint)
    if checkpoint.card.architecture == "dense":
        raise InputError(
            f"{checkpoint.name} is dense: anything seems to it to lie in the body, so a profile would tell nothing. "
            "Name a network of crops of the same patients as `judged_by` in its checkpoint.json."
        )
    train, held_out = (_entries(cohort, checkpoint.card, part) for part in ("train", "validation"))
    if len({entry.subject for entry in train}) < LEAST_PATIENTS:
        raise InputError(
            f"{cohort.name} has fewer than {LEAST_PATIENTS} of the patients that {checkpoint.name} was trained on: "
            "give the cohort of its card."
        )
    everyone = [*train, *held_out]
    rows: list[tuple[NDArray, NDArray, NDArray]] = []
    organs: list[tuple[NDArray, NDArray]] = []
    for number, entry in enumerate(everyone):
        volume = prepared(cohort, entry, checkpoint.card.preparation)
        mm, embeddings, _ = sample_crops(checkpoint, volume, count=crops)
        rows.append((unit(embeddings), volume.position(mm), np.full(len(mm), number)))
        if number < min(len(train), LABELLED):
            organs += _organs(checkpoint, volume)
        if progress:
            progress(number + 1, len(everyone))
    vectors, position, scan = (np.concatenate(column) for column in zip(*rows, strict=True))
    known = scan < len(train)
    components = principal_components(vectors[known])
    mean, directions = components.mean, components.directions[:DIRECTIONS]
    features = (vectors - mean) @ directions.T
    slope = _within_scans(features[known], position[known], scan[known])
    subject = np.array([entry.subject for entry in everyone])[scan]
    enough = len(held_out) >= LEAST_FOR_95
    asked = range(len(train) if enough else 0, len(everyone))
    misfits = [left_out(features, known, scan == one, subject) for one in asked]
    label, organ_place = _organ_places(organs, mean, directions, slope)
    info = ProfileInfo(
        checkpoint_fingerprint=checkpoint.fingerprint,
        cohort=cohort.name,
        modality=cohort.modality,
        patients=len(set(subject[known])),
        crops=crops,
        scans=len(asked),
        held_out=enough,
        organs={int(one): cohort.organs.get(int(one), f"label {int(one)}") for one in label},
        created=datetime.now(UTC).isoformat(timespec="seconds"),
    )
    return Profile(
        info,
        mean,
        directions,
        features[known].astype(np.float32),
        slope,
        label,
        organ_place,
        np.quantile(np.concatenate(misfits), np.linspace(0, 1, QUANTILES)).astype(np.float32),
        np.sort([scan_misfit(one) for one in misfits]).astype(np.float32),
    )


def _organs(checkpoint: Checkpoint, volume: Prepared) -> list[tuple[NDArray, NDArray]]:
    """Label and unit embedding of the crop in the middle of each organ of a scan; none where it has no labels."""
    labels = volume.labels.get("organs")
    if labels is None or not labels.any():
        return []
    found = np.unique(labels[labels > 0])
    middles = np.rint(ndimage.center_of_mass(labels > 0, labels, found)).astype(int)
    return [(found, unit(embed_crops(checkpoint, volume, middles)[0]))]


def _organ_places(
    organs: Sequence[tuple[NDArray, NDArray]], mean: NDArray, directions: NDArray, slope: NDArray
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """(L,) labels and (L, 3) the median of where they look to be."""
    if not organs:
        return np.zeros(0, np.float32), np.zeros((0, 3), np.float32)
    label, vectors = (np.concatenate(column) for column in zip(*organs, strict=True))
    places = (vectors - mean) @ directions.T @ slope
    known = np.unique(label)
    return known.astype(np.float32), np.array([np.median(places[label == one], axis=0) for one in known], np.float32)


def _within_scans(features: NDArray, position: NDArray, scan: NDArray) -> NDArray[np.float32]:
    """(K, 3) ridge regression of position on features, each about its scan's mean.

    The middle of the body's box is another place in each field of view; differences within a scan are not.
    """
    x, y = features.astype(np.float64), position.astype(np.float64)
    for one in np.unique(scan):
        x[scan == one] -= x[scan == one].mean(axis=0)
        y[scan == one] -= y[scan == one].mean(axis=0)
    gram = x.T @ x
    ridge = RIDGE * np.trace(gram) / len(gram) * np.eye(len(gram))
    return np.linalg.solve(gram + ridge, x.T @ y).astype(np.float32)


def _entries(cohort: Cohort, card: Card, part: str) -> list[Entry]:
    """A cohort's volumes that a card counts as ``train`` or ``validation``, by patient or by voxels."""
    named = set(card.cohort.get(part, ()))
    digests = digests_of(cohort, cohort.volumes) if "voxels" in card.cohort else {}
    seen = trained_on(card, digests.values(), parts=[part])
    return [entry for entry in cohort.volumes if entry.subject in named or digests.get(entry.id) in seen]


def left_out(features: NDArray, known: NDArray, scan: NDArray, subject: NDArray) -> NDArray[np.float32]:
    """(n,) misfits of a scan's crops, compared with the training crops of other patients."""
    others = known & (subject != subject[scan][0])
    return neighbour_distance(features[scan], features[others])


def save_profile(profile: Profile, file: Path) -> Path:
    """Write a profile, whole or not at all.

    Raises:
        InputError: the file cannot be written.
    """
    arrays = {name: getattr(profile, name) for name in ARRAYS}
    arrays |= {name: arrays[name].astype(np.float16) for name in LARGE}
    return write_file(file, save(arrays, metadata={"about": profile.info.model_dump_json()}))


def read_profile(checkpoint: Checkpoint) -> Profile | None:
    """The profile beside a checkpoint; None where there is none, or where it is another network's.

    Raises:
        InputError: the file is damaged.
    """
    if checkpoint.folder is None or not (file := checkpoint.folder / FILE).is_file():
        return None
    try:
        with safe_open(file, framework="numpy") as stored:
            info = ProfileInfo.model_validate_json(stored.metadata()["about"])
            arrays = {name: stored.get_tensor(name).astype(np.float32) for name in ARRAYS}
        profile = Profile(info, **arrays)
    except (SafetensorError, OSError, KeyError, TypeError, ValidationError, json.JSONDecodeError) as error:
        raise InputError(f"{file} is damaged ({type(error).__name__}): make it again with `isimed profile`.") from None
    return profile if info.checkpoint_fingerprint == checkpoint.fingerprint else None
