"""Which network for a cohort: by how well it fits what the scans are, then by what the cards say."""

from collections.abc import Sequence
from contextlib import suppress

from isimed.core.errors import InputError
from isimed.data.cohorts.cohort import Cohort
from isimed.data.cohorts.shipped import shipped_folder, shipped_names
from isimed.data.prepared.source import digests_of
from isimed.explore.one_scan.fit import Fit
from isimed.explore.tables.embed import modality_fits
from isimed.models.card import Card, checkpoint_names, find_checkpoint, read_card, trained_on

FIRST = 3  # scans of a cohort that tell whether a network saw it
UNMEASURED = 2  # behind what does not fit: silence is no fit


def rank(card: Card, cohort: Cohort | None = None, fit: Fit | None = None) -> tuple[bool | float | str, ...]:
    """What networks are sorted by; the smallest is taken.

    A network trained on this very cohort, or whose reference it is, comes first. Then: it fits; its training was real
    patients or synthetic ones as the cohort's are; its distances are millimetres; the sequence is the cohort's; it is
    dense, which answers at once and misses by less; how far within the limit the scan lies.

    Args:
        cohort: whose scans these are; without it the scan is taken for a real patient's.
        fit: of the network on one of its scans; what was not measured comes last, where others were.
    """
    other = cohort is None or not _its_own(card, cohort)
    unlike = is_synthetic(card) != (cohort is not None and cohort.synthetic)
    doubt = 0 if not other else UNMEASURED if fit is None else int(not fit.fits)
    nearness = fit.misfit / fit.limit if fit else 1.0
    told_apart = _another_sequence(card, cohort)
    return other, doubt, unlike, not card.in_mm, told_apart, card.architecture != "dense", nearness, card.name


def fitting_checkpoints(cohort: Cohort, fits: Sequence[Fit] = ()) -> list[str]:
    """Names of the checkpoints of a cohort's modality, the best first.

    Args:
        fits: measured on one of its scans, see ``isimed.explore.one_scan.describe``; without them the cards decide.
    """
    measured = {fit.checkpoint: fit for fit in fits}
    cards = {name: read_card(find_checkpoint(name)) for name in checkpoint_names()}
    names = [name for name, card in cards.items() if modality_fits(cohort, card)]
    return sorted(names, key=lambda name: rank(cards[name], cohort, measured.get(name)))


def has_its_own(cohort: Cohort) -> bool:
    """Whether some network was trained on this very cohort, or has it as reference: nothing needs to be measured."""
    return any(_its_own(read_card(find_checkpoint(name)), cohort) for name in checkpoint_names())


def networks_for(cohort: Cohort | None = None) -> list[str]:
    """Names of the checkpoints that a scan is compared with: those of synthetic patients for synthetic ones alone.

    A network that saw copies of one chest takes a water cylinder for its own.
    """
    made = cohort is not None and cohort.synthetic
    return [name for name in checkpoint_names() if made or not is_synthetic(read_card(find_checkpoint(name)))]


def is_synthetic(card: Card) -> bool:
    """Whether a network was trained on patients that were made."""
    return bool(card.cohort.get("synthetic", False))


def _its_own(card: Card, cohort: Cohort) -> bool:
    """Whether a cohort is the one that a network was trained on, or its reference: by what it holds, not by its name.

    A part of the training cohort counts, told by its first scans: reading all of them would take minutes.
    """
    with suppress(InputError):  # a scan that cannot be read is no network's own
        if cohort.name == card.reference and cohort.name in shipped_names():
            return cohort.fingerprint == Cohort.load(shipped_folder(cohort.name)).fingerprint
        if cohort.name == card.cohort.get("name"):
            same = cohort.fingerprint == card.cohort.get("fingerprint")
            return same or bool(trained_on(card, digests_of(cohort, cohort.volumes[:FIRST]).values()))
    return False


def _another_sequence(card: Card, cohort: Cohort | None) -> bool:
    """Whether both name a sequence ("MRI T1") and these differ."""
    named = cohort.modality.split()[1:] if cohort is not None else []
    return bool(named and card.sequence) and not any(word.lower() in card.sequence.lower() for word in named)
