"""Task `distance`: does the latent distance of two crops equal their distance in the body?"""

from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.spatial.distance import cdist, pdist
from scipy.stats import pearsonr, spearmanr

from isimed.evaluation.context.outcome import Outcome
from isimed.evaluation.statistics.bootstrap import Figure, bootstrap_means
from isimed.evaluation.statistics.metrics import within_volume_figures

SCATTER_PAIRS = 2000
BIN_MM = 20.0


def distance_outcome(
    codes: NDArray,
    centres_mm: NDArray,
    volume: NDArray,
    subject: NDArray,
    *,
    common_mm: NDArray | None = None,
    seed: int = 0,
) -> Outcome:
    """Pearson, Spearman, Kruskal's stress-1 and RMSE of latent against physical distance.

    Within each volume over all pairs of its crops, then the mean over patients. Where crops have places in a
    frame that patients share, also between patients (group ``distance_between``).

    Args:
        codes: (N, D) in mm. centres_mm: (N, 3) scanner mm.
        volume, subject: (N,) whose crop it is.
        common_mm: (N, 3) places in a common frame, NaN where a crop has none.
    """
    volumes = [v for v in np.unique(volume) if (volume == v).sum() >= 3]
    rows = [within_volume_figures(codes[volume == v], centres_mm[volume == v]) for v in volumes]
    owners = [str(subject[volume == v][0]) for v in volumes]
    figures = {"distance": bootstrap_means(owners, rows, seed=seed)}
    details = {
        "scatter": scatter_pairs(codes, centres_mm, volume, seed=seed),
        "bins": binned(codes, centres_mm, volume),
        "by_patient": [
            {"subject": s, **{k: round(x, 4) for k, x in r.items()}} for s, r in zip(owners, rows, strict=True)
        ],
    }
    if common_mm is not None:
        figures["distance_between"] = between_patients(codes, common_mm, subject, seed=seed)
    return Outcome(figures, details)


def between_patients(codes: NDArray, common_mm: NDArray, subject: NDArray, *, seed: int = 0) -> dict[str, Figure]:
    """The same over pairs of crops of two patients, each patient against the next in a seeded order."""
    names = np.unique(subject)
    order = np.random.default_rng(seed).permutation(names)
    owners, rows = [], []
    for name, other in zip(order, np.roll(order, -1), strict=True):
        a, b = subject == name, subject == other
        latent, physical = cdist(codes[a], codes[b]).ravel(), cdist(common_mm[a], common_mm[b]).ravel()
        known = np.isfinite(physical)
        if name == other or known.sum() < 3:
            continue
        latent, physical = latent[known], physical[known]
        gap = latent - physical
        constant = np.ptp(latent) == 0 or np.ptp(physical) == 0
        owners.append(str(name))
        rows.append(
            {
                "pearson": 0.0 if constant else float(pearsonr(latent, physical).statistic),
                "spearman": 0.0 if constant else float(spearmanr(latent, physical).statistic),
                "stress": float(np.sqrt(np.square(gap).sum() / np.square(physical).sum())),
                "rmse_mm": float(np.sqrt(np.square(gap).mean())),
            }
        )
    return bootstrap_means(owners, rows, seed=seed) if rows else {}


def scatter_pairs(codes: NDArray, centres_mm: NDArray, volume: NDArray, *, seed: int = 0) -> dict[str, list[float]]:
    """A seeded draw of within-volume pairs, to be drawn as points."""
    latent, physical = _pairs(codes, centres_mm, volume)
    chosen = np.random.default_rng(seed).permutation(len(latent))[:SCATTER_PAIRS]
    return {"physical_mm": _rounded(physical[chosen]), "latent": _rounded(latent[chosen])}


def binned(codes: NDArray, centres_mm: NDArray, volume: NDArray) -> list[dict[str, Any]]:
    """Median, 10th and 90th percentile of latent distance by true distance, in bins of 20 mm."""
    latent, physical = _pairs(codes, centres_mm, volume)
    bins, found = np.floor(physical / BIN_MM).astype(int), []
    for b in np.unique(bins):
        inside = latent[bins == b]
        low, middle, high = np.percentile(inside, (10, 50, 90))
        rmse = float(np.sqrt(np.square(inside - physical[bins == b]).mean()))
        found.append(
            {
                "from_mm": float(b * BIN_MM),
                "to_mm": float((b + 1) * BIN_MM),
                "pairs": len(inside),
                "low": round(float(low), 2),
                "median": round(float(middle), 2),
                "high": round(float(high), 2),
                "rmse_mm": round(rmse, 2),
            }
        )
    return found


def _pairs(codes: NDArray, centres_mm: NDArray, volume: NDArray) -> tuple[NDArray, NDArray]:
    latent = [pdist(np.asarray(codes[volume == v], dtype=np.float64)) for v in np.unique(volume)]
    physical = [pdist(centres_mm[volume == v]) for v in np.unique(volume)]
    return np.concatenate(latent), np.concatenate(physical)


def _rounded(values: NDArray) -> list[float]:
    return [round(float(x), 2) for x in values]
