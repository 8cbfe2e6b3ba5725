"""A trunk that no network knows: found by registration in the labelled scans that came with isimed.

The scan is laid over each of them (``isimed.explore.search.align``). Where the two are alike enough, that says which
part of the body it shows, and which places the other does not show; a smooth field (``isimed.explore.search.field``)
then carries each place over. No network has a part in it.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from isimed.core.progress import Progress, silent
from isimed.data.cohorts.cohort import Cohort
from isimed.data.cohorts.shipped import shipped_folder
from isimed.data.formats.volume import Volume
from isimed.data.prepared import cache
from isimed.data.prepared.preprocess import Prepared, resample_labels
from isimed.explore.search.absent import absent
from isimed.explore.search.align import PREPARATION, Alignment, kept_alignment
from isimed.explore.search.field import Field, kept_field
from isimed.explore.search.locate import Location
from isimed.explore.search.refine import sharpen
from isimed.explore.tables.joined import in_reference

REFERENCE = "torso"
ALIKE = 0.45  # the least score: see docs/one-scan.md
EDGE_MM = 0.0  # a place this far outside of a scan is not in it
LEVELS = "vertebrae_"  # what the labels of vertebrae begin with


@dataclass(frozen=True, eq=False)
class Registered:
    """A labelled scan in which another one was found.

    Attributes:
        subject, volume: whose it is; the volume as it is called beside other cohorts, ``COHORT/ID``.
        scan, target: the scan that was looked for, and the labelled one.
        alignment: from the scan to the target.
        names: label -> organ.
    """

    subject: str
    volume: str
    scan: Prepared
    target: Prepared
    alignment: Alignment
    names: dict[int, str]

    def field(self) -> Field:
        """The smooth field from the scan to the target; seconds, once."""
        return kept_field(self.scan, self.target, self.alignment.map)

    def locate(self, mm: ArrayLike, *, deform: bool = True) -> Location:
        """A place of the scan in the target.

        Args:
            mm: (3,) scanner mm of the scan.
            deform: by the smooth field; without it right to some centimetres, and at once.

        Returns:
            The place, or a note on which side of the target it would be. ``distance`` is 1 - score.
        """
        point = np.asarray(mm, dtype=np.float64)
        coarse = self.alignment.map(point)
        note = absent(self.target, coarse, limit_mm=EDGE_MM)
        sharp = sharpen(self.scan, point, self.target, coarse, self.alignment.matrix[:3])
        found = sharp.mm
        if deform and not note:
            found = self.field().map(point)
            sharp = sharpen(self.scan, point, self.target, found, self.alignment.matrix[:3])
        x, y, z = map(float, coarse if note else found)
        return Location(self.subject, self.volume, (x, y, z), 1 - self.alignment.score, sharp.spread_mm, note=note)


def body_reference() -> Cohort:
    """The labelled trunks that came with isimed, where they lie."""
    return Cohort.load(shipped_folder(REFERENCE))


def register(scan: Prepared, reference: Cohort, *, progress: Progress = silent) -> list[Registered]:
    """The labelled scans of a reference in which a scan is found, the likest first; never itself. Some seconds each.

    Args:
        scan: a CT, prepared as ``isimed.explore.search.align.PREPARATION`` says.
        progress: called with (labelled scans done, in all).
    """
    found, labelled = [], [entry for entry in reference.volumes if entry.organs]
    for number, entry in enumerate(labelled):
        target = cache.prepared(reference, entry, PREPARATION)
        itself = np.array_equal(scan.image, target.image)
        if not itself and (alignment := kept_alignment(scan, target)).score >= ALIKE:
            name = in_reference(reference.name, entry.id)
            found.append(Registered(entry.subject, name, scan, target, alignment, reference.organs))
        progress(number + 1, len(labelled))
    return sorted(found, key=lambda one: -one.alignment.score)


def region_of(found: Sequence[Registered]) -> str | None:
    """From which vertebra to which a scan goes; None where it shows fewer than two that are known."""
    heights: dict[str, float] = {}
    for one in found:
        organs = np.asarray(one.target.labels["organs"])
        back = np.linalg.inv(np.vstack([one.alignment.matrix.T, [0, 0, 0, 1]]))
        for label, name in one.names.items():
            if name.startswith(LEVELS) and name not in heights and (places := np.argwhere(organs == label)).size:
                middle = back @ np.append(one.target.to_mm(places.mean(axis=0)), 1)
                height = one.scan.to_voxel(middle[:3])[2]
                if 0 <= height < one.scan.body.shape[2]:
                    heights[name] = height
    shown = [name.removeprefix(LEVELS) for name in sorted(heights, key=heights.__getitem__)]
    return f"from vertebra {shown[0]} to vertebra {shown[-1]}" if len(shown) > 1 else None


def carried_labels(scan: Volume, found: Sequence[Registered], *, progress: Progress = silent) -> Volume:
    """The organs of a scan, carried over from the labelled scans: each says what the likelier ones do not show.

    Returns:
        Labels on the scan's own grid, uint16 or as wide as those that they come from.
    """
    prepared = found[0].scan
    kind = np.result_type(np.uint16, *(one.target.labels["organs"].dtype for one in found))
    labels, told = np.zeros(prepared.body.shape, kind), np.zeros(prepared.body.shape, bool)
    places = np.moveaxis(np.indices(prepared.body.shape), 0, -1)
    mm = prepared.to_mm(places.reshape(-1, 3))
    for number, one in enumerate(found):
        organs = np.asarray(one.target.labels["organs"])
        shown = _inside(one.target, one.alignment.map(mm)).reshape(told.shape)
        there = np.rint(one.target.to_voxel(one.field().map(mm))).astype(int)
        there = np.clip(there, 0, np.array(organs.shape) - 1)
        new = shown & ~told & np.asarray(prepared.body, dtype=bool)
        labels[new] = organs[tuple(there.T)].reshape(told.shape)[new]
        told |= shown
        progress(number + 1, len(found))
    on_scan = resample_labels(Volume(labels, prepared.affine, name="labels"), scan.affine, scan.shape)
    return Volume(on_scan, scan.affine, name=scan.name)


def _inside(target: Prepared, mm: NDArray) -> NDArray[np.bool_]:
    voxel = target.to_voxel(mm)
    return np.asarray(((voxel >= -0.5) & (voxel <= np.array(target.body.shape) - 0.5)).all(axis=1))
