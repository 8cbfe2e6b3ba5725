"""Figures of embeddings: how true their distances are, and how many dimensions they use."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.spatial.distance import pdist
from scipy.stats import pearsonr, spearmanr


def distance_figures(volumes: Sequence[tuple[ArrayLike, ArrayLike]]) -> dict[str, float]:
    """Latent against physical distance within each volume, averaged over volumes.

    Args:
        volumes: a (codes (N, D), centres_mm (N, 3)) pair a volume.

    Returns:
        ``pearson``, ``spearman``, ``stress`` (Kruskal's stress-1 of the unscaled distances) and ``rmse_mm``.
    """
    rows = [within_volume_figures(codes, centres) for codes, centres in volumes]
    return {name: float(np.mean([row[name] for row in rows])) for name in rows[0]}


def within_volume_figures(codes: ArrayLike, centres_mm: ArrayLike) -> dict[str, float]:
    """The same for one volume: codes (N, D) in mm, centres (N, 3) in mm, N >= 3."""
    return pair_figures(pdist(np.asarray(codes, dtype=np.float64)), pdist(np.asarray(centres_mm, dtype=np.float64)))


def pair_figures(latent: NDArray, physical: NDArray) -> dict[str, float]:
    """The same for (P,) latent and physical distances of pairs of crops."""
    gap = latent - physical
    constant = np.ptp(latent) == 0 or np.ptp(physical) == 0
    return {
        "pearson": 0.0 if constant else float(pearsonr(latent, physical).statistic),
        "spearman": 0.0 if constant else float(spearmanr(latent, physical).statistic),
        "stress": float(np.sqrt(np.square(gap).sum() / np.square(physical).sum())),
        "rmse_mm": float(np.sqrt(np.square(gap).mean())),
    }


def rankme(embeddings: Sequence[ArrayLike] | NDArray, *, epsilon: float = 1e-7) -> float:
    """Effective rank: exp of the entropy of the normalised singular values.

    ``p_k = s_k / sum(s) + epsilon``, ``exp(-sum p_k log p_k)``. Source: Garrido et al., RankMe, arXiv 2210.02885.

    Args:
        embeddings: (N, D), or a list of such arrays to be stacked.
    """
    stacked: NDArray = np.vstack([np.asarray(part, dtype=np.float64) for part in embeddings])
    return rank_of(np.linalg.svd(stacked, compute_uv=False), epsilon=epsilon)


def rank_of(singular: NDArray, *, epsilon: float = 1e-7) -> float:
    """RankMe of given singular values; 1 where all are zero."""
    if singular.sum() == 0:
        return 1.0
    p = singular / singular.sum() + epsilon
    return float(np.exp(-(p * np.log(p)).sum()))
