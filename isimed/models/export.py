"""A run's checkpoint made fit to be passed on: half precision, a card a stranger can read, no paths of this machine."""

from pathlib import Path

from isimed.core.errors import InputError
from isimed.models.checkpoint import load_checkpoint, save_checkpoint

PRIVATE = ("cohort", "split", "name")


def export_checkpoint(source: str | Path, folder: Path, *, description: str, provenance: str = "") -> Path:
    """Write a checkpoint of a run (or any other) to a folder named after it.

    Args:
        source: run id, name or folder.
        folder: where to; its last part becomes the checkpoint's name. Must not exist.
        description: what it was trained on, for a reader who knows nothing else.
        provenance: where the data come from, and their licence.

    Raises:
        InputError: the folder exists.
    """
    if folder.exists():
        raise InputError(f"{folder} exists: choose another name, or remove it first.")
    checkpoint = load_checkpoint(source)
    training = {key: value for key, value in checkpoint.card.training.items() if key not in PRIVATE}
    card = checkpoint.card.model_copy(
        update={
            "name": folder.name,
            "description": description,
            "training": training,
            "cohort": checkpoint.card.cohort | ({"provenance": provenance} if provenance else {}),
        }
    )
    return save_checkpoint(folder, checkpoint.encoder, card, half=True)
