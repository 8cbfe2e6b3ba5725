"""Checkpoints: weights as safetensors and a card, ``checkpoint.json``. No pickle is ever loaded.

torch takes seconds to import: it is, with the weights, when a checkpoint's network is first asked for.
"""

import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from isimed.core.errors import InputError
from isimed.core.files import new_folder, read_in, write_file
from isimed.data.prepared.preprocess import Preparation
from isimed.models.card import CARD, UNTRAINED, Card, find_checkpoint, read_card, versions

if TYPE_CHECKING:
    from torch import Tensor, nn

    from isimed.models.encoder import Encoder

WEIGHTS = "weights.safetensors"


@dataclass(frozen=True, eq=False)
class Checkpoint:
    """A card, and the network it describes, read when it is first asked for.

    Attributes:
        read_encoder: makes the network, in eval mode, on the CPU; raises InputError where its weights are damaged.
    """

    card: Card
    fingerprint: str
    read_encoder: Callable[[], "Encoder"]
    folder: Path | None = None

    @property
    def name(self) -> str:
        return self.card.name

    @cached_property
    def label(self) -> str:
        return f"{self.name} ({self.card.method})"

    @cached_property
    def encoder(self) -> "Encoder":
        """In float32, on the GPU where one has room."""
        from isimed.models.device import fastest_device

        return self.read_encoder().to(fastest_device())

    @cached_property
    def backbone(self) -> "nn.Module":
        """(N, 1, S, S, S) crops -> (N, E) embeddings, as `encoder` gives them, faster."""
        from isimed.models.inference import for_inference

        return for_inference(self.encoder)


def save_checkpoint(
    folder: Path,
    encoder: "Encoder",
    card: Card,
    *,
    half: bool = False,
    statistics: Mapping[str, "Tensor"] | None = None,
    add: Callable[[Path], None] | None = None,
) -> Path:
    """Write a checkpoint folder, old or new but never half of each.

    Args:
        half: store weights as float16, for checkpoints that are kept in git.
        statistics: tensors to store instead of the encoder's own of the same name.
        add: called with the unfinished folder, to put more files into it.

    Raises:
        InputError: the disk is full; what was there before is still there.
    """
    from isimed.models.weights import write_tensors

    state = {**encoder.state_dict(), **(statistics or {})}
    with new_folder(folder) as unfinished:
        write_tensors(unfinished / WEIGHTS, state, half=half)
        write_file(unfinished / CARD, card.model_dump_json(indent=1) + "\n")
        if add:
            add(unfinished)
    return folder


def load_checkpoint(name_or_folder: str | Path) -> Checkpoint:
    """Load by name under ``checkpoints/``, run id, folder, or ``untrained``.

    Returns:
        The checkpoint, its encoder in eval mode.

    Raises:
        InputError: there is none, or it is damaged or not ours.
    """
    checkpoint = open_checkpoint(name_or_folder)
    checkpoint.encoder  # noqa: B018 - read, and so checked, now
    return checkpoint


def open_checkpoint(name_or_folder: str | Path) -> Checkpoint:
    """The same without its weights, which are read, and found to be damaged, when they are needed.

    Raises:
        InputError: there is none, or its card is damaged.
    """
    if str(name_or_folder) == UNTRAINED:
        return untrained()
    folder = find_checkpoint(name_or_folder)
    card = read_card(folder)

    def read() -> "Encoder":
        from isimed.models.weights import read_weights

        try:
            return read_in(folder, lambda place: read_weights(place / WEIGHTS, card))
        except FileNotFoundError as error:
            raise InputError(f"{folder / WEIGHTS} is damaged ({error}): copy it again.") from None

    return Checkpoint(card=card, fingerprint=_fingerprint(folder, card), read_encoder=read, folder=folder)


def untrained(preparation: Preparation | None = None, *, modality: str = "unknown") -> Checkpoint:
    """The baseline: the same network with seeded random weights, under any preparation."""

    def make() -> "Encoder":
        from isimed.models.encoder import untrained_encoder

        return untrained_encoder()

    preparation = preparation or Preparation()
    card = Card(
        name=UNTRAINED,
        method=UNTRAINED,
        modality=modality,
        description="Random weights, seed 0: the baseline of every figure.",
        preparation=preparation,
        versions=versions(),
    )
    digest = hashlib.sha256(f"untrained-0-{preparation.model_dump_json()}".encode()).hexdigest()
    return Checkpoint(card=card, fingerprint=digest[:16], read_encoder=make)


def _fingerprint(folder: Path, card: Card) -> str:
    try:
        with read_in(folder, lambda place: (place / WEIGHTS).open("rb")) as file:
            digest = hashlib.file_digest(file, "sha256")
    except OSError as error:
        raise InputError(f"{folder / WEIGHTS} cannot be read ({error}): copy it again.") from None
    digest.update(f"{card.preparation.model_dump_json()}{card.crop_size}{card.mm_per_unit}".encode())
    if card.windows_hu:
        digest.update(repr(card.windows_hu).encode())
    return digest.hexdigest()[:16]
