"""Structures that may overlap, laid into one label map."""

import numpy as np
from numpy.typing import NDArray


def lay(labels: NDArray, sizes: dict[int, int], number: int, inside: NDArray[np.bool_]) -> int:
    """Put one more structure into a label map; where structures overlap, the smaller one keeps the voxels.

    Args:
        labels: (X, Y, Z) whole numbers, changed; 0 is no label.
        sizes: label -> voxels of each structure that was put in before; changed.
        number: the new one's label.
        inside: (X, Y, Z) its voxels.

    Returns:
        How many voxels it shares with structures before it.
    """
    count = int(np.count_nonzero(inside))
    before = labels[inside]
    larger = [label for label, size in sizes.items() if size > count]
    labels[inside] = np.where((before == 0) | np.isin(before, larger), number, before)
    sizes[number] = sizes.get(number, 0) + count
    return int(np.count_nonzero(before))
