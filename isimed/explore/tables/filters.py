"""Which crops of a table a search may find."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from isimed.explore.tables.store import Table


@dataclass(frozen=True)
class Filter:
    """What a found crop must be; every condition that is given must hold.

    Attributes:
        not_subject: leave this patient out.
        organ: the label at the crop's centre.
        min_tumour: smallest share of tumour voxels.
        position, within_mm: no further than this from a position (mm along the body's axes, from the centre of
            its box): "looks alike and lies in the same place".
    """

    not_subject: str | None = None
    organ: int | None = None
    min_tumour: float | None = None
    position: tuple[float, float, float] | None = None
    within_mm: float | None = None

    @property
    def asks_for_crops(self) -> bool:
        """Whether it lets only some crops of a volume through."""
        return self.organ is not None or self.min_tumour is not None or self.within_mm is not None

    def mask(self, table: Table) -> NDArray[np.bool_]:
        """(N,) which rows of a table may be found."""
        allowed = np.ones(len(table), dtype=bool)
        if self.not_subject is not None:
            allowed &= table.subject != self.not_subject
        if self.organ is not None:
            allowed &= table.organ == self.organ
        if self.min_tumour is not None:
            allowed &= table.tumour >= self.min_tumour
        if self.position is not None and self.within_mm is not None:
            away = table.position - np.asarray(self.position, dtype=np.float32)
            allowed &= np.einsum("ij,ij->i", away, away) <= self.within_mm**2
        return allowed
