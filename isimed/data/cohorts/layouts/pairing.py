"""Which image a label map belongs to, by name, place and grid; what belongs to none is left out with the reason."""

from collections import defaultdict
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

from isimed.core.errors import InputError
from isimed.data.cohorts.layouts.claims import Claim
from isimed.data.cohorts.layouts.headers import segment_names, shape_of
from isimed.data.cohorts.layouts.named_files import Named, common_folders, in_folder_of_labels
from isimed.data.cohorts.layouts.names import (
    LABEL_WORDS,
    TUMOUR_WORDS,
    is_body_mask,
    is_probability,
    label_kind,
    stem,
    words,
)
from isimed.data.cohorts.plan import LEFT_LABELS, Planned
from isimed.data.formats.reading import by_times


def pair_labels(
    labels: Sequence[Named], images: Sequence[Named], taken: dict[Path, Planned], claim: Claim
) -> list[Planned]:
    """Each label map with the image it belongs to, or left out with the reason."""
    by_key, by_place = defaultdict(list), defaultdict(list)
    for one in images:
        for key in one.keys:
            by_key[key].append(one)
        by_place[one.place].append(one)
    named = {one.path: one for one in images}
    shared = len(common_folders([one.folders for one in images]))
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
    candidates += by_key.get(in_folder_of_labels(label), [])
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
    if len({(image.patient, image.place, image.key, image.session.lower()) for image in best}) > 1:
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
    elif image.key and image.key == in_folder_of_labels(label):
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
