"""In which cohorts a network can look a place up: those that are embedded with it."""

from isimed.core.errors import InputError
from isimed.data.cohorts.cohort import Cohort, cohort_names
from isimed.explore.tables.store import tables_of
from isimed.models.checkpoint import Checkpoint


def references(checkpoint: Checkpoint, *, besides: Cohort | None = None) -> list[str]:
    """Names of the cohorts in ISIMED_HOME that are embedded with a network.

    Args:
        besides: the cohort whose patient is looked up.
    """
    own = {besides.name, besides.root.name} if besides is not None else set()
    return [name for name in cohort_names() if name not in own and _embedded(name, checkpoint)]


def only_reference(cohort: Cohort, checkpoint: Checkpoint) -> Cohort | None:
    """Where the place of a cohort's one patient is looked up by itself: the only cohort embedded with the network.

    Raises:
        InputError: there are several; it names them.
    """
    if len(cohort.subjects) > 1:
        return None
    names = references(checkpoint, besides=cohort)
    if len(names) > 1:
        raise InputError(f"{cohort.name} has one patient: choose whose to look in, --reference {' or '.join(names)}.")
    return Cohort.load(names[0]) if names else None


def _embedded(name: str, checkpoint: Checkpoint) -> bool:
    return any(info.checkpoint_fingerprint == checkpoint.fingerprint for info in tables_of(name))
