"""Tasks `probe` and `anomaly`, and their controls: position alone, and the histogram of intensities."""

import numpy as np
from numpy.typing import NDArray

from isimed.data.prepared.preprocess import Preparation
from isimed.evaluation.context.context import Bench
from isimed.evaluation.context.outcome import Outcome
from isimed.evaluation.sampling.matched import patient_blocks
from isimed.evaluation.sampling.sample import Crops
from isimed.evaluation.tasks.anomaly import anomaly_figures
from isimed.evaluation.tasks.position import add_places, worst_rows
from isimed.evaluation.tasks.probe import place_features, probe_figures
from isimed.models.checkpoint import Checkpoint

SAMPLED = ("tumour", "matched")


def probe(bench: Bench, checkpoint: Checkpoint) -> Outcome:
    embeddings, _ = bench.features(checkpoint, "tumour")
    matched, _ = bench.features(checkpoint, "matched")
    return _probes(bench, checkpoint.card.preparation, checkpoint.card.crop_size, embeddings, matched, network=True)


def probe_from_position(bench: Bench, preparation: Preparation, crop_size: int) -> Outcome:
    samples = _samples(bench, preparation, crop_size)
    features = [place_features(crops.position, crops.relative) for crops in samples]
    near = [crops.position for crops in samples]
    return _probes(bench, preparation, crop_size, *features, near=near)


def probe_from_histogram(bench: Bench, preparation: Preparation, crop_size: int) -> Outcome:
    features = [bench.histograms(name, preparation, crop_size) for name in SAMPLED]
    return _probes(bench, preparation, crop_size, *features)


def anomaly(bench: Bench, checkpoint: Checkpoint) -> Outcome:
    card, features = checkpoint.card, [bench.features(checkpoint, name)[0] for name in SAMPLED]
    places = [crops.position for crops in _samples(bench, card.preparation, card.crop_size)]
    return _anomalies(bench, card.preparation, card.crop_size, features, places=places)


def anomaly_from_position(bench: Bench, preparation: Preparation, crop_size: int) -> Outcome:
    """Gap to the mean place, and distance to the nearest places of healthy crops: no image at all."""
    features = [crops.position for crops in _samples(bench, preparation, crop_size)]
    blind = [np.zeros((len(x), 1)) for x in features]
    return _anomalies(bench, preparation, crop_size, features, appearances=blind)


def anomaly_from_histogram(bench: Bench, preparation: Preparation, crop_size: int) -> Outcome:
    features = [bench.histograms(name, preparation, crop_size) for name in SAMPLED]
    return _anomalies(bench, preparation, crop_size, features)


def lacks_tumours(bench: Bench) -> str:
    return "" if bench.has_tumour else "this cohort has no tumour maps."


def _samples(bench: Bench, preparation: Preparation, crop_size: int) -> list[Crops]:
    return [bench.crops(name, preparation, crop_size) for name in SAMPLED]


def _blocks(bench: Bench, pairs: Crops) -> NDArray:
    """(N,) block of patients that a matched pair never leaves."""
    blocks = patient_blocks([entry.subject for entry in bench.entries], seed=bench.seed)
    return np.array([blocks[name] for name in pairs.subject])


def _too_few(name: str, labels: NDArray, groups: NDArray) -> str:
    """Why a question cannot be asked of these crops, or an empty string."""
    if len(labels) >= 40 and len(np.unique(groups)) > 1 and min(labels.sum(), (~labels).sum()) >= 10:
        return ""
    return f"{name}: left out, there are too few crops of one kind ({int(labels.sum())} of {len(labels)})."


def _anomalies(
    bench: Bench,
    preparation: Preparation,
    crop_size: int,
    features: list[NDArray],
    *,
    appearances: list[NDArray] | None = None,
    places: list[NDArray] | None = None,
) -> Outcome:
    """The paper's crops with their label, and crops matched by place."""
    crops, pairs = _samples(bench, preparation, crop_size)
    outcome = Outcome(details={"notes": []})
    cases = (
        ("anomaly", crops, crops.has_tumour, crops.subject),
        ("anomaly_matched", pairs, pairs.near_tumour, _blocks(bench, pairs)),
    )
    for i, (name, sample, labels, groups) in enumerate(cases):
        if why := _too_few(name, labels, groups):
            outcome.details["notes"].append(why)
            continue
        outcome.figures[name] = anomaly_figures(
            features[i],
            sample.position,
            labels,
            sample.subject,
            groups,
            bench.protocol,
            appearance=appearances[i] if appearances else None,
            place=places[i] if places else None,
            seed=bench.seed,
        )
    return outcome


def _probes(
    bench: Bench,
    preparation: Preparation,
    crop_size: int,
    standard: NDArray,
    matched: NDArray,
    *,
    near: list[NDArray] | None = None,
    network: bool = False,
) -> Outcome:
    """The paper's question, the same crops with a local label, and crops matched by place."""
    crops, pairs = _samples(bench, preparation, crop_size)
    outcome, notes = Outcome(details={"worst": {}}), []
    cases = (
        ("probe", standard, crops, crops.has_tumour, crops.subject),
        ("probe_near", standard, crops, crops.near_tumour, crops.subject),
        ("probe_matched", matched, pairs, pairs.near_tumour, _blocks(bench, pairs)),
    )
    for name, features, sample, labels, groups in cases:
        if why := _too_few(name, labels, groups):
            notes.append(why)
            continue
        outcome.figures[name], wrong = probe_figures(
            features,
            labels,
            sample.subject,
            bench.protocol,
            groups=groups,
            place=place_features(sample.position, sample.relative) if network else None,
            near=near[1 if sample is pairs else 0] if near else None,
            seed=bench.seed,
        )
        worst = worst_rows(wrong, sample.subject, extra={})
        for case in worst:
            case["unit"] = "tumour, missed" if labels[case["row"]] else "no tumour, taken for one"
        add_places(worst, [e.id for e in bench.entries], sample.volume, sample.centre_mm)
        outcome.details["worst"][name] = worst
    outcome.details["notes"] = notes
    return outcome
