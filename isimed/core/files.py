"""Files and folders that are old or new, never half of each: written beside, flushed to the disk, then renamed.

Temporary names begin with ``.writing-`` and say which process of which machine writes, so that what a killed one left
can be told apart and removed. Everything is readable by group and others as the umask says.
"""

import errno
import json
import os
import shutil
import socket
import time
import uuid
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO, TypeVar
from zipfile import BadZipFile

import psutil

from isimed.core import paths
from isimed.core.errors import InputError

UNFINISHED = ".writing-"
STALE_AFTER_S = 24 * 3600
FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
UNREADABLE = (OSError, ValueError, KeyError, TypeError, AttributeError, EOFError, BadZipFile, zlib.error)
"""What reading a file of arrays (``.npz``) or JSON of our own raises where it is missing, cut short or another's."""
WINDOWS = os.name == "nt"
READER_S = (0.01, 0.05, 0.2, 0.5, 1.0)  # waits for a reader to close its file, on Windows
T = TypeVar("T")


class DiskFullError(InputError):
    """No space is left: going on with other files would not help."""


def write_file(path: Path, content: str | bytes | Callable[[BinaryIO], object], *, flush: bool = True) -> Path:
    """Write a file, whole or not at all; its folder is made where it is missing.

    Args:
        path: an older file of that name is replaced in one step.
        content: text (stored as UTF-8), bytes, or what writes into the open file: ``lambda file: np.save(file, a)``.
        flush: wait until the disk has it, so that a power cut cannot leave an empty file under the name. False only
            for what is worthless after a power cut and written many times a minute.

    Raises:
        DiskFullError: no space is left; what was there before is still there.
        InputError: the file cannot be written for another reason.

    >>> import tempfile
    >>> write_file(Path(tempfile.mkdtemp()) / "new" / "a.txt", "one").read_text()
    'one'
    """
    temporary = path.with_name(f"{_temporary_name()}.tmp")  # no "*.json" or "*.parquet" finds it

    def fill(file: BinaryIO) -> None:
        if callable(content):
            content(file)
        else:
            file.write(content.encode() if isinstance(content, str) else content)

    with refusals_in_words(path):
        if path.exists() and not (path.is_file() or path.is_dir()):  # /dev/null, a pipe: written into, never replaced
            with path.open("wb") as file:
                fill(file)
            return path
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            with temporary.open("xb") as file:
                fill(file)
                file.flush()
                if flush:
                    os.fsync(file.fileno())
            _take_name(temporary, path)
        finally:
            temporary.unlink(missing_ok=True)
    return path


def _take_name(temporary: Path, path: Path) -> None:
    """Windows does not replace a file that somebody has open: whoever polls it is done in a moment."""
    for wait_s in (*READER_S, None):
        try:
            temporary.replace(path)
            return
        except PermissionError:
            if not WINDOWS or wait_s is None:
                raise
            time.sleep(wait_s)


def write_json(path: Path, value: object, *, indent: int | None = None, flush: bool = True) -> Path:
    """Write a value as JSON, as `write_file` writes text."""
    text = json.dumps(value, indent=indent, ensure_ascii=indent is None)
    return write_file(path, text + "\n" if indent else text, flush=flush)


@contextmanager
def new_folder(folder: Path) -> Iterator[Path]:
    """Fill a folder that takes its place, and that of an older one, when the block ends without an error.

    Killed at any moment, the old folder or the new one is there for `read_in`, which is how others read files of a
    folder that may be replaced. Where two processes write the same folder together, one of the two stays.

    Yields:
        An empty folder beside it, to be filled.

    Raises:
        DiskFullError: no space is left; what was there before is still there.
        InputError: the folder cannot be written for another reason.
    """
    temporary = folder.parent / _temporary_name()
    with refusals_in_words(folder):
        try:
            temporary.mkdir(parents=True)
            yield temporary
            for path in temporary.rglob("*"):
                if path.is_file():
                    with path.open("rb+") as file:
                        os.fsync(file.fileno())
            _put_in_place(temporary, folder)
        finally:
            shutil.rmtree(temporary, ignore_errors=True)


def read_in(folder: Path, read: Callable[[Path], T]) -> T:
    """Read something in a folder, also in the instant in which `new_folder` replaces it, or after a kill in it.

    Args:
        folder: where it stands.
        read: reads a file below the folder that it is given; FileNotFoundError means that the folder is not there.

    Raises:
        FileNotFoundError: there is no such file.

    >>> read_in(Path(__file__).parent, lambda place: (place / "files.py").is_file())
    True
    """
    for place in (folder, _old(folder)):
        with suppress(FileNotFoundError):
            return read(place)
    return read(folder)  # by now the new one is in its place


def recover_folder(folder: Path) -> None:
    """Mend what a process killed inside `new_folder` left: the old folder back in its place, or gone."""
    old = _old(folder)
    if old.is_dir():
        if folder.exists():
            shutil.rmtree(old, ignore_errors=True)
        else:
            old.rename(folder)


def remove_unfinished(parent: Path, *, alone: bool = False) -> None:
    """Remove what killed processes of this machine left half written, and anything of others that is a day old.

    Args:
        parent: the folder to clear.
        alone: nobody else writes into it, so everything unfinished goes.
    """
    for path in parent.glob(f"{UNFINISHED}*"):
        host, _, pid = path.name.removeprefix(UNFINISHED).rpartition("-")[0].rpartition("-")
        dead = host == socket.gethostname() and pid.isdigit() and not psutil.pid_exists(int(pid))
        with suppress(OSError):
            if alone or dead or time.time() - path.stat().st_mtime > STALE_AFTER_S:
                if path.is_dir():
                    shutil.rmtree(path, ignore_errors=True)
                else:
                    path.unlink()


@contextmanager
def refusals_in_words(path: Path) -> Iterator[None]:
    """Turn an OSError of the block into one sentence that says what cannot be written, and what to do."""
    try:
        yield
    except OSError as error:
        kind, remedy = (DiskFullError, "free space") if error.errno in FULL else (InputError, "check its permissions")
        ours = path.absolute().is_relative_to(paths.home().absolute())
        other = "move ISIMED_HOME" if ours else "choose another place"
        said = error.strerror or " ".join(str(error).split())
        raise kind(f"{path} cannot be written ({said}): {remedy}, or {other}.") from error


def _temporary_name() -> str:
    return f"{UNFINISHED}{socket.gethostname()}-{os.getpid()}-{uuid.uuid4().hex[:8]}"


def _old(folder: Path) -> Path:
    return folder.with_name(f".old-{folder.name}")


def _put_in_place(new: Path, folder: Path) -> None:
    recover_folder(folder)
    try:
        with suppress(FileNotFoundError):
            folder.rename(_old(folder))
        new.rename(folder)
    except OSError as error:
        if error.errno not in (errno.ENOTEMPTY, errno.EEXIST):  # another process was faster: its copy stays
            raise
    shutil.rmtree(_old(folder), ignore_errors=True)
