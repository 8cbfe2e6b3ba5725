"""Volume files in any folders: what is a scan, whose it is, and which label map belongs to it.

Told by the words in names (`names`), the ways of public data sets (`conventions`), and, where a name says nothing, by
the voxels: a few whole numbers are a label map.
"""

from collections import Counter, defaultdict
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path

from isimed.core.errors import InputError
from isimed.data.cohorts.layouts.claims import Channel, Claim, volumes_of
from isimed.data.cohorts.layouts.conventions import Convention, convention_of
from isimed.data.cohorts.layouts.headers import is_label_content, segment_names, shape_of
from isimed.data.cohorts.layouts.names import (
    LABEL_WORDS,
    PATIENT_ID,
    TUMOUR_WORDS,
    bare,
    is_body_mask,
    is_label_name,
    is_probability,
    is_role_folder,
    is_site,
    label_kind,
    modality_and_sequence,
    region_in,
    says_what,
    session_in,
    stem,
    up_to_own,
    words,
)
from isimed.data.cohorts.plan import IMAGE, LEFT_LABELS, SKIPPED, Planned
from isimed.data.formats.reading import by_times

NOT_ANATOMY = ("func", "dwi", "fmap", "perf", "swi", "beh", "eeg", "meg", "ieeg", "motion")


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


def plain(root: Path, files: Sequence[Path], channel: Channel) -> list[Claim]:
    """Volume files in any folders."""
    volumes = [_named(root, file) for file in volumes_of(files)]
    if not volumes:
        return []
    claim = Claim("plain", "")
    images: list[Named] = []
    labels: list[Named] = []
    keys = {one.key for one in volumes if one.key}
    for one in volumes:
        if _is_label(one) or _in_folder_of_labels(one) in keys:
            labels.append(one)
        elif not one.sequence and not one.convention and is_label_content(one.path):
            labels.append(replace(one, said=False))
        else:
            images.append(one)
    planned = _images(images, channel, claim)
    claim.items += planned.values()
    taken = {path: item for path, item in planned.items() if item.role == IMAGE}
    claim.items += _labels(labels, [one for one in images if one.path in taken], taken, claim)
    names = [one.name for one in dict.fromkeys(one.convention for one in images if one.convention)]
    claim.said = ", ".join(names) or "plain folder"
    return [claim]


def _named(root: Path, path: Path) -> Named:
    relative = path.relative_to(root)
    folders = relative.parts[:-1]
    own, roles = [f for f in folders if not is_role_folder(f)], tuple(f for f in folders if is_role_folder(f))
    modality, sequence = modality_and_sequence(path, roles)
    convention = convention_of(relative.as_posix())
    return Named(
        path, relative.as_posix(), tuple(own), roles, bare(stem(path)).lower(),
        (convention.modality if convention else "") or modality, sequence, session_in(relative.as_posix()), convention,
    )  # fmt: skip


def _is_label(one: Named) -> bool:
    return is_label_name(one.path) or any(LABEL_WORDS.intersection(words(folder)) for folder in one.roles)


def _in_folder_of_labels(one: Named) -> str:
    """The key of the image that the file's folder is named after, as ``P7`` in ``P7_segmentations/liver``, or empty."""
    folder = one.folders[-1] if one.folders else ""
    return bare(folder).lower() if LABEL_WORDS.intersection(words(folder)) else ""


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
    common = _common([one.folders for one in images])
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
        found[one.path] = one.patient or _of_folders(lead) or _whose(name) or name, lead
    return found


def _of_folders(lead: Sequence[str]) -> str:
    """The patient that folders name: all above a session, as 001 of one site is not 001 of another; else the first."""
    sessions = [session_in(folder) == folder for folder in lead]
    own = _own(lead[: sessions.index(True)] if any(sessions) else lead) or [
        folder for folder, session in zip(lead, sessions, strict=True) if not session
    ]
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
    dated = [
        stem(one.path) for one in images if not one.key and one.session and patients[one.path][0] == stem(one.path)
    ]
    if len(dated) > 1:
        said.append(f"{dated[0]} and {dated[1]} say when and not of whom: if of one patient, use --patient-from.")
    return said


