"""What the tasks about tumours share: their crops, who must not be parted, and when a question cannot be asked."""

import numpy as np
from numpy.typing import NDArray

from isimed.data.prepared.preprocess import Preparation
from isimed.evaluation.context.context import Context
from isimed.evaluation.sampling.matched import patient_blocks
from isimed.evaluation.sampling.sample import Crops

SAMPLED = ("tumour", "matched")


def tumour_samples(context: Context, preparation: Preparation, crop_size: int) -> list[Crops]:
    return [context.crops(name, preparation, crop_size) for name in SAMPLED]


def blocks_of(context: Context, pairs: Crops) -> NDArray:
    """(N,) block of patients that a matched pair never leaves."""
    blocks = patient_blocks([entry.subject for entry in context.entries if entry.tumour], seed=context.seed)
    return np.array([blocks[name] for name in pairs.subject])


def too_few(name: str, labels: NDArray, groups: NDArray) -> str:
    """Why a question cannot be asked of these crops, or an empty string."""
    if len(labels) >= 40 and len(np.unique(groups)) > 1 and min(labels.sum(), (~labels).sum()) >= 10:
        return ""
    return f"{name}: left out, there are too few crops of one kind ({int(labels.sum())} of {len(labels)})."
