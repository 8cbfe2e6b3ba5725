"""A table's columns in Parquet: their types, and what they mean and in which unit, in the file itself."""

import json
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from isimed.core.text import plain_cell

if TYPE_CHECKING:
    import pandas as pd

UNKNOWN_ORGAN = -1
MAPPED = {"organ": "organs", "tumour": "tumour"}  # column -> the label map that it comes from; null where unknown
VECTORS = {"centre_mm": np.float32, "position": np.float32, "embedding": np.float16, "code": np.float16}
AXES_OF = {"centre_mm": list("xyz"), "position": ["sagittal", "coronal", "axial"]}
MEANING = {  # column -> (unit, what it is)
    "cohort": ("", "name of the cohort"),
    "subject": ("", "patient"),
    "volume": ("", "scan"),
    "centre_mm": ("mm", "centre of the crop in the scanner: right, anterior, superior (R A S+)"),
    "position": ("mm", "the same from the centre of the body's box: sagittal, coronal, axial"),
    "organ": ("", "label at the centre; 0: no organ, null: the scan has no organ map"),
    "tumour": ("share", "share of the crop's voxels that are tumour; null: the scan has no tumour map"),
    "embedding": ("", "the backbone's features"),
    "code": ("mm", "the distance head's output: L2 distances are mm"),
}


def to_arrow(columns: Mapping[str, NDArray], about: Mapping[str, object], *, in_mm: bool) -> pa.Table:
    """Columns as an Arrow table; ``isimed`` and ``isimed.columns`` in its metadata say what it is of.

    Args:
        about: of the table, as JSON can hold it.
        in_mm: whether distances of codes are mm.
    """
    meaning = {name: {"unit": unit, "meaning": words} for name, (unit, words) in MEANING.items() if name in columns}
    if not in_mm and "code" in meaning:
        meaning["code"] = {"unit": "", "meaning": "the embedding again: this network has no distance head"}
    said = {"isimed": dict(about), "isimed.columns": meaning}
    arrays = {name: _array(column, name) for name, column in columns.items()}
    fields = [pa.field(name, array.type, metadata=_text(meaning.get(name, {}))) for name, array in arrays.items()]
    schema = pa.schema(fields, metadata={key: json.dumps(value, ensure_ascii=False) for key, value in said.items()})
    return pa.table(list(arrays.values()), schema=schema)


def _text(meaning: Mapping[str, str]) -> dict[str, str] | None:
    return dict(meaning) or None


def _array(column: NDArray, name: str) -> pa.Array:
    if name in VECTORS:
        flat = pa.array(np.ascontiguousarray(column, dtype=VECTORS[name]).ravel())
        return pa.FixedSizeListArray.from_arrays(flat, column.shape[1])
    if name in MAPPED:
        return pa.array(column, mask=np.isnan(column) | (column < 0))
    return pa.array(column)


def to_numpy(column: pa.ChunkedArray, name: str) -> NDArray:
    """A column of a file as `Table` has it."""
    array = column.combine_chunks()
    if name in VECTORS:
        return array.flatten().to_numpy(zero_copy_only=False).reshape(len(array), -1)
    if name == "organ":
        array = array.fill_null(UNKNOWN_ORGAN)
    values = array.to_numpy(zero_copy_only=False)
    return values.astype(str) if values.dtype == object else values


def as_csv(frame: "pd.DataFrame") -> str:
    """A table's frame with a column a number, ``centre_mm_x``, ``position_sagittal``, ``code_0``; no formulas."""
    import pandas as pd

    parts: dict[str, Any] = {}
    for name in frame.columns:
        if name in VECTORS:
            values = np.array(frame[name].tolist(), dtype=np.float32)
            ends = AXES_OF.get(name) or [str(n) for n in range(values.shape[1])]
            parts |= {f"{name}_{end}": values[:, n] for n, end in enumerate(ends)}
        else:
            words = pd.api.types.is_string_dtype(frame[name])
            parts[name] = frame[name].map(plain_cell) if words else frame[name]
    return str(pd.DataFrame(parts).to_csv(index=False, float_format="%.6g", lineterminator="\n"))
