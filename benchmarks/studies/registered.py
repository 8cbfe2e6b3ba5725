"""A click into a trunk that no network knows: does registration find the same organ in the labelled scans?

python -m benchmarks.studies.registered PATH/TO/torso-ct PATH/TO/headneck-ct --out docs/one-scan/registered.json

Places set by hand in six scans (docs/one-scan/places, Slicer markups) are looked for in the two labelled scans that
come with isimed, and random voxels of each of these, whole and cut in halves, in the other. A place is found where the
labelled scan has that organ there; near where it has it within 10 mm. Of a place whose organ the labelled scan does not
have, "not in this scan" is the right answer. Scores: of these scans, and of what is no trunk or lies upside down.
"""

import argparse
import json
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from benchmarks.studies.absent import halves
from benchmarks.studies.fit import share
from benchmarks.studies.odd_ones import cylinder, foot, turned
from isimed.data.cohorts.cohort import Cohort
from isimed.data.formats.volume import Volume
from isimed.data.prepared.preprocess import Prepared, prepare
from isimed.explore.one_scan.registered import REFERENCE, Registered, body_reference, region_of
from isimed.explore.search.align import PREPARATION, align
from isimed.explore.search.whereabouts import ORGAN_WITHIN_MM
from isimed.explore.tables.joined import in_reference

PLACES = Path("docs/one-scan/places")
ORGANS = {
    "liver": ("liver",), "right kidney": ("kidney_right",), "left kidney": ("kidney_left",),
    "heart": ("heart", "atrial_appendage_left"), "bladder": ("urinary_bladder",), "spine": ("vertebrae_", "sacrum"),
    "right lung": ("lung_upper_lobe_right", "lung_middle_lobe_right", "lung_lower_lobe_right"),
    "left lung": ("lung_upper_lobe_left", "lung_lower_lobe_left"),
}  # fmt: skip
CLICKS = 12  # of each organ of a labelled scan
HEADS = 10


@dataclass(frozen=True, eq=False)
class Clicked:
    """A scan, and places in it by organ."""

    name: str
    volume: Prepared
    places: dict[str, NDArray]


def labels_of(organ: str, names: dict[int, str]) -> list[int]:
    return [label for label, name in names.items() if name.startswith(ORGANS[organ])]


def by_hand(cohort: Cohort) -> Iterator[Clicked]:
    for file in sorted(PLACES.glob("*.mrk.json")):
        name, places = file.name.removesuffix(".mrk.json"), defaultdict(list)
        for point in json.loads(file.read_text("utf-8"))["markups"][0]["controlPoints"]:
            places[point["label"].rsplit(" ", 1)[0]].append(point["position"])
        yield Clicked(
            name, prepare(cohort.read(cohort.entry(name)), PREPARATION), {k: np.array(v) for k, v in places.items()}
        )


def labelled(reference: Cohort) -> Iterator[Clicked]:
    """Both labelled scans, whole and in halves, with random places well inside their organs."""
    rng = np.random.default_rng(0)
    for entry in reference.volumes:
        scan, maps = reference.read(entry), reference.read_labels(entry)
        whole = prepare(scan, PREPARATION, labels=maps)
        places = {}
        for organ in ORGANS:
            inside = np.isin(whole.labels["organs"], labels_of(organ, reference.organs))
            found = np.argwhere(ndimage.binary_erosion(inside))
            if len(found):
                places[organ] = whole.to_mm(rng.choice(found, min(CLICKS, len(found)), replace=False))
        yield Clicked(entry.id, whole, places)
        for kind, part in halves(scan).items():
            cut = prepare(part, PREPARATION)
            shown = {organ: mm[_shown(cut, mm)] for organ, mm in places.items()}
            yield Clicked(f"{entry.id}, {kind} half", cut, {organ: mm for organ, mm in shown.items() if len(mm)})


def _shown(volume: Prepared, mm: NDArray) -> NDArray[np.bool_]:
    voxel = volume.to_voxel(mm)
    return np.asarray(((voxel >= 0) & (voxel <= np.array(volume.body.shape) - 1)).all(axis=1))


