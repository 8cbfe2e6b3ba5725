"""Task `retrieval`: do the nearest crops of other patients show the same organ, the same place of it?

Recall at k, as reviews of medical foundation models report it: the share of crops for which at least one of the k
nearest crops of other patients is right. *The same place* is the same organ at about the same offset from its own
centroid, asked only where another patient has such a crop at all. Distances are those of the search: of codes where
these are in mm, else of embeddings.
"""

import numpy as np
from numpy.typing import NDArray
from scipy.spatial.distance import cdist

from isimed.data.prepared.preprocess import Preparation
from isimed.evaluation.context.context import Context
from isimed.evaluation.context.outcome import Outcome
from isimed.evaluation.sampling.sample import Crops
from isimed.evaluation.statistics.bootstrap import bootstrap
from isimed.evaluation.tasks.task import ORGAN, Group, Task
from isimed.models.checkpoint import Checkpoint

SAME_PLACE_MM = 20.0
AT = (1, 5)


def retrieval(context: Context, checkpoint: Checkpoint) -> Outcome:
    crops = context.crops_for("organ", checkpoint)
    embedding, code = context.features(checkpoint, "organ")
    return _outcome(context, crops, code if checkpoint.card.in_mm else embedding)


def retrieval_by_position(context: Context, preparation: Preparation, crop_size: int) -> Outcome:
    crops = context.crops("organ", preparation, crop_size)
    return _outcome(context, crops, crops.position)


def retrieval_by_histogram(context: Context, preparation: Preparation, crop_size: int) -> Outcome:
    crops = context.crops("organ", preparation, crop_size)
    return _outcome(context, crops, context.histograms("organ", preparation, crop_size))


def _outcome(context: Context, crops: Crops, features: NDArray) -> Outcome:
    rows = np.flatnonzero(crops.organ > 0)
    if len(set(crops.subject[rows])) < 2:
        return Outcome(details={"notes": ["retrieval: left out, it needs crops in organs of two patients."]})
    offset = offsets(crops.organ[rows], crops.volume[rows], crops.centre_mm[rows])
    hits = recalls(features[rows], crops.organ[rows], crops.subject[rows], offset)
    subject = crops.subject[rows]
    figures = bootstrap(
        subject, lambda some: {name: float(np.nanmean(hit[some])) for name, hit in hits.items()}, seed=context.seed
    )
    return Outcome({"retrieval": figures})


def offsets(organ: NDArray, volume: NDArray, centre_mm: NDArray) -> NDArray[np.float64]:
    """(N, 3) mm from the mean of the crops in the same organ of the same volume."""
    found = np.empty((len(organ), 3))
    for pair in {(int(o), int(v)) for o, v in zip(organ, volume, strict=True)}:
        rows = (organ == pair[0]) & (volume == pair[1])
        found[rows] = centre_mm[rows] - centre_mm[rows].mean(axis=0)
    return found


def recalls(features: NDArray, organ: NDArray, subject: NDArray, offset: NDArray) -> dict[str, NDArray[np.float64]]:
    """Of each crop, whether one of the k nearest of other patients is right; NaN where nobody else has such a crop.

    Args:
        features: (N, D).
        organ, subject: (N,).
        offset: (N, 3) mm from the organ's middle.

    Returns:
        ``organ_recall1`` and so on -> (N,) 0, 1 or NaN.
    """
    away = cdist(features, features)
    others = subject[:, None] != subject[None]
    away[~others] = np.inf
    same = (organ[:, None] == organ[None]) & others
    near = same & (cdist(offset, offset) <= SAME_PLACE_MM)
    order = np.argsort(away, axis=1, kind="stable")[:, : max(AT)]
    hits = {}
    for name, right in (("organ", same), ("place", near)):
        possible = right.any(axis=1)
        among = np.take_along_axis(right, order, axis=1)
        for k in AT:
            hits[f"{name}_recall{k}"] = np.where(possible, among[:, :k].any(axis=1), np.nan)
    return hits


TASK = Task(
    "retrieval",
    "Do the nearest crops of other patients show the same organ, and the same place of it?",
    measure=retrieval,
    samples=(ORGAN,),
    controls={"position_only": retrieval_by_position, "intensity_histogram": retrieval_by_histogram},
    needs="organs",
    on_request=True,
    groups={"retrieval": Group("Nearest crops of other patients, recall")},
    figures={
        "organ_recall1": "same organ, nearest one",
        "organ_recall5": "same organ, one of five",
        "place_recall1": f"same place ({SAME_PLACE_MM:g} mm), nearest one",
        "place_recall5": f"same place ({SAME_PLACE_MM:g} mm), one of five",
    },
)
