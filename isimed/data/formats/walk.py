"""Walking folders of files that others made: links are followed once; what is passed by can be listed."""

import os
from collections.abc import Iterator
from pathlib import Path

from isimed.core.errors import InputError

MAX_FILES = 2_000_000
IGNORED = ("__MACOSX", "DICOMDIR", "Thumbs.db", "desktop.ini")
HIDDEN = "Hidden, or written by the system: never a scan."
NO_FILE = "A link that leads nowhere, a device or a pipe."
AGAIN = "A link to a folder whose files are listed already."
LOCKED = "A folder that cannot be listed: ask for read permission."


def walk_files(folder: Path, passed: list[tuple[Path, str]] | None = None) -> Iterator[Path]:
    """All regular files below a folder, sorted by path; hidden ones and what links back to itself are passed by.

    Args:
        folder: where to look.
        passed: gets what is passed by, files and whole folders, each with the reason.

    Raises:
        InputError: the folder cannot be listed, or holds more than two million files.
    """
    try:
        os.scandir(folder).close()
    except OSError as error:
        raise InputError(f"{folder} cannot be listed ({error.strerror}): check the path and its permissions.") from None
    passed = [] if passed is None else passed
    seen: set[tuple[int, int]] = set()
    count = 0
    walk = os.walk(folder, followlinks=True, onerror=lambda error: passed.append((Path(error.filename), LOCKED)))
    for place, folders, files in walk:
        status = os.stat(place)
        if (status.st_dev, status.st_ino) in seen:
            passed.append((Path(place), AGAIN))
            folders.clear()
            continue
        seen.add((status.st_dev, status.st_ino))
        passed += [(Path(place, name), HIDDEN) for name in sorted(folders) if _is_hidden(name)]
        folders[:] = sorted(name for name in folders if not _is_hidden(name))
        for name in sorted(files):
            path = Path(place, name)
            if _is_hidden(name) or not os.path.isfile(path):
                passed.append((path, HIDDEN if _is_hidden(name) else NO_FILE))
                continue
            count += 1
            if count > MAX_FILES:
                raise InputError(f"{folder} holds more than {MAX_FILES:,} files: give a folder nearer to the scans.")
            yield path


def _is_hidden(name: str) -> bool:
    return name.startswith(".") or name in IGNORED


def folder_stamp(folder: Path) -> tuple[tuple[str, int], ...]:
    """Changes when files are added to or taken from a folder or one below it."""
    stamp = []
    seen: set[tuple[int, int]] = set()
    for place, folders, _ in os.walk(folder, followlinks=True):
        status = os.stat(place)
        if (status.st_dev, status.st_ino) in seen:
            folders.clear()
            continue
        seen.add((status.st_dev, status.st_ino))
        stamp.append((place, status.st_mtime_ns))
    return tuple(stamp)
