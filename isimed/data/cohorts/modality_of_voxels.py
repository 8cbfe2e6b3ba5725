"""The modality that voxels speak for: a guess where names say none, a doubt where names say another."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from isimed.core.errors import InputError
from isimed.data.cohorts.plan import IMAGE, Plan, Planned
from isimed.data.formats.volume import lowest_of, read_volume

CT_AIR_HU = -800
SAMPLE = 5
SHIFT = 1024  # what is added to Hounsfield units to store them without a sign
SOFT_TISSUE_HU = 150  # of either sign
LEAST_DENSE = 0.3  # of what is denser than air
MOST_TISSUE = 0.6  # of what is denser than lung


@dataclass(frozen=True)
class Seen:
    """The lowest value of a scan, and whether its values are those of CT with 1024 added."""

    lowest: float
    shifted: bool

    @property
    def modality(self) -> str:
        return "CT" if self.lowest <= CT_AIR_HU else "MRI"


def guess_modalities(plan: Plan) -> None:
    """CT where a volume holds air as CT shows it, else MRI; said, because it is a guess.

    A sample of the volumes is read; all of them where the sample holds both.
    """
    unknown = [place for place, item in enumerate(plan.items) if item.role == IMAGE and not item.modality]
    if not unknown:
        return
    known = {item.modality for item in plan.images if item.modality}
    seen = {place: _seen(plan.items[place]) for place in _some(unknown)}
    if len({one.modality for one in seen.values() if one} | known) > 1:
        seen = {place: _seen(plan.items[place]) for place in unknown}
    found = Counter(one.modality for one in seen.values() if one)
    if not found:
        return
    usual = found.most_common(1)[0][0]
    for place in unknown:
        one = seen.get(place)
        plan.items[place] = replace(plan.items[place], modality=one.modality if one else usual)
    lowest = next(one.lowest for one in seen.values() if one and one.modality == usual)
    if len(found) == 1:
        plan.notices.append(f"Taken as {usual} (lowest value {lowest:g}): correct it with --modality if not.")
    else:
        counts = ", ".join(f"{modality} ({count})" for modality, count in found.items())
        plan.notices.append(f"By their lowest values these are {counts}: make a cohort of each, or correct `modality`.")
    if shifted := [place for place, one in seen.items() if one and one.shifted]:
        name = plan.name_of(plan.items[shifted[0]].path)
        plan.notices.append(f"{name} looks like CT with {SHIFT} added: if so, store Hounsfield units and import again.")


def doubt_modalities(plan: Plan) -> None:
    """Say where the name of a file and its values speak of different modalities; a sample is read, and no DICOM."""
    stated = [
        place for place, item in enumerate(plan.items) if item.role == IMAGE and item.modality and not item.series
    ]
    for place in _some(stated):
        item = plan.items[place]
        is_ct, one = item.modality.upper().startswith("CT"), _seen(item)
        if one and not is_ct and one.modality == "CT":
            said = f"is taken as {item.modality} by its name, and its values, from {one.lowest:g}, are those of CT"
        elif one and is_ct and one.lowest >= 0:
            said = f"is taken as CT by its name, and its values, from {one.lowest:g}, hold no air in Hounsfield units"
        else:
            continue
        plan.notices.append(f"{plan.name_of(item.path)} {said}: correct it with --modality if the name is wrong.")
        return


def _some(places: Sequence[int]) -> Sequence[int]:
    return places[:: max(1, len(places) // SAMPLE)][:SAMPLE]


def _seen(item: Planned) -> Seen | None:
    try:
        voxels = read_volume(item.path, channel=item.channel, series=item.series).voxels
    except InputError:
        return None
    return Seen(lowest_of(voxels), _is_shifted(voxels[::2, ::2, ::2]))


def _is_shifted(voxels: NDArray) -> bool:
    """Whether most of what is denser than lung is soft tissue, were 1024 taken away, and the rest is air."""
    if not 0 <= lowest_of(voxels) <= SHIFT + CT_AIR_HU:
        return False
    body, dense = voxels > SHIFT + CT_AIR_HU, voxels[voxels > SHIFT / 2]
    return bool(
        dense.size > LEAST_DENSE * np.count_nonzero(body)
        and (np.abs(dense - np.float32(SHIFT)) <= SOFT_TISSUE_HU).mean() >= MOST_TISSUE
    )
