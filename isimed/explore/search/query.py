"""A click: a place in a scan, the network that looks at it, and where the same place is looked for."""

from collections.abc import Callable
from dataclasses import dataclass

from isimed.data.cohorts.cohort import Cohort, Entry
from isimed.data.prepared import cache
from isimed.data.prepared.preprocess import Preparation, Prepared
from isimed.data.prepared.source import all_but, digests_of
from isimed.explore.tables.filters import Filter
from isimed.explore.tables.joined import Joined, in_reference
from isimed.explore.tables.store import Table
from isimed.models.checkpoint import Checkpoint

Point = tuple[float, float, float]


def _open(cohort: Cohort, volume: str, preparation: Preparation) -> Prepared:
    return cache.prepared(cohort, cohort.entry(volume), preparation)


@dataclass(frozen=True, eq=False)
class Query:
    """A click.

    Attributes:
        cohort, volume, mm: the clicked scan and place, scanner mm.
        checkpoint: the network that looks at it.
        where: what a found crop must be; by default of another patient.
        reference: the cohort to look in, instead of the clicked one.
        open_scan: cohort, volume and preparation -> the prepared volume.
    """

    cohort: Cohort
    checkpoint: Checkpoint
    volume: str
    mm: Point
    where: Filter | None = None
    reference: Cohort | None = None
    open_scan: Callable[[Cohort, str, Preparation], Prepared] = _open

    @property
    def subject(self) -> str:
        """The clicked patient."""
        return self.cohort.entry(self.volume).subject

    @property
    def filter(self) -> Filter:
        """What a found crop must be."""
        return self.where or Filter(not_subject=self.subject)

    def table(self, own: Table, reference: Table | None = None) -> Table:
        """The table to search: the clicked cohort's, or the clicked volume's rows with those of the reference.

        The same scan in the reference, whatever it is called there, is left out.

        Raises:
            InputError: the two are of different networks or grids, or the reference holds nothing but the same scan.
        """
        if self.reference is None or reference is None:
            return own
        clicked = digests_of(self.cohort, [self.cohort.entry(self.volume)])[self.volume]
        embedded = map(self.reference.entry, reference.volumes)
        others = [entry.id for entry in all_but(clicked, self.reference, embedded)]
        return Joined(own.only(self.volume), reference.only(*others))

    def whose(self, volume: str) -> tuple[Cohort, Entry]:
        """The cohort and the entry of a volume that was found."""
        if self.reference is not None:
            prefix = in_reference(self.reference.name, "")
            if volume.startswith(prefix):
                return self.reference, self.reference.entry(volume.removeprefix(prefix))
        return self.cohort, self.cohort.entry(volume)

    def prepared(self, volume: str | None = None) -> Prepared:
        """A volume as the network sees it; by default the clicked one."""
        cohort, entry = self.whose(volume or self.volume)
        return self.open_scan(cohort, entry.id, self.checkpoint.card.preparation)
