"""What a checkpoint's folder may hold for others, and ``SHA256SUMS``, by which they know that it arrived whole.

The file's form is that of ``sha256sum``: ``sha256sum --check SHA256SUMS`` reads it too.
"""

import hashlib
import re
from pathlib import Path

from isimed.core.errors import InputError
from isimed.core.files import write_file
from isimed.models.card import CARD
from isimed.models.checkpoint import WEIGHTS

SUMS, README, PROFILE = "SHA256SUMS", "README.md", "fit.safetensors"
SHARED = (CARD, WEIGHTS, PROFILE, README)  # nothing else is written, fetched or looked at: no code, no pickle
_LINE = re.compile(r"([0-9a-f]{64}) [ *]([^\n]+)")


def write_sums(folder: Path) -> Path:
    """Write the checksums of what a checkpoint's folder holds for others."""
    lines = [f"{sum_of(folder / name)}  {name}\n" for name in SHARED if (folder / name).is_file()]
    return write_file(folder / SUMS, "".join(lines))


def read_sums(text: str, where: str) -> dict[str, str]:
    """File -> SHA-256 of the files that belong to a checkpoint; others are left out.

    Args:
        text: of a ``SHA256SUMS``.
        where: what to call it in an error.

    Raises:
        InputError: a line is none, or the card or the weights are not in it.

    >>> sums = f"{'0' * 64}  checkpoint.json\\n{'1' * 64} *weights.safetensors\\n{'2' * 64}  run.py\\n"
    >>> list(read_sums(sums, "SHA256SUMS"))
    ['checkpoint.json', 'weights.safetensors']
    """
    found = {}
    for line in text.splitlines():
        said = _LINE.fullmatch(line.strip())
        if not said:
            raise InputError(f"{where} is not a list of checksums: write it with `isimed checkpoints card`.")
        found[said[2].removeprefix("./")] = said[1]
    if missing := [name for name in (CARD, WEIGHTS) if name not in found]:
        raise InputError(f"{where} does not list {missing[0]}: write it again with `isimed checkpoints card`.")
    return {name: found[name] for name in SHARED if name in found}


def sum_of(file: Path) -> str:
    """SHA-256 of a file, as 64 hexadecimal digits."""
    with file.open("rb") as opened:
        return hashlib.file_digest(opened, "sha256").hexdigest()
