"""How much of a code is read off the border of what a network is shown, and how much it has to see.

python -m benchmarks.studies.dense_border PATH/TO/headneck-ct --json docs/dense/border.json

A network that measures from the border gives a place another code when the border moves, while the body stays where it
was. Held-out patients of a split, random places of their bodies:

- cut: the scan ends in the middle of an axis (the six halves of `carried`). How many mm a place's code then lies from
  the one it has in the whole scan, by how far the place is from where the scan ends.
- shown: a dense network is given nothing but a cube around the place, by the cube's edge.

Medians over places and the share moved by more than 30 mm, with 95 % intervals over patients.
"""

import argparse
import json
from collections import defaultdict
from collections.abc import Iterator, Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from benchmarks.studies.carried import FAR_MM, halves
from benchmarks.studies.part import listed_patients
from isimed.core.files import write_file
from isimed.data.cohorts.cohort import Cohort
from isimed.data.prepared.cache import prepare_cohort
from isimed.data.prepared.crops import cut_crops
from isimed.data.prepared.preprocess import Prepared
from isimed.evaluation.statistics.bootstrap import bootstrap
from isimed.explore.tables.embed import checkpoint_for, embed_crops
from isimed.models.checkpoint import Checkpoint

BANDS_MM = (0, 10, 20, 40, 80, 160, np.inf)
CUBES = (32, 48, 64, 96)  # voxels
PLACES, CUBE_PLACES = 60, 6
Moved = tuple[str, float]  # what was done to a place, and how many mm its code moved


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("cohort")
    parser.add_argument("--checkpoints", nargs="+", default=["headneck-ct-dense", "headneck-ct"])
    parser.add_argument("--split", default="docs/splits/headneck-ct.json")
    parser.add_argument("--part", default="validation", help="list of the split")
    parser.add_argument("--patients", type=int, default=16)
    parser.add_argument("--json", type=Path, required=True)
    options = parser.parse_args()
    cohort = Cohort.load(options.cohort)
    entries = cohort.subset(listed_patients(options)[: options.patients])
    lines = []
    for name in options.checkpoints:
        checkpoint = checkpoint_for(name, cohort)
        volumes = prepare_cohort(cohort, checkpoint.card.preparation, entries=entries)
        found: dict[str, list[tuple[str, float]]] = defaultdict(list)
        for number, (entry, volume) in enumerate(zip(entries, volumes, strict=True)):
            for what, mm in moved(checkpoint, volume, np.random.default_rng(number)):
                found[what].append((entry.subject, mm))
            print(f"{name}: {number + 1} of {len(entries)}", flush=True)
        lines.append(json.dumps({"checkpoint": name, "part": options.part, "moved": told(found)}))
    write_file(options.json, "[\n" + ",\n".join(lines) + "\n]\n")


def moved(checkpoint: Checkpoint, volume: Prepared, rng: np.random.Generator) -> Iterator[Moved]:
    """Random places of one scan: what was done, and how many mm their codes moved."""
    body = np.argwhere(volume.body)
    centres = body[rng.choice(len(body), PLACES)]
    whole = embed_crops(checkpoint, volume, centres)[1]
    for kind, half in halves(volume):
        at = np.rint(half.to_voxel(volume.to_mm(centres))).astype(np.int64)
        inside = ((at >= 0) & (at < half.image.shape)).all(axis=1)
        if inside.any():
            off = np.linalg.norm(embed_crops(checkpoint, half, at[inside])[1] - whole[inside], axis=1)
            yield from banded(off, to_the_cut(kind, half, at[inside]))
    if checkpoint.card.architecture == "dense":
        encoder, some = checkpoint.encoder, centres[:CUBE_PLACES]
        for edge in CUBES:
            with torch.inference_mode():
                seen = encoder.code(checkpoint.backbone(torch.from_numpy(cut_crops(volume, some, edge)))).numpy()
            for mm in np.linalg.norm(seen - whole[:CUBE_PLACES], axis=1):
                yield f"shown {edge * volume.spacing:g} mm", float(mm)


def to_the_cut(kind: str, half: Prepared, at: NDArray) -> NDArray[np.float64]:
    """(N,) mm from voxels of a half to the plane where it ends."""
    axis, side = divmod(("left", "right", "back", "front", "lower", "upper").index(kind), 2)
    along = at[:, axis] if side else half.image.shape[axis] - 1 - at[:, axis]
    return (along + 0.5) * half.spacing


def banded(off: NDArray, away: NDArray) -> Iterator[Moved]:
    for low, high in pairwise(BANDS_MM):
        name = f"cut {low:g} mm away or more" if np.isinf(high) else f"cut {low:g} to {high:g} mm away"
        yield from ((name, float(mm)) for mm in off[(away >= low) & (away < high)])


def told(found: dict[str, list[tuple[str, float]]]) -> dict[str, Any]:
    """What was done -> median and share beyond 30 mm, with intervals, and how many places."""
    said = {}
    for what, rows in sorted(found.items()):
        mm = np.array([one for _, one in rows])
        figures = bootstrap([subject for subject, _ in rows], lambda at, mm=mm: summary(mm[at]))
        said[what] = {"places": len(mm), **{name: figure.to_json() for name, figure in figures.items()}}
    return said


def summary(mm: Sequence[float] | NDArray) -> dict[str, float]:
    return {"median_mm": float(np.median(mm)), "beyond_30": float((np.asarray(mm) > FAR_MM).mean())}


if __name__ == "__main__":
    main()
