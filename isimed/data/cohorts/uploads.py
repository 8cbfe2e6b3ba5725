"""Files sent through the browser, put into a folder of their own so that they import like any other."""

import tempfile
from collections.abc import Iterable
from pathlib import Path, PurePosixPath
from typing import BinaryIO, Protocol

from isimed.core import paths
from isimed.core.errors import InputError
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
        The new folder; folders in the names are kept, so a DICOM tree stays one.

    Raises:
        InputError: a name leads out of the folder, a zip is bad, or the disk is full.
    """
    (paths.home() / "uploads").mkdir(parents=True, exist_ok=True)
    folder = Path(tempfile.mkdtemp(dir=paths.home() / "uploads"))
    for file in files:
        name = PurePosixPath(str(file.name).replace("\\", "/"))
        if name.is_absolute() or ".." in name.parts:
            raise InputError(f"{name} would land outside the upload's folder: rename it and upload it again.")
        target = folder / name
        try:
            target.parent.mkdir(parents=True, exist_ok=True)
            file.seek(0)
            with target.open("wb") as out:
                while block := file.read(BLOCK):
                    out.write(block)
        except OSError as error:
            raise InputError(f"{name} cannot be stored ({reason(error)}): free space on the server.") from None
        if target.suffix.lower() == ".zip":
            unpacked = target.with_suffix("")
            unpacked.mkdir(exist_ok=True)
            unzip(target, unpacked)
            target.unlink()
    return folder
