"""A cohort: the manifest ``dataset.json``, its volumes, and splits that never part a patient."""

import hashlib
import os
from collections.abc import Iterable
from functools import cached_property
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, PrivateAttr, ValidationError, field_validator

from isimed.core import paths
from isimed.core.errors import InputError
from isimed.core.files import write_json
from isimed.data.cohorts.json_files import line_of, read_object
from isimed.data.cohorts.rewritten import rewritten
from isimed.data.formats.dispatch import VOLUME_SUFFIXES, format_of
from isimed.data.formats.label_map import as_labels
from isimed.data.formats.reading import reason
from isimed.data.formats.volume import Volume, read_volume

LABELS = ("organs", "tumour")


class Entry(BaseModel):
    """One volume of a cohort; paths are relative to the manifest.

    Attributes:
        subject: the patient.
        image: the file, or the folder of a DICOM series.
        organs, tumour: label maps; a map that is missing says nothing of the patient.
        modality, region, sequence, session, study: what is known of this scan.
        channel: which channel of a 4D file.
        series: SeriesInstanceUID, where ``image`` is a folder.
        name: the volume's name inside its cohort; made from ``image`` where it is missing.
    """

    model_config = ConfigDict(extra="allow", frozen=True)

    subject: str
    image: str
    organs: str | None = None
    tumour: str | None = None
    channel: int | None = None
    series: str | None = None
    name: str | None = None
    modality: str | None = None
    region: str | None = None
    sequence: str | None = None
    session: str | None = None
    study: str | None = None

    @property
    def id(self) -> str:
        """The volume's name inside its cohort, by default the image's path without suffix and needless folders."""
        if self.name:
            return self.name
        path = self.image.removeprefix("images/").replace("/", "_").replace("\\", "_")
        for suffix in sorted(VOLUME_SUFFIXES, key=len, reverse=True):
            path = path.removesuffix(suffix)
        return path.strip("._")


class Start(BaseModel):
    """What a cohort opens with.

    Attributes:
        volume, mm: the clicked volume and place, scanner mm.
        overlay: the label map that is laid over the scans, ``organs`` or ``tumour``.
    """

    model_config = ConfigDict(extra="allow", frozen=True)

    volume: str
    mm: tuple[float, float, float]
    overlay: str | None = None


