"""Tasks `distance`, `position`, `collapse` and `robustness`, on crops from anywhere in the body."""

import numpy as np

from isimed.data.prepared.preprocess import Preparation
from isimed.evaluation.context.common_frame import common_places
from isimed.evaluation.context.context import Bench
from isimed.evaluation.context.outcome import Outcome
from isimed.evaluation.sampling.perturb import ALIGNMENT_NOISE, PERTURBATIONS
from isimed.evaluation.sampling.sample import first_rows
from isimed.evaluation.tasks.collapse import collapse_outcome
from isimed.evaluation.tasks.distance import distance_outcome
from isimed.evaluation.tasks.position import add_places, component_figures, position_outcome
from isimed.evaluation.tasks.robustness import robustness_outcome
from isimed.models.checkpoint import Checkpoint

ALIGNED_CROPS = 4
ROBUST_CROPS, ROBUST_VOLUMES = 8, 16


def distance(bench: Bench, checkpoint: Checkpoint) -> Outcome:
    crops, (_, codes) = bench.crops_for("body", checkpoint), bench.features(checkpoint, "body")
    common_mm, how = common_places(bench, checkpoint.card.preparation, crops)
    outcome = distance_outcome(
        codes, crops.centre_mm, crops.volume, crops.subject, common_mm=common_mm, seed=bench.seed
    )
    outcome.details["notes"] = [how] if how else []
    return outcome


def position(bench: Bench, checkpoint: Checkpoint) -> Outcome:
    crops, (embeddings, codes) = bench.crops_for("body", checkpoint), bench.features(checkpoint, "body")
    outcome = position_outcome(embeddings, crops.position, crops.subject, bench.protocol, codes=codes, seed=bench.seed)
    add_places(outcome.details["worst"]["position"], [e.id for e in bench.entries], crops.volume, crops.centre_mm)
    return outcome


def mean_position(bench: Bench, preparation: Preparation, crop_size: int) -> Outcome:
    crops = bench.crops("body", preparation, crop_size)
    nothing = np.zeros((len(crops), 1))
    return position_outcome(nothing, crops.position, crops.subject, bench.protocol, seed=bench.seed)


def components_of_position(bench: Bench, preparation: Preparation, crop_size: int) -> Outcome:
    """The principal components of the true positions: what a code that is the position itself would have."""
    crops = bench.crops("body", preparation, crop_size)
    figures, matrix = component_figures(crops.position, crops.position, crops.subject, seed=bench.seed)
    single = {name: figure for name, figure in figures.items() if name.startswith("pc_r")}
    return Outcome({"position": single}, {"pc_matrix": matrix})


def position_from_histogram(bench: Bench, preparation: Preparation, crop_size: int) -> Outcome:
    crops = bench.crops("body", preparation, crop_size)
    histograms = bench.histograms("body", preparation, crop_size)
    return position_outcome(histograms, crops.position, crops.subject, bench.protocol, seed=bench.seed)


def collapse(bench: Bench, checkpoint: Checkpoint) -> Outcome:
    crops, (embeddings, codes) = bench.crops_for("body", checkpoint), bench.features(checkpoint, "body")
    few = [centres[:ALIGNED_CROPS] for centres in crops.centres]
    second, _ = bench.embed(checkpoint, few, perturbation=ALIGNMENT_NOISE)
    rows = first_rows(crops.volume, ALIGNED_CROPS)
    return collapse_outcome(
        embeddings, codes, crops.subject, views=(embeddings[rows], second), seen=crops.subject[rows]
    )


def robustness(bench: Bench, checkpoint: Checkpoint) -> Outcome:
    crops, (embeddings, _) = bench.crops_for("body", checkpoint), bench.features(checkpoint, "body")
    few = [c[:ROBUST_CROPS] if i < ROBUST_VOLUMES else c[:0] for i, c in enumerate(crops.centres)]
    rows = first_rows(crops.volume, ROBUST_CROPS)
    rows = rows[crops.volume[rows] < ROBUST_VOLUMES]
    changed = {}
    for done, change in enumerate(PERTURBATIONS):
        advance, bench.advance = bench.advance, lambda share: None
        changed[change.name], _ = bench.embed(checkpoint, few, perturbation=change)
        bench.advance = advance
        bench.advance((done + 1) / len(PERTURBATIONS))
    outcome = robustness_outcome(
        embeddings, crops.position, crops.subject, changed, rows, bench.protocol, seed=bench.seed
    )
    outcome.details["changes"] = {change.name: change.text for change in PERTURBATIONS}
    return outcome
