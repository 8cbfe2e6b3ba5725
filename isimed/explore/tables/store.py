"""Embedding tables: one row a crop, one Parquet file a volume, under ``ISIMED_HOME/tables``.

A table belongs to one cohort, one checkpoint and one grid, by fingerprint: when any of them changes it is
another folder, so rows are never mixed. Files are written under a temporary name and renamed; what is there
is complete, and writing goes on where it stopped.
"""

import hashlib
import json
import math
import re
from collections.abc import Iterable, Sequence
from functools import cached_property, partial
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict

from isimed.core import paths
from isimed.core.errors import InputError
from isimed.core.files import refusals_in_words, write_file
from isimed.data.cohorts.cohort import Cohort, Entry
from isimed.explore.tables.columns import MAPPED, MEANING, VECTORS, as_csv, to_arrow, to_numpy
from isimed.models.checkpoint import Checkpoint

if TYPE_CHECKING:
    import pandas as pd

AXES = ("sagittal", "coronal", "axial")
ABOUT = "table.json"


class TableInfo(BaseModel):
    """What a table is about."""

    model_config = ConfigDict(frozen=True)

    cohort: str
    cohort_fingerprint: str
    checkpoint: str
    checkpoint_fingerprint: str
    step_mm: float
    crop_size: int
    spacing_mm: float
    in_mm: bool
    """Whether L2 distances of codes are mm (the network was trained with a distance head)."""


