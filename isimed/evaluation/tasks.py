"""The table of tasks: what each needs, how it measures a checkpoint, and what stands beside it."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from isimed.data.preprocess import Preparation
from isimed.data.warp import load_warps
from isimed.errors import InputError
from isimed.evaluation.bench import Bench
from isimed.evaluation.collapse import collapse_outcome
from isimed.evaluation.distance import distance_outcome
from isimed.evaluation.outcome import Outcome
from isimed.evaluation.perturb import ALIGNMENT_NOISE
from isimed.evaluation.position import add_places, position_outcome
from isimed.evaluation.sample import Crops, first_rows
from isimed.models.checkpoint import Checkpoint

ALIGNED_CROPS = 8
Measure = Callable[[Bench, Checkpoint], Outcome]
Control = Callable[[Bench, Preparation, int], Outcome]


@dataclass(frozen=True)
class Task:
    """One kind of measurement.

    Attributes:
        question: what it answers, for a person.
        measure: a checkpoint's figures. controls: the same without any network, by name.
        lacks: why a cohort cannot be measured, or an empty string.
        version: raise it when figures change; kept results of the old version are then not used.
    """

    name: str
    question: str
    measure: Measure
    controls: Mapping[str, Control] = field(default_factory=dict)
    lacks: Callable[[Bench], str] = lambda bench: ""
    version: int = 1


def find_tasks(names: str | list[str]) -> list[Task]:
    """Tasks by name; ``all`` means all of them, in the order of the table.

    Raises:
        InputError: there is no such task.
    """
    wanted = [names] if isinstance(names, str) else list(names)
    if "all" in wanted:
        return list(TASKS.values())
    for name in wanted:
        if name not in TASKS:
            raise InputError(f"There is no task {name}: choose all or one of {', '.join(TASKS)}.")
    return [TASKS[name] for name in dict.fromkeys(wanted)]


def _distance(bench: Bench, checkpoint: Checkpoint) -> Outcome:
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


def _position(bench: Bench, checkpoint: Checkpoint) -> Outcome:
    crops, (embeddings, codes) = bench.crops_for("body", checkpoint), bench.features(checkpoint, "body")
    outcome = position_outcome(embeddings, crops.position, crops.subject, bench.protocol, codes=codes, seed=bench.seed)
    add_places(outcome.details["worst"], [e.id for e in bench.entries], crops.volume, crops.centre_mm)
    return outcome


def _mean_position(bench: Bench, preparation: Preparation, crop_size: int) -> Outcome:
    crops = bench.crops("body", preparation, crop_size)
    nothing = np.zeros((len(crops), 1))
    return position_outcome(nothing, crops.position, crops.subject, bench.protocol, seed=bench.seed)


def _position_from_histogram(bench: Bench, preparation: Preparation, crop_size: int) -> Outcome:
    crops = bench.crops("body", preparation, crop_size)
    histograms = bench.histograms("body", preparation, crop_size)
    return position_outcome(histograms, crops.position, crops.subject, bench.protocol, seed=bench.seed)


def _collapse(bench: Bench, checkpoint: Checkpoint) -> Outcome:
    crops, (embeddings, codes) = bench.crops_for("body", checkpoint), bench.features(checkpoint, "body")
    few = [centres[:ALIGNED_CROPS] for centres in crops.centres]
    second, _ = bench.embed(checkpoint, few, perturbation=ALIGNMENT_NOISE)
    rows = first_rows(crops.volume, ALIGNED_CROPS)
    return collapse_outcome(
        embeddings, codes, crops.subject, views=(embeddings[rows], second), seen=crops.subject[rows]
    )


TASKS: dict[str, Task] = {
    task.name: task
    for task in (
        Task("distance", "Does the latent distance of two crops equal their distance in the body?", _distance),
        Task(
            "position",
            "Can a linear map read off where a crop of an unseen patient lies?",
            _position,
            {"mean_position": _mean_position, "intensity_histogram": _position_from_histogram},
        ),
        Task("collapse", "How many of its dimensions does the embedding use?", _collapse),
    )
}
