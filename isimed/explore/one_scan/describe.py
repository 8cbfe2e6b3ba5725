"""What each scan of a cohort is, looked up once and kept on disk."""

import hashlib
import threading
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path

from pydantic import TypeAdapter, ValidationError

from isimed.core import paths
from isimed.core.errors import InputError
from isimed.core.files import write_file
from isimed.data.cohorts.cohort import Cohort, Entry
from isimed.data.prepared.cache import prepared
from isimed.data.prepared.source import source_stamp
from isimed.explore.one_scan.choose import fitting_checkpoints, has_its_own
from isimed.explore.one_scan.profile import FILE
from isimed.explore.one_scan.registered import Registered, body_reference, register
from isimed.explore.one_scan.where import Description, where
from isimed.explore.search.align import PREPARATION
from isimed.models.card import checkpoint_names, find_checkpoint, read_card

FORMAT = "3"  # counts up when the words or the measure change
_KEPT = TypeAdapter(Description)
_one_at_a_time = threading.Lock()


def described(cohort: Cohort, entry: Entry) -> Description | None:
    """What a scan is, if it was looked at before by the networks that are here now; else None."""
    return all_described(cohort, [entry])[entry.id]


def all_described(cohort: Cohort, entries: Iterable[Entry]) -> dict[str, Description | None]:
    """Volume id -> what `described` says of it; the networks are looked up once for all."""
    found: dict[str, Description | None] = {}
    networks = _networks()
    for entry in entries:
        found[entry.id] = None
        with suppress(OSError, ValidationError, InputError):
            found[entry.id] = _KEPT.validate_json(_file(cohort, entry, networks).read_bytes())
    return found


def describe(cohort: Cohort, entry: Entry) -> Description:
    """What a scan is, some seconds the first time.

    A scan that cannot be read, or that no network can look at, says so in ``notes``.
    """
    with _one_at_a_time:
        kept = described(cohort, entry)
        if kept is not None:
            return kept
        try:
            found = where(cohort.read(entry), cohort=cohort)
            file = _file(cohort, entry, _networks())
        except InputError as error:
            return Description((), notes=(str(error),))
        with suppress(InputError):  # a full disk: it is looked at again
            write_file(file, _KEPT.dump_json(found))
        return found


def best_checkpoint(cohort: Cohort, volume: str | None = None) -> str:
    """The network that a cohort is opened with where none is named.

    Args:
        volume: the scan to look at; by default the first.

    Raises:
        InputError: no network is for such scans, or none fits; it then names the nearest, to go on with all the same.
    """
    names = fitting_checkpoints(cohort)
    if not names:
        raise InputError(f"There is no checkpoint for {cohort.modality}: train one, or name one with --checkpoint.")
    if has_its_own(cohort) or cohort.synthetic:
        return names[0]
    entry = cohort.entry(volume) if volume else cohort.volumes[0]
    said = describe(cohort, entry)
    nearest = fitting_checkpoints(cohort, said.fits)[0]
    if said.fits and not any(fit.fits for fit in said.fits):
        raise InputError(f"{entry.id}: {said.headline()} To go on all the same: --checkpoint {nearest}.")
    return nearest


def by_registration(cohort: Cohort, volume: str) -> list[Registered]:
    """The labelled scans in which a scan is found that no network knows; none where some network fits."""
    entry = cohort.entry(volume)
    if has_its_own(cohort) or cohort.synthetic or not describe(cohort, entry).registered:
        return []
    return register(prepared(cohort, entry, PREPARATION), body_reference())


def _file(cohort: Cohort, entry: Entry, networks: list[str]) -> Path:
    said = f"{cohort.name}\0{cohort.modality}\0{cohort.synthetic}"  # by a person, who may say otherwise tomorrow
    made_of = [FORMAT, said, source_stamp(cohort, entry), *networks]
    return paths.home() / "where" / f"{hashlib.sha256(chr(0).join(made_of).encode()).hexdigest()[:32]}.json"


def _networks() -> list[str]:
    """The networks that can say whether they fit: another profile beside one is another answer."""
    files = {name: find_checkpoint(name) / FILE for name in checkpoint_names()}
    own = [f"{name} {file.stat().st_size} {file.stat().st_mtime_ns}" for name, file in files.items() if file.is_file()]
    judged = {name: read_card(find_checkpoint(name)).judged_by for name in files}
    return own + [f"{name} by {judge}" for name, judge in judged.items() if judge]
