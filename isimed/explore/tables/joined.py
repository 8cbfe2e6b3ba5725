"""A scan's table and a reference's as one, so that search, votes and maps go from the one to the other."""

import numpy as np
from numpy.typing import NDArray

from isimed.core.errors import InputError
from isimed.explore.tables.store import Table


class Joined(Table):
    """Two tables of the same network, the first one's rows first.

    The reference's volumes and patients are called ``COHORT/ID``: the same id in two cohorts is two patients.

    Args:
        own: the table of what is looked at.
        reference: of what is looked up.

    Raises:
        InputError: they are of different networks or grids, or of the same cohort.
    """

    def __init__(self, own: Table, reference: Table) -> None:
        ours, theirs = own.info, reference.info
        if ours.checkpoint_fingerprint != theirs.checkpoint_fingerprint:
            raise InputError(
                f"{theirs.cohort} was embedded with {theirs.checkpoint}, {ours.cohort} with {ours.checkpoint}: "
                "embed both with the same checkpoint."
            )
        if not np.isclose(ours.step_mm, theirs.step_mm):
            raise InputError(
                f"{theirs.cohort} was embedded every {theirs.step_mm:g} mm, {ours.cohort} every {ours.step_mm:g} mm: "
                "embed both with the same --step-mm."
            )
        fingerprint = f"{ours.cohort_fingerprint}+{theirs.cohort_fingerprint}"
        cohort = f"{ours.cohort} + {theirs.cohort}"
        super().__init__(ours.model_copy(update={"cohort": cohort, "cohort_fingerprint": fingerprint}))
        self.own, self.reference = own, reference

    def _column(self, name: str) -> NDArray:
        if name not in self._columns:
            theirs = self.reference._column(name)
            if name in ("subject", "volume"):
                theirs = np.char.add(f"{self.reference.info.cohort}/", theirs)
            self._columns[name] = np.concatenate([self.own._column(name), theirs])
        return self._columns[name]

    def wide_code(self) -> NDArray[np.float32]:
        """(N, D) codes as float32 to compute with."""
        return np.concatenate([self.own.wide_code(), self.reference.wide_code()])


def in_reference(reference: str, volume: str) -> str:
    """What a reference cohort's volume is called in a joined table."""
    return f"{reference}/{volume}"
