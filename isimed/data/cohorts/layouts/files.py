"""Volume files in any folders: what is a scan, whose it is, and what is a label map.

Told by the words in names (`names`), the ways of public data sets (`conventions`), and, where a name says nothing, by
the voxels: a few whole numbers are a label map.
"""

from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from isimed.core import paths
from isimed.core.errors import InputError
from isimed.data.cohorts.layouts.claims import Channel, Claim, volumes_of
from isimed.data.cohorts.layouts.headers import is_label_content
from isimed.data.cohorts.layouts.named_files import Named, common_folders, in_folder_of_labels, is_label, named
from isimed.data.cohorts.layouts.names import (
    bare,
    is_role_folder,
    is_site,
    own_part,
    region_in,
    says_what,
    session_in,
    stem,
    up_to_own,
)
from isimed.data.cohorts.layouts.pairing import pair_labels
from isimed.data.cohorts.plan import IMAGE, SKIPPED, Planned

NOT_ANATOMY = ("func", "dwi", "fmap", "perf", "swi", "beh", "eeg", "meg", "ieeg", "motion")


def plain(root: Path, files: Sequence[Path], channel: Channel) -> list[Claim]:
    """Volume files in any folders."""
    volumes = [named(root, file) for file in volumes_of(files)]
    if not volumes:
        return []
    claim = Claim("plain", "")
    images: list[Named] = []
    labels: list[Named] = []
    keys = {one.key for one in volumes if one.key}
    for one in volumes:
        if is_label(one) or in_folder_of_labels(one) in keys:
            labels.append(one)
        elif not one.sequence and not one.convention and is_label_content(one.path):
            labels.append(replace(one, said=False))
        else:
            images.append(one)
    planned = _images(images, channel, claim)
    claim.items += planned.values()
    taken = {path: item for path, item in planned.items() if item.role == IMAGE}
    claim.items += pair_labels(labels, [one for one in images if one.path in taken], taken, claim)
    names = [one.name for one in dict.fromkeys(one.convention for one in images if one.convention)]
    claim.said = ", ".join(names) or "plain folder"
    return [claim]


def _images(images: Sequence[Named], channel: Channel, claim: Claim) -> dict[Path, Planned]:
    patients = _patients(images)
    claim.notices += _doubts(images, patients)
    raw = any("derivatives" not in one.roles for one in images)
    wanted, left = _wanted(images, channel)
    if left:
        claim.notices.append(f"{wanted} was taken; left out: {', '.join(left)} (choose with --channel).")
    planned = {}
    for one in images:
        why = ""
        if raw and "derivatives" in one.roles:
            why = "A processed copy below derivatives/; the raw scan is taken."
        elif one.path.parent.name in NOT_ANATOMY and one.path.name.startswith("sub-"):
            why = f"Below {one.path.parent.name}/: no anatomical scan."
        elif wanted and one.modality and wanted.upper() not in (one.modality.upper(), one.sequence.upper()):
            why = f"{wanted} was taken: choose with --channel."
        subject, lead = patients[one.path]
        planned[one.path] = Planned(
            one.path,
            SKIPPED if why else IMAGE,
            why,
            volume="_".join((*lead, stem(one.path))),
            patient=subject,
            modality=one.modality,
            sequence=one.sequence,
            region=(one.convention.region if one.convention else "") or region_in(one.relative),
            session=one.session,
            channel=channel if isinstance(channel, int) else None,
        )
    return planned


def _wanted(images: Sequence[Named], channel: Channel) -> tuple[str, list[str]]:
    """The modality or sequence that is taken where names say several, and the others with their counts."""
    counts = Counter(one.modality for one in images if one.modality)
    sequences = Counter(one.sequence for one in images if one.sequence)
    if isinstance(channel, str):
        if channel.upper() not in {*counts, *sequences}:
            known = ", ".join(dict.fromkeys([*counts, *sequences])) or "none that a name says"
            raise InputError(f"--channel {channel} is not here: choose one of {known}.")
        return channel.upper(), []
    if len(counts) < 2:
        return "", []
    wanted = "CT" if "CT" in counts else counts.most_common(1)[0][0]
    return wanted, [f"{modality} ({count})" for modality, count in counts.items() if modality != wanted]


