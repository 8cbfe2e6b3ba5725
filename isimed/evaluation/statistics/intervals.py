"""95 % intervals that are honest for few patients: t-intervals on a scale without ends, from resampled patients.

The percentiles of resampled values are too narrow for few patients; docs/evaluation.md says, from a simulation, how
often each kind of interval holds the truth. Two reasons, two remedies. The spread of n resampled patients is
``sqrt((n - 1) / n)`` of the true one and itself uncertain: Student's t with n - 1 degrees of freedom. Figures with an
end (an AUC cannot exceed 1) spread unevenly near it: they are mapped to a scale without ends and back, logarithm for
errors in mm, logit for shares and AUC, Fisher's z for correlations.
"""

import re
from collections.abc import Callable

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import stats

Range = tuple[float, float]
Scale = Callable[[NDArray], NDArray]

FEWEST = 3  # patients: of two, an interval would be 12 times their spread and say nothing
FEWEST_DRAWS = 20
ANY: Range = (-np.inf, np.inf)
SHARE: Range = (0.0, 1.0)
CORRELATION: Range = (-1.0, 1.0)
POSITIVE: Range = (0.0, np.inf)
AT_MOST_1: Range = (-np.inf, 1.0)

RANGES: tuple[tuple[str, Range], ...] = (  # pattern of a figure's name -> the values that it can have
    (r".*_mm|stress|rankme|effective_rank|participation_ratio|dimensions_99|alignment", POSITIVE),
    (r"pearson|spearman", CORRELATION),
    (r"r2_.*", AT_MOST_1),
    (r"pcs?_r_.*|(.*_)?auc|average_precision|sensitivity_.*|(.*_)?accuracy|macro_f1|.*_confusion|dice_.*", SHARE),
    (r"within_\d+mm|(.*_)?beyond_\d+mm|.*_recall\d+|share_99|(code_)?cka|neighbour_overlap|procrustes", SHARE),
)


def range_of(name: str) -> Range:
    """The values that a figure can have, by its name; any where the name says nothing.

    >>> range_of("healthy_distance_auc"), range_of("rmse_mm"), range_of("uniformity")
    ((0.0, 1.0), (0.0, inf), (-inf, inf))
    """
    return next((found for pattern, found in RANGES if re.fullmatch(pattern, name)), ANY)


def t_interval(value: float, draws: NDArray, patients: int, bounds: Range = ANY) -> tuple[float, float]:
    """``back(scale(value) +- t s sqrt(n / (n - 1)))``, s the spread of the draws on the scale; NaN where n is below 3.

    Where draws reach an end, which no scale can show, the percentiles of the draws are taken, at levels widened to
    ``Phi(-+ t sqrt(n / (n - 1)))`` (Hesterberg, The American Statistician 2015, "expanded percentile interval").

    Args:
        value: the figure on all patients.
        draws: (B,) on resampled patients, NaN where it could not be computed.
        patients: how many patients the figure rests on.
        bounds: the values that the figure can have.

    >>> low, high = t_interval(10.0, np.random.default_rng(0).normal(10, 1, 500), patients=8, bounds=POSITIVE)
    >>> round(low, 1), round(high, 1)
    (7.7, 13.0)
    """
    known = draws[np.isfinite(draws)]
    if len(known) < FEWEST_DRAWS or patients < FEWEST or not np.isfinite(value):
        return float("nan"), float("nan")
    reach = float(stats.t.ppf(0.975, patients - 1) * np.sqrt(patients / (patients - 1)))
    scale, back = _scales(bounds)
    with np.errstate(divide="ignore", invalid="ignore"):
        middle, spread = scale(np.array(value)), scale(known)
    if not (np.isfinite(middle) and np.isfinite(spread).all()):
        low, high = np.quantile(known, stats.norm.cdf([-reach, reach]))
        return _holding(value, low, high)
    half = reach * spread.std(ddof=1)
    return _holding(value, back(middle - half), back(middle + half))


def jackknife_interval(value: float, left_out: NDArray, bounds: Range = ANY) -> tuple[float, float]:
    """``back(scale(value) +- t s)``, t with B - 1 degrees of freedom; NaN where B is below 3.

    ``s^2 = (B - 1) / B sum (z_b - mean z)^2`` of the values without one of B blocks each, on a scale without ends.
    Where a value is at an end, which no scale can show, s is of the values themselves, and the interval stops there.

    >>> low, high = jackknife_interval(19.0, np.array([18.0, 19.0, 7.0, 19.0, 18.0]), POSITIVE)
    >>> 0 < low < 19 < high
    True
    """
    count = len(left_out)
    if count < FEWEST:
        return float("nan"), float("nan")
    scale, back = _scales(bounds)
    with np.errstate(divide="ignore", invalid="ignore"):
        middle, parts = scale(np.array(value)), scale(left_out)
    if not (np.isfinite(middle) and np.isfinite(parts).all()):
        middle, parts, back = np.array(value), left_out, lambda z: np.clip(z, *bounds)
    spread = np.sqrt((count - 1) / count * np.square(parts - parts.mean()).sum())
    half = float(stats.t.ppf(0.975, count - 1) * spread)
    return _holding(value, back(middle - half), back(middle + half))


def _holding(value: float, low: ArrayLike, high: ArrayLike) -> tuple[float, float]:
    """An interval that holds its value: on the way to a scale and back the last digit may be lost."""
    return min(float(np.asarray(low)), value), max(float(np.asarray(high)), value)


def _scales(bounds: Range) -> tuple[Scale, Scale]:
    """A scale without ends for figures within bounds, and the way back."""
    low, high = bounds
    if np.isfinite(low) and np.isfinite(high):  # logit; of correlations it is twice Fisher's z
        return (lambda x: np.log((x - low) / (high - x))), (lambda z: low + (high - low) / (1 + np.exp(-z)))
    if np.isfinite(low):
        return (lambda x: np.log(x - low)), (lambda z: low + np.exp(z))
    if np.isfinite(high):
        return (lambda x: -np.log(high - x)), (lambda z: high - np.exp(-z))
    return (lambda x: x), (lambda z: z)
