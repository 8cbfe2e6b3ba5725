"""Organ centres carried from patient to patient by codes alone, into whole scans and into halves of them."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from scipy import ndimage

from isimed.data.prepared.preprocess import Prepared
from isimed.evaluation.sampling.organ_places import Places, organ_places
from isimed.evaluation.statistics.bootstrap import Figure, bootstrap
from isimed.evaluation.transfer.transfers import choose_transfers
from isimed.explore.search.correspondence import correspondence
from isimed.explore.search.retrieve import code_at
from isimed.explore.tables.components import codes_of
from isimed.explore.tables.embed import embed_prepared
from isimed.explore.tables.joined import Joined, in_reference
from isimed.explore.tables.store import Table
from isimed.models.checkpoint import Checkpoint

WHOLE, INSIDE = "whole", 2  # voxels that a landmark lies within a half, to count as shown by it
FAR_MM = 30.0
WAYS = ("nearest", "agreed")
Row = dict[str, Any]


@dataclass(frozen=True, eq=False)
class Scan:
    """A patient's scan, its organs' centres, its codes, and some of them, which are matched with another scan's."""

    subject: str
    volume: Prepared
    places: Places
    table: Table
    matched: Table


def carry(
    checkpoint: Checkpoint,
    subjects: Sequence[str],
    volumes: Sequence[Prepared],
    names: dict[int, str],
    *,
    step_mm: float,
    match_mm: float | None = None,
    targets: int = 16,
    say: Callable[[str], None] = lambda text: None,
) -> list[Row]:
    """A row a landmark, a pair of patients and a part of the target that shows it: mm off, by each way.

    The pairs are those of ``isimed evaluate``: ``targets`` patients, four others looked into from each.

    Args:
        step_mm: between the codes among which the nearest is looked for.
        match_mm: between those that agree; the same by default.
    """
    places = [organ_places(volume, names) for volume in volumes]
    transfers = choose_transfers(places, subjects, seed=0, volumes=targets)
    used = sorted({number for t in transfers for number in (t.source, t.target)})

    def embedded(subject: str, volume: Prepared, of: Places) -> Scan:
        fine = embed_prepared(subject, volume, checkpoint, step_mm=step_mm)
        matched = embed_prepared(subject, volume, checkpoint, step_mm=match_mm) if match_mm else fine
        return Scan(subject, volume, of, fine, matched)

    scans = {number: embedded(subjects[number], volumes[number], places[number]) for number in used}
    say(f"embedded {len(used)} scans")
    codes = {
        (number, name): code_at(checkpoint, scan.volume, mm)
        for number, scan in scans.items()
        for name, mm in scan.places.items()
    }
    rows: list[Row] = []
    for number in sorted({t.target for t in transfers}):
        target = scans[number]
        cut = [(kind, embedded(target.subject, half, target.places)) for kind, half in halves(target.volume)]
        for source in sorted({t.source for t in transfers if t.target == number}):
            asked = [t.name for t in transfers if (t.source, t.target) == (source, number)]
            for kind, part in [(WHOLE, target), *cut]:
                shown = {name: codes[source, name] for name in asked if shows(part.volume, target.places[name])}
                rows += [{"part": kind, **row} for row in between(scans[source], part, shown)]
        say(f"looked into {target.subject}")
    return rows


def between(source: Scan, target: Scan, codes: dict[str, Any]) -> Iterator[Row]:
    """A row for each of the source's landmarks that is looked for in a target."""
    if not codes:
        return
    there = Table(target.matched.info.model_copy(update={"cohort": "there"}), target.matched._columns)
    agreed = correspondence(Joined(source.matched, there), source.subject, in_reference("there", target.subject))
    for organ, code in codes.items():
        best = int(np.square(codes_of(target.table) - code).sum(axis=1).argmin())
        found = {"nearest": target.table.centre_mm[best], "agreed": agreed.place(source.places[organ]).mm}
        off = {way: round(float(np.linalg.norm(mm - target.places[organ])), 2) for way, mm in found.items()}
        yield {"source": source.subject, "target": target.subject, "organ": organ, **off}


def halves(volume: Prepared) -> Iterator[tuple[str, Prepared]]:
    """What a scan would show that ended in the middle of an axis, cut to the body again."""
    for axis, (low, high) in enumerate((("left", "right"), ("back", "front"), ("lower", "upper"))):
        middle = volume.image.shape[axis] // 2
        for kind, span in ((low, slice(0, middle)), (high, slice(middle, None))):
            part = tuple(span if axis == k else slice(None) for k in range(3))
            body = np.asarray(volume.body[part])
            if body.any():
                box = ndimage.find_objects(body.astype(np.uint8))[0]
                start = [slice_.start + (span.start if axis == k else 0) for k, slice_ in enumerate(box)]
                affine = volume.affine.copy()
                affine[:3, 3] = volume.to_mm(np.array(start))
                image = np.asarray(volume.image[part])[box]
                centre = volume.to_mm(np.array(start) + (np.array(image.shape) - 1) / 2)
                yield kind, replace(volume, image=image, body=body[box], labels={}, affine=affine, box_centre_mm=centre)


def shows(volume: Prepared, mm: Any) -> bool:
    """Whether a place lies within a scan, two voxels or more from its ends."""
    voxel = volume.to_voxel(np.asarray(mm))
    return bool((voxel >= INSIDE).all() and (voxel <= np.array(volume.image.shape) - 1 - INSIDE).all())


def figures(rows: Sequence[Row]) -> dict[str, Figure]:
    """Median and share beyond 30 mm of each way, whole and half, with intervals over the targets' patients."""
    found: dict[str, Figure] = {}
    for kind, wanted in (("whole", True), ("half", False)):
        chosen = [row for row in rows if (row["part"] == WHOLE) is wanted]
        if not chosen:
            continue
        off = {way: np.array([row[way] for row in chosen]) for way in WAYS}

        def statistic(at: Any, off: dict[str, Any] = off, kind: str = kind) -> dict[str, float]:
            return {
                **{f"{way}_{kind}_mm": float(np.median(mm[at])) for way, mm in off.items()},
                **{f"{way}_{kind}_beyond_30": float((mm[at] > FAR_MM).mean()) for way, mm in off.items()},
            }

        found |= bootstrap([row["target"] for row in chosen], statistic)
    return found
