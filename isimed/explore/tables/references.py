"""In which cohorts a network can look a place up: the one that came with it, and those that are embedded with it."""

from isimed.core.errors import InputError
from isimed.data.cohorts.cohort import Cohort, cohort_names
from isimed.data.cohorts.shipped import shipped_names
from isimed.explore.tables.ready_made import bring_embedded
from isimed.explore.tables.store import tables_of
from isimed.models.checkpoint import Checkpoint


def references(checkpoint: Checkpoint, *, besides: Cohort | None = None) -> list[str]:
    """Names of the cohorts that a network can look in: first the one that its card names, if it came with isimed.

    Args:
        besides: the cohort whose patient is looked up.
    """
    own = {besides.name, besides.root.name} if besides is not None else set()
    came = [name for name in shipped_names() if name == checkpoint.card.reference]
    embedded = [name for name in cohort_names() if _embedded(name, checkpoint)]
    return [name for name in dict.fromkeys([*came, *embedded]) if name not in own]


def bring_reference(name: str, checkpoint: Checkpoint) -> str:
    """Have one of `references` in ISIMED_HOME, embedded; returns its name.

    Raises:
        InputError: the disk is full.
    """
    if not _embedded(name, checkpoint):
        bring_embedded(name)
    return name


def only_reference(cohort: Cohort, checkpoint: Checkpoint) -> Cohort | None:
    """Where the place of a cohort's one patient is looked up by itself.

    That is the cohort that came with the network, else the only one that is embedded with it.

    Raises:
        InputError: there are several; it names them.
    """
    if len(cohort.subjects) > 1:
        return None
    names = references(checkpoint, besides=cohort)
    if len(names) > 1 and names[0] != checkpoint.card.reference:
        raise InputError(f"{cohort.name} has one patient: choose whose to look in, --reference {' or '.join(names)}.")
    return Cohort.load(bring_reference(names[0], checkpoint)) if names else None


def _embedded(name: str, checkpoint: Checkpoint) -> bool:
    return any(info.checkpoint_fingerprint == checkpoint.fingerprint for info in tables_of(name))
