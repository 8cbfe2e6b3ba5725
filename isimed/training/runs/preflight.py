"""What can be known before a training starts: asked by the page, the command line and Python before a run is made."""

from dataclasses import dataclass

from isimed.data.cohorts.cohort import Cohort
from isimed.training.optimise.config import TrainConfig
from isimed.training.optimise.methods import Method, find_method
from isimed.training.optimise.patients import check_pairs, choose_patients


@dataclass(frozen=True)
class Preflight:
    """A training that can start.

    Attributes:
        cohort: what it is trained on.
        method: how.
        train: patients to train on.
        held_out: patients to validate on.
        warnings: what makes it doubtful, a sentence each.
    """

    cohort: Cohort
    method: Method
    train: list[str]
    held_out: list[str]
    warnings: list[str]


def preflight(config: TrainConfig, cohort: Cohort | None = None) -> Preflight:
    """Check a training's options against its cohort and this machine.

    Args:
        config: the options.
        cohort: the config's, where it is open already.

    Raises:
        InputError: the training cannot start; nothing was made or changed.
    """
    method = find_method(config.method)
    cohort = cohort or Cohort.load(config.cohort)
    train, held_out = choose_patients(cohort, config)
    check_pairs(cohort, config)
    warnings = _mixed_sequences(cohort, [*train, *held_out])
    if config.on == "here":  # a cluster's nodes have devices of their own
        from isimed.models.device import choose_device  # torch

        choose_device(config.device)
    return Preflight(cohort, method, train, held_out, warnings)


def _mixed_sequences(cohort: Cohort, subjects: list[str]) -> list[str]:
    """T1 and FLAIR are both MRI, and one preparation fits them; but they do not look alike."""
    found = {entry.sequence for entry in cohort.subset(subjects) if entry.sequence}
    if len(found) < 2:
        return []
    return [f"{cohort.name} mixes {' and '.join(sorted(found))}: the network may learn them apart from places."]
