"""Not in this scan: how well a place outside the other scan's field of view is recognised, on scans that were cut.

python -m benchmarks.studies.absent PATH/TO/headneck-ct --checkpoint headneck-ct --json docs/results/absent.json

Held-out patients of a split, half of them sources, whose organ centroids are clicked, half targets. Each target is cut
through its middle, across the body, before it is prepared: one copy keeps the upper part, one the lower. An
organ whose centre lies outside the copy by more than a margin is absent, inside by more than it present; the rest is
left out. In the other sources, which are whole, all are present.

AUC of `beyond` and of the latent distance of the best crop, absent against present in cut scans, with 95 % intervals
over targets; with the limit of `isimed.explore.search.absent`, which was set on the validation patients, the share of
absent places that are told, on the right side, and of present ones that are refused, in cut scans and in whole ones.
"""

import argparse
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.metrics import roc_auc_score

from benchmarks.lib.told import tell
from benchmarks.studies.part import add_patients, listed_patients
from isimed.data.cohorts.cohort import Cohort
from isimed.data.formats.volume import Volume
from isimed.data.prepared.preprocess import Prepared, prepare
from isimed.explore.search.absent import LIMIT_MM, beyond
from isimed.explore.search.correspondence import correspondence
from isimed.explore.search.retrieve import code_at, nearest_in_each
from isimed.explore.tables.embed import checkpoint_for, embed_prepared
from isimed.explore.tables.joined import Joined, in_reference
from isimed.explore.tables.store import Table

MARGIN_MM = 10.0
DRAWS = 1000


@dataclass(frozen=True, eq=False)
class Source:
    """A whole scan, its crops, its organs' centres and their codes."""

    name: str
    volume: Prepared
    table: Table
    places: dict[int, NDArray]
    codes: dict[int, NDArray]


@dataclass(frozen=True, eq=False)
class Target:
    """A scan, cut or whole, its crops, and where the organs of its patient are, shown or not."""

    name: str
    kind: str
    volume: Prepared
    table: Table
    truth: dict[int, NDArray]


def centroids(volume: Prepared) -> dict[int, NDArray]:
    """Label -> scanner mm of each organ's centre of mass."""
    organs = np.asarray(volume.labels["organs"])
    labels = np.unique(organs[organs > 0])
    return {int(label): volume.to_mm(np.argwhere(organs == label).mean(axis=0)) for label in labels}


def halves(scan: Volume) -> dict[str, Volume]:
    """The upper and the lower part of a scan."""
    middle = scan.shape[2] // 2
    affine = scan.affine.copy()
    affine[:3, 3] = scan.to_mm([0, 0, middle])
    return {
        "upper": Volume(scan.voxels[..., middle:], affine, name=f"{scan.name} upper"),
        "lower": Volume(scan.voxels[..., :middle], scan.affine, name=f"{scan.name} lower"),
    }


def prepared(options: argparse.Namespace) -> tuple[list[Source], list[Target]]:
    """Everything embedded."""
    cohort = Cohort.load(options.cohort)
    checkpoint = checkpoint_for(options.checkpoint, cohort)
    entries = [entry for entry in cohort.subset(listed_patients(options)) if entry.organs][: 2 * options.patients]
    sources, targets = [], []
    for number, entry in enumerate(entries):
        scan, preparation = cohort.read(entry), checkpoint.card.preparation
        whole = prepare(scan, preparation, labels=cohort.read_labels(entry))
        places = centroids(whole)
        if number < options.patients:
            codes = {label: code_at(checkpoint, whole, mm) for label, mm in places.items()}
            sources.append(Source(entry.id, whole, embed_prepared(entry.id, whole, checkpoint), places, codes))
        else:
            for kind, part in halves(scan).items():
                cut = prepare(part, preparation)
                targets.append(Target(entry.id, kind, cut, embed_prepared("cut", cut, checkpoint), places))
        print(entry.id, flush=True)
    return sources, targets


def rows_of(sources: list[Source], targets: list[Target]) -> list[dict[str, Any]]:
    """A row for each organ of each source that is looked for in each target, and in each other source."""
    whole = [Target(one.name, "whole", one.volume, one.table, one.places) for one in sources]
    return [
        row for target in [*targets, *whole] for source in sources if source.name != target.name
        for row in pair(source, target)
    ]  # fmt: skip


