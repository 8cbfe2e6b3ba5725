"""Figures with a 95 % interval over patients: patients are drawn with replacement, all their crops with them."""

import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from isimed.evaluation.statistics.intervals import ANY, Range, jackknife_interval, range_of, t_interval

DRAWS = 500
Statistic = Callable[[NDArray[np.intp]], Mapping[str, float]]


@dataclass(frozen=True, eq=False)
class Figure:
    """One number of a result.

    Attributes:
        value: the number itself, on all patients; NaN where it could not be computed.
        n: how many patients (or pairs, where the figure says so) it rests on.
        draws: (DRAWS,) its values on resampled patients, or None. The same patients in the same order give
            the same draws of patients, so that draws of two checkpoints can be subtracted.
        left_out: (B,) its values without one block of patients each, where drawing twice makes no sense; the same
            patients give the same blocks.
        who: a digest of the patients' names: figures of other patients are never paired, however many they are.
        bounds: the values that it can have.
        rests_on: how many patients its interval rests on, where fewer than ``n`` tell anything (those who have the
            rarer class).
    """

    value: float
    n: int
    draws: NDArray[np.float64] | None = None
    left_out: NDArray[np.float64] | None = None
    who: str = ""
    bounds: Range = ANY
    rests_on: int | None = None

    def to_json(self) -> dict[str, Any]:
        """``{value, low, high, n}``; None where a number makes no sense."""
        low, high = self.interval()
        return {"value": _number(self.value), "low": _number(low), "high": _number(high), "n": self.n}

    def interval(self) -> tuple[float, float]:
        """95 %, over patients; NaN where there are too few of them."""
        if self.left_out is not None:
            return jackknife_interval(self.value, self.left_out, self.bounds)
        if self.draws is None:
            return float("nan"), float("nan")
        return t_interval(self.value, self.draws, self.n if self.rests_on is None else self.rests_on, self.bounds)

    def pack(self) -> dict[str, Any]:
        """Everything, as JSON can hold it."""
        return {
            "value": _number(self.value),
            "n": self.n,
            "draws": _list(self.draws),
            "left_out": _list(self.left_out),
            "who": self.who,
            "bounds": [_number(end) for end in self.bounds],
            "rests_on": self.rests_on,
        }

    @classmethod
    def unpack(cls, packed: Mapping[str, Any]) -> "Figure":
        low, high = packed["bounds"]
        return cls(
            _float(packed["value"]),
            packed["n"],
            _array(packed["draws"]),
            _array(packed["left_out"]),
            packed["who"],
            (-np.inf if low is None else low, np.inf if high is None else high),
            packed["rests_on"],
        )


def bootstrap(
    subjects: ArrayLike,
    statistic: Statistic,
    *,
    draws: int | None = None,
    seed: int = 0,
    rests_on: int | None = None,
) -> dict[str, Figure]:
    """Figures of rows (crops), with intervals over patients.

    Args:
        subjects: (N,) the patient of each row.
        statistic: row numbers -> name -> value; called once with all rows and once a draw.
        rests_on: how many patients tell anything, where not all of them do.

    Returns:
        name -> Figure, ``n`` the number of patients.
    """
    names, codes = np.unique(np.asarray(subjects), return_inverse=True)
    rows = [np.flatnonzero(codes == code) for code in range(len(names))]
    value = statistic(np.arange(len(codes)))
    found: dict[str, list[float]] = {name: [] for name in value}
    if len(names) > 1:
        for chosen in drawn_patients(len(names), draws=draws, seed=seed):
            for name, number in statistic(np.concatenate([rows[i] for i in chosen])).items():
                found[name].append(number)
    who = _who(names)
    return {
        name: Figure(
            float(value[name]),
            len(names),
            np.array(found[name]) if found[name] else None,
            bounds=range_of(name),
            who=who,
            rests_on=rests_on,
        )
        for name in value
    }


def bootstrap_means(
    subjects: Sequence[str],
    rows: Sequence[Mapping[str, float]],
    *,
    draws: int | None = None,
    seed: int = 0,
    bounds: Range | None = None,
) -> dict[str, Figure]:
    """Means over patients of figures that each volume has by itself (a patient's volumes are averaged first).

    A volume without a figure holds NaN; ``n`` counts the patients that have it. ``bounds``: the values that all these
    figures can have, by default what their names say.
    """
    names, codes = np.unique(np.asarray(subjects), return_inverse=True)
    chosen = drawn_patients(len(names), draws=draws, seed=seed)
    found = {}
    for key in rows[0]:
        values = np.array([row[key] for row in rows], dtype=np.float64)
        known = np.isfinite(values)
        count = np.bincount(codes[known], minlength=len(names))
        total = np.bincount(codes[known], weights=values[known], minlength=len(names))
        has = count > 0
        means = np.where(has, total / np.maximum(count, 1), 0.0)
        value = float(means.sum() / has.sum()) if has.any() else float("nan")
        drawn = means[chosen].sum(axis=1) / np.where(has[chosen].any(axis=1), has[chosen].sum(axis=1), np.nan)
        ends = range_of(key) if bounds is None else bounds
        found[key] = Figure(value, int(has.sum()), drawn if has.sum() > 1 else None, who=_who(names[has]), bounds=ends)
    return found


def jackknife(subjects: ArrayLike, statistic: Statistic, *, blocks: int = 10) -> dict[str, Figure]:
    """Figures whose value depends on the number of distinct crops (ranks): drawing twice would lower them.

    Leaves out one block of patients at a time (Efron and Tibshirani 1993, chapter 11).
    """
    names, codes = np.unique(np.asarray(subjects), return_inverse=True)
    value = statistic(np.arange(len(codes)))
    count = min(blocks, len(names))
    if count < 2:
        return {name: Figure(float(v), len(names), who=_who(names)) for name, v in value.items()}
    left_out = [statistic(np.flatnonzero(codes % count != block)) for block in range(count)]
    return {
        name: Figure(
            float(v),
            len(names),
            left_out=np.array([part[name] for part in left_out]),
            who=_who(names),
            bounds=range_of(name),
        )
        for name, v in value.items()
    }


def difference(a: Figure, b: Figure) -> Figure:
    """``a - b`` on the same patients, paired draw by draw (block by block); no interval where they do not pair."""
    same = a.who == b.who
    rests_on = [figure.n if figure.rests_on is None else figure.rests_on for figure in (a, b)]
    return Figure(
        a.value - b.value,
        min(a.n, b.n),
        _gap(a.draws, b.draws) if same else None,
        _gap(a.left_out, b.left_out) if same else None,
        who=a.who if same else "",
        rests_on=min(rests_on),
    )


def _who(names: NDArray) -> str:
    return hashlib.sha256("\0".join(map(str, names)).encode()).hexdigest()[:12]


def _gap(a: NDArray | None, b: NDArray | None) -> NDArray | None:
    return a - b if a is not None and b is not None and len(a) == len(b) else None


def drawn_patients(count: int, *, draws: int | None = None, seed: int = 0) -> NDArray[np.intp]:
    """(draws, count) patient numbers, the same for the same count and seed."""
    return np.random.default_rng(seed).integers(0, count, size=(draws or DRAWS, count))


def _list(values: NDArray | None) -> list[float | None] | None:
    return None if values is None else [_number(float(f"{x:.6g}")) for x in values]


def _array(values: Sequence[float | None] | None) -> NDArray[np.float64] | None:
    return None if values is None else np.array([_float(x) for x in values])


def _number(x: float) -> float | None:
    return float(x) if np.isfinite(x) else None


def _float(x: float | None) -> float:
    return float("nan") if x is None else float(x)
