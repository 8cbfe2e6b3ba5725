"""What a ``dataset.json`` says of its labels: tumour or organs, and the name of every number."""

import re
from pathlib import Path
from typing import Any

from isimed.core.errors import InputError
from isimed.data.cohorts.json_files import line_of
from isimed.data.cohorts.layouts.claims import Claim

TUMOUR_NAMES = re.compile(
    "tumor|tumour|cancer|lesion|edema|oedema|glioma|metasta|necro|enhanc|nodule|gtv|ptv|infarct", re.IGNORECASE
)
LESION = "lesion is > 0"


def kind_of_labels(manifest: Path, labels: Any) -> tuple[str, dict[str, str]]:
    """``tumour`` where every label is named like one, else ``organs``; and label -> name.

    Given as name -> number, number -> name, or, as nnU-Net's regions, name -> numbers.

    Raises:
        InputError: labels that are none of these.
    """
    if labels is None:
        return "organs", {}
    if not isinstance(labels, dict):
        line, kind = line_of(manifest, "labels"), type(labels).__name__
        raise InputError(f"{manifest} gives `labels` (line {line}) as {kind}, not as names and numbers: correct it.")
    regions: dict[str, list[int]] = {}
    for key, value in labels.items():
        name, numbers = (str(value), [key]) if str(key).isdecimal() else (str(key), value)
        numbers = numbers if isinstance(numbers, list | tuple) else [numbers]
        if not all(str(number).isdecimal() for number in numbers):
            line = line_of(manifest, str(key))
            raise InputError(f"{manifest} gives the label {key!r} (line {line}) no whole number: correct it.")
        regions[name] = [int(number) for number in numbers]
    inside = {name: numbers for name, numbers in regions.items() if numbers != [0] and name.lower() != "ignore"}
    is_tumour = bool(inside) and all(TUMOUR_NAMES.search(name) for name in inside)
    if is_tumour:
        return "tumour", {", ".join(map(str, numbers)): name for name, numbers in inside.items()}
    found: dict[str, str] = {}
    for name, numbers in sorted(inside.items(), key=lambda region: -len(region[1])):
        found |= {str(number): name for number in numbers}  # the smallest region says it best
    return "organs", dict(sorted(found.items(), key=lambda pair: int(pair[0])))


def describe_labels(claim: Claim, kind: str, labels: dict[str, str]) -> None:
    """Keep what labels mean, as the manifest does."""
    if kind == "organs":
        claim.organs = labels
    else:
        claim.tumour = ", ".join(f"{number} = {name}" for number, name in labels.items()) or LESION
