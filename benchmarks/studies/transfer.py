"""Organ centroids carried from patient to patient: how far off, by which means, in what time.

python -m benchmarks.studies.transfer PATH/TO/headneck-ct --checkpoint headneck-ct --json transfer.json

Held-out patients only: the `test` list of a split. For N targets and 5 sources each, every organ that both have is
clicked at its centroid in the source and looked for in the target by

- nearest, interpolated, agreed, refined: the four steps of the search (`search.locate`), with the checkpoint
- the same with the untrained network; beside the refined step, what else might tell its error (`spearman_with_error`)
- body_box: the same relative place in the body's box
- centre_of_mass, affine: SimpleITK, the start of an affine registration and its end (Mattes mutual information)

Seconds are of one query, with the tables and prepared volumes open. A demo cohort is measured at random places against
its known warps instead.
"""

import argparse
import sys
import time
from collections.abc import Callable
from typing import Any

import numpy as np
import SimpleITK as sitk
from numpy.typing import NDArray
from scipy.stats import spearmanr

from benchmarks.lib.told import tell
from benchmarks.studies.part import add_patients, listed_patients
from isimed.data.cohorts.cohort import Cohort
from isimed.data.demo.warp import load_warps, true_point
from isimed.data.prepared.cache import prepare_cohort
from isimed.data.prepared.preprocess import Prepared
from isimed.evaluation.sampling.organ_places import organ_places
from isimed.evaluation.tasks.landmarks import other_side
from isimed.evaluation.transfer.registration import affine_transform, carry, start_transform
from isimed.evaluation.transfer.transfers import box_map
from isimed.explore.search.correspondence import correspondence
from isimed.explore.search.locate import agree, interpolated, refined
from isimed.explore.search.retrieve import code_at, nearest_in_others
from isimed.explore.tables.embed import checkpoint_for, embed_cohort
from isimed.explore.tables.filters import Filter
from isimed.explore.tables.store import Table
from isimed.models.card import UNTRAINED
from isimed.models.checkpoint import Checkpoint

STEPS = ("nearest", "interpolated", "agreed", "refined")
RANDOM_PLACES = 8
Case = dict[str, Any]


class Query:
    """One clicked place and one target."""

    def __init__(self, source: int, target: int, name: str, clicked: NDArray, true: NDArray, other: NDArray | None):
        self.source, self.target, self.name = source, target, name
        self.clicked, self.true, self.other = clicked, true, other


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    add_patients(parser)
    parser.add_argument("--targets", type=int, default=10)
    parser.add_argument("--sources", type=int, default=5)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--no-untrained", action="store_true")
    parser.add_argument("--json")
    options = parser.parse_args()
    cohort = Cohort.load(options.cohort)
    checkpoint = checkpoint_for(options.checkpoint, cohort)
    rng = np.random.default_rng(options.seed)
    listed = cohort.subjects if cohort.synthetic else listed_patients(options)
    subjects = [str(name) for name in rng.permutation(listed)[: options.targets + options.sources]]
    entries = cohort.subset(subjects)
    volumes = prepare_cohort(cohort, checkpoint.card.preparation, entries=entries)
    queries = choose(cohort, entries, volumes, rng, options)
    say(f"{len(queries)} places, {len({(q.source, q.target) for q in queries})} pairs of patients")
    ids = [entry.id for entry in entries]
    found: dict[str, list[Case]] = {}
    networks = [checkpoint, *([] if options.no_untrained else [checkpoint_for(UNTRAINED, cohort, like=checkpoint)])]
    for network in networks:
        table = embed_cohort(cohort, network, entries=entries, progress=lambda a, b: say(f"{a} of {b} crops", end="\r"))
        found |= searched(network, table, ids, volumes, queries, prefix="" if network is checkpoint else "untrained ")
    found["body_box"] = [
        timed(query, lambda query: box_map(volumes[query.source], volumes[query.target])(query.clicked))
        for query in queries
    ]
    found |= registered(volumes, queries, seed=options.seed)
    result: dict[str, Any] = {
        "cohort": cohort.name, "checkpoint": checkpoint.name, "subjects": subjects, "places": len(queries),
        "methods": {name: figures(queries, cases) for name, cases in found.items()},
    }  # fmt: skip
    for name, one in result["methods"].items():
        say(f"{name:24} median {one['median_mm']:5.1f} mm, {1000 * one['seconds_a_query']:7.1f} ms, {one['organs_mm']}")
    tell(result, options.json)


def choose(cohort: Cohort, entries: list, volumes: list[Prepared], rng: np.random.Generator, options) -> list[Query]:
    """Every organ of every pair, or random places of synthetic patients."""
    targets = range(min(options.targets, len(entries)))
    pairs = [
        (int(s), t)
        for t in targets
        for s in rng.permutation([i for i in range(len(entries)) if i != t])[: options.sources]
    ]
    if cohort.synthetic:
        warps, found = load_warps(cohort.root), []
        for source, target in pairs:
            body = np.argwhere(volumes[source].body)
            clicked = volumes[source].to_mm(body[rng.choice(len(body), RANDOM_PLACES)])
            true = true_point(warps, clicked, entries[source].subject, entries[target].subject)
            voxels = volumes[target].to_voxel(true)
            inside = ((voxels >= 0) & (voxels <= np.array(volumes[target].image.shape) - 1)).all(axis=1)
            found += [
                Query(source, target, "place", p, t, None) for p, t in zip(clicked[inside], true[inside], strict=True)
            ]
        return found
    places = [organ_places(volume, cohort.organs) for volume in volumes]
    return [
        Query(s, t, name, places[s][name], places[t][name], places[t].get(other_side(name)))
        for s, t in pairs
        for name in places[t]
        if name in places[s]
    ]


