"""Data sets with files that follow rules: each reader finds its data sets wherever they lie, several times if need be.

Patient ids follow the data set's rules, so that several studies of a patient stay on one side of every split.
"""

import re
from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from isimed.core.errors import InputError
from isimed.data.cohorts.cohort import LABELS, Cohort
from isimed.data.cohorts.json_files import line_of, read_listing
from isimed.data.cohorts.layouts.claims import Channel, Claim, choice, volumes_of
from isimed.data.cohorts.layouts.labels import describe_labels, kind_of_labels
from isimed.data.cohorts.layouts.names import SEQUENCES, is_role_folder, modality_and_sequence, region_in, stem, words
from isimed.data.cohorts.plan import IMAGE, SKIPPED, TUMOUR, Planned

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
KNOWN = ("region", "sequence", "session", "study")
SAID_ANEW = ("name", "description", "modality", "organs", "tumour", "import", "volumes")
SAYS_NOTHING = ("image", "zscore", "nonorm", "rescale_to_0_1", "rgb_to_0_1")
TESTS = "A test image without labels."


def own(root: Path, files: Sequence[Path], channel: Channel) -> list[Claim]:
    """Manifests of isimed's own form, ``dataset.json`` with ``volumes``."""
    claims = []
    for manifest in _dataset_jsons(files):
        if "volumes" not in read_listing(manifest):
            continue
        cohort = Cohort.load(manifest)
        claim = Claim(
            "isimed", f"isimed's manifest {cohort.name}", organs={str(k): v for k, v in cohort.organs.items()}
        )
        claim.tumour = cohort.tumour
        claim.about = {key: value for key, value in read_listing(manifest).items() if key not in SAID_ANEW}
        for entry in cohort.volumes:
            extras = dict(entry.model_extra or {})
            if isinstance(extras.get("warp"), str):
                extras["warp"] = str((manifest.parent / extras["warp"]).resolve())
            claim.extras[entry.id] = extras
            known: dict[str, Any] = {key: getattr(entry, key) or "" for key in KNOWN}
            modality = entry.modality or ("" if cohort.modality == "unknown" else cohort.modality)
            image = Planned(
                cohort.path(entry.image), IMAGE, volume=entry.id, patient=entry.subject, modality=modality,
                channel=entry.channel, series=entry.series, **known,
            )  # fmt: skip
            claim.items.append(image)
            claim.items += [
                Planned(cohort.path(file), kind, volume=entry.id) for kind in LABELS if (file := getattr(entry, kind))
            ]
        claims.append(claim)
    return claims


def autopet(root: Path, files: Sequence[Path], channel: Channel) -> list[Claim]:
    """autoPET, TCIA's NIfTI export: ``PETCT_<id>/<study>/{CTres,SUV,SEG}.nii.gz``; the patient is the upper folder."""
    studies: dict[Path, dict[str, Path]] = defaultdict(dict)
    for file in files:
        if file.name.lower() in (*AUTOPET_FILES.values(), "ct.nii.gz", "seg.nii.gz"):
            studies[file.parent][file.name.lower()] = file
    studies = {
        folder: names
        for folder, names in studies.items()
        if AUTOPET_FILES["CT"] in names and folder != root and not is_role_folder(folder.name)
    }
    if not studies:
        return []
    wanted = choice(channel, list(AUTOPET_FILES), "CT")
    claim = Claim(
        "autopet", "autoPET, TCIA NIfTI export (CTres, SUV, SEG)", tumour="1 = lesion with high tracer uptake"
    )
    for folder in sorted(studies):
        names = studies[folder]
        image = names.get(AUTOPET_FILES[wanted])
        above = folder.parent if folder.parent.is_relative_to(root) and folder.parent != root else folder
        patient = folder.name if is_role_folder(above.name) else above.name
        volume = patient if patient == folder.name else f"{patient}_{folder.name}"
        for name, file in names.items():
            if file == image:
                modality = "CT" if wanted == "CT" else "PET"
                claim.items.append(
                    Planned(file, IMAGE, volume=volume, patient=patient, modality=modality, session=folder.name)
                )
            elif name == "seg.nii.gz" and image:
                claim.items.append(Planned(file, TUMOUR, volume=volume))
            else:
                why = f"{wanted} was taken" if image else f"{folder} has no {AUTOPET_FILES[wanted]}"
                claim.items.append(Planned(file, SKIPPED, f"{why}: choose another --channel."))
    claim.notices.append(f"{wanted} was taken of {', '.join(AUTOPET_FILES)}.")
    return [claim]