class Table:
    """Crops of a cohort: where they are and what the network makes of them. Columns are read when first used.

    Attributes (N rows):
        subject, volume: (N,) str.
        centre_mm: (N, 3) float32 scanner mm of the crop's centre.
        position: (N, 3) float32 mm from the centre of the body's box: sagittal, coronal, axial.
        organ: (N,) int, the label at the centre; 0: no organ, -1: the volume has no organ map, so nobody knows.
        tumour: (N,) float32, share of the crop's voxels that are tumour; NaN: the volume has no tumour map.
        embedding: (N, E) float16. code: (N, D) float16, L2 distances in mm where ``info.in_mm``.
    """

    def __init__(self, info: TableInfo, columns: dict[str, NDArray] | None = None, files: Sequence[Path] = ()) -> None:
        self.info = info
        self._columns: dict[str, NDArray] = dict(columns or {})
        self.files = tuple(files)

    def __len__(self) -> int:
        return len(self.volume)

    def __repr__(self) -> str:
        mm = ", L2 distances in mm" if self.info.in_mm else ""
        of = f"{len(self.volumes)} volumes of {self.info.cohort}" if self.info.cohort_fingerprint else "one scan"
        return (
            f"<Table: {len(self)} crops of {of} by {self.info.checkpoint}, {self.info.step_mm:g} mm apart; "
            f"embedding {self.embedding.shape[1]}, code {self.code.shape[1]}{mm}>"
        )

    def to_arrow(self) -> pa.Table:
        """All columns, with what they mean and their units in the schema's metadata."""
        columns = {name: getattr(self, name) for name in MEANING if name != "cohort"}
        named = {"cohort": np.full(len(self), self.info.cohort)}
        return to_arrow(named | columns, self.info.model_dump(), in_mm=self.info.in_mm)

    def to_pandas(self) -> "pd.DataFrame":
        """One row a crop; vectors are arrays in a cell, unknown labels are missing."""
        frame = self.to_arrow().to_pandas()
        return frame.astype({"organ": "Int64"})

    def save(self, file: str | Path) -> Path:
        """Write the table to one file: ``.parquet``, or ``.csv`` with a column a number.

        Raises:
            InputError: another ending, or the file cannot be written.
        """
        place = Path(file)
        if place.suffix == ".parquet":
            return write_file(place, lambda opened: pq.write_table(self.to_arrow(), opened, compression="none"))
        if place.suffix != ".csv":
            raise InputError(f"{place}: give a file that ends in .parquet or .csv.")
        return write_file(place, as_csv(self.to_pandas()))

    def _column(self, name: str) -> NDArray:
        if name not in self._columns:
            if name in VECTORS:
                self._columns[name] = self._joined(name, VECTORS[name])
            else:
                self._columns[name] = np.concatenate(list(self.parts(name)))
        return self._columns[name]

    def wide_code(self) -> NDArray[np.float32]:
        """(N, D) codes as float32 to compute with; read without keeping the float16 ones as well."""
        if "code" in self._columns:
            return np.ascontiguousarray(self._columns["code"], dtype=np.float32)
        return self._joined("code", np.float32)

    def parts(self, name: str) -> Iterable[NDArray]:
        """A column file by file, read as it is asked for."""
        return (to_numpy(pq.read_table(file, columns=[name]).column(name), name) for file in self.files)

    def _joined(self, name: str, dtype: type) -> NDArray:
        """The files' vectors in one array, each file freed before the next is read: a million rows are gigabytes."""
        counts = [pq.read_metadata(file).num_rows for file in self.files]
        start = 0
        for count, part in zip(counts, self.parts(name), strict=True):
            if not start:
                joined = np.empty((sum(counts), part.shape[1]), dtype=dtype)
            joined[start : start + count] = part
            start += count
        return joined

    subject = property(lambda self: self._column("subject"))
    volume = property(lambda self: self._column("volume"))
    centre_mm = property(lambda self: self._column("centre_mm"))
    position = property(lambda self: self._column("position"))
    organ = property(lambda self: self._column("organ"))
    tumour = property(lambda self: self._column("tumour"))
    embedding = property(lambda self: self._column("embedding"))
    code = property(lambda self: self._column("code"))

    @cached_property
    def volumes(self) -> list[str]:
        """Volume ids in the order of their rows."""
        return list(dict.fromkeys(self.volume.tolist()))

    @cached_property
    def subjects(self) -> list[str]:
        """Patients in the order of their rows."""
        return list(dict.fromkeys(str(self.subject[rows.start]) for rows in self._slices.values()))

    @cached_property
    def group(self) -> NDArray[np.int32]:
        """(N,) the number of each row's volume: a million strings would take seconds to sort."""
        rows = self._slices.values()
        return np.repeat(np.arange(len(rows), dtype=np.int32), [part.stop - part.start for part in rows])

    @cached_property
    def _slices(self) -> dict[str, slice]:
        starts = np.flatnonzero(np.r_[True, self.volume[1:] != self.volume[:-1]])
        stops = np.r_[starts[1:], len(self.volume)]
        return {self.volume[a]: slice(int(a), int(b)) for a, b in zip(starts, stops, strict=True)}

    def rows(self, volume: str) -> slice:
        """The rows of a volume; they stand together."""
        try:
            return self._slices[volume]
        except KeyError:
            raise InputError(f"{volume} is not in the embedding table of {self.info.cohort}: embed it first.") from None

    def only(self, *volumes: str) -> "Table":
        """The table of some of its volumes.

        Raises:
            InputError: one is not in it, or none is named.
        """
        if not volumes:
            raise InputError(f"No volume of {self.info.cohort} is left to look in.")
        rows = np.concatenate([np.arange(len(self))[self.rows(volume)] for volume in volumes])
        if self.files:
            return Table(self.info, files=[self.files[self.volumes.index(volume)] for volume in volumes])
        return Table(self.info, {name: column[rows] for name, column in self._columns.items()})

    @cached_property
    def fingerprint(self) -> str:
        """Changes when the cohort, the checkpoint, the grid or the set of embedded volumes changes."""
        text = self.info.model_dump_json() + "\0".join(self.volumes)
        return hashlib.sha256(text.encode()).hexdigest()[:16]

    @property
    def folder(self) -> Path:
        return table_folder(self.info)


def table_info(cohort: Cohort, checkpoint: Checkpoint, step_mm: float | None = None) -> TableInfo:
    """What a table is of; by default neighbouring crops share three quarters of their edge.

    Raises:
        InputError: the step is not a length.
    """
    return TableInfo(
        cohort=cohort.name,
        cohort_fingerprint=cohort.fingerprint,
        checkpoint=checkpoint.name,
        checkpoint_fingerprint=checkpoint.fingerprint,
        step_mm=checked_step(step_mm, checkpoint),
        crop_size=checkpoint.card.crop_size,
        spacing_mm=checkpoint.card.preparation.spacing_mm,
        in_mm=checkpoint.card.in_mm,
    )


