"""Crops and their coordinates as files: CSV, Parquet, and the pair that TensorBoard's projector opens."""

import io
import zipfile

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from pandas.api.extensions import ExtensionArray

from isimed.core.text import plain_cell
from isimed.explore.maps.map_points import Points
from isimed.explore.maps.pca import sample_rows
from isimed.explore.tables.selection import organ_name
from isimed.explore.tables.store import AXES, Table

PROJECTOR_LIMIT = 10_000


def crop_frame(
    table: Table,
    points: Points,
    *,
    rows: NDArray | None = None,
    organs: dict[int, str] | None = None,
    umap: NDArray | None = None,
) -> pd.DataFrame:
    """One row a crop: whose and where it is, and where it lies on the maps.

    Args:
        rows: which crops; all by default.
        organs: label -> name.
        umap: (N, 2) places of all rows, if there are.

    Returns:
        Columns row, cohort, checkpoint, subject, volume, {x,y,z}_mm (scanner), {sagittal,coronal,axial}_mm
        (position), organ, organ_name, tumour_share, pc1-3, read_{sagittal,coronal,axial}_mm (turned axes),
        read_error_mm, umap1-2.
    """
    rows = np.arange(len(table)) if rows is None else np.asarray(rows)
    names = organs or {}
    columns: dict[str, NDArray | ExtensionArray | str] = {
        "row": rows,
        "cohort": table.info.cohort,
        "checkpoint": table.info.checkpoint,
        "subject": table.subject[rows],
        "volume": table.volume[rows],
    }
    columns |= {f"{axis}_mm": table.centre_mm[rows, n] for n, axis in enumerate("xyz")}
    columns |= {f"{axis}_mm": table.position[rows, n] for n, axis in enumerate(AXES)}
    label_names = {int(label): organ_name(label, names) for label in np.unique(table.organ[rows])}
    organ = pd.Series(table.organ[rows])
    columns |= {
        "organ": organ.where(organ >= 0).astype("Int64").array,
        "organ_name": pd.Series(table.organ[rows]).map(label_names).to_numpy(),
    }
    columns |= {"tumour_share": table.tumour[rows]}
    columns |= {f"pc{n + 1}": points.pcs[rows, n] for n in range(min(3, points.pcs.shape[1]))}
    columns |= {f"read_{axis}_mm": points.turned[rows, n] for n, axis in enumerate(AXES)}
    columns |= {"read_error_mm": points.error_mm[rows]}
    if umap is not None:
        columns |= {"umap1": umap[rows, 0], "umap2": umap[rows, 1]}
    return pd.DataFrame(columns)


def as_csv(frame: pd.DataFrame) -> bytes:
    """One row a crop; no name is a formula to a spreadsheet."""
    words = frame.select_dtypes(exclude="number").columns
    frame = frame.assign(**{name: frame[name].map(plain_cell) for name in words})
    return frame.to_csv(index=False, float_format="%.6g").encode()


def as_parquet(frame: pd.DataFrame) -> bytes:
    buffer = io.BytesIO()
    frame.to_parquet(buffer, index=False)
    return buffer.getvalue()


def as_projector(frame: pd.DataFrame, pcs: NDArray) -> bytes:
    """A zip with ``vectors.tsv`` and ``metadata.tsv``, the pair that TensorBoard's projector loads.

    Args:
        frame: as of ``crop_frame``; more than 10,000 crops are sampled, every volume with its share, since the
            projector keeps all of them in the browser.
        pcs: (N, K) components of all rows of the table; the projector computes its own maps from them.
    """
    some = sample_rows(frame["volume"].to_numpy().astype(str), PROJECTOR_LIMIT)
    frame = frame.iloc[some]
    vectors, buffer = io.StringIO(), io.BytesIO()
    np.savetxt(vectors, pcs[frame["row"].to_numpy()], fmt="%.5g", delimiter="\t")
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("vectors.tsv", vectors.getvalue())
        archive.writestr("metadata.tsv", frame.to_csv(index=False, sep="\t", float_format="%.6g"))
    return buffer.getvalue()
