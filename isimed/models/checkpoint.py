"""Checkpoints: weights as safetensors and a card, ``checkpoint.json``. No pickle is ever loaded."""

import ctypes
import hashlib
import importlib.metadata
import json
import os
import re
import shutil
import tempfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import torch
from pydantic import BaseModel, ConfigDict, Field, ValidationError
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file

from isimed import settings
from isimed.data.preprocess import Preparation
from isimed.errors import InputError
from isimed.models.encoder import CODE_SIZE, DEFAULT_MM_PER_UNIT, DISTANCE_HEAD, Encoder, untrained_encoder
from isimed.models.inference import for_inference

WEIGHTS, CARD = "weights.safetensors", "checkpoint.json"
UNTRAINED = "untrained"
MAX_WEIGHTS = 100_000_000
LIBRARIES = ("isimed", "torch", "monai", "numpy", "nibabel", "scikit-learn", "umap-learn", "streamlit")


class Card(BaseModel):
    """What a checkpoint says about itself."""

    model_config = ConfigDict(extra="allow")

    name: str
    method: str
    description: str = ""
    modality: str = "unknown"
    crop_size: int = 32
    heads: dict[str, int] = Field(default_factory=lambda: {DISTANCE_HEAD: CODE_SIZE})
    mm_per_unit: float = DEFAULT_MM_PER_UNIT
    preparation: Preparation = Preparation()
    training: dict[str, Any] = Field(default_factory=dict)
    cohort: dict[str, Any] = Field(default_factory=dict)
    results: dict[str, Any] = Field(default_factory=dict)
    limits: str = settings.RESEARCH_ONLY
    created: str = ""
    versions: dict[str, str] = Field(default_factory=dict)

    @property
    def crop_mm(self) -> float:
        """Edge of a crop."""
        return self.crop_size * self.preparation.spacing_mm

    @property
    def step_mm(self) -> float:
        """Distance of neighbouring crops of a table: they share three quarters of their edge."""
        return self.crop_mm / 4


@dataclass(frozen=True, eq=False)
class Checkpoint:
    """A network ready to embed, and its card."""

    encoder: Encoder
    card: Card
    fingerprint: str
    folder: Path | None = None

    @property
    def name(self) -> str:
        return self.card.name

    @cached_property
    def label(self) -> str:
        return f"{self.name} ({self.card.method})"

    @cached_property
    def backbone(self) -> torch.nn.Module:
        """(N, 1, S, S, S) crops -> (N, 1024) embeddings, as `encoder` gives them, faster."""
        return for_inference(self.encoder)


