"""How rough are the labels that `isimed label` carries over? Dice with the organs drawn by hand, a patient left out.

python -m benchmarks.studies.rough_labels PATH/TO/headneck-ct --checkpoint headneck-ct --json docs/one-scan/labels.json

Held-out patients of a split that have organs: each is labelled by all the others, on the prepared grid of its network.
"""

import argparse
from collections.abc import Callable
from typing import Any

import numpy as np

from benchmarks.lib.told import tell
from benchmarks.studies.part import add_patients, listed_patients
from isimed.data.cohorts.cohort import Cohort
from isimed.data.prepared.cache import prepared
from isimed.data.prepared.preprocess import Prepared
from isimed.explore.one_scan.label import rough_labels
from isimed.explore.tables.embed import checkpoint_for, embed_cohort
from isimed.explore.tables.store import Table


def dice_of(table: Table, volumes: Callable[[str], Prepared], names: dict[int, str]) -> dict[str, Any]:
    """Organ -> median Dice, its quartiles, and over how many patients; an organ that is not found counts as 0."""
    found: dict[int, list[float]] = {}
    for scan in table.volumes:
        labels = rough_labels(table, volumes, scan, [name for name in table.volumes if name != scan])
        truth = np.asarray(volumes(scan).labels["organs"])
        for label in np.unique(truth[truth > 0]):
            ours, theirs = labels == label, truth == label
            found.setdefault(int(label), []).append(2 * float((ours & theirs).sum()) / float(ours.sum() + theirs.sum()))
        print(scan, flush=True)
    return {
        names.get(label, str(label)): {
            "median": round(float(np.median(values)), 3),
            "quartiles": [round(float(q), 3) for q in np.quantile(values, [0.25, 0.75])],
            "n": len(values),
        }
        for label, values in sorted(found.items())
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    add_patients(parser)
    parser.add_argument("--patients", type=int, default=10)
    parser.add_argument("--json", required=True)
    options = parser.parse_args()
    cohort = Cohort.load(options.cohort)
    checkpoint = checkpoint_for(options.checkpoint, cohort)
    entries = [entry for entry in cohort.subset(listed_patients(options)) if entry.organs][: options.patients]
    table = embed_cohort(cohort, checkpoint, entries=entries)

    def volumes(name: str) -> Prepared:
        return prepared(cohort, cohort.entry(name), checkpoint.card.preparation)

    found = dice_of(table, volumes, cohort.organs)
    tell(found, options.json)


if __name__ == "__main__":
    main()
