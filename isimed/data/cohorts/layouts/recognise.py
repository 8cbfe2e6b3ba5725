"""Recognising how a folder is laid out: each reader takes what it knows, wherever it lies, and passes on the rest."""

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

from isimed.core.errors import InputError
from isimed.data.cohorts.json_files import read_json
from isimed.data.cohorts.layouts.claims import Channel, Claim, Reader, unused, volumes_of
from isimed.data.cohorts.layouts.datasets import autopet, brats, decathlon, nnunet, own
from isimed.data.cohorts.layouts.dicom import dicom_tree
from isimed.data.cohorts.layouts.files import plain
from isimed.data.cohorts.plan import IMAGE, LABELS, LEFT_LABELS, METADATA, SKIPPED, Plan, Planned
from isimed.data.formats.dispatch import ITK
from isimed.data.formats.walk import walk_files

LAYOUTS: dict[str, Reader] = {
    "decathlon": decathlon,
    "nnunet": nnunet,
    "autopet": autopet,
    "brats": brats,
    "dicom": dicom_tree,
    "plain": plain,
}
ALSO_CALLED = {
    "autopet3": "nnunet", "nnu-net": "nnunet", "flare": "nnunet", "msd": "decathlon", "amos": "decathlon",
    "folder": "plain", "bids": "plain", "kits": "plain", "lits": "plain", "acdc": "plain", "hecktor": "plain",
    "ixi": "plain", "adni": "plain", "oasis": "plain", "totalsegmentator": "plain",
}  # fmt: skip
METADATA_SUFFIXES = (
    ".json", ".csv", ".tsv", ".txt", ".md", ".pdf", ".xml", ".html", ".yaml", ".yml", ".cfg", ".ini", ".log", ".xlsx",
    ".xls", ".docx", ".bval", ".bvec", ".bvals", ".bvecs", ".rst", ".mrml", ".itksnap", ".label", ".ctbl", ".py", ".sh",
    ".ipynb", ".cff", ".bib", ".png", ".jpg", ".jpeg", ".gif", ".h5", ".tfm", ".mat", ".fcsv", ".stl", ".vtk", ".obj",
)  # fmt: skip
UNREAD = {
    (".hdr", ".img"): "An Analyze or NIfTI pair, which is not read: convert it to .nii.gz.",
    (".mgz", ".mgh"): "FreeSurfer's format, which is not read: convert it to .nii.gz with mri_convert.",
    (".zip", ".tar", ".tgz", ".gz", ".7z", ".rar", ".mrb"): "An archive: unpack it, or import it on its own.",
    (
        ".npy",
        ".npz",
        ".pkl",
        ".pt",
        ".b2nd",
    ): "An array without a place in the scanner: give the scan it was made from.",
}


def recognise(source: Path, root: Path | None = None, *, layout: str = "auto", channel: Channel = None) -> Plan:
    """What a folder (or a single file) holds, every file in a role.

    Args:
        source: what the user gave.
        root: where it was unpacked, if it is an archive.

    Raises:
        InputError: there is no such layout, nothing of it here, or a ``dataset.json`` is damaged.
    """
    root = root or source
    chosen = ALSO_CALLED.get(layout.lower(), layout.lower())
    if chosen != "auto" and chosen not in LAYOUTS:
        raise InputError(f"--layout {layout} is not known: use auto or one of {', '.join(LAYOUTS)}.")
    passed: list[tuple[Path, str]] = []
    files = [root] if root.is_file() else list(walk_files(root, passed))
    base = root.parent if root.is_file() else root
    if not files:
        raise InputError(f"{source} is empty: give a folder that holds scans.")
    plan = Plan(source, root)
    rest = list(files)
    claims: list[Claim] = []
    for reader in [own, *LAYOUTS.values()] if chosen == "auto" else [LAYOUTS[chosen]]:
        if reader is plain and chosen == "auto" and (beside := _beside_dicom(claims, rest)):
            claims[-1].notices.append(
                f"{len(beside)} files of other formats lie beside the DICOM files and were left out."
            )
            claims[-1].items += beside
        else:
            claims += [_with_voxels(claim, set(rest)) for claim in reader(base, rest, channel)]
        taken = {part for claim in claims for item in claim.items for part in item.parts}
        rest = [file for file in rest if file not in taken]
    _gather(plan, claims)
    plan.items += [_unclaimed(file, chosen) for file in rest]
    if plan.images:
        plan.items += [Planned(path, SKIPPED, why) for path, why in passed]
        return plan
    if chosen != "auto":
        raise InputError(f"{source} is not laid out as {layout}: use --layout auto, or give the folder that is.")
    why = next((item.why for item in plan.items if item.role == SKIPPED and item.parts[0].suffix.lower() != ".zip"), "")
    why = why or next((item.why for item in plan.left_out), "")
    if any(claim.items for claim in claims) and why:
        raise InputError(f"{source} holds no scan to import among its {len(files)} files; the first: {why}")
    raise InputError(f"{source} holds no scan among its {len(files)} files: give NIfTI, NRRD, MHA or DICOM.")


