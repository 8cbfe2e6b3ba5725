"""Task `position`: can a linear map read off where in the body a crop of an unseen patient lies?"""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from isimed.evaluation.context.outcome import Outcome
from isimed.evaluation.statistics.bootstrap import Figure, bootstrap, bootstrap_means
from isimed.evaluation.statistics.protocol import Protocol
from isimed.evaluation.statistics.ridge import out_of_fold
from isimed.explore.maps.axes import axis_correlation, match_axes
from isimed.explore.tables.store import AXES

WORST = 12
COMPONENTS = 3
FEWEST = 3  # crops of a patient that a correlation needs


def position_outcome(
    features: NDArray,
    position: NDArray,
    subject: NDArray,
    protocol: Protocol,
    *,
    codes: NDArray | None = None,
    seed: int = 0,
) -> Outcome:
    """Cross-patient ridge regression of position, and the principal components against the axes.

    Args:
        features: (N, D) embeddings (or what a control has instead).
        position: (N, 3) mm from the centre of the body's box: sagittal, coronal, axial.
        subject: (N,) patient. codes: (N, K) for the principal components; None leaves them out.
    """
    predicted = out_of_fold(features, position, subject, protocol, seed=seed)
    figures = position_figures(predicted, position, subject, seed=seed)
    error = np.linalg.norm(predicted - position, axis=1)
    details: dict[str, Any] = {"error_mm": [round(float(e), 2) for e in np.sort(error)[:: max(1, len(error) // 200)]]}
    details["worst"] = {
        "position": worst_rows(error, subject, extra={"predicted_mm": predicted, "position_mm": position})
    }
    if codes is not None:
        found, matrix = component_figures(codes, position, subject, seed=seed)
        figures |= found
        details["pc_matrix"] = matrix
    return Outcome({"position": figures}, details)


def position_figures(predicted: NDArray, position: NDArray, subject: NDArray, *, seed: int = 0) -> dict[str, Figure]:
    """R^2 per axis (against the mean position) and median, mean and 95th percentile of the error in mm."""
    error = np.linalg.norm(predicted - position, axis=1)
    residual = np.square(predicted - position)

    def statistic(rows: NDArray) -> dict[str, float]:
        true = position[rows]
        total = np.square(true - true.mean(axis=0)).sum(axis=0)
        r2 = 1 - residual[rows].sum(axis=0) / np.where(total > 0, total, np.nan)
        here = error[rows]
        return {
            **{f"r2_{axis}": float(value) for axis, value in zip(AXES, r2, strict=True)},
            "median_mm": float(np.median(here)),
            "mean_mm": float(here.mean()),
            "p95_mm": float(np.percentile(here, 95)),
        }

    return bootstrap(subject, statistic, seed=seed)


def component_figures(
    codes: NDArray, position: NDArray, subject: NDArray, *, seed: int = 0
) -> tuple[dict[str, Figure], dict[str, Any]]:
    """|r| of each axis with a principal component of the codes, components matched to axes one to one.

    ``pc_r_*``: over all crops. Where axes go together in the body (the head stands before the shoulders), components
    of the true positions are turned themselves: read it beside the same figure of the control ``position_only``.
    ``pc_r_within_*``: the same component and axis in each patient alone, mean over patients; it does not mind that
    fields of view, and with them the centres of the body boxes, differ. ``pcs_r_*``: multiple correlation with the
    three leading components together, which does not depend on how they are turned.
    The components are those of the crops that are measured; they and the weights stay fixed in draws.

    Returns:
        ``pc_r_*``, ``pc_r_within_*`` and ``pcs_r_*`` figures, and the matrix of |r| (components x axes) with the
        shares of variance.
    """
    centred = np.asarray(codes, dtype=np.float64) - np.mean(codes, axis=0, dtype=np.float64)
    left, singular, _ = np.linalg.svd(centred, full_matrices=False)
    scores = left[:, :COMPONENTS] * singular[:COMPONENTS]
    matrix = np.abs(axis_correlation(scores, position))
    matched = list(enumerate(match_axes(matrix).tolist()))

    around = np.column_stack([scores, np.ones(len(scores))])
    together = around @ np.linalg.lstsq(around, position, rcond=None)[0]

    def single(rows: NDArray, name: str) -> dict[str, float]:
        here = np.abs(axis_correlation(scores[rows], position[rows]))
        return {f"{name}_{AXES[a]}": float(here[c, a]) for a, c in matched}

    def statistic(rows: NDArray) -> dict[str, float]:
        all_three = np.abs(axis_correlation(together[rows], position[rows]))
        return single(rows, "pc_r") | {f"pcs_r_{name}": float(all_three[i, i]) for i, name in enumerate(AXES)}

    share = np.square(singular) / max(float(np.square(singular).sum()), 1e-30)
    details = {
        "abs_r": np.round(matrix, 3).tolist(),
        "axes": list(AXES),
        "variance": [round(float(s), 4) for s in share[:COMPONENTS]],
        "matched": {AXES[a]: c + 1 for a, c in matched},
    }
    names = [name for name in np.unique(subject) if (subject == name).sum() >= FEWEST]
    alone = [single(np.flatnonzero(subject == name), "pc_r_within") for name in names]
    found = bootstrap(subject, statistic, seed=seed)
    within = bootstrap_means([str(name) for name in names], alone, seed=seed) if alone else {}
    ordered = {name: figure for name, figure in found.items() if name.startswith("pc_r")}
    return ordered | within | {name: figure for name, figure in found.items() if name not in ordered}, details


def worst_rows(score: NDArray, subject: NDArray, *, extra: Mapping[str, NDArray]) -> list[dict[str, Any]]:
    """The crops with the greatest score, at most two a patient."""
    found: list[dict[str, Any]] = []
    seen: dict[str, int] = {}
    for row in np.argsort(-score):
        name = str(subject[row])
        if seen.get(name, 0) < 2 and len(found) < WORST:
            seen[name] = seen.get(name, 0) + 1
            more = {key: np.round(np.atleast_1d(values[row]), 1).tolist() for key, values in extra.items()}
            found.append({"row": int(row), "subject": name, "score": round(float(score[row]), 3), **more})
    return found


def add_places(
    worst: Sequence[dict[str, Any]], volumes: Sequence[str], crops_volume: NDArray, centre_mm: NDArray
) -> None:
    """Say of which volume the worst crops are and where in scanner mm."""
    for case in worst:
        row = case["row"]
        case["volume"] = volumes[int(crops_volume[row])]
        case["centre_mm"] = np.round(centre_mm[row], 1).tolist()
