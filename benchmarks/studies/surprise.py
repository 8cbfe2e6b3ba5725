"""Does a place that lies far from the training stand out where there is a tumour? Its ROC beside a histogram's.

python -m benchmarks.studies.surprise PATH/TO/headneck-ct --checkpoint headneck-ct --split docs/splits/headneck-ct.json
    --json docs/one-scan/surprise.json

Crops of patients whom the network never saw, scored by the percentile of `place_percentile`: which share of the crops
of fitting scans lies nearer to the training crops. Never by the patient's own crops. The control does the same with the
histograms of the crops' voxels: distance to the nearest histograms of as many training crops. Two samples, as in the
task `anomaly`: tumour in any voxel against none, and crops at a tumour against healthy ones at the same places.
"""

import argparse
import json
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks.studies.part import add_patients
from isimed.data.cohorts.cohort import Cohort
from isimed.evaluation.context.context import Context
from isimed.evaluation.statistics.bootstrap import bootstrap
from isimed.evaluation.statistics.protocol import STRICT
from isimed.evaluation.statistics.scores import auc, patients_of_both
from isimed.explore.one_scan.fit import place_percentile
from isimed.explore.one_scan.profile import neighbour_distance, read_profile
from isimed.explore.tables.embed import checkpoint_for

BEYOND = 97.0  # percent of places of fitting scans


def figures(tumour: NDArray, subject: NDArray, scores: dict[str, NDArray]) -> dict[str, Any]:
    """AUC of each score, and how many tumour and healthy crops are "larger than in 97 % of such places"."""

    def statistic(rows: NDArray) -> dict[str, float]:
        return {f"{name}_auc": auc(tumour[rows], score[rows]) for name, score in scores.items()}

    found = bootstrap(subject, statistic, rests_on=patients_of_both(tumour, subject))
    told = scores["percentile"] > BEYOND
    shares = {"tumour_beyond_97": told[tumour].mean(), "healthy_beyond_97": told[~tumour].mean()}
    counts = {"crops": len(tumour), "tumour": int(tumour.sum())}
    return {**counts, **{k: v.to_json() for k, v in found.items()}, **{k: float(v) for k, v in shares.items()}}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    add_patients(parser)
    parser.add_argument("--patients", type=int, default=20, help="of the split's part, and as many of its training")
    parser.add_argument("--json", required=True)
    options = parser.parse_args()
    cohort, split = Cohort.load(options.cohort), json.loads(Path(options.split).read_text("utf-8"))
    checkpoint = checkpoint_for(options.checkpoint, cohort)
    profile = read_profile(checkpoint)
    if profile is None:
        parser.error(f"{checkpoint.name} has no profile: see `python -m isimed profile --help`")
    preparation, size = checkpoint.card.preparation, checkpoint.card.crop_size
    asked = Context(cohort, cohort.subset(split[options.part][: options.patients]), STRICT)
    known = Context(cohort, cohort.subset(split["train"][: options.patients]), STRICT)
    training = known.histograms("body", preparation, size).astype(np.float32)
    found: dict[str, Any] = {}
    for sample in ("tumour", "matched"):
        crops = asked.crops(sample, preparation, size)
        tumour = crops.has_tumour if sample == "tumour" else crops.near_tumour
        histograms = asked.histograms(sample, preparation, size).astype(np.float32)
        scores = {
            "percentile": place_percentile(profile, asked.features(checkpoint, sample)[0]),
            "histogram": neighbour_distance(histograms, training),
        }
        found[sample] = figures(tumour, crops.subject, scores)
    file = Path(options.json)
    result = json.loads(file.read_text("utf-8")) if file.is_file() else {}
    result[checkpoint.name] = {"patients": len(asked.subjects), "part": options.part, **found}
    file.write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")
    print(json.dumps(found, indent=1))


if __name__ == "__main__":
    main()
