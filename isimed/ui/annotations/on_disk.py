"""Points and measurements on disk: a small file each, so that two people never overwrite one another's."""

import re
import time
import uuid
from dataclasses import asdict, dataclass
from pathlib import Path

from pydantic import TypeAdapter, ValidationError

from isimed.core import paths
from isimed.core.files import refusals_in_words, write_json
from isimed.data.cohorts.cohort import Cohort
from isimed.ui.annotations.things import Measurement, NamedPoint

Thing = NamedPoint | Measurement
_THING: TypeAdapter[Thing] = TypeAdapter(Thing)
_ID = re.compile(r"[0-9a-f-]+")


@dataclass(frozen=True)
class Kept:
    """Something kept, and the name of its file, by which it is forgotten again."""

    id: str
    thing: Thing


def kept_folder(cohort: Cohort) -> Path:
    """Where a cohort's points and measurements lie; named as the cohort's own folder."""
    return paths.home() / "annotations" / cohort.root.name


def read(cohort: Cohort) -> tuple[list[Kept], list[str]]:
    """Everything kept of a cohort, oldest first, and a sentence about every file that cannot be read."""
    found, refused = [], []
    for path in sorted(kept_folder(cohort).glob("*.json")):
        try:
            found.append(Kept(path.stem, _THING.validate_json(path.read_bytes())))
        except FileNotFoundError:  # someone else has just deleted it
            continue
        except (OSError, ValidationError):
            refused.append(f"{path} is no kept point or measurement: restore it from a copy, or delete it.")
    return found, refused


def keep(cohort: Cohort, thing: Thing) -> Kept:
    """Write it down.

    Raises:
        InputError: the disk is full, or the folder cannot be written.
    """
    name = f"{time.time_ns():020d}-{uuid.uuid4().hex[:8]}"  # sorted by name is sorted by time
    write_json(kept_folder(cohort) / f"{name}.json", asdict(thing))
    return Kept(name, thing)


def forget(cohort: Cohort, kept_id: str) -> None:
    """Delete it; what is gone already is no error."""
    path = kept_folder(cohort) / f"{kept_id}.json"
    if _ID.fullmatch(kept_id):
        with refusals_in_words(path):
            path.unlink(missing_ok=True)
