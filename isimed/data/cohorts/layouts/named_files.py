"""A volume file and what its path says: the folders that name a patient, the rest of its name, and its role."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from isimed.data.cohorts.layouts.conventions import Convention, convention_of
from isimed.data.cohorts.layouts.names import (
    LABEL_WORDS,
    PATIENT_ID,
    bare,
    is_label_name,
    is_role_folder,
    modality_and_sequence,
    session_in,
    stem,
    words,
)


@dataclass(frozen=True, eq=False)
class Named:
    """A volume file and what its name says.

    Attributes:
        folders: the folders that say whose it is; those that say what lies in them are left out.
        key: the name without role, sequence and session.
        said: whether the name says that it is a label map (True) or the voxels do (False).
    """

    path: Path
    relative: str
    folders: tuple[str, ...]
    roles: tuple[str, ...]
    key: str
    modality: str
    sequence: str
    session: str
    convention: Convention | None
    said: bool = True

    @property
    def place(self) -> tuple[str, ...]:
        return tuple(folder.lower() for folder in self.folders)

    @property
    def patient(self) -> str:
        """The patient's id by the rules of a data set, or empty."""
        found = PATIENT_ID.findall(self.relative)
        return found[-1] if found else ""

    @property
    def keys(self) -> tuple[str, ...]:
        """The key, and the one without nnU-Net's number of a first channel, which labels lack."""
        return tuple(dict.fromkeys((self.key, self.key.removesuffix("-0000"))))


def named(root: Path, path: Path) -> Named:
    """What the path of a volume file says, below the folder that was given."""
    relative = path.relative_to(root)
    folders = relative.parts[:-1]
    own, roles = [f for f in folders if not is_role_folder(f)], tuple(f for f in folders if is_role_folder(f))
    modality, sequence = modality_and_sequence(path, roles)
    convention = convention_of(relative.as_posix())
    return Named(
        path, relative.as_posix(), tuple(own), roles, bare(stem(path)).lower(),
        (convention.modality if convention else "") or modality, sequence, session_in(relative.as_posix()), convention,
    )  # fmt: skip


def is_label(one: Named) -> bool:
    """Whether a file's name or a folder's says that it is a label map."""
    return is_label_name(one.path) or any(LABEL_WORDS.intersection(words(folder)) for folder in one.roles)


def in_folder_of_labels(one: Named) -> str:
    """The key of the image that the file's folder is named after, as ``P7`` in ``P7_segmentations/liver``, or empty."""
    folder = one.folders[-1] if one.folders else ""
    return bare(folder).lower() if LABEL_WORDS.intersection(words(folder)) else ""


def common_folders(folders: Sequence[tuple[str, ...]]) -> tuple[str, ...]:
    """The folders at the top that all share."""
    first, last = min(folders, default=()), max(folders, default=())
    length = next((n for n, (a, b) in enumerate(zip(first, last, strict=False)) if a != b), min(len(first), len(last)))
    return first[:length]
