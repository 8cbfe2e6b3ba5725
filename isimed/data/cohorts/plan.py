"""What an import takes, as what, and what it leaves out and why: shown and corrected before anything is written."""

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from isimed.core.errors import InputError
from isimed.data.cohorts.cohort import LABELS

IMAGE, ORGANS, TUMOUR, LEFT_LABELS = "image", "organs", "tumour", "label map, left out"
METADATA, SKIPPED = "metadata", "left out"
ROLES = (IMAGE, ORGANS, TUMOUR, LEFT_LABELS, METADATA, SKIPPED)
TAKEN = (IMAGE, *LABELS)
CORRECTABLE = ("role", "patient", "volume", "modality", "region", "sequence", "session")
BY_HAND = "Changed by hand."
SHOWN = 20


@dataclass(frozen=True)
class Planned:
    """One file of the given folder (or one DICOM series) and what becomes of it.

    Attributes:
        path: the file, or the folder of a series.
        role: one of `ROLES`.
        why: why it is left out, or why it was taken so; one sentence, or empty.
        volume: the name of the volume that it is, or whose label map it is.
        patient, modality, region, sequence, session, study: of an image; empty where they are not known.
        channel: which image of a 4D file.
        series: SeriesInstanceUID, where ``path`` is a folder; of outlines in DICOM, that of the scan they lie on.
        title: that series in one line.
        files: all files that it consists of; ``path`` alone where empty.
    """

    path: Path
    role: str
    why: str = ""
    volume: str = ""
    patient: str = ""
    modality: str = ""
    region: str = ""
    sequence: str = ""
    session: str = ""
    study: str = ""
    channel: int | None = None
    series: str | None = None
    title: str = ""
    files: tuple[Path, ...] = ()

    @property
    def parts(self) -> tuple[Path, ...]:
        return self.files or (self.path,)