def rows_of(clicked: Clicked, one: Registered) -> Iterator[dict[str, Any]]:
    organs = np.asarray(one.target.labels["organs"])
    for organ, places in clicked.places.items():
        has = np.isin(organs, labels_of(organ, one.names))
        away = ndimage.distance_transform_edt(~has) * one.target.spacing if has.any() else None
        for mm in places:
            found = one.locate(mm)
            row = {
                "scan": clicked.name,
                "reference": one.volume,
                "organ": organ,
                "has": bool(has.any()),
                "note": found.note,
            }
            if not found.note and away is not None:
                at = np.rint(one.target.to_voxel(found.mm)).astype(int)
                row["mm"] = float(away[tuple(np.clip(at, 0, np.array(organs.shape) - 1))])
            yield row


def figures(rows: list[dict[str, Any]]) -> dict[str, Any]:
    shown = [row for row in rows if row["has"] and not row["note"]]
    found = {"same_organ": share(sum(row["mm"] == 0 for row in shown), len(shown))}
    found["within_10_mm"] = share(sum(row["mm"] <= ORGAN_WITHIN_MM for row in shown), len(shown))
    by_organ = {organ: [row["mm"] for row in shown if row["organ"] == organ] for organ in ORGANS}
    found["by_organ"] = {
        organ: {
            "same_organ": share(sum(mm == 0 for mm in away), len(away)),
            "within_10_mm": share(sum(mm <= ORGAN_WITHIN_MM for mm in away), len(away)),
        }
        for organ, away in by_organ.items() if away
    }  # fmt: skip
    lacking = [row for row in rows if not row["has"]]
    if lacking:
        found["told_absent_of_lacking"] = share(sum(bool(row["note"]) for row in lacking), len(lacking))
    return found


def scores(options: argparse.Namespace, torso: Cohort, reference: Cohort) -> dict[str, list[float]]:
    """The best score over the labelled scans, of what is no trunk or lies the wrong way round."""
    targets = [prepare(reference.read(one), PREPARATION) for one in reference.volumes]
    heads = Cohort.load(options.heads)
    scans: dict[str, list[Volume]] = {
        "head and neck": [heads.read(entry) for entry in heads.volumes[:HEADS]],
        "a head and arms": [torso.read(torso.entry("ACRIN-FLT-Breast_001"))],
        "a water cylinder": [cylinder()],
        "a phantom like a foot": [foot()],
    }
    trunks = [
        torso.read(torso.entry(file.name.removesuffix(".mrk.json"))) for file in sorted(PLACES.glob("*.mrk.json"))
    ]
    for name, axes in {"upside down": (2,), "back to front": (1,), "mirrored": (0,)}.items():
        scans[f"trunks, {name}"] = [turned(scan, axes, scan.name) for scan in trunks]
    return {
        name: [max(align(prepare(scan, PREPARATION), target).score for target in targets) for scan in some]
        for name, some in scans.items()
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("torso")
    parser.add_argument("heads")
    parser.add_argument("--out", required=True)
    options = parser.parse_args()
    torso, reference = Cohort.load(options.torso), body_reference()
    targets = {
        entry.id: prepare(reference.read(entry), PREPARATION, labels=reference.read_labels(entry))
        for entry in reference.volumes
    }
    found: dict[str, Any] = {"scores": {}, "regions": {}}
    for group, scans in {"by hand": by_hand(torso), "labelled": labelled(reference)}.items():
        rows = []
        for clicked in scans:
            pairs = [
                Registered(
                    name, in_reference(REFERENCE, name), clicked.volume, target, align(clicked.volume, target),
                    reference.organs,
                )
                for name, target in targets.items() if not clicked.name.startswith(name)
            ]  # fmt: skip
            found["scores"][clicked.name] = [round(one.alignment.score, 3) for one in pairs]
            found["regions"][clicked.name] = region_of(pairs)
            rows += [row for one in pairs for row in rows_of(clicked, one)]
            print(
                group,
                clicked.name,
                found["scores"][clicked.name],
                found["regions"][clicked.name],
                figures(rows),
                flush=True,
            )
        found[group] = figures(rows) | {"rows": rows}
    found["scores of others"] = {k: np.round(v, 3).tolist() for k, v in scores(options, torso, reference).items()}
    Path(options.out).write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")
    print(json.dumps({k: v for k, v in found.items() if k != "rows"}["scores of others"], indent=1))


if __name__ == "__main__":
    main()
