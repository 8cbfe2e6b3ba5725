"""Files that were rewritten in their middle, which a fingerprint by size, head and tail does not notice.

A ``.gz`` ends with a checksum of all that it holds. Of other files it is noted when each was last written, the first
time that it is seen: an outline that is corrected in an uncompressed map has another time then. The notes of a cohort
in ISIMED_HOME lie in its folder and go where it goes; those of others lie in ``ISIMED_HOME/seen``.
"""

import hashlib
import json
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

from isimed.core import paths
from isimed.core.errors import InputError
from isimed.core.files import UNREADABLE, write_json


def rewritten(root: Path, digests: Mapping[Path, bytes]) -> list[str]:
    """The files that were written again since they were first seen with the same digest, and when.

    Args:
        root: the cohort's folder, by which the notes are kept.
        digests: file -> digest of its size, head and tail.

    Returns:
        A word for each, in the order of the files: another one whenever the file is written.
    """
    asked = {file: digest for file, digest in digests.items() if not file.name.lower().endswith(".gz")}
    if not asked:
        return []
    notes, root = _notes(root.absolute()), root.absolute()
    seen: dict[str, tuple[str, int]] = {}
    with suppress(*UNREADABLE):  # not there yet, or damaged: begun anew
        noted = json.loads(notes.read_bytes())
        seen = {str(name): (str(digest), int(written)) for name, (digest, written) in noted.items()}
    known, found = dict(seen), []
    for file, digest in asked.items():
        place = file.absolute()
        name = (place.relative_to(root) if place.is_relative_to(root) else place).as_posix()
        content, written = digest.hex(), file.stat().st_mtime_ns
        if seen.get(name, ("", 0))[0] != content:
            seen[name] = content, written
        elif seen[name][1] != written:
            found.append(f"{file.name}\0{written}")
    if seen != known:
        with suppress(InputError):  # a home that cannot be written: the same as if it were seen for the first time
            write_json(notes, seen)
    return found


def _notes(root: Path) -> Path:
    if root.parent == paths.cohorts_dir().resolve():
        return root / ".seen.json"
    return paths.home() / "seen" / f"{hashlib.sha256(str(root).encode()).hexdigest()[:24]}.json"