def _beside_dicom(claims: Sequence[Claim], rest: Sequence[Path]) -> list[Planned]:
    """Volume files in a DICOM tree: most often the same scans, converted."""
    if not claims or claims[-1].layout != "dicom" or not any(item.role == IMAGE for item in claims[-1].items):
        return []
    why = "Lies beside DICOM series, most often the same scan converted: import it on its own (--layout plain)."
    return [Planned(file, SKIPPED, why) for file in volumes_of(rest)]


def _with_voxels(claim: Claim, there: set[Path]) -> Claim:
    """The claim with the files beside a header that hold its voxels (.mhd and .raw), each of them once."""
    used = {part for item in claim.items for part in item.parts}
    for place, item in enumerate(claim.items):
        if item.files or not item.path.name.lower().endswith(ITK.suffixes):
            continue
        with suppress(InputError):  # said when headers are checked
            beside = [file for file in ITK.files(item.path, None) if file in there and file not in used]
            used |= set(beside)
            claim.items[place] = replace(item, files=(item.path, *beside)) if beside else item
    return claim


def _gather(plan: Plan, claims: Sequence[Claim]) -> None:
    used_claims = [claim for claim in claims if any(item.role == IMAGE for item in claim.items)]
    several = len(used_claims) > 1
    if len(used_claims) == 1:
        plan.about, plan.extras = used_claims[0].about, used_claims[0].extras
    names: set[str] = set()
    used: set[Path] = set()
    mapped: set[tuple[str, str]] = set()
    for claim in claims:
        taken = any(item.role == IMAGE for item in claim.items)
        if taken:
            plan.layouts.append(claim.layout)
            plan.said += [claim.said] if claim.said not in plan.said else []
        new: dict[str, str] = {}
        for item in sorted(claim.items, key=lambda item: item.role != IMAGE):
            if item.role == IMAGE:
                name = unused(item.volume, names)
                new.setdefault(item.volume, name)
                item = replace(item, volume=name)
            elif item.volume:
                item = replace(item, volume=new.get(item.volume, item.volume))
            if item.path in used and not (item.series or item.path.is_dir()):
                continue  # named twice: the first counts
            if item.role in LABELS and (item.volume, item.role) in mapped:
                why = f"{item.volume} has a map of {item.role} already."
                item = replace(item, role=LEFT_LABELS, why=why)
            mapped.add((item.volume, item.role))
            used.add(item.path)
            plan.items.append(item)
        plan.notices += [notice for notice in claim.notices if notice not in plan.notices]
        if taken and claim.organs and any(plan.organs.get(key, name) != name for key, name in claim.organs.items()):
            plan.notices.append(
                f"{claim.said} numbers its organs otherwise: its names are not kept, make it a cohort of its own."
            )
        elif taken:
            plan.organs = claim.organs | plan.organs
        plan.tumour = plan.tumour or (claim.tumour if taken else None)
    if several:
        plan.notices.append(f"{len(plan.layouts)} data sets were recognised and put into one cohort.")


def _unclaimed(file: Path, layout: str) -> Planned:
    name = file.name.lower()
    if name.endswith(METADATA_SUFFIXES) or ("." not in name and name in ("readme", "license", "changes", "licence")):
        if name == "dataset.json":
            read_json(file)  # damaged ones are said, not passed over
        return Planned(file, METADATA)
    if volumes_of([file]):
        return Planned(file, SKIPPED, f"Not part of a data set laid out as {layout}.")
    why = next((why for suffixes, why in UNREAD.items() if name.endswith(suffixes)), "")
    return Planned(file, SKIPPED, why or "Not a format that is read: NIfTI, NRRD, MHA and DICOM are.")
