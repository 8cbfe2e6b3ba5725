"""Not in this scan: how well a place outside the other scan's field of view is recognised, on scans that were cut.

python -m benchmarks.studies.absent PATH/TO/headneck-ct --checkpoint headneck-ct --json docs/results/absent.json

Held-out patients of a split. Each target is cut through its middle, along the body, before it is prepared and embedded:
one copy keeps the upper part, one the lower. Organ centroids of other patients are clicked; an organ whose centre lies
outside the copy by more than a margin is absent, inside by more than it present, and the rest is left out. Told by

- beyond: how far outside the copy the place lies that all crops agree on (`isimed.explore.search.absent`)
- latent: the latent distance of the best crop

AUC with 95 % intervals over targets; the limit that lets 95 % of the present places pass, and which share of the absent
ones lies beyond it, on targets that did not set it (each half of the targets by the limit of the other).
"""

import argparse
import json
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.metrics import roc_auc_score

from benchmarks.studies.part import add_patients, listed_patients
from isimed.data.cohorts.cohort import Cohort
from isimed.data.formats.volume import Volume
from isimed.data.prepared.preprocess import Prepared, prepare
from isimed.explore.search.absent import beyond, lost
from isimed.explore.search.correspondence import correspondence
from isimed.explore.search.retrieve import code_at, nearest_in_each
from isimed.explore.tables.embed import checkpoint_for, embed_prepared
from isimed.explore.tables.joined import Joined, in_reference
from isimed.explore.tables.store import Table

MARGIN_MM = 10.0
SPECIFICITY = 0.95


def centroids(volume: Prepared) -> dict[int, NDArray]:
    """Label -> scanner mm of each organ's centre of mass."""
    organs = np.asarray(volume.labels["organs"])
    return {
        int(label): volume.to_mm(np.argwhere(organs == label).mean(axis=0)) for label in np.unique(organs[organs > 0])
    }


def halves(scan: Volume) -> dict[str, Volume]:
    """The upper and the lower part of a scan."""
    middle = scan.shape[2] // 2
    affine = scan.affine.copy()
    affine[:3, 3] = scan.to_mm([0, 0, middle])
    return {
        "upper": Volume(scan.voxels[..., middle:], affine, name=f"{scan.name} upper"),
        "lower": Volume(scan.voxels[..., :middle], scan.affine, name=f"{scan.name} lower"),
    }


def renamed(table: Table, cohort: str) -> Table:
    return Table(table.info.model_copy(update={"cohort": cohort}), table._columns)


def measure(options: argparse.Namespace) -> list[dict[str, Any]]:
    cohort = Cohort.load(options.cohort)
    checkpoint = checkpoint_for(options.checkpoint, cohort)
    entries = [entry for entry in cohort.subset(listed_patients(options)) if entry.organs][: 2 * options.patients]
    preparation = checkpoint.card.preparation
    whole = {e.id: prepare(cohort.read(e), preparation, labels=cohort.read_labels(e)) for e in entries}
    sources, targets = entries[: options.patients], entries[options.patients :]
    tables = {e.id: embed_prepared(e.id, whole[e.id], checkpoint) for e in sources}
    clicks = {e.id: centroids(whole[e.id]) for e in sources}
    placed = [(name, label, mm) for name, places in clicks.items() for label, mm in places.items()]
    codes = {(name, label): code_at(checkpoint, whole[name], mm) for name, label, mm in placed}
    rows = []
    for target in targets:
        truth = centroids(whole[target.id])
        for half, scan in halves(cohort.read(target)).items():
            cut = prepare(scan, preparation)
            corners = cut.to_mm(np.array([[0, 0, 0], np.array(cut.image.shape) - 1]))
            low, high = corners[:, 2].min(), corners[:, 2].max()
            table = renamed(embed_prepared("cut", cut, checkpoint), "half")
            for source in sources:
                both, name = Joined(tables[source.id], table), in_reference("half", "cut")
                there = correspondence(both, source.id, name)
                for label, clicked in clicks[source.id].items():
                    if label not in truth:
                        continue
                    inside = min(truth[label][2] - low, high - truth[label][2])
                    if abs(inside) < MARGIN_MM:
                        continue
                    away, side = beyond(table.centre_mm, table.info.step_mm, there.map(clicked))
                    allowed = both.volume == name
                    latent = nearest_in_each(both, codes[source.id, label], allowed)[0].distance
                    right = side == ("above" if truth[label][2] > high else "below")
                    missed, missed_side = lost(both, source.id, name, clicked)
                    told = {"beyond": away, "lost": missed, "latent": latent, "side": right}
                    told["lost_side"] = missed_side == ("above" if truth[label][2] > high else "below")
                    rows.append({"target": target.id, "half": half, "absent": bool(inside < 0), **told})
        print(target.id, len(rows), flush=True)
    return rows


def figures(rows: list[dict[str, Any]]) -> dict[str, Any]:
    names = sorted({row["target"] for row in rows})
    absent = np.array([row["absent"] for row in rows])
    target = np.array([row["target"] for row in rows])
    found: dict[str, Any] = {"targets": len(names), "places": len(rows), "absent": int(absent.sum())}
    rng = np.random.default_rng(0)
    for score in ("beyond", "lost", "latent"):
        values = np.array([row[score] for row in rows])
        drawn = []
        for _ in range(1000):
            chosen = np.concatenate([np.flatnonzero(target == one) for one in rng.choice(names, len(names))])
            if 0 < absent[chosen].sum() < len(chosen):
                drawn.append(roc_auc_score(absent[chosen], values[chosen]))
        low, high = np.quantile(drawn, [0.025, 0.975])
        hits, false = np.zeros(len(rows), bool), np.zeros(len(rows), bool)
        for part in (0, 1):
            other = np.isin(target, names[part::2])
            limit = np.quantile(values[other & ~absent], SPECIFICITY)
            hits[~other], false[~other] = values[~other] > limit, values[~other] > limit
        found[score] = {
            "auc": {"value": roc_auc_score(absent, values), "low": low, "high": high, "n": len(names)},
            "detected": float(hits[absent].mean()),
            "false_alarms": float(false[~absent].mean()),
            "limit_95": float(np.quantile(values[~absent], SPECIFICITY)),
        }
    found["lost_side_right"] = float(np.mean([row["lost_side"] for row in rows if row["absent"]]))
    found["side_right"] = float(np.mean([row["side"] for row in rows if row["absent"]]))
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    add_patients(parser)
    parser.add_argument("--patients", type=int, default=6, help="sources, and as many targets")
    parser.add_argument("--rows", help="also write every place here")
    parser.add_argument("--json", required=True)
    options = parser.parse_args()
    rows = measure(options)
    if options.rows:
        Path(options.rows).write_text(json.dumps(rows), encoding="utf-8")
    found = figures(rows)
    Path(options.json).write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")
    print(json.dumps(found, indent=1))


if __name__ == "__main__":
    main()
