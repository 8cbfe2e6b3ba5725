"""Top 20 of N codes against exact NumPy search in memory, at 10 thousand, 100 thousand and a million rows.

The codes are made: a position in the body turned into 512 numbers, and noise that leaves 99.7 % of the variance in
three components, as networks trained with the distance loss were seen to do. Building the index is not part of a
query; its seconds are stated.
"""

import time
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from benchmarks.lib.race import Measured, Ratio, Setting, race
from isimed.explore.search.index import Index

TITLE = "Query, top 20"
AGAINST = "exact NumPy search in memory"
SIZE, TOP = 512, 20
SPREAD_MM, NOISE = np.array([30.0, 40.0, 60.0]), 0.19


def measure(setting: Setting) -> Measured:
    ratios, facts = [], {}
    for rows in (10_000, 100_000) if setting.quick else (10_000, 100_000, 1_000_000):
        codes, queries = made_codes(rows), made_codes(50, seed=1)
        start = time.perf_counter()
        index = Index(codes)
        built = time.perf_counter() - start
        norms = np.einsum("nd,nd->n", codes, codes)
        ways = {"ours": _ours(index, queries), "numpy": _numpy(codes, norms, queries)}
        rates = race(ways, repeats=3 if setting.quick else 7)
        large = rows >= 1_000_000
        ratios.append(
            Ratio(f"{rows:,} rows", rates["ours"], rates["numpy"], "queries/s", target=10.0 if large else 1.0)
        )
        exact = [_nearest(codes, norms, query) for query in queries]
        found = [index.nearest(query, TOP)[1] for query in queries]
        recall = np.mean([len(np.intersect1d(a, b)) / TOP for a, b in zip(exact, found, strict=True)])
        facts[f"recall at {TOP} of {rows:,}"] = round(float(recall), 3)
        facts[f"seconds to build the index of {rows:,}"] = round(built, 1)
        facts[f"ms a query of {rows:,}"] = round(1000 / float(np.median(rates["ours"])), 2)
    return Measured(ratios, facts)


def made_codes(count: int, *, seed: int = 0) -> NDArray[np.float32]:
    """(count, 512) float32 codes in mm."""
    turn = np.linalg.qr(np.random.default_rng(7).normal(size=(SIZE, SIZE)))[0][:3].astype(np.float32)
    rng = np.random.default_rng(seed)
    codes = rng.standard_normal((count, SIZE), dtype=np.float32)
    codes *= np.float32(NOISE)
    codes += (rng.normal(0, SPREAD_MM, (count, 3)).astype(np.float32)) @ turn
    return codes


def _ours(index: Index, queries: NDArray[np.float32]) -> Callable[[], float]:
    def turn() -> float:
        for query in queries:
            index.nearest(query, TOP)
        return len(queries)

    return turn


def _numpy(codes: NDArray, norms: NDArray, queries: NDArray) -> Callable[[], float]:
    some = queries[:5] if len(codes) >= 1_000_000 else queries

    def turn() -> float:
        for query in some:
            _nearest(codes, norms, query)
        return len(some)

    return turn


def _nearest(codes: NDArray, norms: NDArray, query: NDArray) -> NDArray:
    """Rows of the least ``|c|² - 2 c·q``, nearest first."""
    scores = norms - 2 * (codes @ query)
    best = np.argpartition(scores, TOP)[:TOP]
    return best[np.argsort(scores[best])]
