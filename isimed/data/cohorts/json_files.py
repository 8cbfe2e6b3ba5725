"""JSON that others wrote: read whatever its encoding, or refused with its file and line."""

import json
import re
from pathlib import Path
from typing import Any

from isimed.core.errors import InputError
from isimed.data.formats.reading import reason

MARKS = {b"\xef\xbb\xbf": "utf-8-sig", b"\xff\xfe": "utf-16", b"\xfe\xff": "utf-16"}
TRAILING_COMMA = re.compile(r'("(?:\\.|[^"\\])*")|,(?=\s*[}\]])')


def read_json(path: Path) -> Any:
    """What a JSON file holds: UTF-8 or UTF-16, with or without a byte order mark; a trailing comma is passed over.

    Raises:
        InputError: it cannot be read as JSON, with the line.
    """
    try:
        raw = path.read_bytes()
    except OSError as error:
        raise InputError(f"{path} cannot be read ({reason(error)}): check its permissions.") from None
    text = _decoded(path, raw)
    try:
        return json.loads(text)
    except RecursionError:
        raise InputError(f"{path} is nested too deeply to be read: correct it.") from None
    except ValueError as error:
        try:
            return json.loads(TRAILING_COMMA.sub(lambda match: match[1] or "", text))
        except ValueError:
            line, column = getattr(error, "lineno", 1), getattr(error, "colno", 1)
            what = getattr(error, "msg", reason(error))
            raise InputError(f"{path} is not valid JSON: line {line}, column {column}: {what}; correct it.") from None


def read_object(path: Path) -> dict[str, Any]:
    """The JSON object of a file.

    Raises:
        InputError: it cannot be read, or is not an object.
    """
    found = read_json(path)
    if not isinstance(found, dict):
        raise InputError(f"{path} holds a {type(found).__name__} (line 1), not an object in braces: correct it.")
    return found


def read_listing(path: Path) -> dict[str, Any]:
    """The JSON object of a file that any tool may have written; a list that holds something is its ``training``.

    Raises:
        InputError: it cannot be read, or is neither.
    """
    found = read_json(path)
    return {"training": found} if isinstance(found, list) and found else read_object(path)


def line_of(path: Path, word: str) -> int:
    """The first line of a JSON file in which a word stands in quotes, or 1."""
    lines = _decoded(path, path.read_bytes()).splitlines()
    return next((number for number, line in enumerate(lines, 1) if f'"{word}"' in line), 1)


def _decoded(path: Path, raw: bytes) -> str:
    marked = next((encoding for mark, encoding in MARKS.items() if raw.startswith(mark)), "")
    guessed = "utf-16-le" if raw[1:2] == b"\0" else "utf-16-be" if raw[:1] == b"\0" else "utf-8"
    try:
        return raw.decode(marked or guessed)
    except UnicodeDecodeError as error:
        line = raw[: error.start].count(b"\n") + 1
        raise InputError(f"{path} is not UTF-8 text (line {line}): save it as UTF-8.") from None
