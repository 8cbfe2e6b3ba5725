"""How much of a landmark's miss is the landmark's own? What two ways miss alike that share nothing.

python -m isimed evaluate COHORT --checkpoint C --task fields --details details.json …
python -m benchmarks.studies.shared_misses details.json --json docs/search/shared-misses.json

An outline ends where its author stopped, and no two bodies are alike: a landmark of one patient is only roughly that of
another. What a network's codes say, no voxel compared (the start of a checkpoint), and what a registration without any
network says (the field of a control) err for reasons of their own. So the mean product of their misses, vectors in mm,
is the mean square of what both are blamed for alike: `shared`. What is left of a way's mean square is its `own`. Where
a patient's anatomy misleads both alike, that counts as shared too: the estimate is one from above.

Root mean squares over places that all three ways find within 30 mm; 95 % intervals over target patients.
"""

import argparse
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks.lib.told import tell
from isimed.evaluation.statistics.bootstrap import bootstrap
from isimed.evaluation.tasks.fields import FAR_OFF_MM, TASK

Way = Sequence[dict[str, Any]]  # the transfers in the details of a checkpoint or a control


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("details", help="from evaluate --task fields --details")
    parser.add_argument("--json", required=True)
    options = parser.parse_args()
    details = json.loads(Path(options.details).read_text(encoding="utf-8"))["details"]
    ways: dict[str, Way] = {
        name: found[TASK.name]["transfers"] for name, found in details.items() if TASK.name in found
    }
    found = [
        {"network": network, "registration": control} | shared(ways[network], ways[control])
        for network in ways
        for control in ways
        if network not in TASK.controls and control in TASK.controls
    ]
    tell(found, options.json)


def shared(network: Way, registration: Way) -> dict[str, Any]:
    """What the codes of a network and a registration without one miss alike, and each for itself."""
    ways = {
        "codes": _misses(network, "start"),
        "registration": _misses(registration, "field"),
        "codes_and_field": _misses(network, "field"),
    }
    near = np.all([np.linalg.norm(miss, axis=1) < FAR_OFF_MM for miss in ways.values()], axis=0)
    ways = {name: miss[near] for name, miss in ways.items()}

    def statistic(rows: NDArray[np.intp]) -> dict[str, float]:
        common = (ways["codes"][rows] * ways["registration"][rows]).sum(axis=1).mean()
        squares = {name: np.square(miss[rows]).sum(axis=1).mean() for name, miss in ways.items()}
        mean = {f"{name}_mm": np.sqrt(square) for name, square in squares.items()}
        own = {f"{name}_own_mm": np.sqrt(max(square - common, 0)) for name, square in squares.items()}
        return {"shared_mm": np.sqrt(max(common, 0)), **mean, **own}

    targets = np.array([one["target"] for one in network])[near]
    figures = {name: figure.to_json() for name, figure in bootstrap(targets, statistic).items()}
    return {"places": int(near.sum()), "of": len(near)} | figures


def _misses(way: Way, step: str) -> NDArray[np.float64]:
    """(T, 3) mm."""
    return np.array([one[f"{step}_miss_mm"] for one in way])


if __name__ == "__main__":
    main()
