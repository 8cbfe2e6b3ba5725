"""A run's checkpoint made fit to be passed on: half precision, a card a stranger can read, no patient and no path."""

from pathlib import Path
from typing import Any

from isimed.core.errors import InputError
from isimed.data.cohorts.cohort import Cohort
from isimed.data.prepared.source import digests_of
from isimed.models.card import Card
from isimed.models.checkpoint import load_checkpoint, save_checkpoint

PRIVATE = ("cohort", "split", "name")
PARTS = ("train", "validation")


def export_checkpoint(source: str | Path, folder: Path, *, description: str, provenance: str = "") -> Path:
    """Write a checkpoint of a run (or any other) to a folder named after it.

    Its card names no patient: it keeps how many there were, and digests of their voxels, by which an evaluation knows
    them again.

    Args:
        source: run id, name or folder.
        folder: where to; its last part becomes the checkpoint's name. Must not exist.
        description: what it was trained on, for a reader who knows nothing else.
        provenance: where the data come from, and their licence.

    Raises:
        InputError: the folder exists, or the checkpoint is so old that its cohort is needed and cannot be read.
    """
    if folder.exists():
        raise InputError(f"{folder} exists: choose another name, or remove it first.")
    checkpoint = load_checkpoint(source)
    training = {key: value for key, value in checkpoint.card.training.items() if key not in PRIVATE}
    cohort = without_patients(checkpoint.card) | ({"provenance": provenance} if provenance else {})
    changes = {"name": folder.name, "description": description, "training": training, "cohort": cohort}
    return save_checkpoint(folder, checkpoint.encoder, checkpoint.card.model_copy(update=changes), half=True)


def without_names(card: Card) -> Card:
    """A card for those who will not evaluate the network: neither patients nor paths, and no digests either."""
    cohort = {key: value for key, value in card.cohort.items() if key not in (*PARTS, "voxels")}
    training = {key: value for key, value in card.training.items() if key not in PRIVATE}
    return card.model_copy(update={"cohort": cohort, "training": training})


def without_patients(card: Card) -> dict[str, Any]:
    """What a card says of its cohort, with numbers and digests in the place of patients' names.

    Raises:
        InputError: the card has no digests, and the cohort that would give them cannot be read.
    """
    about = {key: value for key, value in card.cohort.items() if key not in PARTS}
    named = {part: card.cohort[part] for part in PARTS if part in card.cohort}
    if named and "voxels" not in about:
        about["voxels"] = voxels_of(card, card.training.get("cohort") or str(card.cohort.get("name", "")))
    return about | ({"patients": {part: len(names) for part, names in named.items()}} if named else {})


def voxels_of(card: Card, cohort: str) -> dict[str, list[str]]:
    """Digests of the volumes of each part that an older card only names.

    Raises:
        InputError: the cohort cannot be read, or is not the one that the card was made from.
    """
    try:
        found = Cohort.load(cohort)
        wanted = {name for part in PARTS for name in card.cohort.get(part, ())}
        if missing := sorted(wanted - set(found.subjects)):
            raise InputError(f"{cohort} has no patient {missing[0]} any more.")
        return {part: sorted(digests_of(found, found.subset(card.cohort.get(part, ()))).values()) for part in PARTS}
    except InputError as error:
        raise InputError(
            f"{card.name} names its patients and keeps no digests of their scans, which its cohort would give, but: "
            f"{error} Put the cohort back, then export."
        ) from None