def brats(root: Path, files: Sequence[Path], channel: Channel) -> list[Claim]:
    """BraTS 2020 to 2024: ``<case>/<case>_t1.nii.gz`` or, from 2023, ``-t1n`` and a time point in the case's name."""
    cases: dict[tuple[str, Path], list[tuple[Path, re.Match[str]]]] = defaultdict(list)
    for file in volumes_of(files):
        if match := BRATS.fullmatch(stem(file)):
            cases[match["case"], file.parent].append((file, match))
    if not cases:
        return []
    newer = any(case != found[0][1]["subject"] for (case, _), found in cases.items())
    wanted = choice(BRATS_NAMES.get(str(channel).lower(), channel), list(BRATS_KINDS), "t1")
    said = "BraTS 2023 or later (time points of one patient kept together)" if newer else "BraTS 2021"
    claim = Claim("brats", said, tumour="whole tumour is > 0")
    names: set[str] = set()
    for (case, folder), found in sorted(cases.items()):
        volume = case if case not in names else f"{folder.relative_to(root).as_posix().replace('/', '_')}_{case}"
        names.add(volume)
        has_image = any(match["kind"].lower() in BRATS_KINDS[wanted] for _, match in found)
        for file, match in found:
            kind = match["kind"].lower()
            if kind in BRATS_KINDS[wanted]:
                claim.items.append(
                    Planned(
                        file, IMAGE, volume=volume, patient=match["subject"], modality=f"MRI {wanted.upper()}",
                        sequence=kind.upper(), region="head",
                    )
                )  # fmt: skip
            elif kind == "seg" and has_image:
                claim.items.append(Planned(file, TUMOUR, volume=volume))
            else:
                why = f"{wanted} was taken" if has_image else f"{case} has no {wanted} image"
                claim.items.append(Planned(file, SKIPPED, f"{why}: choose another --channel."))
    claim.notices.append(f"{wanted} was taken of {', '.join(BRATS_KINDS)}.")
    return [claim]


def decathlon(root: Path, files: Sequence[Path], channel: Channel) -> list[Claim]:
    """Medical Segmentation Decathlon, AMOS: ``dataset.json`` with ``training: [{image, label}]``; images may be 4D."""
    return [claim for manifest in _dataset_jsons(files) if (claim := _decathlon(manifest, set(files), channel))]


