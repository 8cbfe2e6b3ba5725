"""The networks of one evaluation: checkpoints by the name they are shown under, and the untrained one beside them."""

from collections.abc import Sequence
from dataclasses import replace

from isimed.data.cohorts.cohort import Cohort
from isimed.evaluation.results.result import Network
from isimed.explore.tables.embed import checkpoint_for
from isimed.models.card import UNTRAINED
from isimed.models.checkpoint import Checkpoint, untrained


def load_all(cohort: Cohort, names: Sequence[str]) -> dict[str, Checkpoint]:
    """Checkpoints by the name they are shown under; the untrained one is prepared like the first of the others."""
    trained = [checkpoint_for(name, cohort) for name in dict.fromkeys(names) if name != UNTRAINED]
    found: dict[str, Checkpoint] = {}
    for checkpoint in trained:
        twice = checkpoint.name in found
        found[f"{checkpoint.name} {checkpoint.fingerprint[:6]}" if twice else checkpoint.name] = checkpoint
    if UNTRAINED in names:
        found[UNTRAINED] = checkpoint_for(UNTRAINED, cohort, like=trained[0] if trained else None)
    return found


def baseline(checkpoint: Checkpoint) -> Checkpoint:
    """The untrained network under the same preparation and crop size."""
    plain = untrained(checkpoint.card.preparation, modality=checkpoint.card.modality)
    return replace(plain, card=plain.card.model_copy(update={"crop_size": checkpoint.card.crop_size}))


def about(checkpoint: Checkpoint) -> Network:
    """What a result says of a network."""
    card = checkpoint.card
    return Network(
        fingerprint=checkpoint.fingerprint,
        method=card.method,
        description=card.description,
        preparation=card.preparation.model_dump(mode="json"),
        crop_size=card.crop_size,
        training=card.training,
        trained_on=card.cohort.get("name", ""),
    )