def _patients(images: Sequence[Named]) -> dict[Path, tuple[str, tuple[str, ...]]]:
    """The patient of each image, and the folders that its volume's name begins with.

    A data set's own id where there is one; else the first folder below the wrappers that all share, or the file's name
    without its sequence. Where all images have names that say only what they are, the wrapper is the patient.
    """
    common = common_folders([one.folders for one in images])
    rest = [one.folders[len(common) :] for one in images]
    is_session = all(all(session_in(folder) == folder for folder in folders) for folders in rest)
    if (
        common
        and is_session
        and any(not one.key and (not folders or one.session) for one, folders in zip(images, rest, strict=True))
    ):
        common = common[:-1]
    found = {}
    for one in images:
        lead = one.folders[len(common) :]
        name = stem(one.path)
        found[one.path] = (
            one.patient or _of_folders(lead) or (_whose(name) if one.key or not lead else _folder_of(one)),
            lead,
        )
    by_name = [one for one in images if not (one.patient or _of_folders(found[one.path][1]))]
    return found | {path: (patient, found[path][1]) for path, patient in _begun_by_sequences(by_name).items()}


def _begun_by_sequences(images: Sequence[Named]) -> dict[Path, str]:
    """Scans of one patient whose names differ in the sequence that they begin with, as ``T1_7`` and ``T2_7`` do.

    Where they say nothing else, as ``T1`` and ``T2``, the folder is the patient's.
    """
    alike: dict[tuple[str, ...], list[Named]] = defaultdict(list)
    for one in images:
        alike[(*_own(one.folders), one.modality, bare(stem(one.path)))].append(one)
    return {
        one.path: own_part(stem(several[0].path)) or _folder_of(one)
        for several in alike.values()
        if len({_whose(stem(one.path)) for one in several}) == len({one.sequence for one in several}) > 1
        for one in several
    }


def _folder_of(one: Named) -> str:
    """The lowest folder that can be a patient's: none that says a role or a session, or that isimed made itself."""
    inside = Path(one.relative).parts[:-1]
    root = one.path.parents[len(inside)]
    own = root.parent in [(paths.home() / name).absolute() for name in ("unpacked", "uploads")]
    folders = reversed(inside if own else (root.name, *inside))
    return next(iter(_own([name for name in folders if not is_role_folder(name)])), "patient")


def _of_folders(lead: Sequence[str]) -> str:
    """The patient that folders name: all above a session, as 001 of one site is not 001 of another; else the first.

    Empty where they say only what they hold, as ``T1/7`` and ``T2/7`` do, which are one patient's.
    """
    sessions = [session_in(folder) == folder for folder in lead]
    own = _own(lead[: sessions.index(True)] if any(sessions) else lead) or _own(lead)
    first = next((n for n, folder in enumerate(own) if not is_site(folder)), 0)
    return "_".join(own if any(sessions) else own[: first + 1])


def _own(lead: Sequence[str]) -> list[str]:
    """The folders that can be a patient's: those that say a session, modality, sequence or part of the body cannot."""
    return [folder for folder in lead if session_in(folder) != folder and not says_what(folder)]


def _doubts(images: Sequence[Named], patients: dict[Path, tuple[str, tuple[str, ...]]]) -> list[str]:
    """Where folders or names leave open whose a scan is: what was taken, and how to say otherwise."""
    said = []
    if one := next((one for one in images if not one.patient and len(_own(patients[one.path][1])) > 1), None):
        who = patients[one.path][0]
        said.append(f"{who} was taken as the patient of {one.relative}: if that is wrong, use --patient-from.")
    by_name: dict[str, list[Named]] = defaultdict(list)
    for one in images:
        if not one.patient and not _of_folders(patients[one.path][1]):
            by_name[patients[one.path][0]].append(one)
    for who, several in by_name.items():
        other = next((one for one in several if _whose(stem(one.path)) != _whose(stem(several[0].path))), None)
        if other:
            both = f"{several[0].relative} and {other.relative}"
            said.append(f"{both} were taken as scans of one patient, {who}: if that is wrong, use --patient-from.")
            break
    dated = [
        stem(one.path) for one in images if not one.key and one.session and patients[one.path][0] == stem(one.path)
    ]
    if len(dated) > 1:
        said.append(f"{dated[0]} and {dated[1]} say when and not of whom: if of one patient, use --patient-from.")
    return said


def _whose(name: str) -> str:
    """The file's name without the sequence and session at its end, where something is left that can be an id."""
    return up_to_own(name) or name
