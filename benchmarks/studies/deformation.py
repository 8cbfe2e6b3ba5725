"""How far off a found place is where two bodies differ most, on synthetic patients whose warps are known.

python -m benchmarks.studies.deformation demo-brain --checkpoint demo-brain --json docs/paper/deformation.json

Random places of one patient, whose true place in the other is known. *Deformation* is what is left of it after the
affine map of the pair that fits all these true places best: what no turning and stretching of the whole explains. The
places of all pairs are parted in three by it; in each third, the error of what the codes agree on, of the field that
starts there, and of an affine registration of the voxels. 95 % intervals over the patients looked into.
"""

import argparse
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks.lib.told import tell
from isimed.data.cohorts.cohort import Cohort
from isimed.data.demo.warp import load_warps, true_point
from isimed.data.prepared.cache import prepare_cohort
from isimed.evaluation.statistics.bootstrap import bootstrap
from isimed.evaluation.transfer.registration import affine_transform, carry
from isimed.explore.search.correspondence import correspondence
from isimed.explore.search.field import kept_field
from isimed.explore.tables.embed import checkpoint_for, embed_cohort

PLACES = 60  # of a pair
THIRDS = ("least", "middle", "most")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("cohort")
    parser.add_argument("--checkpoint", default="demo-brain")
    parser.add_argument("--sources", type=int, default=1, help="for each patient looked into")
    parser.add_argument("--json", required=True)
    options = parser.parse_args()
    cohort = Cohort.load(options.cohort)
    checkpoint = checkpoint_for(options.checkpoint, cohort)
    entries, rng = cohort.volumes, np.random.default_rng(0)
    volumes = prepare_cohort(cohort, checkpoint.card.preparation, entries=entries)
    table, warps = embed_cohort(cohort, checkpoint, entries=entries), load_warps(cohort.root)
    rows: dict[str, list[NDArray]] = {name: [] for name in ("deformation", "codes", "field", "affine")}
    subject: list[str] = []
    for target, there in enumerate(entries):
        for source in rng.permutation([i for i in range(len(entries)) if i != target])[: options.sources]:
            here = entries[int(source)]
            body = np.argwhere(volumes[source].body)
            clicked = volumes[source].to_mm(body[rng.choice(len(body), PLACES)])
            true = true_point(warps, clicked, here.subject, there.subject)
            agreed = correspondence(table, here.id, there.id).map
            registered = affine_transform(volumes[source], volumes[target])
            found = {
                "deformation": best_affine(clicked, true),
                "codes": agreed(clicked),
                "field": kept_field(volumes[source], volumes[target], agreed).map(clicked),
                "affine": carry(registered, clicked),
            }
            for name, mm in found.items():
                rows[name].append(np.linalg.norm(mm - true, axis=1))
            subject += [there.subject] * len(clicked)
    result = figures({name: np.concatenate(parts) for name, parts in rows.items()}, np.array(subject))
    tell(result, options.json)


def best_affine(points: NDArray, true: NDArray) -> NDArray[np.float64]:
    """(N, 3): the affine map of these points that comes nearest to their true places, by least squares."""
    known = np.column_stack([points, np.ones(len(points))])
    return known @ np.linalg.lstsq(known, true, rcond=None)[0]


def figures(errors: dict[str, NDArray], subject: NDArray) -> dict[str, Any]:
    """Median mm in each third of the places by their deformation."""
    deformation = errors["deformation"]
    part = np.searchsorted(np.quantile(deformation, [1 / 3, 2 / 3]), deformation, side="right")

    found: dict[str, Any] = {"places": len(subject), "patients": len(set(subject))}
    for number, name in enumerate(THIRDS):
        some = np.flatnonzero(part == number)
        here = {key: error[some] for key, error in errors.items()}
        found[name] = {
            key: figure.to_json() for key, figure in bootstrap(subject[some], partial(medians, here)).items()
        }
    return found


def medians(errors: dict[str, NDArray], rows: NDArray) -> dict[str, float]:
    return {name: float(np.median(error[rows])) for name, error in errors.items()}


if __name__ == "__main__":
    main()
