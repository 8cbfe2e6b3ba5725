"""UMAP layouts of a map: fitted once with a fixed seed, kept, and new crops placed into them.

UMAP (McInnes et al., arXiv 1802.03426) runs on the first 50 principal components, with exact neighbours,
started from the first two components, single-threaded with a fixed seed: the same components give the same
layout. What is kept is the reference crops' components and their places. A new crop is placed at the mean of its
nearest reference crops, weighted as UMAP weighs edges: ``exp(-(d - d_nearest) / sigma)``, sigma such that the
weights sum to ``log2(k)``. This is where UMAP's own transform starts; it needs no pickled object, gives the same
answer in any process, and a reference crop lands exactly where it lies.
"""

import hashlib
import threading
import warnings
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field
from sklearn.neighbors import NearestNeighbors

from isimed.core.errors import InputError
from isimed.core.files import UNREADABLE, write_file
from isimed.core.progress import Progress, Say, part_of, silent
from isimed.explore.maps.pca import Map

REFERENCE_LIMIT = 50_000
SAME_PLACE = 1e-4  # of the distance to the k-th neighbour: nearer than this is the same crop
CHUNK = 10_000
_one_at_a_time = threading.Lock()  # numba's threading layer must not be entered twice


class UmapParameters(BaseModel):
    """How a layout is made."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    neighbours: int = Field(default=15, ge=2, le=200, description="Of a crop: more shows the whole, fewer the detail.")
    min_dist: float = Field(default=0.1, ge=0, le=1, description="How close crops may lie on the map.")
    seed: int = Field(default=0, description="Of the random numbers.")


@dataclass(frozen=True, eq=False)
class Layout:
    """A fitted layout.

    Attributes:
        reference: (M, K) float32 principal components of the reference crops.
        places: (M, 2) float32 where they lie; distances are not mm.
    """

    parameters: UmapParameters
    reference: NDArray[np.float32]
    places: NDArray[np.float32]

    def place(self, pcs: NDArray, *, progress: Progress | None = None) -> NDArray[np.float32]:
        """(N, K) components -> (N, 2) places among the reference crops."""
        k = min(self.parameters.neighbours, len(self.reference))
        search = NearestNeighbors(n_neighbors=min(2 * k, len(self.reference)), algorithm="brute").fit(self.reference)
        result = np.empty((len(pcs), 2), dtype=np.float32)
        for start in range(0, len(pcs), CHUNK):
            part = np.ascontiguousarray(pcs[start : start + CHUNK], dtype=np.float32)
            near, distance = _exactly(part, self.reference, search.kneighbors(part, return_distance=False), k)
            weights = _edge_weights(distance)
            places = (weights[..., None] * self.places[near]).sum(axis=1) / weights.sum(axis=1, keepdims=True)
            same = distance[:, 0] <= SAME_PLACE * np.maximum(distance[:, -1], 1e-12)
            places[same] = self.places[near[same, 0]]
            result[start : start + CHUNK] = places
            if progress:
                progress(min(start + CHUNK, len(pcs)), len(pcs))
        return result


def fit_layout(
    pcs: NDArray, parameters: UmapParameters, *, progress: Progress | None = None, say: Say | None = None
) -> Layout:
    """Fit UMAP on reference crops; takes about a minute for 50,000.

    Args:
        pcs: (M, K) principal components.
        progress: called with (done, total).
        say: called with what is being done.

    Raises:
        InputError: too few crops.
    """
    reference = np.ascontiguousarray(pcs, dtype=np.float32)
    if len(reference) < 10:
        raise InputError(f"UMAP needs at least 10 crops, there are {len(reference)}: embed more of the cohort.")
    say = say or silent
    k = min(parameters.neighbours, len(reference) - 1)
    say("Looking for neighbours")
    near, distance = _neighbours(reference, k, part_of(progress, 0, 0.3))
    say("Laying out the UMAP")
    with _one_at_a_time, warnings.catch_warnings():
        warnings.simplefilter("ignore")  # about n_jobs and the missing search index, both meant so
        import umap  # numba makes this slow: only when needed

        model = umap.UMAP(
            n_neighbors=k,
            min_dist=parameters.min_dist,
            init=_start(reference),
            random_state=parameters.seed,
            n_jobs=1,
            precomputed_knn=(near, distance),
            force_approximation_algorithm=True,
            tqdm_kwds={
                "disable": False,
                "file": _Reporter(part_of(progress, 0.35, 1)),
                "bar_format": "{n} {total}",
                "mininterval": 0.2,
            },
        )
        places = model.fit_transform(reference)
    return Layout(parameters, reference, np.ascontiguousarray(places, dtype=np.float32))


def layout_folder(fitted: Map, parameters: UmapParameters) -> Path | None:
    if fitted.folder is None:
        return None
    return fitted.folder / f"umap-{hashlib.sha256(parameters.model_dump_json().encode()).hexdigest()[:12]}"


def read_layout(folder: Path | None) -> Layout | None:
    """The layout in a folder, or None where it is missing or damaged."""
    if folder is None:
        return None
    try:
        parameters = UmapParameters.model_validate_json((folder / "layout.json").read_bytes())
        with np.load(folder / "layout.npz", allow_pickle=False) as arrays:
            return Layout(parameters, arrays["reference"], arrays["places"])
    except UNREADABLE:
        return None


def write_layout(layout: Layout, folder: Path) -> None:
    """Keep a layout; ``layout.json`` is written last and makes it whole."""
    write_file(folder / "layout.npz", lambda file: np.savez(file, reference=layout.reference, places=layout.places))
    write_file(folder / "layout.json", layout.parameters.model_dump_json(indent=1) + "\n")


class _Reporter:
    """Where tqdm writes "done total"; passes it on."""

    def __init__(self, progress: Progress) -> None:
        self._progress = progress

    def write(self, text: str) -> None:
        numbers = text.split()
        if len(numbers) == 2 and all(number.isdigit() for number in numbers):
            done, total = map(int, numbers)
            self._progress(done, total)

    def flush(self) -> None:
        pass


def _neighbours(points: NDArray[np.float32], k: int, progress: Progress) -> tuple[NDArray, NDArray]:
    """Exact neighbours as UMAP wants them: (M, k) indices and distances, itself first."""
    search = NearestNeighbors(n_neighbors=k + 1, algorithm="brute").fit(points)
    near = np.empty((len(points), k), dtype=np.int32)
    distance = np.empty((len(points), k), dtype=np.float32)
    for start in range(0, len(points), 5000):
        stop = min(start + 5000, len(points))
        found, rows = search.kneighbors(points[start:stop])
        own = np.arange(start, stop)[:, None]
        rank = np.where(rows == own, -1, np.arange(k + 1))  # itself first, also among duplicates
        order = np.argsort(rank, axis=1, kind="stable")[:, :k]
        near[start:stop] = np.take_along_axis(rows, order, axis=1)
        distance[start:stop] = np.take_along_axis(found, order, axis=1)
        near[start:stop, 0], distance[start:stop, 0] = own[:, 0], 0
        progress(stop, len(points))
    return near, distance


def _exactly(points: NDArray, reference: NDArray, near: NDArray, k: int) -> tuple[NDArray, NDArray]:
    """The k nearest among candidates, and their distances, each computed from its own two rows only.

    The search's own distances come from a product of matrices: rounded, so that a crop is not quite 0 from itself, and
    differently with other crops beside it, so that crops would move when a patient is added.
    """
    distance = np.sqrt(np.square(points[:, None] - reference[near]).sum(axis=2))
    order = np.argsort(distance, axis=1, kind="stable")[:, :k]
    return np.take_along_axis(near, order, axis=1), np.take_along_axis(distance, order, axis=1)


def _start(pcs: NDArray[np.float32]) -> NDArray[np.float32]:
    """The first two components, scaled to UMAP's usual start."""
    first = pcs[:, :2] - pcs[:, :2].mean(axis=0)
    return np.ascontiguousarray(first * (10 / max(float(np.abs(first).max()), 1e-12)), dtype=np.float32)


def _edge_weights(distance: NDArray[np.float32]) -> NDArray[np.float32]:
    """(N, k) UMAP's edge weights of sorted distances, sigma by bisection."""
    beyond = distance - distance[:, :1]
    target = np.log2(max(distance.shape[1], 2))
    low = np.full((len(distance), 1), 1e-6, dtype=np.float32)
    high = np.maximum(beyond[:, -1:] * 100, 1e-3).astype(np.float32)
    for _ in range(32):
        middle = np.sqrt(low * high)
        too_wide = np.exp(-beyond / middle).sum(axis=1, keepdims=True) > target
        low, high = np.where(too_wide, low, middle), np.where(too_wide, middle, high)
    return np.exp(-beyond / np.sqrt(low * high))