class Cohort(BaseModel):
    """A named list of volumes, optionally with label maps and a common frame.

    Attributes:
        licence, credit: of the scans; the credit is shown wherever they are.
        start: the place that is looked at before the first click.
    """

    model_config = ConfigDict(extra="allow")

    name: str
    description: str = ""
    modality: str = "unknown"
    synthetic: bool = False
    frame: str | None = None
    organs: dict[int, str] = Field(default_factory=dict)
    tumour: str | None = None
    licence: str | None = None
    credit: str | None = None
    start: Start | None = None
    volumes: list[Entry]
    _root: Path = PrivateAttr(default=Path("."))

    @field_validator("frame")
    @classmethod
    def _blank_is_none(cls, frame: str | None) -> str | None:
        return frame if frame and frame.strip() else None

    @field_validator("organs")
    @classmethod
    def _background_is_no_organ(cls, organs: dict[int, str]) -> dict[int, str]:
        return {label: name for label, name in organs.items() if label > 0}

    @classmethod
    def load(cls, name_or_path: str | Path) -> "Cohort":
        """Load by name in ISIMED_HOME, or by the path of a ``dataset.json`` (or of its folder).

        Raises:
            InputError: there is no such cohort, or its manifest is not valid.
        """
        path = find_manifest(name_or_path)
        try:
            cohort = cls.model_validate(_with_slashes(read_object(path), path.parent))
        except ValidationError as error:
            first = error.errors()[0]
            where = ".".join(map(str, first["loc"])) or "file"
            line = line_of(path, str(first["loc"][0] if first["loc"] else ""))
            raise InputError(
                f"{path} is not a cohort manifest (line {line}, {where}: {first['msg']}): correct or re-import it."
            ) from None
        if not cohort.volumes:
            raise InputError(f"{path} lists no volumes: import a folder that holds some.")
        ids = [entry.id for entry in cohort.volumes]
        if len(set(ids)) < len(ids):
            twice = next(i for i in ids if ids.count(i) > 1)
            raise InputError(f"{path} lists {twice} twice: every image may stand in a cohort once.")
        cohort._root = path.parent
        if path.parent.parent == paths.cohorts_dir().resolve():
            cohort.name = path.parent.name  # a renaming that was killed leaves the old one inside
        return cohort

    @property
    def root(self) -> Path:
        return self._root

    @cached_property
    def _entries(self) -> dict[str, Entry]:
        return {entry.id: entry for entry in self.volumes}

    def entry(self, volume_id: str) -> Entry:
        try:
            return self._entries[volume_id]
        except KeyError:
            raise InputError(f"Cohort {self.name} has no volume {volume_id}: see `python -m isimed check`.") from None

    def path(self, relative: str) -> Path:
        return self._root / relative

    def files(self, entry: Entry) -> list[Path]:
        """Every file that holds a volume's voxels: those of the image, then those of the label maps.

        Raises:
            InputError: one is not there, or names others that may not be read.
        """
        named = [self.path(name) for name in (entry.image, *(getattr(entry, key) for key in LABELS)) if name]
        return [file for path in named for file in format_of(path).files(path, entry.series)]

    def read(self, entry: Entry) -> Volume:
        """The scan itself, at its own resolution."""
        return read_volume(self.path(entry.image), channel=entry.channel, series=entry.series)

    def read_labels(self, entry: Entry) -> dict[str, Volume]:
        """The label maps that this volume has, ``organs`` and / or ``tumour``; one that is not there is unknown."""
        return {name: as_labels(read_volume(self.path(file))) for name in LABELS if (file := getattr(entry, name))}

    @property
    def subjects(self) -> list[str]:
        """Patients in the order of the manifest, each once."""
        return list(dict.fromkeys(entry.subject for entry in self.volumes))

    def subset(self, subjects: Iterable[str]) -> list[Entry]:
        wanted = set(subjects)
        return [entry for entry in self.volumes if entry.subject in wanted]

    @cached_property
    def fingerprint(self) -> str:
        """16 hex digits that change when a volume, a label map or the list changes.

        Hashes each file's size, head and tail: for .nii.gz the tail holds the checksum of all voxels, so
        the fingerprint is the same on another machine and needs no full read. Of other files it counts too
        when one is written again after it was first seen on this machine; slices of DICOM stay as they are.
        """
        digest, single = hashlib.sha256(), dict[Path, bytes]()
        for entry in sorted(self.volumes, key=lambda entry: entry.id):
            digest.update(f"{entry.subject}\0{entry.id}\0{entry.channel}\0".encode())
            for file in self.files(entry):
                found = _file_digest(file)
                digest.update(found)
                single |= {} if entry.series else {file: found}
        for changed in rewritten(self._root, single):
            digest.update(changed.encode())
        return digest.hexdigest()[:16]


def _with_slashes(manifest: dict[str, Any], root: Path) -> dict[str, Any]:
    """The manifest with paths as this machine writes them: Windows parts folders with a backslash."""
    volumes = manifest.get("volumes")
    for volume in volumes if isinstance(volumes, list) else ():
        for key in ("image", *LABELS) if isinstance(volume, dict) else ():
            file = volume.get(key)
            if isinstance(file, str) and "\\" in file and "\0" not in file and not (root / file).exists():
                volume[key] = file.replace("\\", "/")
    return manifest


def find_manifest(name_or_path: str | Path) -> Path:
    """The ``dataset.json`` that a cohort's name or path means."""
    as_path = Path(name_or_path).expanduser()
    for candidate in (paths.cohorts_dir() / str(name_or_path) / "dataset.json", as_path / "dataset.json", as_path):
        if candidate.is_file():
            if candidate.suffix != ".json":
                raise InputError(f"{candidate} is not a manifest: import it first with `python -m isimed import`.")
            return candidate.resolve()
    known = ", ".join(cohort_names()) or "none yet, run `python -m isimed demo`"
    raise InputError(f"There is no cohort {name_or_path}: give the path of a dataset.json or one of: {known}.")


