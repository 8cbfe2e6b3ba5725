"""Two or more checkpoints on the same crops: how alike are their spaces, and where do their options differ?"""

from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from isimed.core.progress import Progress
from isimed.data.cohorts.cohort import Cohort
from isimed.evaluation.context.embedding_cache import Features
from isimed.evaluation.context.networks import load_all
from isimed.evaluation.results.result import Comparison, MeasuredCohort
from isimed.evaluation.run.plan import make_plan
from isimed.explore.maps.compare_spaces import procrustes
from isimed.explore.tables.components import leading_scores
from isimed.models.card import Card


def compare(
    cohort: Cohort,
    checkpoint_names: Sequence[str],
    *,
    seed: int = 0,
    subjects: Sequence[str] | None = None,
    split: str | Path | None = None,
    limit: int | None = None,
    progress: Progress | None = None,
    say: Callable[[str], None] | None = None,
) -> Comparison:
    """Likeness of latent spaces, maps side by side, and differing options.

    Args: as in ``evaluate``.

    Raises:
        InputError: fewer than two checkpoints, or what ``evaluate`` raises.
    """
    checkpoints = load_all(cohort, checkpoint_names)
    plan = make_plan(cohort, checkpoints, tasks=["compare"], subjects=subjects, split=split, limit=limit, seed=seed)
    context, chosen = plan.context, plan.chosen
    spaces: dict[str, Features] = {}
    for number, (name, checkpoint) in enumerate(checkpoints.items()):
        if say:
            say(f"embedding with {name}")

        def advance(share: float, number: int = number) -> None:
            if progress:
                progress(int(90 * (number + share) / len(checkpoints)), 100)

        context.advance = advance
        spaces[name] = context.features(checkpoint, "body")
    pairs = {part.name: part.outcome(context)[0].measured()["compare"] for part in plan.parts}
    if progress:
        progress(100, 100)
    crops = context.crops_for("body", next(iter(checkpoints.values())))
    return Comparison(
        cohort=MeasuredCohort(name=cohort.name, fingerprint=cohort.fingerprint, subjects=len(chosen.used)),
        seed=seed,
        created=datetime.now(UTC).isoformat(timespec="seconds"),
        left_out=chosen.left_out,
        pairs=pairs,
        maps={name: np.round(points, 2).tolist() for name, points in aligned_maps(spaces).items()},
        position=np.round(crops.position, 1).tolist(),
        subject=crops.subject.tolist(),
        options=differing_options({name: c.card for name, c in checkpoints.items()}),
    )


def aligned_maps(spaces: dict[str, Features]) -> dict[str, NDArray[np.float64]]:
    """(N, 2) leading components of every code, turned and scaled onto the first."""
    maps = {name: leading_scores(code, 2)[0] for name, (_, code) in spaces.items()}
    first = next(iter(maps.values()))
    return {name: procrustes(first, points).coordinates for name, points in maps.items()}


def differing_options(cards: dict[str, Card]) -> list[dict[str, str]]:
    """Options that are not the same in all checkpoints, a row each."""
    flat = {
        name: {
            "method": card.method,
            "crop_size": card.crop_size,
            "mm_per_unit": card.mm_per_unit,
            "heads": card.heads,
            "trained on": card.cohort.get("name", "nothing"),
            "patients": len(card.cohort.get("train", ())),
            **{f"preparation.{key}": value for key, value in card.preparation.model_dump(mode="json").items()},
            **{f"training.{key}": value for key, value in card.training.items()},
        }
        for name, card in cards.items()
    }
    rows = []
    for option in dict.fromkeys(key for found in flat.values() for key in found):
        values = {name: str(found.get(option, "–")) for name, found in flat.items()}
        if len(set(values.values())) > 1:
            rows.append({"option": option, **values})
    return rows
