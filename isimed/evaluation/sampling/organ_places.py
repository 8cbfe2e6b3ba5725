"""Places that a person would recognise: the centroids of outlined organs."""

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from isimed.data.prepared.preprocess import Prepared

Places = Mapping[str, NDArray[np.float64]]


def organ_places(volume: Prepared, names: Mapping[int, str]) -> Places:
    """Organ -> centroid in scanner mm, for every organ of the volume."""
    organs = volume.labels.get("organs")
    if organs is None:
        return {}
    labels = [int(label) for label in np.unique(organs) if label]
    centres = ndimage.center_of_mass(np.ones(organs.shape, np.uint8), np.asarray(organs), labels)
    return {names.get(label, str(label)): volume.to_mm(np.array(c)) for label, c in zip(labels, centres, strict=True)}
