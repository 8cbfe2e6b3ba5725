"""What one reader of a layout takes of the files below a folder."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from isimed.core.errors import InputError
from isimed.data.cohorts.plan import Planned
from isimed.data.formats.dispatch import VOLUME_SUFFIXES

Channel = int | str | None


@dataclass
class Claim:
    """Files that belong together, each in its role.

    Attributes:
        layout: its name.
        said: what was recognised, for a person.
        items: the files.
        organs: label -> name.
        tumour: what the tumour maps' values mean.
        notices: what was chosen, or left out.
        about: what else isimed's own manifest says: licence, credit, frame, start ...
        extras: volume -> what else it says of that.
    """

    layout: str
    said: str
    items: list[Planned] = field(default_factory=list)
    organs: dict[str, str] = field(default_factory=dict)
    tumour: str | None = None
    notices: list[str] = field(default_factory=list)
    about: dict[str, Any] = field(default_factory=dict)
    extras: dict[str, dict[str, Any]] = field(default_factory=dict)


Reader = Callable[[Path, Sequence[Path], Channel], list[Claim]]
"""(the given folder, the files below it that nobody took yet, the wanted image) -> what it recognises, everywhere."""


def volumes_of(files: Sequence[Path]) -> list[Path]:
    return [file for file in files if file.name.lower().endswith(VOLUME_SUFFIXES)]


def unused(name: str, names: set[str]) -> str:
    """A volume's name, with a number where another volume has it already; ``names`` keeps what is used."""
    found, number = name, 2
    while found in names:
        found, number = f"{name}_{number}", number + 1
    names.add(found)
    return found


def choice(channel: Channel, names: Sequence[str], default: str) -> str:
    """The image of a case that ``--channel`` means, by number or name.

    Raises:
        InputError: there is no such image.
    """
    if channel is None:
        return default
    if str(channel).isdecimal() and int(channel) < len(names):
        return names[int(channel)]
    for name in names:
        if name.lower() == str(channel).lower():
            return name
    raise InputError(f"--channel {channel} is not here: choose one of {', '.join(names)}, or 0 to {len(names) - 1}.")
