"""Tasks `distance`, `position`, `collapse` and `robustness`, on crops from anywhere in the body."""

import numpy as np
from numpy.typing import NDArray

from isimed.data.preprocess import Preparation
from isimed.data.warp import load_warps
from isimed.evaluation.bench import Bench
from isimed.evaluation.collapse import collapse_outcome
from isimed.evaluation.distance import distance_outcome
from isimed.evaluation.outcome import Outcome
from isimed.evaluation.perturb import ALIGNMENT_NOISE, PERTURBATIONS
from isimed.evaluation.position import add_places, position_outcome
from isimed.evaluation.robustness import robustness_outcome
from isimed.evaluation.sample import Crops, first_rows
from isimed.models.checkpoint import Checkpoint

ALIGNED_CROPS = 4
ROBUST_CROPS, ROBUST_VOLUMES = 8, 16


def distance(bench: Bench, checkpoint: Checkpoint) -> Outcome:
    crops, (_, codes) = bench.crops_for("body", checkpoint), bench.features(checkpoint, "body")
    return distance_outcome(
        codes, crops.centre_mm, crops.volume, crops.subject, common_mm=common_places(bench, crops), seed=bench.seed
    )


def common_places(bench: Bench, crops: Crops) -> NDArray[np.float64] | None:
    """(N, 3) mm in a frame that patients share: the cohort's own, or the template of virtual patients."""
    if bench.cohort.frame:
        return crops.centre_mm
    if not all(getattr(entry, "warp", None) for entry in bench.entries):
        return None
    warps = load_warps(bench.cohort.root, bench.subjects)
    places = np.empty_like(crops.centre_mm)
    for name, warp in warps.items():
        places[crops.subject == name] = warp.to_template(crops.centre_mm[crops.subject == name])
    return places


def position(bench: Bench, checkpoint: Checkpoint) -> Outcome:
    crops, (embeddings, codes) = bench.crops_for("body", checkpoint), bench.features(checkpoint, "body")
    outcome = position_outcome(embeddings, crops.position, crops.subject, bench.protocol, codes=codes, seed=bench.seed)
    add_places(outcome.details["worst"], [e.id for e in bench.entries], crops.volume, crops.centre_mm)
    return outcome


def mean_position(bench: Bench, preparation: Preparation, crop_size: int) -> Outcome:
    crops = bench.crops("body", preparation, crop_size)
    nothing = np.zeros((len(crops), 1))
    return position_outcome(nothing, crops.position, crops.subject, bench.protocol, seed=bench.seed)


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
