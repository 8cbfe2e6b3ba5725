"""Chosen crops: kept by name beside their table, counted, found by a box in a scan."""

import json
import re
import zlib
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

from isimed.core.errors import InputError
from isimed.core.files import write_json
from isimed.explore.tables.store import Table

NOT_KNOWN = "not known"


@dataclass(frozen=True, eq=False)
class Selection:
    """Some rows of one table.

    Attributes:
        rows: (M,) sorted, each once.
        fingerprint: of the table; rows of another table mean other crops.
        name: "" until it is kept.
    """

    rows: NDArray[np.int64]
    fingerprint: str
    name: str = ""

    def __len__(self) -> int:
        return len(self.rows)

    def of(self, table: Table) -> "Selection | None":
        """Itself if it is about this table and not empty, else None."""
        return self if len(self.rows) and self.fingerprint == table.fingerprint else None


def select(table: Table, rows: ArrayLike, *, name: str = "") -> Selection:
    """Choose rows of a table; rows it does not have are left out."""
    wanted = np.unique(np.asarray(rows, dtype=np.int64))
    return Selection(wanted[(wanted >= 0) & (wanted < len(table))], table.fingerprint, name)


def rows_in_box(table: Table, volume: str, low_mm: ArrayLike, high_mm: ArrayLike) -> NDArray[np.int64]:
    """(M,) rows of a volume whose crop centres lie in a box of scanner mm; corners in any order."""
    rows = table.rows(volume)
    low, high = np.minimum(low_mm, high_mm), np.maximum(low_mm, high_mm)
    centres = table.centre_mm[rows]
    return rows.start + np.flatnonzero(((centres >= low) & (centres <= high)).all(axis=1))


def counts(table: Table, rows: NDArray, organs: dict[int, str]) -> dict[str, pd.DataFrame]:
    """How many chosen crops each patient and each organ has, most first: ``patient`` and ``organ``."""
    names = pd.Series(table.organ[rows]).map(lambda label: organ_name(label, organs))
    columns = {"patient": pd.Series(table.subject[rows]), "organ": names}
    return {
        name: column.value_counts().rename_axis(name).rename("crops").reset_index() for name, column in columns.items()
    }


def organ_name(label: int, organs: dict[int, str]) -> str:
    """What people call a label: "left thalamus"; "no organ" for 0, "not known" where the volume has no organ map."""
    if label <= 0:
        return "no organ" if label == 0 else NOT_KNOWN
    return organs.get(int(label), f"label {label}").replace("_", " ")


def keep(table: Table, selection: Selection, name: str) -> Selection:
    """Keep a selection by name beside its table, instead of one of the same name.

    It is written as volume -> rows within the volume, so that it still means the same crops when the table grows.

    Raises:
        InputError: the name is empty or the disk is full.
    """
    name = name.strip()
    if not name:
        raise InputError("A selection is kept by its name: type one.")
    crops = {
        volume: (rows - table.rows(volume).start).tolist() for volume, rows in by_volume(table, selection.rows).items()
    }
    write_json(_folder(table) / f"{_file_name(name)}.json", {"name": name, "crops": crops})
    return Selection(selection.rows, selection.fingerprint, name)


def kept(table: Table) -> dict[str, Selection]:
    """The selections that were kept for this table, by name."""
    found = {}
    for path in sorted(_folder(table).glob("*.json")):
        try:
            stored = json.loads(path.read_bytes())
            parts = [
                np.asarray(rows, dtype=np.int64) + table.rows(volume).start
                for volume, rows in stored["crops"].items()
                if volume in table.volumes
            ]
            name = str(stored["name"])
        except (OSError, ValueError, KeyError, TypeError, AttributeError):
            continue
        if parts:
            found[name] = select(table, np.concatenate(parts), name=name)
    return found


def forget(table: Table, name: str) -> None:
    """Delete a kept selection."""
    (_folder(table) / f"{_file_name(name)}.json").unlink(missing_ok=True)


def by_volume(table: Table, rows: NDArray) -> dict[str, NDArray[np.int64]]:
    """The chosen rows of each volume that has any."""
    volumes = table.volume[rows]
    return {str(volume): rows[volumes == volume] for volume in dict.fromkeys(volumes.tolist())}


def _folder(table: Table) -> Path:
    return table.folder / "_selections"


def _file_name(name: str) -> str:
    safe = re.sub(r"[^\w-]+", "_", name)[:60]
    return f"{safe}-{zlib.crc32(name.encode()):08x}"
