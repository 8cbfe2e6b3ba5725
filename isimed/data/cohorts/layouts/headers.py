"""Facts about a volume file that are cheap: its header, and whether its voxels are a label map's."""

import re
from functools import lru_cache
from pathlib import Path

import numpy as np

from isimed.core.errors import InputError
from isimed.data.formats.dispatch import format_of
from isimed.data.formats.reading import reason, refuse_missing
from isimed.data.formats.volume import read_volume

MOST_LABELS = 200
LEAST_PACKING = 8  # voxels a byte of a compressed label map, at least; scans stay below 2
EDGES = 0.5  # share of a label map's labelled voxels whose neighbour differs, at most
SEGMENT = re.compile(rb"Segment(\d+)_(Name|LabelValue):=(.*)")


def shape_of(path: Path) -> tuple[int, ...]:
    """(I, J, K) or (I, J, K, channels) as the header says, checked.

    Raises:
        InputError: the header cannot be used.
    """
    status = _status(path)
    return _shape(path, status)


def _status(path: Path) -> tuple[int, int]:
    refuse_missing(path)
    status = path.stat()
    return status.st_size, status.st_mtime_ns


@lru_cache(maxsize=65536)
def _shape(path: Path, _status: tuple[int, int]) -> tuple[int, ...]:
    try:
        return format_of(path).shape(path)
    except OSError as error:
        raise InputError(f"{path} cannot be read ({reason(error)}): check its permissions.") from None


def is_label_content(path: Path) -> bool:
    """Whether the voxels are a few whole numbers in pieces, as a label map's are; a constant volume is none.

    Files that compress no better than a scan are not opened.
    """
    try:
        shape = shape_of(path)
    except InputError:
        return False
    voxels = int(np.prod(shape))
    with path.open("rb") as file:
        packed = file.read(2) == b"\x1f\x8b" or b"encoding: g" in file.read(4096)
    if len(shape) != 3 or (packed and voxels > 4096 and voxels < LEAST_PACKING * path.stat().st_size):
        return False
    try:
        array = read_volume(path).voxels
    except InputError:
        return False
    middle = array[..., array.shape[2] // 2]
    if not _few_whole(middle) or not _few_whole(array):
        return False
    labelled = array[1:] != 0
    edges = (array[1:] != array[:-1]) & labelled
    return bool(array.min() >= 0 and array.min() < array.max() and edges.sum() <= EDGES * max(1, labelled.sum()))


def _few_whole(array: np.ndarray) -> bool:
    values = np.unique(array)
    return bool(len(values) <= MOST_LABELS and np.isfinite(values).all() and (values == np.rint(values)).all())


def segment_names(path: Path) -> dict[str, str]:
    """label -> name, as 3D Slicer writes them into the header of a ``.seg.nrrd``; empty where there are none."""
    try:
        with path.open("rb") as file:
            head = file.read(262144).partition(b"\n\n")[0]
    except OSError:
        return {}
    found: dict[str, dict[str, str]] = {}
    for number, key, value in SEGMENT.findall(head):
        found.setdefault(number.decode(), {})[key.decode()] = value.decode("utf-8", "replace").strip()
    return {one["LabelValue"]: one["Name"] for one in found.values() if len(one) == 2}
