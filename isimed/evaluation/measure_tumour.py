"""Tasks `probe` and `anomaly`, and their controls: position alone, and the histogram of intensities."""

import numpy as np
from numpy.typing import NDArray

from isimed.data.preprocess import Preparation
from isimed.evaluation.anomaly import anomaly_outcome
from isimed.evaluation.bench import Bench
from isimed.evaluation.matched import patient_blocks
from isimed.evaluation.outcome import Outcome
from isimed.evaluation.position import add_places, worst_rows
from isimed.evaluation.probe import place_features, probe_figures
from isimed.models.checkpoint import Checkpoint


def probe(bench: Bench, checkpoint: Checkpoint) -> Outcome:
    embeddings, _ = bench.features(checkpoint, "tumour")
    matched, _ = bench.features(checkpoint, "matched")
    return _probes(bench, checkpoint.card.preparation, checkpoint.card.crop_size, embeddings, matched, network=True)


def probe_from_position(bench: Bench, preparation: Preparation, crop_size: int) -> Outcome:
    samples = [bench.crops(name, preparation, crop_size) for name in ("tumour", "matched")]
    features = [place_features(crops.position, crops.relative) if len(crops) else np.empty((0, 1)) for crops in samples]
    return _probes(bench, preparation, crop_size, *features)


def probe_from_histogram(bench: Bench, preparation: Preparation, crop_size: int) -> Outcome:
    features = [bench.histograms(name, preparation, crop_size) for name in ("tumour", "matched")]
    return _probes(bench, preparation, crop_size, *features)


def anomaly(bench: Bench, checkpoint: Checkpoint) -> Outcome:
    crops, (embeddings, _) = bench.crops_for("matched", checkpoint), bench.features(checkpoint, "matched")
    blocks = patient_blocks([entry.subject for entry in bench.entries], seed=bench.seed)
    block = np.array([blocks[name] for name in crops.subject])
    if len(crops) < 40 or len(np.unique(block)) < 2:
        return Outcome(details={"notes": ["anomaly: left out, there are too few matched crops."]})
    return anomaly_outcome(
        embeddings, crops.position, crops.near_tumour, crops.subject, block, bench.protocol, seed=bench.seed
    )


def lacks_tumours(bench: Bench) -> str:
    return "" if bench.has_tumour else "this cohort has no tumour maps."


def _probes(
    bench: Bench,
    preparation: Preparation,
    crop_size: int,
    standard: NDArray,
    matched: NDArray,
    *,
    network: bool = False,
) -> Outcome:
    """The paper's question, the same crops with a local label, and crops matched by place."""
    crops, pairs = (bench.crops(name, preparation, crop_size) for name in ("tumour", "matched"))
    outcome, rules, notes = Outcome(), bench.protocol, []
    place = place_features(crops.position, crops.relative)
    blocks = patient_blocks([entry.subject for entry in bench.entries], seed=bench.seed)
    block = np.array([blocks[name] for name in pairs.subject])
    cases = (
        ("probe", standard, crops.has_tumour, crops.subject, crops.subject, place),
        ("probe_near", standard, crops.near_tumour, crops.subject, crops.subject, place),
        ("probe_matched", matched, pairs.near_tumour, pairs.subject, block, None),
    )
    for name, features, labels, subject, groups, beside in cases:
        if len(labels) < 40 or len(np.unique(groups)) < 2 or min(labels.sum(), (~labels).sum()) < 10:
            notes.append(
                f"{name}: left out, there are too few crops of one kind ({int(labels.sum())} of {len(labels)})."
            )
            continue
        outcome.figures[name], wrong = probe_figures(
            features,
            labels,
            subject,
            rules,
            groups=groups,
            place=beside if network else None,
            with_neighbours=network,
            seed=bench.seed,
        )
        if name == "probe_matched":
            worst = worst_rows(wrong, subject, extra={})
            for case in worst:
                case["unit"] = "tumour, missed" if labels[case["row"]] else "no tumour, taken for one"
            add_places(worst, [e.id for e in bench.entries], pairs.volume, pairs.centre_mm)
            outcome.details["worst"] = worst
    outcome.details["notes"] = notes
    return outcome