def save_checkpoint(
    folder: Path,
    encoder: Encoder,
    card: Card,
    *,
    half: bool = False,
    statistics: Mapping[str, torch.Tensor] | None = None,
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
    folder.parent.mkdir(parents=True, exist_ok=True)
    temporary = Path(tempfile.mkdtemp(prefix=".writing-", dir=folder.parent))
    state = {**encoder.state_dict(), **(statistics or {})}
    weights = {name: _stored(tensor, half=half) for name, tensor in state.items()}
    try:
        save_file(weights, temporary / WEIGHTS)
        (temporary / CARD).write_text(card.model_dump_json(indent=1) + "\n", encoding="utf-8")
        if add:
            add(temporary)
        replace_folder(temporary, folder)
    except (OSError, SafetensorError) as error:
        raise InputError(f"{folder} cannot be written ({error}): free space or move ISIMED_HOME.") from error
    finally:
        shutil.rmtree(temporary, ignore_errors=True)
    return folder


def replace_folder(new: Path, folder: Path) -> None:
    """Put a finished folder in another's place; killed at any moment, one of the two stands there.

    Linux exchanges two folders in one step. Elsewhere there is a moment between two renames, which
    `recover_folder` mends. ``new`` may hold the old folder afterwards: the caller removes it.
    """
    recover_folder(folder)
    if not folder.exists():
        new.rename(folder)
    elif not _exchange(new, folder):
        old = _old(folder)
        folder.rename(old)
        new.rename(folder)
        shutil.rmtree(old, ignore_errors=True)


def recover_folder(folder: Path) -> None:
    """Mend what a process killed inside `replace_folder` left: the old folder back in its place, or gone."""
    old = _old(folder)
    if old.is_dir():
        if folder.exists():
            shutil.rmtree(old, ignore_errors=True)
        else:
            old.rename(folder)


def remove_unfinished(parent: Path) -> None:
    """Remove what killed processes left half written. Only for who alone writes into ``parent``."""
    for path in parent.glob(".writing-*"):
        shutil.rmtree(path, ignore_errors=True)


def _old(folder: Path) -> Path:
    return folder.with_name(f".old-{folder.name}")


def _exchange(one: Path, other: Path) -> bool:
    """Swap two paths in one step (Linux's renameat2); False where the system cannot."""
    try:
        rename = ctypes.CDLL(None, use_errno=True).renameat2
    except (AttributeError, OSError, TypeError):
        return False
    here, swap = -100, 2  # AT_FDCWD, RENAME_EXCHANGE
    return rename(here, os.fsencode(one), here, os.fsencode(other), swap) == 0


def load_checkpoint(name_or_folder: str | Path) -> Checkpoint:
    """Load by name under ``checkpoints/``, run id, folder, or ``untrained``.

    Returns:
        The checkpoint, its encoder in eval mode, in float32 on the CPU.

    Raises:
        InputError: there is none, or it is damaged or not ours.
    """
    if str(name_or_folder) == UNTRAINED:
        return untrained()
    folder = find_checkpoint(name_or_folder)
    card = read_card(folder)
    encoder = Encoder(card.heads, mm_per_unit=card.mm_per_unit)
    try:
        with safe_open(folder / WEIGHTS, framework="pt") as file:
            wanted = encoder.state_dict()
            if set(file.keys()) != set(wanted):
                raise InputError(f"{folder / WEIGHTS} holds another network than its card says: export it again.")
            sizes = {name: tuple(file.get_slice(name).get_shape()) for name in file.keys()}  # noqa: SIM118
            wrong = [name for name, size in sizes.items() if size != tuple(wanted[name].shape)]
            if wrong:
                raise InputError(f"{folder / WEIGHTS} has {wrong[0]} of shape {sizes[wrong[0]]}: export it again.")
            state = {name: file.get_tensor(name).to(wanted[name].dtype) for name in sizes}
    except (SafetensorError, OSError) as error:
        raise InputError(f"{folder / WEIGHTS} is damaged ({error}): copy it again.") from None
    if not all(torch.isfinite(tensor).all() for tensor in state.values()):
        raise InputError(f"{folder / WEIGHTS} holds values that are not numbers: copy it again.")
    encoder.load_state_dict(state)
    return Checkpoint(encoder=encoder.eval(), card=card, fingerprint=_fingerprint(folder), folder=folder)


def untrained(preparation: Preparation | None = None, *, modality: str = "unknown") -> Checkpoint:
    """The baseline: the same network with seeded random weights, under any preparation."""
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
    return Checkpoint(encoder=untrained_encoder(), card=card, fingerprint=digest[:16])


def find_checkpoint(name_or_folder: str | Path) -> Path:
    """The folder that a checkpoint's name means; a run means its best checkpoint."""
    name = str(name_or_folder)
    candidates = [Path(name).expanduser()]
    if re.fullmatch(r"[\w.+-]+", name):
        candidates = [*(base / name for base in settings.checkpoint_dirs()), settings.runs_dir() / name, *candidates]
    for candidate in candidates:
        for folder in (candidate, candidate / "checkpoints" / "best", candidate / "checkpoints" / "last"):
            if (folder / CARD).is_file():
                return folder.resolve()
    known = ", ".join(checkpoint_names()) or "none"
    raise InputError(f"There is no checkpoint {name}: give a folder, a run, `untrained` or one of: {known}.")


def checkpoint_names() -> list[str]:
    """Names of the checkpoints that came with isimed or were put beside them."""
    return sorted({path.parent.name for base in settings.checkpoint_dirs() for path in base.glob(f"*/{CARD}")})


def read_card(folder: Path) -> Card:
    try:
        return Card.model_validate_json((folder / CARD).read_bytes())
    except (ValidationError, OSError, json.JSONDecodeError) as error:
        reason = error.errors()[0]["msg"] if isinstance(error, ValidationError) else str(error)
        raise InputError(f"{folder / CARD} is not a checkpoint card ({reason}): copy it again.") from None


def versions() -> dict[str, str]:
    """Versions of the libraries that a result depends on."""
    found = {}
    for library in LIBRARIES:
        try:
            found[library] = importlib.metadata.version(library)
        except importlib.metadata.PackageNotFoundError:
            found[library] = "source"
    return found


def _stored(tensor: torch.Tensor, *, half: bool) -> torch.Tensor:
    tensor = tensor.detach().to("cpu").contiguous()
    return tensor.half() if half and tensor.is_floating_point() else tensor


def _fingerprint(folder: Path) -> str:
    card = read_card(folder)
    with (folder / WEIGHTS).open("rb") as file:
        digest = hashlib.file_digest(file, "sha256")
    digest.update(f"{card.preparation.model_dump_json()}{card.crop_size}{card.mm_per_unit}".encode())
    return digest.hexdigest()[:16]
