"""Walking folders of files that others made: links are followed once, loops and locked folders are passed by."""

import os
from collections.abc import Iterator
from pathlib import Path

from isimed.core.errors import InputError

MAX_FILES = 2_000_000
IGNORED = ("__MACOSX", "DICOMDIR", "Thumbs.db")


def walk_files(folder: Path) -> Iterator[Path]:
    """All regular files below a folder, sorted by path; hidden ones and what links back to itself are left out.

    Raises:
        InputError: the folder cannot be listed, or holds more than two million files.
    """
    try:
        os.scandir(folder).close()
    except OSError as error:
        raise InputError(f"{folder} cannot be listed ({error.strerror}): check the path and its permissions.") from None
    seen: set[tuple[int, int]] = set()
    count = 0
    for place, folders, files in os.walk(folder, followlinks=True):
        status = os.stat(place)
        if (status.st_dev, status.st_ino) in seen:
            folders.clear()
            continue
        seen.add((status.st_dev, status.st_ino))
        folders[:] = sorted(name for name in folders if not name.startswith(".") and name not in IGNORED)
        for name in sorted(files):
            path = Path(place, name)
            if name.startswith(".") or name in IGNORED or not os.path.isfile(path):
                continue
            count += 1
            if count > MAX_FILES:
                raise InputError(f"{folder} holds more than {MAX_FILES:,} files: give a folder nearer to the scans.")
            yield path


def folder_stamp(folder: Path) -> tuple[tuple[str, int], ...]:
    """Changes when files are added to or taken from a folder or one below it."""
    stamp = []
    seen: set[int] = set()
    for place, folders, _ in os.walk(folder, followlinks=True):
        status = os.stat(place)
        if status.st_ino in seen:
            folders.clear()
            continue
        seen.add(status.st_ino)
        stamp.append((place, status.st_mtime_ns))
    return tuple(stamp)