def _decathlon(manifest: Path, there: set[Path], channel: Channel) -> Claim | None:
    about, folder = read_listing(manifest), manifest.parent
    listed = about.get("training")
    if "volumes" in about or not listed:
        return None
    if not isinstance(listed, list) or not all(isinstance(case, dict) and case.get("image") for case in listed):
        text = f"{manifest} is another tool's: it lists no `training` of `image` and `label`, so names were looked at."
        return Claim("decathlon", "", notices=[text])
    cases = [(_listed(case["image"]), case.get("label")) for case in listed]
    if not all(_is_inside(name) for images, label in cases for name in (*images, label or "")):
        raise InputError(
            f"{manifest} lists in `training` (line {line_of(manifest, 'training')}) what are no names of files inside "
            "its folder: correct it."
        )
    if not any(folder / name in there for images, _ in cases for name in images):
        return None  # nnU-Net 1 has the same file, with names that need a channel's number
    said = _mapping(manifest, about, "modality")
    names = [str(said[key]) for key in sorted(said, key=lambda key: (len(key), key))]  # "2" before "10", in any order
    if most := max(len(images) for images, _ in cases) - 1:
        names = names if len(names) > most else [f"channel {number}" for number in range(most + 1)]
    wanted = choice(channel, names, names[0] if names else "image")
    number = names.index(wanted) if wanted in names else 0
    kind, labels = kind_of_labels(manifest, about.get("labels"))
    title = str(about.get("name", folder.name))
    claim = Claim("decathlon", f"Medical Segmentation Decathlon ({title})")
    for images, label in cases:
        image = folder / images[min(number, len(images) - 1)]
        others = [folder / name for name in images if folder / name != image]
        claim.items += [Planned(one, SKIPPED, f"{wanted} was taken: choose another --channel.") for one in others]
        by_name = modality_and_sequence(image)[0] if title.upper().startswith("AMOS") or "amos_" in image.name else ""
        claim.items.append(
            Planned(
                image, IMAGE, volume=stem(image), patient=stem(image), modality=by_name or modality_of(wanted),
                region=region_in(title), channel=number if len(names) > 1 and not most else None,
            )
        )  # fmt: skip
        claim.items += [Planned(folder / label, kind, volume=stem(image))] if label else []
    describe_labels(claim, kind, labels)
    if len(names) > 1:
        claim.notices.append(f"Channel {names.index(wanted)} ({wanted}) was taken of {', '.join(names)}.")
    tests = [folder / (one if isinstance(one, str) else str(one.get("image", ""))) for one in _tests(about)]
    claim.items += [Planned(path, SKIPPED, TESTS) for path in dict.fromkeys(tests) if path in there]
    if tests:
        claim.notices.append(f"{len(tests)} test images, which have no labels, were left out.")
    return _one_modality(claim, channel)


def _one_modality(claim: Claim, channel: Channel) -> Claim:
    """CT alone where a set holds CT and MRI, as AMOS does: no network is trained on both at once."""
    images = [item for item in claim.items if item.role == IMAGE]
    found = dict.fromkeys(item.modality for item in images)
    if len(found) < 2 or "CT" not in found:
        return claim
    others = {item.volume for item in images if item.modality != "CT"}
    why = "CT was taken: make a cohort of the others apart."
    claim.items = [Planned(item.path, SKIPPED, why) if item.volume in others else item for item in claim.items]
    claim.notices.append(f"CT was taken; left out: {len(others)} of {', '.join(m for m in found if m != 'CT')}.")
    return claim


def nnunet(root: Path, files: Sequence[Path], channel: Channel) -> list[Claim]:
    """nnU-Net raw, and autoPET III in that form: ``imagesTr/<case>_0000.nii.gz``, ``labelsTr/<case>.nii.gz``."""
    folders: dict[Path, dict[str, list[Path]]] = defaultdict(lambda: defaultdict(list))
    for file in volumes_of(files):
        if file.parent.name in ("imagesTr", "imagesTs", "labelsTr", "labelsTs"):
            folders[file.parent.parent][file.parent.name].append(file)
    return [claim for folder, parts in sorted(folders.items()) if (claim := _nnunet(folder, parts, channel))]