@dataclass
class Plan:
    """Every file below a folder in its role.

    Attributes:
        source: what the user gave: a folder, a file or a zip.
        root: the folder that was looked through: ``source``, or where the zip was unpacked.
        layouts: what was recognised, by name.
        said: the same for a person.
        items: every file, once.
        organs: label -> name.
        tumour: what the tumour maps' values mean.
        notices: what was chosen or guessed.
        manifest: isimed's own, where ``source`` has one: it is taken as it is.
        about, extras: what else isimed's own manifest says, where all images are of one; of the cohort, and by volume.
    """

    source: Path
    root: Path
    layouts: list[str] = field(default_factory=list)
    said: list[str] = field(default_factory=list)
    items: list[Planned] = field(default_factory=list)
    organs: dict[str, str] = field(default_factory=dict)
    tumour: str | None = None
    notices: list[str] = field(default_factory=list)
    manifest: Path | None = None
    about: dict[str, Any] = field(default_factory=dict)
    extras: dict[str, dict[str, Any]] = field(default_factory=dict)

    @property
    def images(self) -> list[Planned]:
        return [item for item in self.items if item.role == IMAGE]

    @property
    def left_out(self) -> list[Planned]:
        return [item for item in self.items if item.role in (LEFT_LABELS, SKIPPED)]

    @property
    def modality(self) -> str:
        """The cohort's: its volumes', where they have one; the most usual where they have several."""
        found = Counter(item.modality or "unknown" for item in self.images)
        return found.most_common(1)[0][0] if found else "unknown"

    def name_of(self, path: Path) -> str:
        """A file as a person finds it: relative to the folder that was given."""
        base = self.root if self.root.is_dir() else self.root.parent
        return str(path.relative_to(base)) if path.is_relative_to(base) and path != base else path.name

    def volumes(self) -> list[dict[str, Any]]:
        """The entries of the manifest, with absolute paths.

        Raises:
            InputError: a label map without its image, or two of a kind for one image.
        """
        volumes = {}
        for item in self.images:
            if not item.patient.strip():
                raise InputError(f"{self.name_of(item.path)} has no patient: name one, or leave the file out.")
            if item.volume in volumes:
                raise InputError(f"{item.volume} names two images: give each volume a name of its own.")
            known = self.extras.get(item.volume, {})
            entry: dict[str, Any] = {**known, "subject": item.patient.strip(), "name": item.volume, "image": item.path}
            for key in ("modality", "region", "sequence", "session", "study", "channel", "series", "title"):
                if getattr(item, key) not in ("", None):
                    entry[key] = getattr(item, key)
            volumes[item.volume] = entry
        for item in self.items:
            if item.role in LABELS:
                entry = volumes.get(item.volume, {})
                if not entry:
                    raise InputError(
                        f"{self.name_of(item.path)} ({item.role}) belongs to no image: name its volume, or "
                        "leave it out."
                    )
                if item.role in entry:
                    raise InputError(f"{item.volume} has two maps of {item.role}: leave one of them out.")
                entry[item.role] = item.path
        return list(volumes.values())

    def rows(self) -> list[dict[str, Any]]:
        """The plan as a table, one row a file, what is taken first; `corrected` reads it back."""
        order = {role: place for place, role in enumerate(ROLES)}
        items = sorted(enumerate(self.items), key=lambda pair: (order[pair[1].role], pair[0]))
        return [
            {"file": self.name_of(item.path), **{key: getattr(item, key) for key in CORRECTABLE}, "why": item.why}
            | {"number": number}
            for number, item in items
        ]

    def corrected(self, rows: Iterable[Mapping[str, Any]]) -> "Plan":
        """The plan with what a person changed in the table of `rows`.

        Raises:
            InputError: a role that there is not.
        """
        items = list(self.items)
        for row in rows:
            number = int(row["number"])
            changed: dict[str, Any] = {key: _cell(row[key]) for key in CORRECTABLE}
            if changed["role"] not in ROLES:
                raise InputError(f"{changed['role']!r} is not a role of a file: use {', '.join(ROLES)}.")
            if changed["role"] == IMAGE and items[number].role != IMAGE:
                changed["volume"] = changed["volume"] or self.name_of(items[number].path)
                changed["patient"] = changed["patient"] or changed["volume"]
            if changed["role"] != items[number].role:
                changed["why"] = BY_HAND
            items[number] = replace(items[number], **changed)
        return replace(self, items=items)

    def description(self) -> str:
        """What was recognised, in a few sentences."""
        images = self.images
        patients = len({item.patient for item in images})
        what = "; ".join(self.said) or "files"
        text = [f"Recognised as {what}: {len(images)} volumes of {patients} patients in {self.source}."]
        if left := self.left_out:
            count = "1 file was" if len(left) == 1 else f"{len(left)} files were"
            text.append(f"{count} left out; the first, {self.name_of(left[0].path)}: {left[0].why}")
        return " ".join(text + self.notices)

    def lines(self) -> list[str]:
        """The plan as text: what was recognised, the first patients' volumes, and what is left out and why."""
        text = [f"Recognised as {'; '.join(self.said) or 'files'} in {self.source}.", *self.notices]
        labels = defaultdict(list)
        for item in self.items:
            if item.role in LABELS:
                labels[item.volume].append(f"{item.role}: {self.name_of(item.path)}")
        taken = [
            f"  {item.patient}: {self.name_of(item.path)} as {item.volume} ("
            + ", ".join(part for part in (item.modality or "unknown", item.sequence, item.region, item.session) if part)
            + ")"
            + "".join(f", {label}" for label in labels[item.volume])
            for item in self.images
        ]
        patients = len({item.patient for item in self.images})
        text.append(f"Taken: {len(taken)} volumes of {patients} patients.")
        text += taken[:SHOWN]
        if len(taken) > SHOWN:
            text.append(f"  ... and {len(taken) - SHOWN} more volumes (all with --json)")
        groups: dict[tuple[str, str], list[Planned]] = defaultdict(list)
        for item in self.items:
            if item.role not in TAKEN:
                groups[item.role, item.why.replace(str(item.path), "it")].append(item)
        rest = sum(len(item.parts) for group in groups.values() for item in group)
        text.append(f"Not taken: {rest} file{'s' * (rest != 1)}.")
        for (role, why), group in groups.items():
            names = ", ".join(self.name_of(item.path) for item in group[:3]) + (", ..." if len(group) > 3 else "")
            text.append(f"  {len(group)} {role}: {names}{f': {why}' if why else ''}")
        return text

    def to_json(self) -> dict[str, Any]:
        """The plan for scripts: every file with its role."""
        return {
            "source": str(self.source),
            "layouts": self.layouts,
            "notices": self.notices,
            "modality": self.modality,
            "organs": self.organs,
            "tumour": self.tumour,
            "files": [
                {key: value for key, value in row.items() if key != "number" and (value or key in ("file", "role"))}
                for row in self.rows()
            ],
        }


def _cell(value: Any) -> str:
    """A cell of an edited table; an emptied one is None or NaN."""
    return "" if value is None or value != value else str(value).strip()