def pair(source: Source, target: Target) -> list[dict[str, Any]]:
    renamed = Table(target.table.info.model_copy(update={"cohort": "there"}), target.table._columns)
    both, name = Joined(source.table, renamed), in_reference("there", target.table.volumes[0])
    there = correspondence(both, source.name, name)
    last = np.array(target.volume.body.shape) - 1
    low, high = np.sort(target.volume.to_mm(np.array([np.zeros(3), last]))[:, 2])
    rows = []
    for label, clicked in source.places.items():
        if label not in target.truth:
            continue
        height = target.truth[label][2]
        inside = min(height - low, high - height)
        if target.kind != "whole" and abs(inside) < MARGIN_MM:
            continue
        away, side = beyond(target.volume, there.place(clicked).mm)
        latent = nearest_in_each(both, source.codes[label], both.volume == name)[0].distance
        right = side == ("above" if height > high else "below")
        told = {"beyond": away if np.isfinite(away) else -1000.0, "latent": latent, "right": right}
        absent = target.kind != "whole" and bool(inside < 0)
        rows.append({"target": target.name, "kind": target.kind, "absent": absent, **told})
    return rows


def figures(rows: list[dict[str, Any]]) -> dict[str, Any]:
    cut = [row for row in rows if row["kind"] != "whole"]
    absent = np.array([row["absent"] for row in cut])
    target = np.array([row["target"] for row in cut])
    names = sorted(set(target))
    drawn = [
        np.concatenate([np.flatnonzero(target == one) for one in chosen])
        for chosen in np.random.default_rng(0).choice(names, (DRAWS, len(names)))
    ]

    def over_targets(statistic: Any) -> dict[str, float]:
        values = [statistic(chosen) for chosen in drawn]
        low, high = np.nanquantile(values, [0.025, 0.975])
        return {"value": statistic(np.arange(len(cut))), "low": float(low), "high": float(high), "n": len(names)}

    found: dict[str, Any] = {
        "limit_mm": LIMIT_MM,
        "targets": len(names),
        "places": len(cut),
        "absent": int(absent.sum()),
    }
    for score in ("beyond", "latent"):
        values = np.array([row[score] for row in cut])
        found[f"auc_{score}"] = over_targets(lambda chosen, v=values: float(roc_auc_score(absent[chosen], v[chosen])))
    told = np.array([row["beyond"] > LIMIT_MM for row in cut])
    found["told_of_absent"] = over_targets(lambda chosen: float(told[chosen][absent[chosen]].mean()))
    found["refused_of_present_cut"] = over_targets(lambda chosen: float(told[chosen][~absent[chosen]].mean()))
    refused = [row["beyond"] > LIMIT_MM for row in rows if row["kind"] == "whole"]
    found["refused_of_present_whole"] = {"value": float(np.mean(refused)), "n": len(refused)}
    found["told_at_95_specificity"] = told_at(rows, names)
    sides = [row["right"] for row in cut if row["absent"] and row["beyond"] > LIMIT_MM]
    found["side_right_of_told"] = {"value": float(np.mean(sides)), "n": len(sides)}
    return found


def told_at(rows: list[dict[str, Any]], names: list[str], specificity: float = 0.95) -> dict[str, float]:
    """Which absent places are told by the limit that refuses 5 % of the present ones of the other half of the targets.

    Present places in cut and in whole scans count alike; those in whole ones belong to both halves.
    """
    hits, false = [], []
    for half in (names[::2], names[1::2]):
        setting = [row["beyond"] for row in rows if not row["absent"] and row["target"] not in half]
        limit = float(np.quantile(setting, specificity))
        hits += [row["beyond"] > limit for row in rows if row["absent"] and row["target"] in half]
        false += [row["beyond"] > limit for row in rows if not row["absent"] and row["target"] in half]
    return {"value": float(np.mean(hits)), "refused_of_present_cut": float(np.mean(false)), "n": len(hits)}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    add_patients(parser)
    parser.add_argument("--patients", type=int, default=6, help="sources, and as many targets")
    parser.add_argument("--json", required=True)
    options = parser.parse_args()
    found = figures(rows_of(*prepared(options)))
    tell(found, options.json)


if __name__ == "__main__":
    main()