def _nnunet(folder: Path, parts: dict[str, list[Path]], channel: Channel) -> Claim | None:
    part = "Tr" if parts["imagesTr"] else "Ts"
    matches = {file: match for file in parts[f"images{part}"] if (match := NNUNET_IMAGE.fullmatch(stem(file)))}
    masks = {stem(file): file for file in parts[f"labels{part}"]}
    cases = sorted({match[1] for match in matches.values()})
    if not cases or (masks and not masks.keys() & set(cases)) or not (masks or _all_have_first(matches.values())):
        return None
    manifest = folder / "dataset.json"
    about = read_listing(manifest) if manifest.is_file() else {}
    given = _mapping(manifest, about, "channel_names") or _mapping(manifest, about, "modality")
    numbers = sorted({int(match[2]) for match in matches.values()})
    is_autopet = all(AUTOPET_CASE.fullmatch(case) for case in cases)
    usual = {0: "CT", 1: "PET"} if is_autopet else {}
    names = [str(given.get(str(n)) or usual.get(n) or f"channel {n}") for n in numbers]
    wanted = choice(channel, names, names[0])
    number = numbers[names.index(wanted)]
    kind, labels = (TUMOUR, {}) if is_autopet else kind_of_labels(manifest, about.get("labels"))
    said = "autoPET III (nnU-Net style)" if is_autopet else "nnU-Net raw"
    claim = Claim("autopet3" if is_autopet else "nnunet", said)
    have = {match[1] for match in matches.values() if int(match[2]) == number}
    for file, match in matches.items():
        case = match[1]
        if int(match[2]) == number:
            patient = AUTOPET_CASE.fullmatch(case) if is_autopet else None
            subject = (patient[1] or patient[2]) if patient else case
            modality = modality_of(wanted)
            claim.items.append(
                Planned(file, IMAGE, volume=case, patient=subject, modality=modality, region=region_in(folder.name))
            )
        else:
            why = f"{wanted} was taken" if case in have else f"{case} has no {wanted} image"
            claim.items.append(Planned(file, SKIPPED, f"{why}: choose another --channel."))
    for case, mask in masks.items():
        if case in have:
            claim.items.append(Planned(mask, kind, volume=case))
        else:
            claim.items.append(Planned(mask, SKIPPED, f"{case} has no {wanted} image: choose another --channel."))
    claim.items += [
        Planned(file, SKIPPED, "No channel's number at its end.")
        for file in parts[f"images{part}"]
        if file not in matches
    ]
    tests = [file for other in ("imagesTs", "labelsTs") if part == "Tr" for file in parts[other]]
    claim.items += [Planned(file, SKIPPED, "Of the test set.") for file in tests]
    if tests:
        claim.notices.append(f"{len(tests)} files of the test set were left out.")
    describe_labels(claim, kind, labels)
    if len(names) > 1:
        claim.notices.append(f"{wanted} (_{number:04d}) was taken of {', '.join(names)}.")
    return claim


def _all_have_first(matches: Any) -> bool:
    """Whether every case has an image 0000, as nnU-Net's have; consecutive numbers of one name are patients."""
    numbers: dict[str, set[str]] = defaultdict(set)
    for match in matches:
        numbers[match[1]].add(match[2])
    return all("0000" in found for found in numbers.values()) and (
        len(numbers) > 1 or len(next(iter(numbers.values()))) == 1
    )


def modality_of(name: str) -> str:
    """The modality that a channel's name says; empty where it says none, as nnU-Net's ways of scaling do.

    >>> modality_of("CT"), modality_of("PT"), modality_of("T1ce"), modality_of("zscore")
    ('CT', 'PET', 'MRI T1ce', '')
    """
    if name.upper().startswith("CT"):
        return name.upper().split()[0]
    if "PET" in {SEQUENCES.get(word) for word in words(name)}:
        return "PET"
    return "" if name.startswith("channel ") or name.lower() in SAYS_NOTHING else f"MRI {name}"


def _dataset_jsons(files: Sequence[Path]) -> list[Path]:
    return [file for file in files if file.name == "dataset.json"]


def _mapping(manifest: Path, about: dict[str, Any], key: str) -> dict[str, Any]:
    value = about.get(key) or {}
    if isinstance(value, list):
        return {str(number): one for number, one in enumerate(value)}
    if not isinstance(value, dict):
        line = line_of(manifest, key)
        raise InputError(
            f"{manifest} gives `{key}` (line {line}) as {type(value).__name__}, not in braces: correct it."
        )
    return value


def _tests(about: dict[str, Any]) -> list[Any]:
    tests = about.get("test")
    return [one for one in tests if _is_inside(one) or isinstance(one, dict)] if isinstance(tests, list) else []


def _listed(value: Any) -> list[Any]:
    """One name or several, as MONAI's lists have them."""
    return value if isinstance(value, list) else [value]


def _is_inside(name: Any) -> bool:
    """A file name that stays in the data set's folder."""
    return isinstance(name, str) and "\0" not in name and not Path(name).is_absolute() and ".." not in Path(name).parts
