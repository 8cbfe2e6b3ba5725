"""Checkpoints from a folder or an address, into ``ISIMED_HOME/checkpoints``: checked first, whole or not at all."""

import hashlib
import re
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from pydantic import ValidationError

from isimed.core import paths
from isimed.core.errors import InputError
from isimed.core.files import new_folder
from isimed.core.progress import Progress, silent
from isimed.models.card import CARD, Card, checkpoint_names, find_checkpoint, read_card
from isimed.models.checkpoint import WEIGHTS
from isimed.models.sharing.origin import joined, opened
from isimed.models.sharing.sums import SUMS, read_sums, sum_of

SMALL, LARGE = 16_000_000, 4_000_000_000  # bytes that a text, and weights, may have
CHUNK = 1 << 20


@dataclass(frozen=True)
class Offer:
    """A checkpoint that a source has.

    Attributes:
        place: its folder there.
        card: what it says of itself.
        sums: file -> SHA-256, of all that would be fetched.
        size: bytes of its weights, where the source says so.
    """

    name: str
    place: str
    card: Card
    sums: dict[str, str]
    size: int | None


def look_up(name: str, source: str, *, sha256: str = "") -> Offer:
    """What a source has under a name; its weights are not fetched.

    Args:
        name: the checkpoint's.
        source: its folder, or the one that holds it under its name; or the address of either (https, or http of this
            machine).
        sha256: of the weights, from someone you trust; needed where the source has no ``SHA256SUMS``.

    Raises:
        InputError: there is none, nothing says what its checksum is, or it is not what the checksum says.
    """
    if not re.fullmatch(r"\w[\w.+-]*", name):
        raise InputError(f"{name} is no checkpoint's name: give letters, digits, - and _ alone.")
    for place in (joined(source, name), joined(source)):
        with suppress(FileNotFoundError):
            card_text = _read(joined(place, CARD))
            sums = _sums(place, sha256)
            if sums[CARD] not in ("", hashlib.sha256(card_text).hexdigest()):
                raise InputError(f"{joined(place, CARD)} is not what {SUMS} says: it was changed or damaged.")
            card = _card(card_text, joined(place, CARD))
            if card.name != name:
                raise InputError(f"{place} holds the checkpoint {card.name}: ask for that, or for another place.")
            with opened(joined(place, WEIGHTS)) as (_, size):
                return Offer(name, place, card, sums, size)
    raise InputError(f"{source} has no checkpoint {name}: give its folder or address, where {CARD} and {WEIGHTS} lie.")


def get_checkpoint(name: str, source: str, *, sha256: str = "", progress: Progress = silent) -> Path:
    """Fetch a checkpoint that the user asks for; one that is here already is left alone.

    Args:
        name, source, sha256: as `look_up` takes them.
        progress: called with (bytes fetched, bytes in all).

    Returns:
        Its folder.

    Raises:
        InputError: it is not there, not whole, no safetensors, or another one of its name is here; nothing is left.
    """
    offer = look_up(name, source, sha256=sha256)
    if name in checkpoint_names():
        here = find_checkpoint(name)
        if sum_of(here / WEIGHTS) == offer.sums[WEIGHTS]:
            return here
        raise InputError(f"Another checkpoint {name} is in {here}: remove or rename that folder first.")
    folder = paths.home() / "checkpoints" / name
    with new_folder(folder) as unfinished:
        for file, digest in offer.sums.items():
            watch = progress if file == WEIGHTS else silent
            found = _copy(joined(offer.place, file), unfinished / file, LARGE if file == WEIGHTS else SMALL, watch)
            if digest and found != digest:
                raise InputError(
                    f"{joined(offer.place, file)} has the SHA-256 {found}, not {digest}: it was changed or damaged."
                )
        _check_weights(unfinished)
    return folder


def _sums(place: str, sha256: str) -> dict[str, str]:
    """What is to be fetched, with its checksums; that of the card is empty where only the user gives one."""
    if sha256 and not re.fullmatch(r"[0-9a-f]{64}", sha256.lower()):
        raise InputError(f"{sha256} is no SHA-256: give 64 hexadecimal digits.")
    given = {WEIGHTS: sha256.lower()} if sha256 else {}
    try:
        return read_sums(_read(joined(place, SUMS)).decode("utf-8", "replace"), joined(place, SUMS)) | given
    except FileNotFoundError:
        if not sha256:
            raise InputError(f"{place} has no {SUMS}: give the SHA-256 of its weights, --sha256.") from None
    return {CARD: ""} | given


def _card(text: bytes, place: str) -> Card:
    try:
        return Card.model_validate_json(text)
    except ValidationError as error:
        raise InputError(f"{place} is not a checkpoint card ({error.errors()[0]['msg']}).") from None


def _read(place: str) -> bytes:
    with opened(place) as (file, _):
        content = file.read(SMALL + 1)
    if len(content) > SMALL:
        raise InputError(f"{place} is larger than {SMALL / 1e6:.0f} MB: it is no part of a checkpoint.")
    return content


def _copy(place: str, to: Path, most: int, progress: Progress) -> str:
    """Copy a file, and give its SHA-256."""
    digest, done = hashlib.sha256(), 0
    try:
        with opened(place) as (file, size), to.open("wb") as copy:
            while chunk := file.read(CHUNK):
                done += len(chunk)
                if done > most:
                    raise InputError(f"{place} is larger than {most / 1e6:.0f} MB: it is no part of a checkpoint.")
                digest.update(chunk)
                copy.write(chunk)
                progress(done, size or done)
    except FileNotFoundError:
        raise InputError(f"{place} is listed in {SUMS} and is not there: ask whoever offers it.") from None
    return digest.hexdigest()


def _check_weights(folder: Path) -> None:
    """Whether the network can be made of what was fetched: safetensors, and what the card describes."""
    from isimed.models.weights import read_weights

    read_weights(folder / WEIGHTS, read_card(folder))
