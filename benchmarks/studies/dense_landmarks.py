"""Landmarks between patients by codes alone, in whole scans and in halves: a dense network beside one of crops.

python -m benchmarks.studies.dense_landmarks PATH/TO/headneck-ct --json docs/dense/landmarks.json

Held-out patients of a split: 16 targets, each looked into from four other patients, as `isimed evaluate` does. No voxel
is compared: the nearest code, or what codes of both scans agree on. A half is a scan that ends in the middle of an
axis: six of each target, every one of which is asked for the landmarks that it shows. Codes of every 4 mm of a dense
network, of which those of every 16 mm agree, as in the product's table; and of every 32 mm of one of crops, each of
which costs a pass of its own.

Seconds are of one scan of middling size, from prepared voxels to codes, the networks in turn; the least of the repeats
counts, and the processor's own seconds stand beside the clock's, since others may use the machine.
"""

import argparse
import json
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import torch

from benchmarks.lib.race import machine, race
from benchmarks.studies.carried import Row, carry, figures
from benchmarks.studies.part import listed_patients
from isimed.core.files import write_file
from isimed.data.cohorts.cohort import Cohort
from isimed.data.prepared.cache import prepare_cohort
from isimed.data.prepared.crops import grid_centres
from isimed.data.prepared.preprocess import Prepared
from isimed.evaluation.statistics.bootstrap import Figure, difference
from isimed.explore.tables.embed import checkpoint_for, embed_crops
from isimed.models.checkpoint import Checkpoint

CORD = "spinal_cord"  # its centre is no place: it depends on how far the scan reaches
STEPS_MM, MATCH_MM = {"dense": 4.0, "crop": 32.0}, {"dense": 16.0, "crop": None}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("cohort")
    parser.add_argument("--checkpoints", nargs="+", default=["headneck-ct-dense", "headneck-ct"])
    parser.add_argument("--split", default="docs/splits/headneck-ct.json")
    parser.add_argument("--part", default="test", help="list of the split")
    parser.add_argument("--targets", type=int, default=16)
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--json", type=Path, required=True)
    options = parser.parse_args()
    cohort = Cohort.load(options.cohort)
    entries = cohort.subset(listed_patients(options))
    networks = {name: checkpoint_for(name, cohort) for name in options.checkpoints}
    volumes = {
        name: prepare_cohort(cohort, network.card.preparation, entries=entries) for name, network in networks.items()
    }
    found, rows = {}, []
    for name, network in networks.items():
        step_mm, match_mm = (steps[network.card.architecture] for steps in (STEPS_MM, MATCH_MM))
        subjects, count = [entry.subject for entry in entries], options.targets
        steps = {"step_mm": step_mm, "match_mm": match_mm}
        carried = carry(network, subjects, volumes[name], cohort.organs, **steps, targets=count, say=say)
        found[name] = figures(carried) | without_cord(carried)
        rows.append({"checkpoint": name, **steps, "landmarks": counted(carried), "figures": told(found[name])})
        say(f"{name}: {json.dumps(rows[-1]['figures'])}")
    first, *others = options.checkpoints
    for row, name in zip(rows[1:], others, strict=True):
        row["beside_first"] = told({key: difference(found[name][key], one) for key, one in found[first].items()})
    seconds = timed(networks, volumes, repeats=options.repeats)
    lines = ",\n".join(json.dumps(row) for row in rows)
    about = {"cohort": cohort.name, "part": options.part, "patients": len(entries), "targets": options.targets}
    write_file(
        options.json,
        f'{{"about": {json.dumps(about)},\n"seconds": {json.dumps(seconds)},\n"machine": {json.dumps(machine())},\n'
        f'"rows": [\n{lines}\n]}}\n',
    )


def without_cord(rows: list[Row]) -> dict[str, Figure]:
    return {f"{key}_without_cord": one for key, one in figures([r for r in rows if r["organ"] != CORD]).items()}


def counted(rows: list[Row]) -> dict[str, int]:
    whole = sum(row["part"] == "whole" for row in rows)
    return {"whole": whole, "half": len(rows) - whole}


def told(found: dict[str, Figure]) -> dict[str, Any]:
    return {key: {k: v if v is None else round(v, 4) for k, v in one.to_json().items()} for key, one in found.items()}


def timed(networks: dict[str, Checkpoint], volumes: dict[str, list[Prepared]], *, repeats: int) -> dict[str, Any]:
    """Least seconds of each network for one scan, by the clock and of the processor, and how many codes they give."""
    codes: dict[str, int] = {}
    busy: dict[str, list[float]] = {name: [] for name in networks}

    def way(name: str) -> float:
        network = networks[name]
        middling = sorted(volumes[name], key=lambda volume: int(np.prod(volume.image.shape)))[len(volumes[name]) // 2]
        copy = Prepared(**{**vars(middling), "image": np.array(middling.image)})  # no pass is kept from before
        start = time.process_time()
        centres = grid_centres(copy, STEPS_MM[network.card.architecture])
        codes[name] = len(embed_crops(network, copy, centres)[1])
        busy[name].append(time.process_time() - start)
        return 1.0

    rates = race({name: lambda name=name: way(name) for name in networks}, repeats=repeats)
    found = {
        name: {
            "seconds": round(1 / max(rates[name]), 3), "processor_seconds": round(min(busy[name]), 3),
            "codes": codes[name], "all": [round(1 / rate, 3) for rate in rates[name]],
        }
        for name in networks
    }  # fmt: skip
    return found | {"threads": torch.get_num_threads()}


def say(text: str) -> None:
    print(f"{time.strftime('%H:%M:%S')} {text}", file=sys.stderr, flush=True)


if __name__ == "__main__":
    main()
