"""Task `robustness`: does a crop still say where it is when the image changes?"""

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from isimed.evaluation.context.context import Context
from isimed.evaluation.context.outcome import Outcome
from isimed.evaluation.sampling.perturb import PERTURBATIONS
from isimed.evaluation.sampling.sample import first_rows
from isimed.evaluation.statistics.protocol import Protocol, folds
from isimed.evaluation.statistics.ridge import Ridge, choose_penalty
from isimed.evaluation.tasks.position import position_figures
from isimed.evaluation.tasks.task import BODY, Group, Sample, Task
from isimed.models.checkpoint import Checkpoint

ROBUST_CROPS, ROBUST_VOLUMES = 8, 16


def robustness(context: Context, checkpoint: Checkpoint) -> Outcome:
    crops, (embeddings, _) = context.crops_for("body", checkpoint), context.features(checkpoint, "body")
    few = [c[:ROBUST_CROPS] if i < ROBUST_VOLUMES else c[:0] for i, c in enumerate(crops.centres)]
    rows = first_rows(crops.volume, ROBUST_CROPS)
    rows = rows[crops.volume[rows] < ROBUST_VOLUMES]
    changed = {}
    for done, change in enumerate(PERTURBATIONS):
        advance, context.advance = context.advance, lambda share: None
        changed[change.name], _ = context.embed(checkpoint, few, perturbation=change)
        context.advance = advance
        context.advance((done + 1) / len(PERTURBATIONS))
    outcome = robustness_outcome(
        embeddings, crops.position, crops.subject, changed, rows, context.protocol, seed=context.seed
    )
    outcome.details["changes"] = {change.name: change.text for change in PERTURBATIONS}
    return outcome


def robustness_outcome(
    features: NDArray,
    position: NDArray,
    subject: NDArray,
    changed: Mapping[str, NDArray],
    rows: NDArray,
    protocol: Protocol,
    *,
    seed: int = 0,
) -> Outcome:
    """Position regression fitted on unchanged crops, applied to changed crops of patients it was not fitted on.

    Args:
        features: (N, D) of unchanged crops.
        position: (N, 3) mm.
        subject: (N,).
        changed: name -> (M, D) features of the changed crops.
        rows: (M,) which of the N they are.

    Returns:
        Group ``robustness``: median error in mm a change. Group ``robustness_full``: all of `position` a change,
        named ``"change: figure"``.
    """
    predicted = {name: np.full((len(rows), 3), np.nan) for name in changed}
    for train, test in folds(subject, protocol, seed=seed):
        here = np.isin(rows, test)
        if not here.any():
            continue
        alpha = choose_penalty(features, position, subject, train, test, protocol)
        ridge = Ridge(features[train], position[train])
        for name, values in changed.items():
            predicted[name][here] = ridge.predict(values[here], alpha)
    true = position[rows]
    found = {name: position_figures(x, true, subject[rows], seed=seed) for name, x in predicted.items()}
    medians = {name: figures["median_mm"] for name, figures in found.items()}
    full = {f"{name}: {figure}": value for name, figures in found.items() for figure, value in figures.items()}
    return Outcome({"robustness": medians, "robustness_full": full}, {"crops": len(rows)})


def _crops(context: Context, step_mm: float) -> int:
    return len(PERTURBATIONS) * ROBUST_CROPS * min(ROBUST_VOLUMES, len(context.entries))


TASK = Task(
    "robustness",
    "Does a crop still say where it is when the image changes?",
    measure=robustness,
    samples=(BODY, Sample("robust", _crops)),
    patients=2,
    version=2,
    groups={
        "robustness": Group("Position error under changes, median mm", unit="mm"),
        "robustness_full": Group("Position under changes, all figures", parent="robustness"),
    },
)
