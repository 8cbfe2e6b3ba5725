"""Bodies that stand otherwise than the rest of their cohort: reversed or swapped axes."""

from collections.abc import Mapping
from itertools import permutations, product

import numpy as np
from numpy.typing import NDArray

BETTER_BY = 0.12
ALIKE = 0.6
NEIGHBOURS = 5
MOST_REFERENCES = 100
WAYS = [(order, flips) for order in permutations(range(3)) for flips in product((False, True), repeat=3)]
AXES = ("left-right", "front-back", "head-foot")


def likely_turned(bodies: Mapping[str, NDArray]) -> dict[str, str]:
    """Volumes whose body looks much more like others of the cohort when its axes are turned.

    Left and right mirrored is beyond it: bodies are too symmetric (named organs show that, see `rules`).

    Args:
        bodies: volume -> (N, N, N), its body's box with mean 0 and deviation 1, all in R A S as the headers say.

    Returns:
        volume -> a sentence saying how it seems to be turned; most cohorts give none.
    """
    names = list(bodies)
    stack = np.stack([_coarser(np.asarray(bodies[name], dtype=np.float32)) for name in names])
    chosen = np.arange(0, len(names), max(1, len(names) // MOST_REFERENCES))
    references = stack[chosen].reshape(len(chosen), -1)
    is_itself = np.arange(len(names))[:, None] == chosen
    scores = np.stack([_alike(_turn(stack, *way), references, is_itself) for way in WAYS], axis=1)
    best = scores.argmax(axis=1)
    found = {}
    for name, score, way in zip(names, scores, best, strict=True):
        if score[way] > ALIKE and score[way] - score[0] > BETTER_BY:
            found[name] = (
                f"{_words(*WAYS[way])}: turned so, the body looks like others ({score[way]:.2f}, now {score[0]:.2f})."
            )
    return found


def _coarser(body: NDArray) -> NDArray:
    """Half the voxels along each axis, mean 0 and deviation 1."""
    edge = body.shape[0] // 2
    small = body.reshape(edge, 2, edge, 2, edge, 2).mean(axis=(1, 3, 5))
    return (small - small.mean()) / max(float(small.std()), 1e-6)


def _alike(turned: NDArray, references: NDArray, is_itself: NDArray[np.bool_]) -> NDArray:
    """(N,) correlation with the most similar references: a cohort may hold several parts of the body."""
    correlations = turned.reshape(len(turned), -1) @ references.T / references.shape[1]
    correlations[is_itself] = -1
    nearest = min(NEIGHBOURS, references.shape[0] - 1)
    return np.partition(correlations, -nearest, axis=1)[:, -nearest:].mean(axis=1)


def _turn(bodies: NDArray, order: tuple[int, ...], flips: tuple[bool, ...]) -> NDArray:
    """(N, X, Y, Z) with the last three axes swapped and reversed."""
    bodies = bodies.transpose(0, *(axis + 1 for axis in order))
    return np.flip(bodies, tuple(axis + 1 for axis in range(3) if flips[axis]))


def _words(order: tuple[int, ...], flips: tuple[bool, ...]) -> str:
    parts = []
    if order != (0, 1, 2):
        swapped = [AXES[axis] for axis in range(3) if order[axis] != axis]
        parts.append(f"the axes {' and '.join(swapped)} seem swapped")
    reversed_axes = [AXES[axis] for axis in range(3) if flips[axis]]
    if reversed_axes:
        parts.append(f"the {' and '.join(reversed_axes)} axis seems reversed")
    return ", and ".join(parts).capitalize()
