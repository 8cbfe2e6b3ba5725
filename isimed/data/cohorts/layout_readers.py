"""How public data sets lay out their files: each reader turns a folder into entries of a manifest, or says None.

Patient ids follow the data set's rules, so that several studies of a patient stay on one side of every split.
"""

import json
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from isimed.core.errors import InputError
from isimed.data.formats.volume import VOLUME_SUFFIXES

TUMOUR_WORDS = (
    "tumor",
    "tumour",
    "cancer",
    "lesion",
    "edema",
    "oedema",
    "glioma",
    "metasta",
    "necro",
    "enhanc",
    "nodule",
)
BRATS = re.compile(
    r"(?P<case>(?P<subject>BraTS\d{4}_\d+|BraTS\d\d_\w+_\d+|BraTS-\w+-\d+)(?:-\d+)?)[_-]"
    r"(?P<kind>t1ce|t1n|t1c|t1|t2w|t2f|t2|flair|seg)",
    re.IGNORECASE,
)
BRATS_KINDS = {"t1": ("t1", "t1n"), "t1ce": ("t1ce", "t1c"), "t2": ("t2", "t2w"), "flair": ("flair", "t2f")}
BRATS_NAMES = {kind: name for name, kinds in BRATS_KINDS.items() for kind in kinds}
AUTOPET_FILES = {"CT": "ctres.nii.gz", "SUV": "suv.nii.gz", "PET": "pet.nii.gz"}
AUTOPET_CASE = re.compile(r"(?:fdg|psma)_(.+?)_\d{2,4}-\d{2}-.*|(?:fdg|psma)_([^_]+)_.+", re.IGNORECASE)
NNUNET_IMAGE = re.compile(r"(.+)_(\d{4})")

Channel = int | str | None


@dataclass
class Found:
    """What a reader recognised.

    Attributes:
        layout: its name.
        said: what was recognised, for a person.
        cases: entries of the manifest; ``image``, ``organs`` and ``tumour`` are absolute paths.
        organs: label -> name.
        notices: what was chosen, or left out.
        skipped: files that cannot be used, with the reason.
    """

    layout: str
    said: str
    cases: list[dict[str, Any]]
    modality: str = "unknown"
    organs: dict[str, str] = field(default_factory=dict)
    tumour: str | None = None
    notices: list[str] = field(default_factory=list)
    skipped: list[tuple[str, str]] = field(default_factory=list)


Reader = Callable[[Path, Sequence[Path], Channel], Found | None]


def stem(path: Path) -> str:
    """The file's name without a volume's suffix (.nii.gz is one)."""
    name = path.name
    for suffix in sorted(VOLUME_SUFFIXES, key=len, reverse=True):
        if name.lower().endswith(suffix):
            return name[: -len(suffix)]
    return path.stem


def volumes_of(files: Sequence[Path]) -> list[Path]:
    return [file for file in files if file.name.lower().endswith(VOLUME_SUFFIXES)]


def autopet(root: Path, files: Sequence[Path], channel: Channel) -> Found | None:
    """autoPET, TCIA's NIfTI export: ``PETCT_<id>/<study>/{CTres,SUV,SEG}.nii.gz``; the patient is the upper folder."""
    studies = {file.parent: file for file in files if file.name.lower() == AUTOPET_FILES["CT"]}
    if not studies:
        return None
    wanted = _choice(channel, list(AUTOPET_FILES), "CT")
    found = Found("autopet", "autoPET, TCIA NIfTI export (CTres, SUV, SEG)", [], "CT" if wanted == "CT" else "PET")
    for folder in sorted(studies):
        names = {file.name.lower(): file for file in folder.iterdir()}
        image = names.get(AUTOPET_FILES[wanted])
        if image is None:
            found.skipped.append((str(folder), f"{folder} has no {AUTOPET_FILES[wanted]}: choose another --channel."))
            continue
        case = {"subject": folder.parent.name, "image": image, "name": f"{folder.parent.name}_{folder.name}"}
        found.cases.append(case | ({"tumour": names["seg.nii.gz"]} if "seg.nii.gz" in names else {}))
    found.tumour = "1 = lesion with high tracer uptake"
    found.notices.append(f"{wanted} was taken of {', '.join(AUTOPET_FILES)}.")
    return found


