"""Label maps: whole numbers that name a structure. What is no such number is no label, and no value changes another."""

from dataclasses import replace

import numpy as np

from isimed.core.errors import InputError
from isimed.data.formats.reading import Note
from isimed.data.formats.volume import Volume

KIND = "label values"
OFF_BY = 0.1  # from a whole number: what noise of storing and scaling costs, not what interpolation does
LARGEST = {"f": 2**24, "i": 2**53, "u": 2**53}  # beyond, neighbours are one: in float32, and to the resampling


def as_labels(volume: Volume) -> Volume:
    """A label map as unsigned whole numbers, each label what it was in the file.

    Negative values and those that are not numbers are no label (0). Values with a little noise are rounded; where more
    than noise lies between, a note says so.

    Returns:
        The map as uint16, or uint32 or uint64 where a label is beyond 16 or 32 bits. Notes of kind ``label values``
        say what was changed. A map that is fine already comes back as it is.

    Raises:
        InputError: a label is too large to be told from its neighbours.
    """
    values = volume.voxels
    if values.dtype in (np.uint8, np.uint16):
        return volume
    notes: list[Note] = []
    with np.errstate(invalid="ignore"):
        no_label = ~(values >= -0.5)  # not a number is not at least that either
    if values.dtype.kind == "f":
        values = np.where(no_label, 0, values)
        whole = np.rint(values)
        with np.errstate(invalid="ignore"):  # infinity: refused below
            between = int(np.count_nonzero(np.abs(values - whole) > OFF_BY))
        if between:
            text = f"{between} voxels are no whole numbers: rounded. Is {volume.name} a label map?"
            notes.append(Note(text, KIND))
        values = whole
    elif no_label.any():
        values = np.where(no_label, 0, values)
    if count := int(np.count_nonzero(no_label)):
        notes.append(Note(f"{count} voxels of {volume.name} are negative or not a number: no label.", KIND))
    highest = float(values.max())
    if highest > LARGEST[values.dtype.kind]:
        raise InputError(
            f"{volume.name} holds the label {highest:.0f} as {values.dtype}, too large to be told from its neighbours: "
            "store it as whole numbers, or number its labels anew."
        )
    dtype = next(kind for kind in (np.uint16, np.uint32, np.uint64) if highest <= np.iinfo(kind).max)
    return replace(volume, voxels=values.astype(dtype), notes=(*volume.notes, *notes))
