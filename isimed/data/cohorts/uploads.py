"""Files sent through the browser, put into a folder of their own so that they import like any other."""

import shutil
import tempfile
from collections.abc import Iterable
from itertools import count
from pathlib import Path, PurePosixPath
from typing import BinaryIO, Protocol

from isimed.core import paths
from isimed.core.errors import InputError
from isimed.core.files import refusals_in_words
from isimed.data.formats.archive import unzip
from isimed.data.formats.reading import reason

BLOCK = 2**20


class Uploaded(Protocol):
    """A file as the browser sends it: ``name`` may hold folders."""

    name: str

    def read(self, size: int = -1, /) -> bytes: ...

    def seek(self, offset: int, /) -> int: ...


def store_uploads(files: Iterable[Uploaded | BinaryIO]) -> Path:
    """Write uploaded files below ``ISIMED_HOME/uploads`` and unpack those that are zips.

    Returns:
        The new folder; folders in the names are kept, so a DICOM tree stays one. A second file of a name lies in a
        folder of its own, called by a number.

    Raises:
        InputError: a name leads out of the folder, a zip is bad, or the disk is full; nothing is left behind.
    """
    with refusals_in_words(paths.home() / "uploads"):
        (paths.home() / "uploads").mkdir(parents=True, exist_ok=True)
        folder = Path(tempfile.mkdtemp(dir=paths.home() / "uploads"))
    try:
        for file in files:
            _store(file, folder)
    except BaseException:
        shutil.rmtree(folder, ignore_errors=True)
        raise
    return folder


def _store(file: Uploaded | BinaryIO, folder: Path) -> None:
    name = PurePosixPath(str(file.name).replace("\\", "/"))
    if name.is_absolute() or ".." in name.parts:
        raise InputError(f"{name} would land outside the upload's folder: rename it and upload it again.")
    places = (folder / str(number) / name if number > 1 else folder / name for number in count(1))
    target = next(place for place in places if not (place.exists() or _unpacked(place).exists()))
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        file.seek(0)
        with target.open("wb") as out:
            while block := file.read(BLOCK):
                out.write(block)
    except OSError as error:
        raise InputError(f"{name} cannot be stored ({reason(error)}): free space on the server.") from None
    if _unpacked(target) != target:
        _unpacked(target).mkdir()
        unzip(target, _unpacked(target))
        target.unlink()


def _unpacked(target: Path) -> Path:
    """Where what is stored under a name lies in the end."""
    return target.with_suffix("") if target.suffix.lower() == ".zip" else target