def brats(root: Path, files: Sequence[Path], channel: Channel) -> Found | None:
    """BraTS 2020 to 2024: ``<case>/<case>_t1.nii.gz`` or, from 2023, ``-t1n`` and a time point in the case's name."""
    matches = {file: match for file in volumes_of(files) if (match := BRATS.fullmatch(stem(file)))}
    if not matches:
        return None
    newer = any(match["case"] != match["subject"] for match in matches.values())
    wanted = _choice(BRATS_NAMES.get(str(channel).lower(), channel), list(BRATS_KINDS), "t1")
    said = "BraTS 2023 or later (time points of one patient kept together)" if newer else "BraTS 2021"
    found = Found("brats", said, [], f"MRI {wanted.upper()}", tumour="whole tumour is > 0")
    cases: dict[str, dict[str, Any]] = {}
    for file, match in matches.items():
        case = cases.setdefault(match["case"], {"subject": match["subject"], "name": match["case"]})
        kind = match["kind"].lower()
        if kind in BRATS_KINDS[wanted]:
            case["image"] = file
        elif kind == "seg":
            case["tumour"] = file
    for name, case in sorted(cases.items()):
        if "image" in case:
            found.cases.append(case)
        else:
            found.skipped.append((name, f"{name} has no {wanted} image: choose another --channel."))
    found.notices.append(f"{wanted} was taken of {', '.join(BRATS_KINDS)}.")
    return found


def decathlon(root: Path, files: Sequence[Path], channel: Channel) -> Found | None:
    """Medical Segmentation Decathlon: ``dataset.json`` with ``training: [{image, label}]``; images may be 4D."""
    about = read_dataset_json(root)
    listed = about.get("training")
    if not isinstance(listed, list) or not listed or not all(_is_pair(pair) for pair in listed):
        return None
    if not (root / listed[0]["image"]).exists():
        return None  # nnU-Net 1 has the same file, with names that need a channel's number
    names = [str(value) for value in _mapping(about, "modality").values()]
    wanted = _choice(channel, names, names[0] if names else "image")
    kind, labels = _kind_of_labels(about.get("labels"))
    found = Found(
        "decathlon", f"Medical Segmentation Decathlon ({about.get('name', root.name)})", [], _modality(wanted)
    )
    for pair in listed:
        image = root / pair["image"]
        case: dict[str, Any] = {"subject": stem(image), "name": stem(image), "image": image, kind: root / pair["label"]}
        found.cases.append(case | ({"channel": names.index(wanted)} if len(names) > 1 else {}))
    _describe_labels(found, kind, labels)
    if len(names) > 1:
        found.notices.append(f"Channel {names.index(wanted)} ({wanted}) was taken of {', '.join(names)}.")
    if isinstance(tests := about.get("test"), list) and tests:
        found.notices.append(f"{len(tests)} test images, which have no labels, were left out.")
    return found


