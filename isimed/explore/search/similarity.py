"""How much every place of a volume looks like one crop."""

import numpy as np
from numpy.typing import ArrayLike, NDArray

from isimed.data.formats.volume import Volume
from isimed.data.prepared.preprocess import Prepared
from isimed.explore.search.overlay import over_scan
from isimed.explore.tables.components import codes_of, components_of, rows_of
from isimed.explore.tables.store import Table


def similarity_map(table: Table, code: ArrayLike, volume: str, target: Prepared, scan: Volume) -> NDArray[np.float32]:
    """Latent distance from a code to every place of a volume, from the table alone.

    Codes, not distances, are interpolated between grid points: the distance can then fall to zero between them.
    ``d(p)^2 = |s(p) - s|^2 + r(p)``, with ``s`` the leading components and ``r`` what they leave out.

    Args:
        code: (D,) of the crop that is looked for.
        volume: the target's id in the table.
        target, scan: the same volume, prepared and as shown.

    Returns:
        (X, Y, Z) over the scan's field of view at about 4 mm, in the code's unit (mm with a distance head); NaN
        outside the body.
    """
    rows = table.rows(volume)
    query = np.asarray(code, dtype=np.float32)
    components = components_of(table)
    away = components.scores[rows] - components.of(query)
    total = np.square(rows_of(codes_of(table), rows) - query).sum(axis=1)
    rest = np.maximum(total - np.square(away).sum(axis=1), 0)
    fields = over_scan(np.column_stack([away, rest]), table, volume, target, scan)
    return np.sqrt(np.square(fields[..., :-1]).sum(axis=-1) + fields[..., -1])
