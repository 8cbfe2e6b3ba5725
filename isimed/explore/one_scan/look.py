"""A scan through the eyes of the networks: which fits, how its axes lie, from which organ to which it goes."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from isimed.core.errors import InputError
from isimed.data.cohorts.cohort import Cohort
from isimed.data.cohorts.modality_of_voxels import CT_AIR_HU
from isimed.data.formats.volume import Volume, lowest_of
from isimed.data.prepared.preprocess import Preparation, Prepared, prepare
from isimed.explore.one_scan.choose import rank
from isimed.explore.one_scan.fit import Fit, fit_from
from isimed.explore.one_scan.profile import Profile, read_profile, sample_crops, scan_misfit
from isimed.models.checkpoint import Checkpoint, open_checkpoint

AXES = ("left-right", "posterior-anterior", "inferior-superior")
FLIPS: tuple[tuple[int, ...], ...] = ((), (2,), (1,), (1, 2))  # left and right look alike
MARGIN = 1.1  # times the misfit: set after seeing 12 patients of headneck-ct turned over, all beyond it
CLEAR = 0.5  # correlation of where crops are with where they look to be


@dataclass(frozen=True, eq=False)
class Look:
    """A scan through the eyes of one network.

    Attributes:
        checkpoint: the network.
        judge: whose profile says whether it fits, and where in the body crops are from; see `judge_of`.
        profile: the judge's.
        judged: the scan as the judge wants it.
        volume: the scan as the network wants it.
        fit: how well the network fits the scan.
        place, looks: (N, 3) where some crops are, and where they look to be, mm.
    """

    checkpoint: Checkpoint
    judge: Checkpoint
    profile: Profile
    judged: Prepared
    volume: Prepared
    fit: Fit
    place: NDArray[np.float64]
    looks: NDArray[np.float32]

    @property
    def axes(self) -> str:
        """Whether the scan's axes are those of a body: some crops embedded for each way it could be turned over."""
        told = axes_of(self.place, self.looks)
        if told != "plausible":
            return told
        if not self.profile.info.held_out:
            return "unclear"  # too few patients to know how much worse a scan turned over fits
        return axes_by_fit(self._turned_over())

    @property
    def fits_turned_over(self) -> str:
        """Which axes a scan that does not fit would fit with, were they reversed; empty where none would do."""
        if not self.profile.info.held_out:
            return ""
        misfits = self._turned_over()
        best = int(np.argmin(misfits))
        return ", ".join(AXES[axis] for axis in FLIPS[best]) if misfits[best] <= self.fit.limit else ""

    def _turned_over(self) -> list[float]:
        """The misfit of the scan flipped along each of ``FLIPS``."""
        misfits = [self.fit.misfit]
        for axes in FLIPS[1:]:
            crops = sample_crops(self.judge, turned_over(self.judged, axes), count=self.profile.info.crops)[1]
            misfits.append(scan_misfit(self.profile.misfit(crops)))
        return misfits

    @property
    def region(self) -> str | None:
        """From which organ to which, told from the level of the crops; else what the card says."""
        return region_of(self.profile, self.looks) or self.checkpoint.card.region or None


def turned_over(volume: Prepared, axes: tuple[int, ...]) -> Prepared:
    """A scan flipped along some axes, as if its header were wrong."""
    image, body = np.flip(volume.image, axes).copy(), np.flip(volume.body, axes).copy()
    return replace(volume, image=image, body=body, labels={})


def judge_of(checkpoint: Checkpoint) -> Checkpoint:
    """The network whose profile says whether another fits: itself, but for dense ones.

    What a dense network knows of a place is where it is. Anything seems to lie somewhere in the body, so it takes a
    liver for a neck: its profile accepted nine of nine torsos. A network of crops of the same patients tells.
    """
    name = checkpoint.card.judged_by
    return open_checkpoint(name) if name else checkpoint


def is_ct(scan: Volume) -> bool:
    """Whether a scan has air in Hounsfield units, which no MRI has."""
    return lowest_of(scan.voxels) <= CT_AIR_HU


