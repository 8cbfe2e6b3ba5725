"""Task `probe`: can a linear map read from a frozen embedding whether a crop holds tumour?"""

import numpy as np
from numpy.typing import NDArray

from isimed.data.prepared.preprocess import Preparation
from isimed.evaluation.context.context import Context
from isimed.evaluation.context.outcome import Outcome
from isimed.evaluation.sampling.places import place_features
from isimed.evaluation.statistics.bootstrap import Figure, bootstrap
from isimed.evaluation.statistics.logistic import linear_probe, neighbour_probe
from isimed.evaluation.statistics.protocol import Protocol
from isimed.evaluation.statistics.scores import auc, binary_figures, patients_of_both
from isimed.evaluation.tasks.task import MATCHED, TUMOUR, Group, Task
from isimed.evaluation.tasks.tumour_samples import SAMPLED, blocks_of, too_few, tumour_samples
from isimed.evaluation.tasks.worst import add_places, worst_rows
from isimed.models.checkpoint import Checkpoint


def probe(context: Context, checkpoint: Checkpoint) -> Outcome:
    embeddings, _ = context.features(checkpoint, "tumour")
    matched, _ = context.features(checkpoint, "matched")
    return _probes(context, checkpoint.card.preparation, checkpoint.card.crop_size, embeddings, matched, network=True)


def probe_from_position(context: Context, preparation: Preparation, crop_size: int) -> Outcome:
    samples = tumour_samples(context, preparation, crop_size)
    features = [place_features(crops.position, crops.relative) for crops in samples]
    near = [crops.position for crops in samples]
    return _probes(context, preparation, crop_size, *features, near=near)


def probe_from_histogram(context: Context, preparation: Preparation, crop_size: int) -> Outcome:
    features = [context.histograms(name, preparation, crop_size) for name in SAMPLED]
    return _probes(context, preparation, crop_size, *features)


def _probes(
    context: Context,
    preparation: Preparation,
    crop_size: int,
    standard: NDArray,
    matched: NDArray,
    *,
    near: list[NDArray] | None = None,
    network: bool = False,
) -> Outcome:
    """The paper's question, the same crops with a local label, and crops matched by place."""
    crops, pairs = tumour_samples(context, preparation, crop_size)
    outcome, notes = Outcome(details={"worst": {}}), []
    cases = (
        ("probe", standard, crops, crops.has_tumour, crops.subject),
        ("probe_near", standard, crops, crops.near_tumour, crops.subject),
        ("probe_matched", matched, pairs, pairs.near_tumour, blocks_of(context, pairs)),
    )
    for name, features, sample, labels, groups in cases:
        if why := too_few(name, labels, groups):
            notes.append(why)
            continue
        outcome.figures[name], wrong = probe_figures(
            features,
            labels,
            sample.subject,
            context.protocol,
            groups=groups,
            place=place_features(sample.position, sample.relative) if network else None,
            near=near[1 if sample is pairs else 0] if near else None,
            seed=context.seed,
        )
        worst = worst_rows(wrong, sample.subject, extra={})
        for case in worst:
            case["unit"] = "tumour, missed" if labels[case["row"]] else "no tumour, taken for one"
        add_places(worst, [e.id for e in context.entries], sample.volume, sample.centre_mm)
        outcome.details["worst"][name] = worst
    outcome.details["notes"] = notes
    return outcome


def probe_figures(
    features: NDArray,
    labels: NDArray,
    subject: NDArray,
    protocol: Protocol,
    *,
    groups: NDArray | None = None,
    place: NDArray | None = None,
    near: NDArray | None = None,
    with_neighbours: bool = True,
    seed: int = 0,
) -> tuple[dict[str, Figure], NDArray[np.float64]]:
    """Does the crop contain tumour? AUC, average precision, sensitivity at 90 % specificity.

    Args:
        features: (N, D).
        labels: (N,) bool.
        subject: (N,) patient, for folds and intervals.
        groups: (N,) what folds must not part, if more than the patient (blocks of matched patients).
        place: (N, P) features of the crop's position; adds ``with_position_auc``, of both together.
        near: (N, F) what nearest neighbours are sought in, if not ``features``.

    Returns:
        Figures (means over folds), and (N,) how wrong each crop is: its score's distance from its class.
    """
    groups = subject if groups is None else groups
    labels = np.asarray(labels, dtype=bool)
    linear = linear_probe(features, labels, groups, protocol, seed=seed)
    found = bootstrap(
        subject,
        lambda rows: binary_figures(labels[rows], linear.scores[rows], linear.fold[rows]),
        seed=seed,
        rests_on=patients_of_both(labels, subject),
    )
    if with_neighbours:
        voted = neighbour_probe(features if near is None else near, labels, groups, protocol, seed=seed)
        found["knn_auc"] = _auc_alone(labels, voted.scores, voted.fold, subject, seed=seed)
    if place is not None:
        both = linear_probe(np.hstack([features, place]), labels, groups, protocol, seed=seed)
        found["with_position_auc"] = _auc_alone(labels, both.scores, both.fold, subject, seed=seed)
    found["share_positive"] = Figure(float(labels.mean()), len(np.unique(subject)))
    spread = np.maximum(np.std(linear.scores), 1e-12)
    return found, np.where(labels, -1.0, 1.0) * (linear.scores - np.median(linear.scores)) / spread


def _auc_alone(labels: NDArray, scores: NDArray, fold: NDArray, subject: NDArray, *, seed: int) -> Figure:
    def statistic(rows: NDArray) -> dict[str, float]:
        here, value, part = fold[rows], scores[rows], labels[rows]
        found = [auc(part[here == f], value[here == f]) for f in np.unique(here)]
        return {"auc": float(np.nanmean(found)) if np.isfinite(found).any() else float("nan")}

    return bootstrap(subject, statistic, seed=seed, rests_on=patients_of_both(labels, subject))["auc"]


SHOWN = ("auc", "average_precision", "sensitivity_at_90")
TASK = Task(
    "probe",
    "Can a linear map tell crops with tumour from crops without?",
    measure=probe,
    samples=(TUMOUR, MATCHED),
    controls={"position_only": probe_from_position, "intensity_histogram": probe_from_histogram},
    needs="tumour",
    version=4,
    groups={
        "probe": Group("Tumour in the crop, any voxel (the paper's question)", bars=SHOWN),
        "probe_near": Group("Tumour within 12 mm of the centre, same crops", bars=SHOWN),
        "probe_matched": Group("Tumour within 12 mm, healthy crops at the same places", bars=SHOWN),
    },
    figures={
        "auc": "AUC",
        "average_precision": "average precision",
        "sensitivity_at_90": "sensitivity at 90 % specificity",
        "knn_auc": "AUC, kNN",
        "with_position_auc": "AUC, embedding + position",
        "share_positive": "share of positive crops",
    },
    headlines=(("probe", "auc"), ("probe_matched", "auc")),
)
