"""Where and how it looks, side by side from one network: early features of a trained encoder beside its embedding.

python -m benchmarks.studies.look PATH/TO/headneck-ct --checkpoint headneck-ct --split docs/splits/headneck-ct.json
    --json docs/paper/look-headneck-ct.json

`isimed` keeps of a crop what tells its place; what else it shows, a tumour's brightness say, is dropped on the way to
the last layer. The first dense block still has it. *Look*: the 256 features of that block, averaged over the crop, and
over its middle, a quarter of the crop along each axis. The code, and so distances, landmarks and search, are those of
the network as it is. The three questions of the task `probe`, its folds and crops; intervals over patients, differences
to the embedding alone paired. Beside it: the look of an untrained network, and the crop's histogram.
"""

import argparse
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from benchmarks.lib.told import tell
from benchmarks.studies.part import add_patients, measured_patients
from isimed.data.cohorts.cohort import Cohort
from isimed.data.prepared.crops import cut_crops
from isimed.evaluation.context.context import Context
from isimed.evaluation.statistics.bootstrap import Figure, bootstrap, difference, jackknife
from isimed.evaluation.statistics.logistic import linear_probe
from isimed.evaluation.statistics.metrics import rankme
from isimed.evaluation.statistics.protocol import STRICT
from isimed.evaluation.statistics.scores import binary_figures, patients_of_both
from isimed.evaluation.tasks.tumour_samples import SAMPLED, blocks_of, tumour_samples
from isimed.explore.tables.embed import checkpoint_for
from isimed.models.checkpoint import Checkpoint, untrained

BLOCK = "denseblock1"
BATCH = 16
COMPARED = {  # name -> what stands side by side
    "embedding": ("embedding",),
    "look": ("look",),
    "embedding and look": ("embedding", "look"),
    "embedding and untrained look": ("embedding", "untrained look"),
    "histogram": ("histogram",),
    "embedding and histogram": ("embedding", "histogram"),
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    add_patients(parser)
    parser.add_argument("--json", required=True)
    options = parser.parse_args()
    cohort = Cohort.load(options.cohort)
    checkpoint = checkpoint_for(options.checkpoint, cohort)
    context = measured_patients(options, cohort)
    features = {name: features_of(context, checkpoint, name) for name in SAMPLED}
    result = {"checkpoint": checkpoint.name, "patients": len(context.subjects)} | compared(
        context, checkpoint, features
    )
    tell(result, options.json)


def features_of(context: Context, checkpoint: Checkpoint, sample: str) -> dict[str, NDArray]:
    """(N, D) of each kind, for a sample of crops."""
    preparation, size = checkpoint.card.preparation, checkpoint.card.crop_size
    crops, volumes = context.crops(sample, preparation, size), context.volumes(preparation)
    networks = {"look": checkpoint, "untrained look": untrained(preparation)}
    batches = [
        torch.from_numpy(cut_crops(volume, centres[start : start + BATCH], size))
        for volume, centres in zip(volumes, crops.centres, strict=True)
        for start in range(0, len(centres), BATCH)
    ]
    looks = {
        name: np.concatenate([look(network.encoder.backbone.features, batch) for batch in batches])
        for name, network in networks.items()
    }
    embedding, _ = context.features(checkpoint, sample)
    return {"embedding": embedding, "histogram": context.histograms(sample, preparation, size), **looks}


@torch.inference_mode()
def look(layers: nn.Module, crops: torch.Tensor) -> NDArray[np.float32]:
    """(N, 1, S, S, S) crops -> (N, 512): features of the first block, over the crop and over its middle."""
    found = crops
    for name, layer in layers.named_children():
        found = layer(found)
        if name == BLOCK:
            break
    half = found.shape[-1] // 2
    middle = found[..., half - 1 : half + 1, half - 1 : half + 1, half - 1 : half + 1]
    return torch.cat([part.mean((2, 3, 4)) for part in (found, middle)], dim=1).numpy()


def compared(context: Context, checkpoint: Checkpoint, features: dict[str, dict[str, NDArray]]) -> dict[str, Any]:
    """AUC of each question and RankMe, a row of `COMPARED` each."""
    crops, pairs = tumour_samples(context, checkpoint.card.preparation, checkpoint.card.crop_size)
    questions = {
        "any": ("tumour", crops.has_tumour, crops.subject, crops.subject),
        "near": ("tumour", crops.near_tumour, crops.subject, crops.subject),
        "matched": ("matched", pairs.near_tumour, pairs.subject, blocks_of(context, pairs)),
    }
    found: dict[str, dict[str, Figure]] = {}
    for row, kinds in COMPARED.items():
        side_by_side = {name: np.hstack([features[name][kind] for kind in kinds]) for name in SAMPLED}
        found[row] = {
            question: probe_auc(side_by_side[sample], labels, subject, groups)
            for question, (sample, labels, subject, groups) in questions.items()
        }
        found[row]["rankme"] = rank(side_by_side["tumour"], crops.subject)
    alone = found["embedding"]
    return {
        "crops": {"tumour": len(crops.subject), "matched": len(pairs.subject)},
        "rows": {row: {name: figure.to_json() for name, figure in some.items()} for row, some in found.items()},
        "less embedding": {
            row: {name: difference(figure, alone[name]).to_json() for name, figure in some.items()}
            for row, some in found.items()
            if row != "embedding"
        },
    }


def probe_auc(features: NDArray, labels: NDArray, subject: NDArray, groups: NDArray) -> Figure:
    """The AUC that the task `probe` gives."""
    scored = linear_probe(features, labels, groups, STRICT)

    def statistic(rows: NDArray) -> dict[str, float]:
        return {"auc": binary_figures(labels[rows], scored.scores[rows], scored.fold[rows])["auc"]}

    return bootstrap(subject, statistic, rests_on=patients_of_both(labels, subject))["auc"]


def rank(features: NDArray, subject: NDArray) -> Figure:
    """RankMe of features that each have a standard deviation of one: their scales differ."""
    spread = features.std(axis=0)
    level = features[:, spread > 0] / spread[spread > 0]
    return jackknife(subject, lambda rows: {"rankme": rankme(level[rows])})["rankme"]


if __name__ == "__main__":
    main()