def look(scan: Volume, names: Sequence[str], *, cohort: Cohort | None = None) -> list[Look]:
    """A scan as several networks see it, the best fitting first; those without a profile are left out.

    A CT is shown to networks of CT alone.

    Args:
        cohort: which the scan is of; a network of this very cohort, or of such patients, comes before others that fit.

    Raises:
        InputError: none can look at it, with the reason of the last.
    """
    seen, reason = [], None
    volumes: dict[Preparation, Prepared] = {}
    sampled: dict[str, tuple[NDArray[np.float64], NDArray[np.float32]]] = {}
    ct_only = is_ct(scan)
    for name in names:
        checkpoint = open_checkpoint(name)
        judge = judge_of(checkpoint)
        profile = read_profile(judge)
        if profile is None or (ct_only and not checkpoint.card.modality.upper().startswith("CT")):
            continue
        try:
            for preparation in (judge.card.preparation, checkpoint.card.preparation):
                if preparation not in volumes:
                    volumes[preparation] = prepare(scan, preparation)
            judged, volume = volumes[judge.card.preparation], volumes[checkpoint.card.preparation]
            if judge.fingerprint not in sampled:
                sampled[judge.fingerprint] = sample_crops(judge, judged, count=profile.info.crops)[:2]
        except InputError as error:  # a CT network finds no body in some MRI, and the other way round
            reason = error
            continue
        centres, embeddings = sampled[judge.fingerprint]
        fit = fit_from(profile, checkpoint.name, profile.misfit(embeddings))
        place, looks = judged.position(centres), profile.place(embeddings)
        seen.append(Look(checkpoint, judge, profile, judged, volume, fit, place, looks))
    if reason and not seen:
        raise reason
    return sorted(seen, key=lambda one: rank(one.checkpoint.card, cohort, one.fit))


def axes_by_fit(misfits: Sequence[float]) -> str:
    """Which way of turning a scan over fits best: "plausible" as it is, "reversed: ..." clearly another, or "unclear".

    Args:
        misfits: of the scan flipped along each of ``FLIPS``.
    """
    best = int(np.argmin(misfits))
    if best == 0:
        return "plausible" if min(misfits[1:]) > MARGIN * misfits[0] else "unclear"
    if misfits[0] > MARGIN * misfits[best]:
        return "reversed: " + ", ".join(AXES[axis] for axis in FLIPS[best])
    return "unclear"


def axes_of(place: NDArray, looks: NDArray) -> str:
    """Whether axes are plausible, told from where crops are and where they look to be, (N, 3) mm each.

    Left and right look alike to most networks in most bodies: a mirrored scan can pass.
    """
    if len(place) < 4:
        return "unclear"
    with np.errstate(invalid="ignore"):
        r = np.nan_to_num(np.corrcoef(place.T, looks.T)[:3, 3:])
    reversed_ = [name for axis, name in enumerate(AXES) if r[axis, axis] < -CLEAR]
    if reversed_:
        return "reversed: " + ", ".join(reversed_)
    swapped = [
        f"{AXES[axis]} runs along {AXES[int(np.abs(r[axis]).argmax())]}"
        for axis in range(3)
        if np.abs(r[axis]).argmax() != axis and np.abs(r[axis]).max() > CLEAR > np.abs(r[axis, axis])
    ]
    if swapped:
        return "turned: " + ", ".join(swapped)
    return "plausible" if (np.diag(r) > CLEAR).all() else "unclear"


def region_of(profile: Profile, looks: NDArray) -> str | None:
    """From which organ to which a scan goes; None where its network knows no two of them."""
    low, high = looks[:, 2].min(), looks[:, 2].max()
    levels = profile.organ_place[:, 2]
    shown = [int(n) for n in np.argsort(levels) if low <= levels[n] <= high]
    if len(shown) < 2:
        return None
    names = [profile.info.organs[int(profile.organ[n])].replace("_", " ") for n in (shown[0], shown[-1])]
    return f"from {names[0]} to {names[1]}"
