"""What the commands print: progress on stderr, tables as CSV on stdout."""

import csv
import json
import logging
import os
import sys
import warnings
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from isimed.core.errors import InputError
from isimed.core.json_values import without_nan
from isimed.core.progress import Progress
from isimed.core.text import plain_cell

_quiet = False


def set_loudness(*, quiet: bool, verbose: bool) -> None:
    """What goes to stderr beside errors: nothing, bars and notes, or these and a log of what is done."""
    global _quiet
    _quiet = quiet
    if verbose:
        shape = "%(asctime)s %(levelname)s %(name)s: %(message)s"
        logging.basicConfig(stream=sys.stderr, level=logging.INFO, format=shape, force=True)
        logging.captureWarnings(capture=True)
    elif quiet:
        warnings.simplefilter("ignore")


class bar:  # reads as a verb
    """A tqdm bar behind the (done, total) callable that the library wants; silent where nothing takes long.

    It is drawn on a terminal alone: in a file or a pipe it would be a thousand lines.
    """

    def __init__(self, unit: str, text: str) -> None:
        self.unit, self.text = unit, text
        self.bar: Any = None

    def __enter__(self) -> Progress:
        return self._update

    def _update(self, done: int, total: int) -> None:
        if _quiet or not sys.stderr.isatty():
            return
        if self.bar is None:
            from tqdm import tqdm

            self.bar = tqdm(total=total, unit=self.unit, desc=self.text, file=sys.stderr)
        self.bar.total = total
        self.bar.update(done - self.bar.n)

    def __exit__(self, *_: object) -> None:
        if self.bar is not None:
            self.bar.close()


def say(what: str) -> None:
    """A line on stderr that leaves the bar whole; nothing with -q."""
    if _quiet:
        return
    from tqdm import tqdm

    tqdm.write(what, file=sys.stderr)


def print_lines(lines: Iterable[str]) -> None:
    """Print lines, each on one line whatever names from files hold."""
    print("\n".join("".join(letter if letter.isprintable() else "\ufffd" for letter in line) for line in lines))


def print_json(value: object, *, indent: int | None = None) -> None:
    """Print a value for scripts, by default on one line; what JSON does not know becomes text, NaN becomes null.

    A letter that the terminal or the file has no character for is escaped, where text would have a replacement for it.
    """
    value = without_nan(value)
    text = json.dumps(value, indent=indent, ensure_ascii=False, default=str)
    try:
        text.encode(sys.stdout.encoding or "utf-8")
    except UnicodeEncodeError:
        text = json.dumps(value, indent=indent, default=str)
    print(text)


def print_csv(header: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
    """Print a table; None becomes an empty cell, a number has two decimals, and no name can run as a formula."""
    writer = csv.writer(sys.stdout, lineterminator="\n")
    writer.writerow(header)
    writer.writerows([_cell(value) for value in row] for row in rows)


def _cell(value: object) -> str:
    if value is None:
        return ""
    if isinstance(value, float):
        return f"{value:.2f}"
    return str(value) if isinstance(value, int) else plain_cell(value)


def writable(*files: str | None, reads: Sequence[str | None] = ()) -> None:
    """Refuse a place that cannot be written before hours of work, not after.

    Args:
        files: what is written, all of it.
        reads: what the command reads: it would be lost.
    """
    taken = {Path(name).resolve(): "that the command reads" for name in reads if name}
    for file in map(Path, filter(None, files)):
        folder = file.absolute().parent
        if not folder.is_dir() or file.is_dir():
            raise InputError(f"{file} cannot be written: give a file in a folder that exists.")
        if not os.access(file if file.exists() else folder, os.W_OK):
            raise InputError(f"{file} cannot be written: check its permissions, or choose another place.")
        if file.exists() and not file.is_file():  # /dev/null, a pipe
            continue
        if why := taken.get(file.resolve()):
            raise InputError(f"{file} would replace a file {why}: choose another name.")
        taken[file.resolve()] = "that the command writes too"
