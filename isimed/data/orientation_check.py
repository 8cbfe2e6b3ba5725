"""Bodies that stand otherwise than the rest of their cohort: reversed or swapped axes."""

from collections.abc import Mapping
from itertools import permutations, product

import numpy as np
from numpy.typing import NDArray

BETTER_BY = 0.2
MIRRORED_BETTER_BY = 0.1
ALIKE = 0.6
WAYS = [(order, flips) for order in permutations(range(3)) for flips in product((False, True), repeat=3)]
AXES = ("left-right", "front-back", "head-foot")


def likely_turned(bodies: Mapping[str, NDArray]) -> dict[str, str]:
    """Volumes whose body looks much more like the cohort's mean when its axes are turned.

    Args:
        bodies: volume -> (N, N, N), its body's box with mean 0 and deviation 1, all in R A S as the headers say.

    Returns:
        volume -> a sentence saying how it seems to be turned; most cohorts give none.
    """
    names = list(bodies)
    stack = np.stack([np.asarray(bodies[name], dtype=np.float32) for name in names])
    middle = np.median(stack, axis=0)
    found = {}
    for name, body in zip(names, stack, strict=True):
        scores = {way: _alike(_turn(body, *way), middle) for way in WAYS}
        as_is = scores[WAYS[0]]
        best = max(scores, key=lambda way: scores[way])
        margin = MIRRORED_BETTER_BY if best == ((0, 1, 2), (True, False, False)) else BETTER_BY
        if scores[best] > ALIKE and scores[best] - as_is > margin:
            found[name] = f"{_words(*best)}: the body looks like the others then ({scores[best]:.2f} against {as_is:.2f})."
    return found


def _turn(body: NDArray, order: tuple[int, ...], flips: tuple[bool, ...]) -> NDArray:
    body = body.transpose(order)
    return np.flip(body, [axis for axis in range(3) if flips[axis]])


def _alike(first: NDArray, second: NDArray) -> float:
    return float(np.corrcoef(first.ravel(), second.ravel())[0, 1])


def _words(order: tuple[int, ...], flips: tuple[bool, ...]) -> str:
    parts = []
    if order != (0, 1, 2):
        swapped = [AXES[axis] for axis in range(3) if order[axis] != axis]
        parts.append(f"the axes {' and '.join(swapped)} seem swapped")
    reversed_axes = [AXES[axis] for axis in range(3) if flips[axis]]
    if reversed_axes:
        parts.append(f"the {' and '.join(reversed_axes)} axis seems reversed")
    return ", and ".join(parts).capitalize()
