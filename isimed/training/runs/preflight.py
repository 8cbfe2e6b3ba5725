"""What can be known before a training starts: asked by the page, the command line and Python before a run is made."""

from collections.abc import Iterable
from dataclasses import dataclass

from isimed.core.text import first_names
from isimed.data.cohorts.cohort import Cohort
from isimed.data.cohorts.splits import read_parts
from isimed.training.optimise.config import TrainConfig
from isimed.training.optimise.methods import Method, find_method
from isimed.training.optimise.patients import check_pairs, choose_patients
from isimed.training.optimise.recipe import preparation_for

CLUSTER = ("partition", "nodes", "gpus", "hours")
SCALED = {
    **dict.fromkeys(("window_low_hu", "window_high_hu"), "window"),
    **dict.fromkeys(("percentile_low", "percentile_high"), "percentile"),
}


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
    warnings = _mixed_sequences(cohort, [*train, *held_out]) + _not_here(cohort, config)
    if config.on == "here":  # a cluster's nodes have devices of their own
        from isimed.models.device import choose_device  # torch

        choose_device(config.device)
    return Preflight(cohort, method, train, held_out, warnings)


def passed_over(config: TrainConfig, given: Iterable[str], *, modality: str) -> dict[str, str]:
    """Options that somebody asked for and that count for nothing in this training, with the reason.

    Args:
        given: names of options as they were asked for, not those of a preset or of a stored config.
        modality: of the cohort.

    >>> passed_over(TrainConfig(cohort="any", method="simclr"), ["penalty", "epochs", "hours"], modality="CT")
    {'penalty': 'it has no part in simclr', 'hours': 'it is for --on slurm'}
    """
    method, scaled = find_method(config.method), preparation_for(config, modality).intensity
    found = {}
    for name in given:
        if not method.uses(name):
            found[name] = f"it has no part in {config.method}"
        elif name in CLUSTER and config.on == "here":
            found[name] = "it is for --on slurm"
        elif name == "validation" and config.split:
            found[name] = "the split says who is held out"
        elif name in SCALED and SCALED[name] != scaled:
            found[name] = f"scans of {modality} are scaled by {scaled} here, see --scaling"
    return found


def _not_here(cohort: Cohort, config: TrainConfig) -> list[str]:
    """Patients whom a split names in vain: a name with a slip would be left out without a word."""
    if not config.split:
        return []
    named = {name for names in read_parts(config.split, ("train", "validation")).values() for name in names}
    gone = sorted(named - set(cohort.subjects))
    if not gone:
        return []
    names = first_names(gone)
    return [f"{config.split} names {len(gone)} patients that {cohort.name} does not have ({names}): left out."]


def _mixed_sequences(cohort: Cohort, subjects: list[str]) -> list[str]:
    """T1 and FLAIR are both MRI, and one preparation fits them; but they do not look alike."""
    found = {entry.sequence for entry in cohort.subset(subjects) if entry.sequence}
    if len(found) < 2:
        return []
    return [f"{cohort.name} mixes {' and '.join(sorted(found))}: the network may learn them apart from places."]
