"""The crops that a network gets most wrong, and where they lie."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

WORST = 12


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
