"""Task `compare`: how alike are the spaces of two checkpoints on the same crops?"""

import json
from collections.abc import Sequence
from itertools import combinations
from typing import Any

import numpy as np
from numpy.typing import NDArray

from isimed.core.files import write_json
from isimed.evaluation.context.context import Bench
from isimed.evaluation.context.embedding_cache import Features
from isimed.evaluation.run.plan import kept_file
from isimed.evaluation.statistics.bootstrap import Figure, jackknife
from isimed.explore.maps.compare_spaces import linear_cka, neighbour_overlap, procrustes
from isimed.models.checkpoint import Checkpoint

NEIGHBOURS = 10
ALL_PAIRS = 6
VERSION = "2"
Json = dict[str, Any]


def kept_likeness(bench: Bench, checkpoints: dict[str, Checkpoint]) -> dict[str, Json]:
    """``"a | b"`` -> figure -> ``{value, low, high, n}``, kept by pair. See ``chosen_pairs``."""
    found: dict[str, Json] = {}
    for a, b in chosen_pairs(list(checkpoints)):
        ours, theirs = checkpoints[a], checkpoints[b]
        file = kept_file(bench, "compare", VERSION, ours.fingerprint, theirs.fingerprint)
        try:
            found[f"{a} | {b}"] = json.loads(file.read_bytes())
            continue
        except (OSError, ValueError):
            pass
        spaces = [bench.features(c, "body") for c in (ours, theirs)]
        subject = bench.crops_for("body", ours).subject
        figures = {name: f.to_json() for name, f in likeness(spaces[0], spaces[1], subject).items()}
        write_json(file, figures)
        found[f"{a} | {b}"] = figures
    return found


def chosen_pairs(names: Sequence[str]) -> list[tuple[str, str]]:
    """Every two, or every one and the first where these would be too many to read."""
    return list(combinations(names, 2)) if len(names) <= ALL_PAIRS else [(names[0], other) for other in names[1:]]


def likeness(a: Features, b: Features, subject: NDArray) -> dict[str, Figure]:
    """How alike two (embedding, code) pairs of the same crops are; intervals by jackknife over patients.

    ``cka``, ``code_cka``; ``neighbour_overlap`` of the codes; ``procrustes`` disparity of their three leading
    components.
    """
    scores = [components(code, 3) for _, code in (a, b)]

    def statistic(rows: NDArray) -> dict[str, float]:
        return {
            "cka": linear_cka(a[0][rows], b[0][rows]),
            "code_cka": linear_cka(a[1][rows], b[1][rows]),
            "neighbour_overlap": neighbour_overlap(a[1][rows], b[1][rows], neighbours=NEIGHBOURS),
            "procrustes": procrustes(scores[0][rows], scores[1][rows]).disparity,
        }

    return jackknife(subject, statistic, blocks=5)


def components(x: NDArray, count: int) -> NDArray[np.float64]:
    """(N, count) scores on the leading principal components."""
    x = np.asarray(x, dtype=np.float64)
    u, s, _ = np.linalg.svd(x - x.mean(axis=0), full_matrices=False)
    return u[:, :count] * s[:count]
