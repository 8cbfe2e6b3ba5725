"""What the text header of a NRRD or MetaImage file says that SimpleITK does not: where its voxels lie, and its space.

A header may name the file of its voxels, in several spellings. It has to lie in the header's own folder, whatever links
say, so that a header from a stranger reads no other file.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from isimed.core.errors import InputError

NRRD_SUFFIXES = (".nrrd", ".nhdr")
META_SUFFIXES = (".mha", ".mhd")
FIELD = re.compile(r"([^:=]+)[:=]\s*(.*)")
LONGEST = 4 * 2**20
MOST_FILES = 100_000
TO_MM = {
    **dict.fromkeys(("mm", "millimeter", "millimetre"), 1.0),
    **dict.fromkeys(("cm", "centimeter", "centimetre"), 10.0),
    **dict.fromkeys(("m", "meter", "metre"), 1000.0),
    **dict.fromkeys(("um", "µm", "μm", "micron", "micrometer", "micrometre"), 0.001),
}


@dataclass(frozen=True)
class TextHeader:
    """Fields of a header; names in lower case without spaces.

    Attributes:
        fields: name -> value.
        files: the detached files of its voxels; empty where they stand in the file itself.
    """

    fields: dict[str, str]
    files: tuple[Path, ...]

    @property
    def packed(self) -> bool:
        encoding = self.fields.get("encoding", "raw").lower()
        return (
            encoding not in ("raw", "txt", "text", "ascii") or self.fields.get("compresseddata", "").lower() == "true"
        )

    @property
    def orientation_is_a_guess(self) -> bool:
        """No space is named, or no axes: left, right, front and back stand nowhere."""
        if "ndims" in self.fields:
            return not {"transformmatrix", "orientation", "rotation", "direction"} & self.fields.keys()
        return "space" not in self.fields or "spacedirections" not in self.fields

    @property
    def has_spacing(self) -> bool:
        return bool({"elementspacing", "elementsize", "spacings", "spacedirections"} & self.fields.keys())

    @property
    def unit(self) -> tuple[str, float]:
        """The unit of lengths and what makes it mm, ("mm", 1.0) where none is given or it is not known."""
        named = self._units
        return (named[0], TO_MM[named[0]]) if len(named) == 1 and named[0] in TO_MM else ("mm", 1.0)

    @property
    def doubtful_unit(self) -> str:
        """The units of lengths where they differ or one is not known, which cannot be made mm; or empty."""
        return ", ".join(self._units) if len(self._units) > 1 or not {*self._units} <= TO_MM.keys() else ""

    @property
    def _units(self) -> list[str]:
        """The units of lengths that a header gives, each once: of its space, or those among its axes' units."""
        own = "spaceunits" in self.fields
        said = re.findall(r'"([^"]*)"', self.fields.get("spaceunits" if own else "units", ""))
        words = (one.strip().lower() for one in said)
        names = [word.removesuffix("s") if len(word) > 3 else word for word in words]  # "ms" is of time
        return list(dict.fromkeys(name for name in names if name in TO_MM or (own and name)))


def read_text_header(path: Path) -> TextHeader:
    """Read the header of a ``.nrrd``, ``.nhdr``, ``.mha`` or ``.mhd`` file.

    Raises:
        InputError: it is no such file, or names voxels that are not beside it.
    """
    nrrd = path.suffix.lower() in NRRD_SUFFIXES
    with path.open("rb") as file:
        head = file.read(LONGEST)
    if nrrd and not head.startswith(b"NRRD"):
        raise InputError(f"{path} is not an NRRD file, whatever its name says: check what it is, or export it again.")
    fields: dict[str, str] = {}
    files: list[Path] = []
    lines = iter(head.splitlines())
    for raw in lines:
        line = raw.decode("utf-8", "replace").strip()
        if nrrd and not line:
            return TextHeader(fields, tuple(files))
        match = FIELD.match(line)
        if line.startswith("#") or not match or (nrrd and ":=" in line):
            continue
        key, value = re.sub(r"\s", "", match[1]).lower(), match[2].strip()
        fields[key] = value
        if key not in ("datafile", "elementdatafile"):
            continue
        listed = (one.decode("utf-8", "replace").strip() for one in lines)
        files += [_checked(path, name) for name in _named(value, listed, path)]
        if not nrrd:
            if match[1].strip() != "ElementDataFile":  # the library does not take this line for the last one
                break
            return TextHeader(fields, tuple(files))
    if not nrrd or len(head) == LONGEST:
        raise InputError(f"{path} has a header without an end: export it again.")
    return TextHeader(fields, tuple(files))


def _named(value: str, listed: Iterator[str], path: Path) -> Iterator[str]:
    """The names of files that a value means: none, one, a list that follows, or a pattern with its range."""
    words = value.split()
    if not words:
        raise InputError(f"{path} names no file of its voxels: export it again.")
    if words[0].lower() == "local":
        return
    if words[0].upper() == "LIST":
        for name in listed:
            if name:
                yield name
        return
    if "%" in value:
        yield from _numbered(words, path)
        return
    yield value


def _numbered(words: list[str], path: Path) -> Iterator[str]:
    """``slice%03d.raw 1 20 1``: the pattern, first, last, step."""
    pattern = words[0]
    try:
        first, last, step = (int(word) for word in (words[1:4] + ["1"])[:3])
        names = range(first, last + (1 if step > 0 else -1), step)
    except (ValueError, IndexError):
        raise InputError(
            f"{path} names its voxels by a pattern ({' '.join(words)[:80]}) without a range: export it again."
        ) from None
    if not re.fullmatch(r"[^%]*%0?\d{0,2}[di][^%]*", pattern) or not 0 < len(names) <= MOST_FILES:
        raise InputError(
            f"{path} names its voxels by a pattern that cannot be ({' '.join(words)[:80]}): export it again."
        )
    for number in names:
        yield pattern % number


def _checked(path: Path, name: str) -> Path:
    """A file of voxels, if it lies in the header's folder or below, and is a plain file."""
    outside = InputError(f"{path} names voxels outside its folder ({name[:200]}): put both files into one folder.")
    # Backslashes and drive letters are names here and paths elsewhere: the header comes from anywhere.
    if "\\" in name or ":" in name or "\0" in name or name.startswith(("/", "~")) or ".." in name.split("/"):
        raise outside
    target = path.parent / name
    try:
        resolved = target.resolve(strict=True)
    except (OSError, RuntimeError):
        raise InputError(f"{path} needs {name[:200]} beside it, which is not there: copy both files.") from None
    if not resolved.is_relative_to(path.parent.resolve()):
        raise outside
    if not resolved.is_file():
        raise InputError(f"{path} names {name[:200]}, which is no file: export it again.")
    return target
