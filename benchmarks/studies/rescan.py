"""The floor of all landmarks: the same person scanned twice, and how far apart the codes of the same place are.

python -m benchmarks.studies.rescan PATH/TO/brain-t1 --checkpoint demo-brain --json docs/search/rescan.json

Each person with two scans: centroids of organs, outlined in both by hand, looked up in the second scan by what the
codes agree on, by the field that starts, and by an affine registration; and the distance between the codes of the two
scans at the same centroid, beside that between two people. 95 % intervals over persons.
"""

import argparse
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks.lib.told import tell
from isimed.data.cohorts.cohort import Cohort
from isimed.data.prepared.cache import prepare_cohort
from isimed.evaluation.sampling.organ_places import organ_places
from isimed.evaluation.statistics.bootstrap import bootstrap
from isimed.evaluation.transfer.registration import affine_transform, carry
from isimed.explore.search.correspondence import correspondence
from isimed.explore.search.field import kept_field
from isimed.explore.search.retrieve import code_at
from isimed.explore.tables.embed import checkpoint_for, embed_cohort

EVERY = 6  # of some 130 structures, for the codes: one pass of the network each


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("cohort")
    parser.add_argument("--checkpoint", default="demo-brain")
    parser.add_argument("--json", required=True)
    options = parser.parse_args()
    cohort = Cohort.load(options.cohort)
    checkpoint = checkpoint_for(options.checkpoint, cohort)
    twice = [name for name in cohort.subjects if len(cohort.subset([name])) > 1]
    entries = cohort.subset(twice)
    volumes = prepare_cohort(cohort, checkpoint.card.preparation, entries=entries)
    table = embed_cohort(cohort, checkpoint, entries=entries)
    places = [organ_places(volume, cohort.organs) for volume in volumes]
    rows: list[dict[str, Any]] = []
    for s, t in [(s, t) for s in range(len(entries)) for t in range(len(entries)) if s != t]:
        same = entries[s].subject == entries[t].subject
        names = [name for name in places[s] if name in places[t]]
        clicked, true = (np.stack([where[name] for name in names]) for where in (places[s], places[t]))
        found = {}
        if same:
            agreed = correspondence(table, entries[s].id, entries[t].id).map
            found["codes"] = agreed(clicked)
            found["codes, field"] = kept_field(volumes[s], volumes[t], agreed).map(clicked)
            found["affine"] = partial(carry, affine_transform(volumes[s], volumes[t]))(clicked)
        for number, name in enumerate(names):
            row: dict[str, Any] = {"subject": entries[t].subject, "same": same, "name": name}
            row |= {way: float(np.linalg.norm(mm[number] - true[number])) for way, mm in found.items()}
            if number % EVERY == 0:
                codes = [code_at(checkpoint, volumes[i], places[i][name], anywhere=True) for i in (s, t)]
                row["code"] = float(np.linalg.norm(codes[0] - codes[1]))
            rows.append(row)
    result = {"people": twice, "scans": len(entries)} | figures(rows)
    tell(result, options.json)


def figures(rows: list[dict[str, Any]]) -> dict[str, Any]:
    """Medians, with intervals over the person looked into."""
    asked = {
        **{f"rescan, {way}, mm": [r for r in rows if way in r] for way in ("codes", "codes, field", "affine")},
        "codes of the same place, same person, mm": [r for r in rows if r["same"] and "code" in r],
        "codes of the same place, two people, mm": [r for r in rows if not r["same"] and "code" in r],
    }
    found = {}
    for name, some in asked.items():
        key = "code" if name.startswith("codes of") else name.removeprefix("rescan, ").removesuffix(", mm")
        mm = np.array([row[key] for row in some])

        def median(chosen: NDArray[np.intp], mm: NDArray = mm) -> dict[str, float]:
            return {"median_mm": float(np.median(mm[chosen]))}

        found[name] = {"places": len(mm)} | bootstrap([r["subject"] for r in some], median)["median_mm"].to_json()
    return found


if __name__ == "__main__":
    main()