def _whose(name: str) -> str:
    """The file's name without the sequence and session at its end, where something is left that can be an id."""
    return name if bare(name).isdigit() else up_to_own(name) or name


def _common(folders: Sequence[tuple[str, ...]]) -> tuple[str, ...]:
    """The folders at the top that all share."""
    first, last = min(folders, default=()), max(folders, default=())
    length = next((n for n, (a, b) in enumerate(zip(first, last, strict=False)) if a != b), min(len(first), len(last)))
    return first[:length]


def _labels(
    labels: Sequence[Named], images: Sequence[Named], taken: dict[Path, Planned], claim: Claim
) -> list[Planned]:
    """Each label map with the image it belongs to, or left out with the reason."""
    by_key, by_place = defaultdict(list), defaultdict(list)
    for one in images:
        for key in one.keys:
            by_key[key].append(one)
        by_place[one.place].append(one)
    named = {one.path: one for one in images}
    shared = len(_common([one.folders for one in images]))
    groups: dict[tuple[Path, str], list[Named]] = defaultdict(list)
    left: list[Planned] = []
    for label in labels:
        if is_body_mask(label.path):
            left.append(Planned(label.path, LEFT_LABELS, "A mask of the whole brain or body, no organ among others."))
        elif is_probability(label.path):
            left.append(Planned(label.path, LEFT_LABELS, "Probabilities, no label map."))
        elif (image := _image_of(label, by_key, by_place, shared)) is None:
            left.append(Planned(label.path, LEFT_LABELS, _why_no_image(label, by_place)))
        else:
            groups[image.path, _kind(label, image)[0]].append(label)
    generic: set[str] = set()
    for (path, kind), group in groups.items():
        left += _one_map(group, taken[path], named[path], kind, claim, generic)
    if generic:
        claim.notices.append(
            f"Label maps named {', '.join(sorted(generic))} were taken as organs: no name says what they label."
        )
    return left


def _one_map(
    group: list[Named], image: Planned, named: Named, kind: str, claim: Claim, generic: set[str]
) -> list[Planned]:
    """The one map of a kind that an image has: the only one, one made of many structures, or the best named."""
    structures = [label for label in group if label.key and label.key not in named.keys and label.said]
    folders = {label.path.parent for label in structures}
    if len(structures) > 1 and len(folders) == 1 and next(iter(folders)) != image.path.parent:
        why = f"{len(structures)} masks of one structure each, made into one map."
        files = tuple(label.path for label in structures)
        merged = Planned(folders.pop(), kind, why, volume=image.volume, files=files)
        rest = [label for label in group if label not in structures]
        return [merged, *(_second(label, image, kind, merged.path) for label in rest)]
    first, *others = sorted(
        group, key=lambda label: ("original" in label.roles, not label.said, len(label.path.name), str(label.path))
    )
    certain = _kind(first, named)[1]
    why = ""
    if not first.said:
        why = "Holds a few whole numbers, as label maps do; no name says what they label."
        generic.add(first.path.name)
    elif not certain:
        why = "No name says what it labels."
        generic.update(word for word in words(stem(first.path))[-1:] if word in LABEL_WORDS)
        generic.update(folder.lower() for folder in first.roles if LABEL_WORDS.intersection(words(folder)))
    _describe(first, named, kind, claim)
    return [
        Planned(first.path, kind, why, volume=image.volume),
        *(_second(label, image, kind, first.path) for label in others),
    ]


def _second(label: Named, image: Planned, kind: str, first: Path) -> Planned:
    return Planned(
        label.path, LEFT_LABELS, f"{image.volume} has a map of {kind} already ({first.name}).", volume=image.volume
    )


def _kind(label: Named, image: Named) -> tuple[str, bool]:
    """``organs`` or ``tumour``, and whether something says so; unknown is organs."""
    if kind := label_kind(words(stem(label.path))):
        return kind, True
    if kind := label_kind(word for folder in label.roles for word in words(folder)):
        return kind, True
    if image.convention and image.convention.kind:
        return image.convention.kind, True
    names = segment_names(label.path) if label.path.name.lower().endswith(".nrrd") else {}
    if names:
        is_tumour = all(TUMOUR_WORDS.intersection(words(name)) for name in names.values())
        return ("tumour" if is_tumour else "organs"), True
    return "organs", False


