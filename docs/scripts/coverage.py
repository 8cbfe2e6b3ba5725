"""How often do 95 % intervals hold the truth? Simulated studies of few patients, as a table in docs/evaluation.md.

    python -m docs.scripts.coverage

Every study draws patients who differ from each other, and 32 crops of each, from distributions whose true figure is
known. The intervals are those of `isimed.evaluation.statistics.intervals`.
"""

from collections.abc import Callable
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from isimed.evaluation.statistics.intervals import CORRELATION, POSITIVE, SHARE, Range, t_interval

PAGE = Path(__file__).parents[1] / "evaluation.md"
START, END = "<!-- coverage: made by docs/scripts/coverage.py -->", "<!-- end of coverage -->"
CROPS, DRAWS, STUDIES = 32, 500, 2000
PATIENTS = (5, 8, 12, 20, 40)
Estimate = Callable[[NDArray], NDArray]  # (B, n) how often each patient was drawn -> (B,) the figure


def mean_error(rng: np.random.Generator, n: int) -> Estimate:
    """Mean over patients of their errors in mm, which are skewed (log-normal)."""
    x = rng.lognormal(2.5, 0.5, n)
    return lambda drawn: (drawn @ x) / drawn.sum(axis=1)


def median_error(rng: np.random.Generator, n: int) -> Estimate:
    """Median over all crops of skewed errors in mm; some patients are harder than others."""
    x = np.exp(2.3 + 0.4 * rng.normal(size=(n, 1)) + 0.6 * rng.normal(size=(n, CROPS))).ravel()
    order = np.argsort(x)
    x, owner = x[order], np.repeat(np.arange(n), CROPS)[order]

    def estimate(drawn: NDArray) -> NDArray:
        below = drawn[:, owner].cumsum(axis=1)
        half = below[:, -1:] / 2
        return (x[(below >= half).argmax(axis=1)] + x[(below > half).argmax(axis=1)]) / 2

    return estimate


def auc(rng: np.random.Generator, n: int) -> Estimate:
    """AUC over all crops, 12 of 32 positive; patients differ in level and in how well classes part."""
    level, gap = 0.4 * rng.normal(size=(n, 1)), 1.6 + 0.6 * rng.normal(size=(n, 1))
    positive, negative = level + gap + rng.normal(size=(n, 12)), level + rng.normal(size=(n, CROPS - 12))
    above = np.stack([np.searchsorted(np.sort(row), positive.ravel()).reshape(n, 12).sum(axis=1) for row in negative])
    return lambda drawn: ((drawn @ above) * drawn).sum(axis=1) / (drawn.sum(axis=1) ** 2 * 12 * (CROPS - 12))


def correlation(rng: np.random.Generator, n: int) -> Estimate:
    """Pearson's r over all crops, where each patient has an offset of his own."""
    x = rng.normal(size=(n, CROPS))
    y = 0.9 * x + 0.35 * rng.normal(size=(n, CROPS)) + 0.3 * rng.normal(size=(n, 1))
    sums = np.stack([part.mean(axis=1) for part in (x, y, x * x, y * y, x * y)])

    def estimate(drawn: NDArray) -> NDArray:
        a, b, aa, bb, ab = (drawn @ sums.T / drawn.sum(axis=1, keepdims=True)).T
        return (ab - a * b) / np.sqrt((aa - a**2) * (bb - b**2))

    return estimate


FIGURES: dict[str, tuple[Callable[[np.random.Generator, int], Estimate], Range]] = {
    "mean": (mean_error, POSITIVE),
    "median": (median_error, POSITIVE),
    "AUC": (auc, SHARE),
    "correlation": (correlation, CORRELATION),
}


def coverage(figure: str, *, patients: int, studies: int = STUDIES, seed: int = 0) -> dict[str, float]:
    """Share of studies whose interval holds the truth: ``percentiles``, ``bca``, ``t`` (the one in use)."""
    make, bounds = FIGURES[figure]
    rng = np.random.default_rng(seed)
    truth = np.mean([make(rng, 1000)(np.ones((1, 1000)))[0] for _ in range(20)])
    hits = dict.fromkeys(("percentiles", "bca", "t"), 0)
    for _ in range(studies):
        estimate = make(rng, patients)
        drawn = rng.multinomial(patients, np.full(patients, 1 / patients), DRAWS).astype(float)
        value, draws = float(estimate(np.ones((1, patients)))[0]), estimate(drawn)
        intervals = {
            "percentiles": np.percentile(draws, (2.5, 97.5)),
            "bca": bca(value, draws, estimate(1.0 - np.eye(patients))),
            "t": t_interval(value, draws, patients, bounds),
        }
        for name, (low, high) in intervals.items():
            hits[name] += int(low <= truth <= high)
    return {name: count / studies for name, count in hits.items()}


def bca(value: float, draws: NDArray, left_out: NDArray) -> NDArray:
    """Bias-corrected and accelerated percentiles (Efron and Tibshirani 1993, chapter 14)."""
    bias = stats.norm.ppf(np.clip(((draws < value).mean() + (draws <= value).mean()) / 2, 1e-3, 1 - 1e-3))
    gap = left_out.mean() - left_out
    skew = (gap**3).sum() / max(6 * (gap @ gap) ** 1.5, 1e-30)
    z = bias + stats.norm.ppf([0.025, 0.975])
    return np.quantile(draws, stats.norm.cdf(bias + z / (1 - skew * z)))


def table() -> str:
    lines = ["| figure | interval | " + " | ".join(f"{n} patients" for n in PATIENTS) + " |", "|---" * 7 + "|"]
    for figure in FIGURES:
        found = [coverage(figure, patients=n) for n in PATIENTS]
        for name, text in (("percentiles", "percentiles"), ("bca", "BCa"), ("t", "t, in use")):
            lines.append(f"| {figure} | {text} | " + " | ".join(f"{100 * row[name]:.0f} %" for row in found) + " |")
    return "\n".join(lines)


def main() -> None:
    before, _, rest = PAGE.read_text(encoding="utf-8").partition(START)
    after = rest.partition(END)[2]
    PAGE.write_text(f"{before}{START}\n{table()}\n{END}{after}", encoding="utf-8")


if __name__ == "__main__":
    main()
