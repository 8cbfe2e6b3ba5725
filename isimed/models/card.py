"""A checkpoint's card, ``checkpoint.json``, and where checkpoints lie. Read without torch: a card is there at once."""

import importlib.metadata
import json
import re
from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from isimed.core import paths
from isimed.core.errors import InputError
from isimed.core.files import read_in
from isimed.data.prepared.preprocess import Preparation
from isimed.models.heads import CODE_SIZE, DISTANCE_HEAD

CARD = "checkpoint.json"
UNTRAINED = "untrained"
DEFAULT_MM_PER_UNIT = 20.0
LIBRARIES = ("isimed", "torch", "monai", "numpy", "nibabel", "scikit-learn", "umap-learn", "streamlit")


class Card(BaseModel):
    """What a checkpoint says about itself.

    Attributes:
        region: which part of the body it was trained on, as one says "it shows the body ...".
        sequence: the kind of scan within the modality, as FLAIR.
        licence: of the weights and of what made them.
        judged_by: the network of crops whose profile says whether this one fits a scan, where its own cannot.
        reference: the cohort that comes with isimed to look in where a scan has no others beside it.
        architecture: ``crop``, one crop a pass, or ``dense``, all places of a volume in one.
        windows_hu: parts of CT's range that a dense network sees as channels of their own.
        crop_size: edge of a crop, voxels; of a dense network the smallest window that it was trained on.
    """

    model_config = ConfigDict(extra="allow")

    name: str
    method: str
    description: str = ""
    modality: str = "unknown"
    region: str = ""
    sequence: str = ""
    licence: str = ""
    architecture: Literal["crop", "dense"] = "crop"
    windows_hu: tuple[tuple[float, float], ...] = ()
    judged_by: str = ""
    reference: str = ""
    crop_size: int = 32
    heads: dict[str, int] = Field(default_factory=lambda: {DISTANCE_HEAD: CODE_SIZE})
    mm_per_unit: float = DEFAULT_MM_PER_UNIT
    preparation: Preparation = Preparation()
    training: dict[str, Any] = Field(default_factory=dict)
    cohort: dict[str, Any] = Field(default_factory=dict)
    results: dict[str, Any] = Field(default_factory=dict)
    limits: str = paths.RESEARCH_ONLY
    created: str = ""
    versions: dict[str, str] = Field(default_factory=dict)

    @property
    def patients(self) -> int:
        """How many patients it was trained on; 0 where it does not say."""
        counted = self.cohort.get("patients", {}).get("train")
        return len(self.cohort.get("train", ())) if counted is None else int(counted)

    @property
    def in_mm(self) -> bool:
        """Whether L2 distances of codes are mm: the network was trained with a distance head."""
        return DISTANCE_HEAD in self.heads

    @property
    def crop_mm(self) -> float:
        """Edge of a crop."""
        return self.crop_size * self.preparation.spacing_mm

    @property
    def step_mm(self) -> float:
        """Distance of neighbouring crops of a table: they share three quarters of their edge.

        Half of that where the network is dense, since all places cost one pass.
        """
        return self.crop_mm / (8 if self.architecture == "dense" else 4)


def trained_on(card: Card, digests: Iterable[str], *, parts: Sequence[str] = ("train", "validation")) -> set[str]:
    """Which of some volumes a checkpoint has seen, whatever they and their cohort are called.

    Args:
        card: the checkpoint's; one from before digests were kept has seen nothing that this can know.
        digests: the volumes', as `isimed.data.prepared.source.digests_of` gives them.
        parts: ``train``, what its weights were fitted to, and ``validation``, what its best epoch was chosen on.

    >>> card = Card(name="a", method="isimed", cohort={"voxels": {"train": ["0a", "0b"], "validation": ["0c"]}})
    >>> sorted(trained_on(card, ["0b", "0c", "0d"])), trained_on(card, ["0b", "0c"], parts=["train"])
    (['0b', '0c'], {'0b'})
    """
    known = card.cohort.get("voxels", {})
    return set(digests) & {digest for part in parts for digest in known.get(part, ())}


def find_checkpoint(name_or_folder: str | Path) -> Path:
    """The folder that a checkpoint's name means; a run, by its id or name, means its best checkpoint.

    Raises:
        InputError: there is none, or several runs have the name.
    """
    name = str(name_or_folder)
    is_name = bool(re.fullmatch(r"[\w.+-]+", name))

    def places() -> Iterator[Path]:
        if is_name:
            yield from (base / name for base in paths.checkpoint_dirs())
            yield paths.runs_dir() / name
        yield Path(name).expanduser()
        if is_name:
            yield paths.run_folder(name)

    for place in places():
        for folder in (place, place / "checkpoints" / "best", place / "checkpoints" / "last"):
            with suppress(OSError, ValueError):
                read_in(folder, lambda inside: (inside / CARD).stat())
                return folder.resolve()
    known = ", ".join(checkpoint_names()) or "none"
    fetch = f", or fetch it: `isimed checkpoints get {name} --from FOLDER_OR_ADDRESS`" if is_name else ""
    raise InputError(f"There is no checkpoint {name}: give a folder, a run, `untrained` or one of: {known}{fetch}.")


def checkpoint_names() -> list[str]:
    """Names of the checkpoints that came with isimed or were put beside them."""
    found = {path.parent.name for base in paths.checkpoint_dirs() for path in base.glob(f"*/{CARD}")}
    return sorted(name for name in found if not name.startswith("."))  # those are being written or replaced


def read_card(folder: Path) -> Card:
    try:
        return Card.model_validate_json(read_in(folder, lambda place: (place / CARD).read_bytes()))
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