def _describe(label: Named, image: Named, kind: str, claim: Claim) -> None:
    """Keep the names of labels, as long as one number has one name in the whole cohort."""
    names = image.convention.labels if image.convention else {}
    names = names or (segment_names(label.path) if label.path.name.lower().endswith(".nrrd") else {})
    if not names:
        return
    if kind == "tumour":
        claim.tumour = ", ".join(f"{number} = {name}" for number, name in names.items())
        return
    if any(claim.organs.get(number, name) != name for number, name in names.items()):
        text = "Label maps number their segments differently: the names of the first are kept, check the others."
        claim.notices += [text] if text not in claim.notices else []
        return
    claim.organs |= names


def _image_of(label: Named, by_key: dict, by_place: dict, shared: int) -> Named | None:
    """The image that a label map belongs to; None where there is none, or several patients' would do.

    Args:
        shared: how many folders at the top all images share: what lies there alone belongs to no patient's folder.
    """
    parts = label.key.split("-") if label.key else []
    candidates = [image for n in range(len(parts), 0, -1) for image in by_key["-".join(parts[:n])]]
    candidates += by_key.get(_in_folder_of_labels(label), [])
    for n in range(len(label.place), -1, -1):
        near = by_place[label.place[:n]]
        candidates += [image for image in near if not image.key or not label.key] or (
            near if len(near) == 1 and n > shared else []
        )
    scored = [
        (score, -place, image)
        for place, image in enumerate(dict.fromkeys(candidates))
        if (score := _score(label, image, shared))
    ]
    if not scored:
        return None
    scored.sort(key=lambda one: one[:2], reverse=True)
    best = [image for score, _, image in scored if score == scored[0][0]]
    if len({(image.patient, image.place, image.key) for image in best}) > 1:
        return None
    return best[0]


def _why_no_image(label: Named, by_place: dict) -> str:
    """Why a label map belongs to no image: none is near, several are, or the one beside it has another grid."""
    near: list[Named] = next(
        (by_place[label.place[:n]] for n in range(len(label.place), 0, -1) if by_place[label.place[:n]]), []
    )
    if len(near) > 1:
        names = ", ".join(image.path.name for image in near[:3])
        return f"{label.path} may belong to several images ({names}): give it the name of one."
    if near:
        with suppress(InputError):
            own, other = shape_of(label.path)[:3], shape_of(near[0].path)[:3]
            if own != other:
                return (
                    f"{label.path} has {by_times(own)} voxels and {near[0].path.name} beside it {by_times(other)}: "
                    "resample it, or give it that image's name."
                )
    return f"{label.path} looks like a label map and has no image: give it its image's name."


def _score(label: Named, image: Named, shared: int) -> int:
    """How well a label map fits an image, 0 for not at all."""
    if label.patient.lower() != image.patient.lower() and label.patient and image.patient:
        return 0
    if label.session.lower() != image.session.lower() and label.session and image.session:
        return 0
    near = min(len(label.place), len(image.place))
    same_folder, related = label.place == image.place, label.place[:near] == image.place[:near]
    if label.key and label.key in image.keys:
        score = 100
    elif label.key and image.key and label.key.startswith(f"{image.key}-"):
        score = 80
    elif image.key and image.key == _in_folder_of_labels(label):
        score = 70
    elif related and (not label.key or not image.key):
        score = 60
    elif related and len(image.place) > shared and label.path.parent.is_relative_to(image.path.parent):
        score = 40
    else:
        return 0
    try:
        fits = shape_of(label.path)[:3] == shape_of(image.path)[:3]
    except InputError:
        fits = False
    if score < 80 and not fits:
        return 0
    is_same = bool(label.sequence) and label.sequence == image.sequence
    return score + 10 * same_folder + 5 * related + 4 * is_same + 2 * fits + (image.modality == "CT")
