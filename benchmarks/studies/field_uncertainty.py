"""Does anything tell how far a place found by a field is off? On synthetic patients, whose truth is known everywhere.

python -m benchmarks.studies.field_uncertainty demo-brain --checkpoint demo-brain --json docs/search/uncertainty.json

Random places of each patient are looked for in two others. Signals, each in mm but the last:

- `spread`: of the shifts that fit the voxels around the found place about equally well (what the page says as ±)
- `round_trip`: there by one field, back by the other scan's own
- `moved`: from what the codes agree on to what the field says
- `starts`: between the field that the codes start and the one that the centres of mass start
- `correlation`: of the voxels around both places, less is worse

Spearman correlation of each with the true error, of their mean rank, and of geometric means of some; and how often the
true error lies within the error that 80 % of places with a similar signal have in the other half of the patients: what
a calibrated ± would be worth.
"""

import argparse
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.stats import rankdata, spearmanr
from tqdm import tqdm

from benchmarks.lib.told import tell
from isimed.data.cohorts.cohort import Cohort
from isimed.data.demo.warp import load_warps, true_point
from isimed.data.prepared.cache import prepare_cohort
from isimed.evaluation.statistics.bootstrap import bootstrap
from isimed.evaluation.transfer.registration import carry, start_transform
from isimed.explore.search.correspondence import correspondence
from isimed.explore.search.field import kept_field
from isimed.explore.search.refine import sharpen
from isimed.explore.tables.embed import checkpoint_for, embed_cohort

PLACES = 40
SIGNALS = ("spread", "round_trip", "moved", "starts", "correlation")
SHARE, BINS, LEAST_MM = 0.8, 5, 0.1


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("cohort")
    parser.add_argument("--checkpoint", default="demo-brain")
    parser.add_argument("--patients", type=int, default=10)
    parser.add_argument("--json", required=True)
    options = parser.parse_args()
    rows = measured(Cohort.load(options.cohort), options.checkpoint, options.patients)
    tell(figures(rows), options.json)


def measured(cohort: Cohort, network: str, patients: int) -> list[dict[str, Any]]:
    """A row a place: its target, its error and its signals."""
    checkpoint, warps = checkpoint_for(network, cohort), load_warps(cohort.root)
    entries = cohort.volumes[-patients:]
    table = embed_cohort(cohort, checkpoint, entries=entries)
    volumes = prepare_cohort(cohort, checkpoint.card.preparation, entries=entries)
    rng, rows = np.random.default_rng(0), []
    for s, t in tqdm([(s, (s + step) % len(entries)) for s in range(len(entries)) for step in (1, 2)]):
        here, there = volumes[s], volumes[t]
        body = np.argwhere(here.body)
        clicked = here.to_mm(body[rng.choice(len(body), PLACES)])
        true = true_point(warps, clicked, entries[s].subject, entries[t].subject)
        voxel = there.to_voxel(true)
        shown = ((voxel >= 0) & (voxel <= np.array(there.image.shape) - 1)).all(axis=1)
        clicked, true = clicked[shown], true[shown]
        go = correspondence(table, entries[s].id, entries[t].id)
        come = correspondence(table, entries[t].id, entries[s].id)
        found = kept_field(here, there, go.map).map(clicked)
        home = kept_field(there, here, come.map).map(found)
        other = kept_field(here, there, partial(carry, start_transform(here, there))).map(clicked)
        for point, place, back, without, truth in zip(clicked, found, home, other, true, strict=True):
            sharp = sharpen(here, point, there, place, go.matrix[:3])
            rows.append(
                {
                    "target": entries[t].subject,
                    "error": float(np.linalg.norm(place - truth)),
                    "spread": sharp.spread_mm,
                    "round_trip": float(np.linalg.norm(back - point)),
                    "moved": float(np.linalg.norm(place - go.map(point))),
                    "starts": float(np.linalg.norm(place - without)),
                    "correlation": -sharp.correlation,
                }
            )
    return rows


def figures(rows: list[dict[str, Any]]) -> dict[str, Any]:
    error = np.array([row["error"] for row in rows])
    signals = {name: np.array([row[name] for row in rows]) for name in SIGNALS}
    signals["mean rank"] = np.mean([rankdata(signal) for signal in signals.values()], axis=0)
    for some in (("spread", "round_trip"), ("spread", "starts"), ("spread", "round_trip", "starts")):
        signals[", ".join(some)] = np.exp(np.mean([np.log(signals[name] + LEAST_MM) for name in some], axis=0))
    subjects = [row["target"] for row in rows]

    def spearman(chosen: NDArray[np.intp]) -> dict[str, float]:
        return {name: float(spearmanr(signal[chosen], error[chosen])[0]) for name, signal in signals.items()}

    told = {name: figure.to_json() for name, figure in bootstrap(subjects, spearman).items()}
    half = np.isin(subjects, sorted(set(subjects))[::2])
    within = {name: covered(signal, error, half) for name, signal in signals.items()}
    for name, signal in signals.items():
        within[name] |= factor(signal, error, half)
    return {
        "places": len(rows), "median_mm": float(np.median(error)), "p90_mm": float(np.quantile(error, 0.9)),
        "spearman_with_error": told, "calibrated_on_the_other_half": within,
    }  # fmt: skip


def covered(signal: NDArray, error: NDArray, half: NDArray[np.bool_]) -> dict[str, Any]:
    """Limits by fifths of a signal, set on one half of the patients, tried on the other; both ways round."""
    limits, inside = np.empty(len(error)), np.empty(len(error), bool)
    for here in (half, ~half):
        edges = np.quantile(signal[here], np.linspace(0, 1, BINS + 1)[1:-1])
        own, theirs = np.searchsorted(edges, signal[here]), np.searchsorted(edges, signal[~here])
        limit = np.array([np.quantile(error[here][own == part], SHARE) for part in range(BINS)])
        limits[~here] = limit[theirs]
        inside[~here] = error[~here] <= limit[theirs]
    return {
        "share": round(float(inside.mean()), 3),
        "limit_mm": [round(float(q), 1) for q in np.quantile(limits, [0.1, 0.5, 0.9])],
    }


def factor(signal: NDArray, error: NDArray, half: NDArray[np.bool_]) -> dict[str, float]:
    """What a signal is to be multiplied with so that 80 % of errors lie within it; tried on the other half as well."""
    times = error / np.maximum(signal, LEAST_MM)
    inside = np.concatenate([times[~here] <= np.quantile(times[here], SHARE) for here in (half, ~half)])
    return {"factor": round(float(np.quantile(times, SHARE)), 2), "share_within_factor": round(float(inside.mean()), 3)}


if __name__ == "__main__":
    main()
