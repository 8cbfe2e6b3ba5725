"""Task `collapse`: how many of its dimensions does an embedding use?"""

from typing import Any

import numpy as np
import plotly.graph_objects as go
from numpy.typing import NDArray
from scipy.spatial.distance import pdist

from isimed.evaluation.context.context import Context
from isimed.evaluation.context.outcome import Outcome
from isimed.evaluation.results.charts import lines
from isimed.evaluation.results.result import Result
from isimed.evaluation.sampling.perturb import ALIGNMENT_NOISE
from isimed.evaluation.sampling.sample import first_rows
from isimed.evaluation.statistics.bootstrap import jackknife
from isimed.evaluation.statistics.metrics import rank_of
from isimed.evaluation.tasks.task import BODY, Group, Sample, Task
from isimed.models.checkpoint import Checkpoint

ALIGNED_CROPS = 4


def collapse(context: Context, checkpoint: Checkpoint) -> Outcome:
    crops, (embeddings, codes) = context.crops_for("body", checkpoint), context.features(checkpoint, "body")
    few = [centres[:ALIGNED_CROPS] for centres in crops.centres]
    second, _ = context.embed(checkpoint, few, perturbation=ALIGNMENT_NOISE)
    rows = first_rows(crops.volume, ALIGNED_CROPS)
    return collapse_outcome(
        embeddings, codes, crops.subject, views=(embeddings[rows], second), seen=crops.subject[rows]
    )


def collapse_outcome(
    embeddings: NDArray,
    codes: NDArray,
    subject: NDArray,
    *,
    views: tuple[NDArray, NDArray] | None = None,
    seen: NDArray | None = None,
) -> Outcome:
    """Ranks of the embedding and of the code (prefix ``code_``), intervals by jackknife over patients.

    Args:
        embeddings: (N, D).
        codes: (N, K).
        subject: (N,).
        views: two (M, D) embeddings of the same crops, one of them changed a little; gives ``alignment``.
        seen: (M,) patients of the views.
    """
    found = jackknife(subject, lambda rows: spectrum_figures(embeddings[rows]))
    of_code = jackknife(subject, lambda rows: spectrum_figures(codes[rows]))
    found |= {f"code_{name}": figure for name, figure in of_code.items()}
    found |= jackknife(subject, lambda rows: {"uniformity": uniformity(embeddings[rows])})
    if views is not None and seen is not None:
        a, b = views
        found |= jackknife(seen, lambda rows: {"alignment": alignment(a[rows], b[rows])})
    details: dict[str, Any] = {"singular_values": {"embedding": _curve(embeddings), "code": _curve(codes)}}
    return Outcome({"collapse": found}, details)


def spectrum_figures(x: NDArray) -> dict[str, float]:
    """Figures of the spectrum of (N, D) features.

    ``rankme``: exp of the entropy of the singular values, not centred (arXiv 2210.02885).
    ``effective_rank``: exp of the entropy of the covariance's eigenvalues (Roy and Vetterli, EUSIPCO 2007).
    ``participation_ratio``: ``(sum l)^2 / sum l^2`` of the same eigenvalues.
    ``dimensions_99``: how many principal components hold 99 % of the variance; ``share_99``, of all D.
    """
    singular, eigenvalues = _spectra(x)
    total = eigenvalues.sum()
    if not total > 0:
        return {"rankme": 1.0, "effective_rank": 1.0, "participation_ratio": 1.0, "dimensions_99": 0.0, "share_99": 0.0}
    p = eigenvalues / total
    count = int(np.searchsorted(np.cumsum(p), 0.99 - 1e-12) + 1)
    return {
        "rankme": rank_of(singular),
        "effective_rank": float(np.exp(-(p[p > 0] * np.log(p[p > 0])).sum())),
        "participation_ratio": float(total**2 / np.square(eigenvalues).sum()),
        "dimensions_99": float(count),
        "share_99": count / x.shape[1],
    }


def alignment(a: NDArray, b: NDArray) -> float:
    """Mean squared distance of two views of the same crops on the unit sphere (Wang and Isola, arXiv 2005.10242)."""
    return float(np.square(_unit(a) - _unit(b)).sum(axis=1).mean())


def uniformity(x: NDArray, *, limit: int = 1500) -> float:
    """``log mean exp(-2 |x - y|^2)`` over pairs on the unit sphere (arXiv 2005.10242); 0 is collapsed."""
    gaps = pdist(_unit(x)[:: max(1, len(x) // limit)], "sqeuclidean")
    return float(np.log(np.exp(-2 * gaps).mean()))


def _spectra(x: NDArray) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Singular values of x and eigenvalues of its covariance (times N), both greatest first.

    From the smaller Gram matrix: many times faster than an SVD of 1600 x 1024, and exact to 1e-8 of the greatest.
    """
    x = np.asarray(x, dtype=np.float64)
    centred = x - x.mean(axis=0)
    wide = x.shape[0] < x.shape[1]
    plain, around_mean = ((y @ y.T if wide else y.T @ y) for y in (x, centred))
    squared, variances = (np.clip(np.linalg.eigvalsh(gram)[::-1], 0, None) for gram in (plain, around_mean))
    return np.sqrt(squared), variances


def _unit(x: NDArray) -> NDArray:
    x = np.asarray(x, dtype=np.float32)
    return x / np.maximum(np.linalg.norm(x, axis=1, keepdims=True), 1e-12)


def _curve(x: NDArray, points: int = 256) -> list[float]:
    values = np.sqrt(_spectra(x)[1])[:points]
    return [float(f"{v:.4g}") for v in values / max(float(values[0]), 1e-30)]


def spectrum_charts(result: Result) -> list[go.Figure]:
    """Singular values of the centred code and of the embedding, the greatest set to 1."""
    return [spectrum_chart(result, kind) for kind in ("code", "embedding")]


def spectrum_chart(result: Result, kind: str) -> go.Figure:
    def curve(name: str) -> tuple[list[float], list[float]] | None:
        values = (result.detail(name, "collapse", "singular_values") or {}).get(kind)
        return (list(range(1, len(values) + 1)), values) if values else None

    title = f"Singular values of the {kind}"
    chart = lines(result, curve, title=title, x="component", y="relative to the first")
    return chart.update_yaxes(type="log", range=[-4, 0.1]).update_xaxes(type="log")


TASK = Task(
    "collapse",
    "How many of its dimensions does the embedding use?",
    measure=collapse,
    samples=(BODY, Sample("aligned", lambda context, step_mm: ALIGNED_CROPS * len(context.entries))),
    version=4,
    groups={
        "collapse": Group(
            "Dimensions in use",
            unit="dimensions",
            bars=("rankme", "code_rankme", "participation_ratio", "code_participation_ratio"),
            rows=(spectrum_charts,),
        )
    },
    figures={
        "rankme": "RankMe",
        "effective_rank": "effective rank",
        "participation_ratio": "participation ratio",
        "dimensions_99": "dimensions at 99 % variance",
        "share_99": "share of dimensions at 99 %",
        "uniformity": "uniformity",
        "alignment": "alignment",
    },
    headlines=(("collapse", "code_participation_ratio"),),
)
