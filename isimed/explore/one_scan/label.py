"""A rough label map of a new scan, carried over from a labelled reference.

Each organ of each reference scan is moved to where all crops of the two scans agree that it lies (one affine map), then
to where the voxels around its middle fit best; where at least half of the reference scans that have an organ put it,
it is. Rough: shapes are those of other patients. No substitute for a segmentation.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from isimed.core.errors import InputError
from isimed.core.progress import Progress, silent
from isimed.data.cohorts.cohort import Cohort
from isimed.data.formats.volume import Volume, read_volume
from isimed.data.prepared import cache
from isimed.data.prepared.preprocess import Prepared, resample_labels
from isimed.explore.one_scan.choose import networks_for
from isimed.explore.one_scan.look import look
from isimed.explore.one_scan.registered import body_reference, carried_labels
from isimed.explore.one_scan.where import labelled_reference, registered_in
from isimed.explore.search.absent import absent
from isimed.explore.search.correspondence import correspondence
from isimed.explore.search.refine import sharpen
from isimed.explore.tables.embed import embed_prepared
from isimed.explore.tables.joined import Joined, in_reference
from isimed.explore.tables.store import Table
from isimed.models.checkpoint import Checkpoint

HALF = 0.5
MOST = 12  # reference scans: more add time, and little else
Volumes = Callable[[str], Prepared]


@dataclass(frozen=True, eq=False)
class Labelled:
    """A rough label map.

    Attributes:
        labels: on the scan's own grid, axes R A S; uint16, wider where a label of the reference is.
        reference: whose organs they are.
        network: that carried them over; None where it was registration.
    """

    labels: Volume
    reference: Cohort
    network: Checkpoint | None = None


def label_scan(
    path: str | Path | Volume,
    reference: Cohort | None = None,
    *,
    checkpoint: str | None = None,
    progress: Progress | None = None,
) -> Labelled:
    """A rough label map of a scan that need not be of any cohort.

    Args:
        path: any scan that ``read_volume`` reads, or one that was read.
        reference: a cohort with organ labels, embedded with the checkpoint; by default the largest such. Where no
            network fits a CT, it is registered with these, by default with the trunks that came with isimed.
        checkpoint: by default the one that fits the scan best.
        progress: called with (steps done, steps in all).

    Raises:
        InputError: the scan cannot be read, no network fits it, or the reference is not embedded with that network.
    """
    scan = path if isinstance(path, Volume) else read_volume(path)
    seen = look(scan, [checkpoint] if checkpoint else networks_for())
    if not seen:
        raise InputError(f"No checkpoint can say whether it fits {scan.name}: make its profile, see `isimed profile`.")
    network, volume = seen[0].checkpoint, seen[0].volume
    if not seen[0].fit.fits:
        if checkpoint is None and (found := registered_in(scan, reference)):
            return Labelled(carried_labels(scan, found, progress=progress or silent), reference or body_reference())
        raise InputError(f"{seen[0].fit.sentence()} Labels from it would be wrong.")
    reference, table = labelled_reference(network, reference, besides=scan)
    own = embed_prepared(scan.name, volume, network, progress=progress)
    both = Joined(own, table)

    def opened(name: str) -> Prepared:
        if name == scan.name:
            return volume
        entry = reference.entry(name.removeprefix(in_reference(reference.name, "")))
        return cache.prepared(reference, entry, network.card.preparation)

    labels = rough_labels(both, opened, scan.name, both.volumes[1 : 1 + MOST], progress=progress)
    on_scan = resample_labels(Volume(labels, volume.affine, name="labels"), scan.affine, scan.shape)
    return Labelled(Volume(on_scan, scan.affine, name=scan.name), reference, network)


def rough_labels(
    table: Table,
    volumes: Volumes,
    scan: str,
    references: Sequence[str],
    *,
    progress: Progress | None = None,
) -> NDArray[np.unsignedinteger]:
    """The organs of a scan, by transfer.

    Args:
        table: with the scan and the reference scans in it, see ``isimed.explore.tables.joined.Joined``.
        volumes: id -> prepared volume, those of the references with ``organs``.
        scan: the scan's id in the table.
        references: the ids of the labelled scans.
        progress: called with (reference scans done, in all).

    Returns:
        (X, Y, Z) labels on the grid of the prepared scan; 0 is no organ.
    """
    target = volumes(scan)
    votes: dict[int, NDArray[np.uint8]] = {}
    voters: dict[int, int] = {}
    for number, name in enumerate(references):
        for label, mask in _carried(table, target, volumes(name), scan, name).items():
            votes[label] = votes.get(label, np.zeros(target.body.shape, np.uint8)) + mask
            voters[label] = voters.get(label, 0) + 1
        if progress:
            progress(number + 1, len(references))
    result = np.zeros(target.body.shape, np.promote_types(np.uint16, np.min_scalar_type(max(votes, default=0))))
    best = np.full(target.body.shape, HALF)
    for label, count in votes.items():
        share = count / voters[label]
        wins = (share >= best) & (share > 0) & target.body
        result[wins], best[wins] = label, share[wins]
    return result


def _carried(table: Table, target: Prepared, source: Prepared, scan: str, name: str) -> dict[int, NDArray[np.bool_]]:
    """Label -> mask on the target's grid, of each organ of a reference scan that the target shows."""
    organs = np.asarray(source.labels["organs"])
    there, back = correspondence(table, name, scan), correspondence(table, scan, name)
    found = {}
    labels = np.unique(organs[organs > 0])  # an atlas's ids go to hundreds of millions: they are numbered anew
    numbers = np.where(organs > 0, np.searchsorted(labels, organs) + 1, 0)
    for label, box in zip(labels.tolist(), ndimage.find_objects(numbers), strict=True):
        inside = organs[box] == label
        middle = source.to_mm(np.argwhere(inside).mean(axis=0) + [axis.start for axis in box])
        coarse = there.map(middle)
        if absent(target, coarse):
            continue
        moved = sharpen(source, middle, target, coarse, there.matrix[:3]).mm - coarse
        found[label] = _painted(organs == label, source, target, back.matrix, moved)
    return found


def _painted(
    mask: NDArray[np.bool_],
    source: Prepared,
    target: Prepared,
    back: NDArray[np.float64],
    moved_mm: NDArray[np.float64],
) -> NDArray[np.bool_]:
    """A source mask on the target's grid; ``back`` (4, 3) maps target mm to source mm once they are moved back."""
    to_source = np.linalg.inv(source.affine)
    linear = target.affine[:3, :3].T @ back[:3] @ to_source[:3, :3].T
    start = ((target.affine[:3, 3] - moved_mm) @ back[:3] + back[3]) @ to_source[:3, :3].T + to_source[:3, 3]
    painted = ndimage.affine_transform(
        mask.astype(np.float32), linear.T, offset=start, output_shape=target.body.shape, order=1
    )
    return np.asarray(painted >= HALF)