def cohort_names() -> list[str]:
    """Names of the cohorts in ISIMED_HOME."""
    return sorted(path.parent.name for path in paths.cohorts_dir().glob("*/dataset.json"))


def checked_name(name: str) -> str:
    """A cohort's name, if it can be the name of a folder.

    Raises:
        InputError: it is empty, too long, hidden, or has a path in it.
    """
    if not name.strip() or name != name.strip() or len(name.encode()) > 100 or name.startswith("."):
        raise InputError(f"{name[:60]!r} cannot be a cohort's name: use 1 to 100 letters, digits, spaces, - and _.")
    if any(character in '/\\:*?"<>|' or not character.isprintable() for character in name):
        raise InputError(f"{name!r} cannot be a cohort's name: leave out / \\ : * ? \" < > |.")
    return name


def register(name_or_path: str | Path, *, name: str | None = None) -> Path:
    """Make a manifest known by name in ISIMED_HOME (paths made absolute, nothing copied, other keys kept).

    Raises:
        InputError: it cannot be read, or a cohort from elsewhere has the name.
    """
    source = find_manifest(name_or_path)
    cohort = Cohort.load(source)
    name = checked_name(name if name is not None else cohort.name)
    if source.parent == (paths.cohorts_dir() / name).resolve():
        return source
    manifest = _with_slashes(read_object(source), source.parent)
    for volume, entry in zip(manifest["volumes"], cohort.volumes, strict=True):
        volume["name"] = entry.id  # made from a relative path, so it has to be kept when the path changes
        for key in ("image", *LABELS, "warp"):
            if volume.get(key):
                volume[key] = str((source.parent / volume[key]).resolve())
    refuse_other_source(name, source.parent, images=[volume["image"] for volume in manifest["volumes"]])
    manifest["name"] = name
    imported = manifest.get("import")
    manifest["import"] = (imported if isinstance(imported, dict) else {}) | {"path": str(source.parent)}
    return write_manifest(manifest)


def refuse_other_source(name: str, source: Path, *, images: Iterable[str] = ()) -> None:
    """Refuse a name that a cohort from elsewhere has: it would be lost.

    Args:
        source: what the new one is made of.
        images: its images; a cohort that holds one of them is the same, made before sources were noted.

    Raises:
        InputError: there is such a cohort; it says where that is from.
    """
    manifest = paths.cohorts_dir() / name / "dataset.json"
    if not manifest.is_file():
        return
    known = read_object(manifest)
    imported = known.get("import")
    former = imported.get("path") if isinstance(imported, dict) else None
    volumes = known.get("volumes")
    listed = volumes if isinstance(volumes, list) else []
    held = {str(volume.get("image")) for volume in listed if isinstance(volume, dict)}
    if former != str(source) and held.isdisjoint(images):
        raise InputError(f"There is a cohort {name} already, from {former or 'elsewhere'}: choose another --name.")


def write_manifest(manifest: dict, *, folder: Path | None = None) -> Path:
    """Write ``dataset.json`` in one step, so that a killed process leaves the old one or the new one."""
    folder = folder or paths.cohorts_dir() / checked_name(manifest["name"])
    return write_json(folder / "dataset.json", manifest, indent=1)


def _file_digest(path: Path) -> bytes:
    try:
        with path.open("rb") as file:
            head = file.read(65536)
            size = file.seek(0, os.SEEK_END)
            file.seek(max(0, size - 65536))
            return hashlib.sha256(f"{size}\0".encode() + head + file.read()).digest()
    except (OSError, ValueError) as error:
        raise InputError(f"{path} cannot be read ({reason(error)}): check the cohort's paths.") from None