def checked_step(step_mm: float | None, checkpoint: Checkpoint) -> float:
    """The distance of neighbouring crops, by default the checkpoint's own.

    Raises:
        InputError: it is not a finite number of mm above 0.
    """
    step = checkpoint.card.step_mm if step_mm is None else float(step_mm)
    if not (math.isfinite(step) and step > 0):
        raise InputError(f"A step of {step:g} mm between crops is not a length: give mm above 0.")
    return step


def table_folder(info: TableInfo) -> Path:
    digest = hashlib.sha256(info.model_dump_json().encode()).hexdigest()[:12]
    return paths.tables_dir() / _file_name(info.cohort) / f"{_file_name(info.checkpoint)}-{digest}"


def write_volume(info: TableInfo, volume: str, columns: dict[str, NDArray]) -> Path:
    """Write the rows of one volume, whole or not at all."""
    about = table_folder(info) / ABOUT
    if not about.exists():
        write_file(about, info.model_dump_json(indent=1))
    table = to_arrow(columns, info.model_dump(), in_mm=info.in_mm)
    return write_file(volume_file(info, volume), lambda file: pq.write_table(table, file, compression="none"))


def mark_unknown(info: TableInfo, entries: Iterable[Entry]) -> None:
    """Say "unknown" of volumes without label maps, where files of an older version say 0, as if there was nothing."""
    for entry in entries:
        file = volume_file(info, entry.id)
        unmapped = [column for column, labels in MAPPED.items() if not getattr(entry, labels)]
        said = [column for column in unmapped if file.is_file() and _says_nothing_there(file, column)]
        if said:
            table = pq.read_table(file)
            for column in said:
                place = table.schema.get_field_index(column)
                table = table.set_column(place, column, pa.nulls(len(table), table.schema.field(column).type))
            write_file(file, partial(pq.write_table, table, compression="none"))


def _says_nothing_there(file: Path, column: str) -> bool:
    """Whether a column holds 0 alone: read from the file's footer."""
    footer = pq.read_metadata(file)
    place = next(n for n in range(footer.num_columns) if footer.schema.column(n).path == column)
    found = [footer.row_group(n).column(place).statistics for n in range(footer.num_row_groups)]
    return all(part is not None and part.has_min_max and part.min == part.max == 0 for part in found)


def volume_file(info: TableInfo, volume: str) -> Path:
    return table_folder(info) / f"{_file_name(volume)}.parquet"


def open_table(info: TableInfo, volumes: Sequence[str]) -> Table:
    """The table of some volumes of a cohort, in the given order; those not embedded yet are left out."""
    files = [file for volume in volumes if (file := volume_file(info, volume)).is_file()]
    if not files:
        raise InputError(f"{info.cohort} is not embedded with {info.checkpoint}: run `python -m isimed embed` first.")
    return Table(info, files=files)


def tables_of(cohort: str) -> list[TableInfo]:
    """Tables that exist for a cohort's name, of any of its fingerprints."""
    found = []
    for path in sorted((paths.tables_dir() / _file_name(cohort)).glob(f"*/{ABOUT}")):
        try:
            found.append(TableInfo.model_validate_json(path.read_bytes()))
        except (OSError, ValueError):
            continue
    return found


def rename_tables(cohort: str, new: str) -> None:
    """The tables of a cohort, with their maps and selections, follow it to another name.

    Raises:
        InputError: they cannot be moved.
    """
    for info in tables_of(cohort):
        renamed = info.model_copy(update={"cohort": new})
        folder = table_folder(renamed)
        if folder.exists():  # the same crops by the same network: made before
            continue
        with refusals_in_words(folder):
            folder.parent.mkdir(parents=True, exist_ok=True)
            table_folder(info).rename(folder)
        write_file(folder / ABOUT, renamed.model_dump_json(indent=1))


def _file_name(name: str) -> str:
    safe = re.sub(r"[^\w.-]+", "_", name)[:80].strip(".") or "_"
    return safe if safe == name else f"{safe}-{hashlib.sha256(name.encode()).hexdigest()[:8]}"


def read_info(folder: Path) -> TableInfo:
    return TableInfo.model_validate(json.loads((folder / ABOUT).read_bytes()))