def searched(
    network: Checkpoint, table: Table, ids: list[str], volumes: list[Prepared], queries: list[Query], *, prefix: str
) -> dict[str, list[Case]]:
    """The four steps of the search; a step's seconds hold those of the steps before it, as a click's do."""
    opened = dict(zip(ids, volumes, strict=True))
    found: dict[str, list[Case]] = {prefix + step: [] for step in STEPS}
    for number, query in enumerate(queries):
        source, target = ids[query.source], ids[query.target]
        for pair in ((source, target), (target, source)):
            correspondence(table, *pair)  # fitted once for two volumes, when the first of them is opened
        subject = str(table.subject[table.rows(source).start])
        part = Table(table.info, {n: getattr(table, n)[table.rows(target)] for n in COLUMNS})
        start = time.perf_counter()
        code = code_at(network, opened[source], query.clicked)
        taken = time.perf_counter() - start
        match = nearest_in_others(part, code, subject=subject)[0]
        seconds = time.perf_counter() - start
        steps = [case(query, match.centre_mm, seconds)]
        start = time.perf_counter()
        between = interpolated(part, code, where=Filter(not_subject=subject))[0]
        steps.append(case(query, between.mm, taken + time.perf_counter() - start, between))
        start = time.perf_counter()
        places = agree(table, [match], source, query.clicked)
        seconds += time.perf_counter() - start
        back = agree(table, places, source, query.clicked, round_trip=True)[0]
        steps.append(case(query, back.mm, seconds, back))
        start = time.perf_counter()
        refined(table, opened.__getitem__, places, source, query.clicked)
        seconds += time.perf_counter() - start
        fine = refined(table, opened.__getitem__, places, source, query.clicked, round_trip=True)[0]
        steps.append(case(query, fine.mm, seconds, fine))
        ways = np.array([match.centre_mm, between.mm, back.mm, fine.mm])
        steps[-1]["sure"] |= {
            "steps_apart_mm": float(np.sqrt(np.square(ways - ways.mean(axis=0)).sum(axis=1).mean())),
            "moved_by_voxels_mm": float(np.linalg.norm(ways[3] - ways[2])),
            "agreement_spread_mm": back.uncertainty_mm,
        }
        for step, one in zip(STEPS, steps, strict=True):
            found[prefix + step].append(one)
        say(f"{prefix}search: {number + 1} of {len(queries)}", end="\r")
    return found


COLUMNS = ("subject", "volume", "centre_mm", "position", "organ", "tumour", "code")


def registered(volumes: list[Prepared], queries: list[Query], *, seed: int) -> dict[str, list[Case]]:
    """Each pair is registered once; a query costs all of it, for one click needs one pair."""
    maps: dict[tuple[int, int], list[tuple[sitk.Transform, float]]] = {}
    for pair in dict.fromkeys((query.source, query.target) for query in queries):
        source, target = (volumes[number] for number in pair)
        maps[pair] = []
        for register in (start_transform, lambda a, b: affine_transform(a, b, seed=seed)):
            start = time.perf_counter()
            transform = register(source, target)
            maps[pair].append((transform, time.perf_counter() - start))
        say(f"registered {len(maps)} pairs", end="\r")
    found: dict[str, list[Case]] = {}
    for number, name in enumerate(("centre_of_mass", "affine")):
        of = [maps[query.source, query.target][number] for query in queries]
        found[name] = [case(q, carry(t, q.clicked)[0], seconds) for q, (t, seconds) in zip(queries, of, strict=True)]
    return found


def timed(query: Query, find: Callable[[Query], NDArray]) -> Case:
    start = time.perf_counter()
    return case(query, find(query), time.perf_counter() - start)


def case(query: Query, mm: Any, seconds: float, location: Any = None) -> Case:
    error = float(np.linalg.norm(np.asarray(mm) - query.true))
    swapped = None if query.other is None else bool(np.linalg.norm(np.asarray(mm) - query.other) < error)
    sure = {"latent": location.distance, "uncertainty_mm": location.uncertainty_mm} if location else {}
    if location and location.round_trip_mm is not None:
        sure["round_trip_mm"] = location.round_trip_mm
    return {"error_mm": error, "seconds": seconds, "swapped": swapped, "sure": sure}


def figures(queries: list[Query], cases: list[Case]) -> dict[str, Any]:
    error = np.array([one["error_mm"] for one in cases])
    names = [query.name for query in queries]
    of = {name: np.array([n == name for n in names]) for name in sorted(set(names))}
    swapped = {
        name: round(float(np.mean([one["swapped"] for one, n in zip(cases, names, strict=True) if n == name])), 4)
        for name in of
        if any(one["swapped"] is not None for one, n in zip(cases, names, strict=True) if n == name)
    }
    signs = sorted(set().union(*(one["sure"] for one in cases)))
    return {
        "median_mm": round(float(np.median(error)), 2),
        "mean_mm": round(float(error.mean()), 2),
        "within_20mm": round(float((error <= 20).mean()), 3),
        "organs_mm": {name: round(float(np.median(error[rows])), 1) for name, rows in of.items()},
        "seconds_a_query": round(float(np.median([one["seconds"] for one in cases])), 5),
        "share_taken_for_the_other_side": swapped,
        "spearman_with_error": {
            sign: round(float(spearmanr([one["sure"][sign] for one in cases], error)[0]), 3) for sign in signs
        },
    }


def say(text: str, end: str = "\n") -> None:
    print(text, file=sys.stderr, end=end, flush=True)


if __name__ == "__main__":
    main()
