"""How a cohort's map follows the body: r of PC1-3 with the three axes, R², angles, quality; per checkpoint, as JSON.

    python -m benchmarks.studies.map_axes headneck-test --checkpoint headneck-ct untrained --step-mm 48 --json axes.json

The same figures as on the Embeddings page, over all crops of the patients whom no checkpoint was trained or selected
on (`--all`: of every patient); what is not embedded yet is embedded first. `true_positions` is the same matrix for PCA
of where the crops really are: even a perfect space looks turned where a body's axes are correlated or alike in length.
"""

import argparse
import json
from pathlib import Path
from typing import Any

from numpy.typing import NDArray

from isimed.data.cohorts.cohort import Cohort
from isimed.evaluation.context.subjects import choose_subjects
from isimed.explore.maps.axes import body_correlation, match_axes
from isimed.explore.maps.map_points import open_points
from isimed.explore.maps.pca import open_map
from isimed.explore.tables.embed import checkpoint_for, embed_cohort
from isimed.explore.tables.store import AXES, Table
from isimed.models.checkpoint import Checkpoint

COLUMNS = ("subject", "volume", "position", "embedding", "code")


def axes_of(table: Table) -> dict[str, Any]:
    """All figures of one table, on a map fitted on its own crops: one that is kept may be of other patients."""
    table = Table(table.info, {name: getattr(table, name) for name in COLUMNS})
    fitted = open_map(table)
    points = open_points(table, fitted)
    return {
        "crops": len(table),
        "patients": len(table.subjects),
        "vectors": fitted.info.source,
        "step_mm": table.info.step_mm,
        "explained": [round(share, 3) for share in fitted.info.explained[:3]],
        **matrix(points.r),
        "true_positions": matrix(body_correlation(table.position)),
        "r2_on_patients_left_out": dict(zip(AXES, points.axes.r2.round(3).tolist(), strict=True)),
        "angles_degrees": points.axes.angles.round(1).tolist(),
        "latent_distance_per_mm": points.axes.scale.round(3).tolist(),
        "quality": {name: vars(value) for name, value in points.quality.items()},
    }


def matrix(r: NDArray) -> dict[str, Any]:
    """The 3×3 correlations, and which PC follows which axis."""
    return {
        "r": {f"PC{n + 1}": dict(zip(AXES, row.round(3).tolist(), strict=True)) for n, row in enumerate(r)},
        "matched": {axis: f"PC{n + 1}" for axis, n in zip(AXES, match_axes(r), strict=True)},
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("cohort")
    parser.add_argument("--checkpoint", nargs="+", required=True, help="the first gives `untrained` its preparation")
    parser.add_argument("--split", type=Path)
    parser.add_argument("--all", action="store_true", help="patients of the training too")
    parser.add_argument("--step-mm", type=float)
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    cohort = Cohort.load(options.cohort)
    checkpoints: list[Checkpoint] = []
    for name in options.checkpoint:
        checkpoints.append(checkpoint_for(name, cohort, like=checkpoints[0] if checkpoints else None))
    cards = [] if options.all else [checkpoint.card for checkpoint in checkpoints]
    used = set(choose_subjects(cohort, cards, split=options.split).used)
    entries = [entry for entry in cohort.volumes if entry.subject in used]
    found: dict[str, Any] = {}
    for name, checkpoint in zip(options.checkpoint, checkpoints, strict=True):
        table = embed_cohort(cohort, checkpoint, step_mm=options.step_mm, entries=entries)
        found[name] = axes_of(table)
        print(json.dumps({name: found[name]}), flush=True)
    if options.json:
        options.json.write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
