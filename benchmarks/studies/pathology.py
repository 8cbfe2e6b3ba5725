"""Does a network know the place as well where there is a tumour? The position read off there, and where healthy.

python -m benchmarks.studies.pathology PATH/TO/headneck-ct --checkpoint headneck-ct --json docs/paper/pathology-ct.json

Crops at tumours, and healthy crops of other patients at the same places (the sample `matched`). Their position is read
off by the ridge regression of the task `position`, fitted to the other patients' crops all over the body. Beside it
the untrained network. 95 % intervals over patients.
"""

import argparse
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks.lib.told import tell
from benchmarks.studies.part import add_patients, measured_patients
from isimed.data.cohorts.cohort import Cohort
from isimed.evaluation.context.context import Context
from isimed.evaluation.statistics.bootstrap import bootstrap
from isimed.evaluation.statistics.protocol import STRICT
from isimed.evaluation.statistics.ridge import out_of_fold
from isimed.explore.tables.embed import checkpoint_for
from isimed.models.card import UNTRAINED
from isimed.models.checkpoint import Checkpoint


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    add_patients(parser)
    parser.add_argument("--json", required=True)
    options = parser.parse_args()
    cohort = Cohort.load(options.cohort)
    context = measured_patients(options, cohort)
    trained = checkpoint_for(options.checkpoint, cohort)
    networks = (trained, checkpoint_for(UNTRAINED, cohort, like=trained))
    result = {"patients": len(context.subjects), "networks": {n.name: measured(context, n) for n in networks}}
    tell(result, options.json)


def measured(context: Context, checkpoint: Checkpoint) -> dict[str, Any]:
    body, pairs = (context.crops_for(name, checkpoint) for name in ("body", "matched"))
    features = np.concatenate([context.features(checkpoint, name)[0] for name in ("body", "matched")])
    position, subject = (np.concatenate([getattr(c, name) for c in (body, pairs)]) for name in ("position", "subject"))
    error = np.linalg.norm(out_of_fold(features, position, subject, STRICT) - position, axis=1)
    return figures(error[len(body) :], pairs.near_tumour, pairs.subject)


def figures(error_mm: NDArray, tumour: NDArray, subject: NDArray) -> dict[str, Any]:
    """Medians of both, and what tumour adds."""

    def statistic(rows: NDArray) -> dict[str, float]:
        error, sick = error_mm[rows], tumour[rows]
        if sick.all() or not sick.any():
            return dict.fromkeys(("tumour_mm", "healthy_mm", "tumour_less_healthy_mm"), float("nan"))
        there, elsewhere = float(np.median(error[sick])), float(np.median(error[~sick]))
        return {"tumour_mm": there, "healthy_mm": elsewhere, "tumour_less_healthy_mm": there - elsewhere}

    found = bootstrap(subject, statistic)
    return {"tumour": int(tumour.sum()), "healthy": int((~tumour).sum())} | {k: v.to_json() for k, v in found.items()}


if __name__ == "__main__":
    main()
