"""Unpacking zip files that others made: nothing leaves the folder, nothing explodes."""

import shutil
import tempfile
import zipfile
import zlib
from pathlib import Path, PurePosixPath

from isimed.core.errors import InputError
from isimed.data.formats.reading import reason

MAX_RATIO = 200
SMALL_BYTES = 4 * 2**20
MAX_MEMBERS = 1_000_000
MOST_NESTED = 3


def unzip(archive: Path, folder: Path) -> None:
    """Unpack a zip file into a folder that exists.

    Raises:
        InputError: not a zip, damaged or encrypted, names that lead out of the folder, content that is far
            larger than any scan compressed, or no room for it.
    """
    try:
        with zipfile.ZipFile(archive) as opened:
            members = [member for member in opened.infolist() if not member.is_dir()]
            _refuse_bad_names(archive, members)
            _refuse_bomb(archive, members, folder)
            for member in members:
                target = folder / PurePosixPath(member.filename.replace("\\", "/"))
                target.parent.mkdir(parents=True, exist_ok=True)
                with opened.open(member) as source, target.open("wb") as file:
                    shutil.copyfileobj(source, file, 2**20)
    except InputError:
        raise
    except (zipfile.BadZipFile, zlib.error, EOFError, RuntimeError, NotImplementedError, OSError, ValueError) as error:
        raise InputError(
            f"{archive} cannot be unpacked ({reason(error)}): unpack it yourself and import the folder."
        ) from None


def unzip_inside(folder: Path) -> None:
    """Unpack the zips below a folder, and those in them, each into a folder of its name; the zips are deleted.

    One that cannot be unpacked stays as the file that it is.
    """
    for _ in range(MOST_NESTED):
        archives = [file for file in folder.rglob("*") if file.name.lower().endswith(".zip") and file.is_file()]
        for archive in archives:
            target = Path(tempfile.mkdtemp(prefix="unpacking-", dir=archive.parent))
            try:
                unzip(archive, target)
            except InputError:
                shutil.rmtree(target)
                continue
            archive.unlink()
            beside = archive.with_suffix("")
            target.rename(archive if beside.exists() else beside)


def _refuse_bad_names(archive: Path, members: list[zipfile.ZipInfo]) -> None:
    for member in members:
        name = PurePosixPath(member.filename.replace("\\", "/"))
        if name.is_absolute() or ".." in name.parts or ":" in name.parts[0]:
            raise InputError(
                f"{archive} holds a file that would land outside its folder ({member.filename[:80]!r}): "
                "do not trust it, ask for another export."
            )


def _refuse_bomb(archive: Path, members: list[zipfile.ZipInfo], folder: Path) -> None:
    size = sum(member.file_size for member in members)
    packed = max(1, archive.stat().st_size)
    if len(members) > MAX_MEMBERS or (size > SMALL_BYTES and size > MAX_RATIO * packed):
        raise InputError(
            f"{archive} would unpack to {size / 1e6:,.0f} MB, {size // packed} times its size, as no scan does: "
            "do not trust it, ask for another export."
        )
    free = shutil.disk_usage(folder).free
    if size > 0.95 * free:
        raise InputError(
            f"{archive} unpacks to {size / 1e9:.1f} GB and {folder} has {free / 1e9:.1f} free: free space first."
        )
