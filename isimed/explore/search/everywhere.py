"""A place of one scan in all others, from the files on disk to the answer: what the command line and Python call."""

from collections.abc import Sequence

from isimed.core.progress import Progress, silent
from isimed.data.cohorts.cohort import Cohort
from isimed.explore.search.locate import Location, locate_everywhere
from isimed.explore.search.query import Query
from isimed.explore.search.retrieve import code_at
from isimed.explore.tables.embed import check_fit, checkpoint_for, embed_cohort
from isimed.explore.tables.references import only_reference
from isimed.models.checkpoint import Checkpoint


def locate(
    cohort: Cohort | str,
    checkpoint: Checkpoint | str,
    volume: str,
    mm: Sequence[float],
    *,
    reference: Cohort | str | None = None,
    refine: bool = True,
    deform: bool = False,
    round_trip: bool = False,
    step_mm: float | None = None,
    progress: Progress = silent,
) -> list[Location]:
    """The same place in every other patient of a cohort, or in every patient of a reference, the likest first.

    A cohort of one patient is looked up in the only other cohort that is embedded with the network.
    What is not embedded yet is embedded first.

    Args:
        cohort: whose place it is, a cohort or its name.
        checkpoint: the network, or its name.
        volume: the id of the volume that the place lies in.
        mm: (3,) scanner mm, R A S+.
        reference: look in this cohort instead; its volumes are called ``COHORT/ID``. By default, where the cohort has
            one patient, the one that came with the network, else the only one that is embedded with it.
        refine: compare the voxels too; about 50 ms a volume.
        deform: fit a smooth field to the voxels instead; seconds a volume, once.
        round_trip: also search back from each place, and say by how many mm that misses; twice the work.
        step_mm: distance of neighbouring crops, by default a quarter of a crop's edge.

    Returns:
        A place for each volume; one with a ``note`` lies outside of what that volume shows.

    Raises:
        InputError: a name is wrong, the place lies outside the scan, the network does not fit a cohort's modality, or
            there are several cohorts to look one patient up in.
    """
    ours = Cohort.load(cohort) if isinstance(cohort, str) else cohort
    network = checkpoint_for(checkpoint, ours) if isinstance(checkpoint, str) else checkpoint
    theirs = Cohort.load(reference) if isinstance(reference, str) else reference or only_reference(ours, network)
    for one in (ours, theirs):
        if one is not None:
            check_fit(one, network)
    x, y, z = map(float, mm) if len(mm) == 3 else (float("nan"),) * 3
    query = Query(ours, network, volume, (x, y, z), reference=theirs)
    code = code_at(network, query.prepared(), query.mm)  # a wrong place is said before the long work
    own = embed_cohort(
        ours,
        network,
        step_mm=step_mm,
        entries=[ours.entry(volume)] if theirs else None,
        progress=progress,
    )
    table = query.table(own, embed_cohort(theirs, network, step_mm=step_mm, progress=progress) if theirs else None)
    return locate_everywhere(
        table,
        query.prepared,
        code,
        volume,
        query.mm,
        where=query.filter,
        refine=refine,
        deform=deform,
        round_trip=round_trip,
    )