def nnunet(root: Path, files: Sequence[Path], channel: Channel) -> Found | None:
    """nnU-Net raw, and autoPET III in that form: ``imagesTr/<case>_0000.nii.gz``, ``labelsTr/<case>.nii.gz``."""
    folder = root / "imagesTr"
    matches = {
        file: match
        for file in volumes_of(files)
        if file.parent == folder and (match := NNUNET_IMAGE.fullmatch(stem(file)))
    }
    if not matches:
        return None
    about = read_dataset_json(root)
    given = _mapping(about, "channel_names") or _mapping(about, "modality")
    numbers = sorted({int(match[2]) for match in matches.values()})
    cases = sorted({match[1] for match in matches.values()})
    is_autopet = all(AUTOPET_CASE.fullmatch(case) for case in cases)
    usual = {0: "CT", 1: "PET"} if is_autopet else {}
    names = [str(given.get(str(n)) or usual.get(n) or f"channel {n}") for n in numbers]
    wanted = _choice(channel, names, names[0])
    number = numbers[names.index(wanted)]
    kind, labels = ("tumour", {}) if is_autopet else _kind_of_labels(about.get("labels"))
    said = "autoPET III (nnU-Net style)" if is_autopet else "nnU-Net raw"
    found = Found("autopet3" if is_autopet else "nnunet", said, [], _modality(wanted))
    masks = {stem(file): file for file in volumes_of(files) if file.parent == root / "labelsTr"}
    for file, match in matches.items():
        if int(match[2]) == number:
            patient = AUTOPET_CASE.fullmatch(match[1]) if is_autopet else None
            subject = (patient[1] or patient[2]) if patient else match[1]
            case = {"subject": subject, "name": match[1], "image": file}
            found.cases.append(case | ({kind: masks[match[1]]} if match[1] in masks else {}))
    have = {case["name"] for case in found.cases}
    found.skipped += [(c, f"{c} has no {wanted} image: choose another --channel.") for c in cases if c not in have]
    _describe_labels(found, kind, labels)
    if len(names) > 1:
        found.notices.append(f"{wanted} (_{number:04d}) was taken of {', '.join(names)}.")
    return found


def read_dataset_json(root: Path) -> dict[str, Any]:
    """The folder's ``dataset.json``, empty where there is none or it is no JSON object."""
    try:
        about = json.loads((root / "dataset.json").read_bytes())
    except (OSError, ValueError, RecursionError):
        return {}
    return about if isinstance(about, dict) else {}


def _mapping(about: dict[str, Any], key: str) -> dict[str, Any]:
    value = about.get(key)
    return value if isinstance(value, dict) else {}


def _is_pair(pair: Any) -> bool:
    return isinstance(pair, dict) and all(_is_inside(pair.get(key)) for key in ("image", "label"))


def _is_inside(name: Any) -> bool:
    """A file name that stays in the data set's folder."""
    return isinstance(name, str) and "\0" not in name and not Path(name).is_absolute() and ".." not in Path(name).parts


def _choice(channel: Channel, names: list[str], default: str) -> str:
    """The image of a case that ``--channel`` means, by number or name.

    Raises:
        InputError: there is no such image.
    """
    if channel is None:
        return default
    if str(channel).isdigit() and int(channel) < len(names):
        return names[int(channel)]
    for name in names:
        if name.lower() == str(channel).lower():
            return name
    raise InputError(f"--channel {channel} is not here: choose one of {', '.join(names)}, or 0 to {len(names) - 1}.")


def _modality(name: str) -> str:
    if name.upper().startswith(("CT", "PET", "SUV")):
        return name.upper().split()[0]
    return "unknown" if name.startswith("channel ") or name == "image" else f"MRI {name}"


def _kind_of_labels(labels: Any) -> tuple[str, dict[str, str]]:
    """``tumour`` where every label is named like one, else ``organs``; and label -> name, whichever way it is given."""
    pairs = labels.items() if isinstance(labels, dict) else ()
    names = {}
    for key, value in pairs:
        number, name = (key, value) if str(key).isdigit() else (value, key)
        if isinstance(number, int) or str(number).isdigit():
            names[str(number)] = str(name)
    inside = {number: name for number, name in names.items() if number != "0"}
    is_tumour = bool(inside) and all(any(word in name.lower() for word in TUMOUR_WORDS) for name in inside.values())
    return ("tumour" if is_tumour else "organs"), inside


def _describe_labels(found: Found, kind: str, labels: dict[str, str]) -> None:
    if kind == "organs":
        found.organs = labels
    else:
        found.tumour = ", ".join(f"{number} = {name}" for number, name in labels.items()) or "lesion is > 0"
