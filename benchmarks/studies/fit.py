"""Does a network know which scans it fits? Shares of scans that pass or are flagged, part by part.

python -m benchmarks.studies.fit headneck-ct --cohort PATH/TO/headneck-ct --split docs/splits/headneck-ct.json
    --others PATH/TO/torso-ct --json docs/results/fit-headneck-ct.json

Measured with the profile beside the checkpoint (`python -m isimed profile`): the scans of patients in the split's
`test` list, which should fit, and those of the other cohorts, which should not. Intervals are Clopper and Pearson's, of
95 %; scans of one patient count as one each. With `--json` the file of several networks grows network by network.
"""

import argparse
import json
from pathlib import Path
from typing import Any

from scipy.stats import beta

from isimed.data.cohorts.cohort import Cohort, Entry
from isimed.data.prepared.cache import prepared
from isimed.explore.one_scan.fit import Fit, fit_from
from isimed.explore.one_scan.look import axes_of
from isimed.explore.one_scan.profile import Profile, read_profile, sample_crops
from isimed.models.checkpoint import Checkpoint, load_checkpoint


def share(hits: int, count: int, *, level: float = 0.95) -> dict[str, float]:
    """A share with its exact interval (Clopper and Pearson, Biometrika 1934)."""
    tail = (1 - level) / 2
    low = beta.ppf(tail, hits, count - hits + 1) if hits else 0.0
    high = beta.ppf(1 - tail, hits + 1, count - hits) if hits < count else 1.0
    return {"value": hits / count, "low": float(low), "high": float(high), "n": count}


def look(checkpoint: Checkpoint, profile: Profile, cohort: Cohort, entry: Entry) -> tuple[Fit, str]:
    volume = prepared(cohort, entry, checkpoint.card.preparation)
    centres, embeddings, _ = sample_crops(checkpoint, volume, count=profile.info.crops)
    fit = fit_from(profile, checkpoint.name, profile.misfit(embeddings))
    return fit, axes_of(volume.position(centres), profile.place(embeddings))


def measured(checkpoint: Checkpoint, profile: Profile, cohort: Cohort, entries: list[Entry]) -> dict[str, Any]:
    seen = [look(checkpoint, profile, cohort, entry) for entry in entries]
    flagged = sum(not fit.fits for fit, _ in seen)
    return {
        "flagged": share(flagged, len(seen)),
        "accepted": share(len(seen) - flagged, len(seen)),
        "axes_plausible": share(sum(axes == "plausible" for _, axes in seen), len(seen)),
        "misfit_over_limit": sorted(round(fit.misfit / fit.limit, 3) for fit, _ in seen),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("checkpoint")
    parser.add_argument("--cohort", help="what it was trained on; its test patients should fit")
    parser.add_argument("--split", help="JSON with a `test` list; without it all patients of --cohort are measured")
    parser.add_argument("--others", nargs="*", default=[], help="cohorts that should not fit")
    parser.add_argument("--json", required=True)
    options = parser.parse_args()
    checkpoint = load_checkpoint(options.checkpoint)
    profile = read_profile(checkpoint)
    if profile is None:
        parser.error(f"{checkpoint.name} has no profile: see `python -m isimed profile --help`")
    file = Path(options.json)
    result = json.loads(file.read_text("utf-8")) if file.is_file() else {}
    found: dict[str, Any] = {"limit_from_scans": profile.info.scans, "held_out": profile.info.held_out}
    if options.cohort:
        cohort = Cohort.load(options.cohort)
        subjects = json.loads(Path(options.split).read_text("utf-8"))["test"] if options.split else cohort.subjects
        found[f"{cohort.name} (test)"] = measured(checkpoint, profile, cohort, cohort.subset(subjects))
    for name in options.others:
        cohort = Cohort.load(name)
        found[cohort.name] = measured(checkpoint, profile, cohort, list(cohort.volumes))
    result[checkpoint.name] = found
    file.write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")
    print(json.dumps(found, indent=1))


if __name__ == "__main__":
    main()
