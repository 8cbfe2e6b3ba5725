"""What is this scan, which network fits it, and what lies at a place of it."""

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
from numpy.typing import ArrayLike, NDArray

from isimed.core.errors import InputError
from isimed.core.progress import Progress
from isimed.data.cohorts.cohort import Cohort, cohort_names
from isimed.data.cohorts.importing import CT_AIR_HU
from isimed.data.formats.volume import Volume, read_volume
from isimed.data.prepared import cache
from isimed.data.prepared.preprocess import Prepared, prepare
from isimed.explore.one_scan.fit import Fit, judge
from isimed.explore.one_scan.profile import Profile, read_profile, sample_crops, scan_misfit
from isimed.explore.search.locate import Location, from_table, with_notes
from isimed.explore.search.retrieve import check_point, code_at
from isimed.explore.search.whereabouts import organ_vote
from isimed.explore.tables.embed import embed_prepared
from isimed.explore.tables.filters import Filter
from isimed.explore.tables.joined import Joined, in_reference
from isimed.explore.tables.store import Table, open_table, table_info, tables_of
from isimed.models.card import checkpoint_names
from isimed.models.checkpoint import Checkpoint, open_checkpoint

AXES = ("left-right", "posterior-anterior", "inferior-superior")
FLIPS: tuple[tuple[int, ...], ...] = ((), (2,), (1,), (1, 2))  # left and right look alike
MARGIN = 1.1  # times the misfit: set after seeing 12 patients of headneck-ct turned over, all beyond it
CLEAR = 0.5  # correlation of where crops are with where they look to be
VOTERS = 20


@dataclass(frozen=True)
class Organ:
    """What a reference says lies at a place: the organ that most of its labelled scans name, and how many do."""

    name: str
    votes: int
    of: int


@dataclass(frozen=True)
class Description:
    """What a scan is.

    Attributes:
        fits: every network that can say so, the best fitting first.
        region: from which organ to which, or what the network's card says; None where none fits.
        axes: "plausible", "reversed: ...", or "unclear"; None where none fits.
        organ: at the asked place; None where none was asked for, no reference is there, or none is near.
        notes: what was not known, and how to change that, one sentence each.
    """

    fits: tuple[Fit, ...]
    region: str | None = None
    axes: str | None = None
    organ: Organ | None = None
    notes: tuple[str, ...] = field(default=())

    @property
    def best(self) -> Fit | None:
        """The network that fits best, whether or not it fits."""
        return self.fits[0] if self.fits else None

    def to_json(self) -> dict[str, object]:
        """``checkpoint``, ``fits``, ``percentile``, ``region``, ``axes``, ``organ`` and ``notes``."""
        best = self.best
        return {
            "checkpoint": best.checkpoint if best else None,
            "fits": bool(best and best.fits),
            "percentile": best.percentile if best else None,
            "region": self.region,
            "axes": self.axes,
            "organ": vars(self.organ) if self.organ else None,
            "notes": list(self.notes),
        }

    def lines(self) -> list[str]:
        """The same in sentences."""
        said = [self.best.sentence()] if self.best else []
        if self.region:
            said.append(f"It shows the body {self.region}.")
        if self.axes:
            said.append(f"Its axes are {self.axes}.")
        if self.organ:
            said.append(f"At this place: {self.organ.name}, say {self.organ.votes} of {self.organ.of} reference scans.")
        return [*said, *self.notes]


def where(
    path: str | Path | Volume,
    *,
    mm: ArrayLike | None = None,
    checkpoint: str | None = None,
    reference: Cohort | None = None,
    progress: Progress | None = None,
) -> Description:
    """Say what a scan is, which network fits it, and what lies at a place.

    Args:
        path: any scan that ``read_volume`` reads, or one that was read.
        mm: (3,) a place in scanner mm.
        checkpoint: ask this network alone; by default every shipped or exported one that has a profile.
        reference: where organs are looked up; by default a labelled cohort that is embedded with the network.
        progress: called with (crops done, crops in all) where a place needs the scan embedded.

    Raises:
        InputError: the scan cannot be read, the place lies outside it, or the reference is not embedded.
    """
    scan = path if isinstance(path, Volume) else read_volume(path)
    seen = look(scan, [checkpoint] if checkpoint else checkpoint_names())
    if not seen:
        return Description((), notes=("No checkpoint here can say whether it fits: see `isimed profile --help`.",))
    best = seen[0]
    if mm is not None:
        check_point(best.volume, mm, reach_mm=best.checkpoint.card.crop_mm / 2)
    fits, notes = tuple(one.fit for one in seen), []
    if not best.fit.fits:
        axes = best.axes
        if axes.startswith("reversed"):
            notes.append(f"It may lie the wrong way round ({axes}): check its header's orientation.")
        if mm is not None:
            notes.append("No organ is named: a network that does not fit would name a wrong one.")
        return Description(fits, notes=tuple(notes))
    if not best.checkpoint.card.modality.upper().startswith("CT"):
        of = best.checkpoint.card.sequence or best.checkpoint.card.modality
        notes.append(f"Its training was on {of}; whether this scan is of that sequence is not measured.")
    organ = None
    if mm is not None:
        known = (
            (reference, reference_table(best.checkpoint, reference)) if reference else any_reference(best.checkpoint)
        )
        if known is None:
            notes.append(
                f"No organ is named: no labelled cohort is embedded with {best.checkpoint.name}; "
                f"`isimed embed COHORT --checkpoint {best.checkpoint.name}` makes one a reference."
            )
        else:
            organ = organ_at(scan.name, best.volume, mm, best.checkpoint, *known, progress=progress)
            if organ is None:
                notes.append("No labelled organ is near this place in the reference.")
    return Description(fits, best.region, best.axes, organ, tuple(notes))


@dataclass(frozen=True, eq=False)
class Look:
    """A scan through the eyes of one network.

    Attributes:
        volume: prepared as the network wants it.
        place, looks: (N, 3) where some crops are, and where they look to be, mm.
    """

    checkpoint: Checkpoint
    profile: Profile
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
        misfits = [self.fit.misfit]
        for axes in FLIPS[1:]:
            image, body = np.flip(self.volume.image, axes).copy(), np.flip(self.volume.body, axes).copy()
            over = replace(self.volume, image=image, body=body, labels={})
            crops = sample_crops(self.checkpoint, over, count=self.profile.info.crops)[1]
            misfits.append(scan_misfit(self.profile.misfit(crops)))
        return axes_by_fit(misfits)

    @property
    def region(self) -> str | None:
        """From which organ to which, told from the level of the crops; else what the card says."""
        return region_of(self.profile, self.looks) or self.checkpoint.card.region or None


def look(scan: Volume, names: Sequence[str]) -> list[Look]:
    """A scan as several networks see it, the best fitting first; those without a profile are left out.

    Air in Hounsfield units is in no MRI: a CT is shown to networks of CT alone.

    Raises:
        InputError: none can look at it, with the reason of the last.
    """
    seen, reason = [], None
    is_ct = bool(scan.voxels.min() <= CT_AIR_HU)
    for name in names:
        checkpoint = open_checkpoint(name)
        profile = read_profile(checkpoint)
        if profile is None or (is_ct and not checkpoint.card.modality.upper().startswith("CT")):
            continue
        try:
            volume = prepare(scan, checkpoint.card.preparation)
            centres, embeddings, _ = sample_crops(checkpoint, volume, count=profile.info.crops)
        except InputError as error:  # a CT network finds no body in some MRI, and the other way round
            reason = error
            continue
        fit = judge(profile, checkpoint.name, profile.misfit(embeddings))
        seen.append(Look(checkpoint, profile, volume, fit, volume.position(centres), profile.place(embeddings)))
    if reason and not seen:
        raise reason
    return sorted(seen, key=lambda one: (not one.fit.fits, one.fit.misfit / one.fit.limit))


def axes_by_fit(misfits: Sequence[float]) -> str:
    """Which way of turning a scan over fits best: "plausible" as it is, "reversed: ..." clearly another, or "unclear".

    Args:
        misfits: of the scan flipped along each of ``FLIPS``.
    """
    best = int(np.argmin(misfits))
    others = [misfit for n, misfit in enumerate(misfits) if n not in (0, best)]
    if best == 0:
        return "plausible" if min(others) > MARGIN * misfits[0] else "unclear"
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


def any_reference(checkpoint: Checkpoint) -> tuple[Cohort, Table] | None:
    """The labelled cohort in ISIMED_HOME that is embedded with a network, the largest of several."""
    found = []
    for name in cohort_names():
        with suppress(InputError):
            cohort = Cohort.load(name)
            found.append((cohort, reference_table(checkpoint, cohort)))
    return max(found, key=lambda one: len(one[1].volumes), default=None)


def reference_table(checkpoint: Checkpoint, reference: Cohort) -> Table:
    """The table of a reference's labelled volumes under a network.

    Raises:
        InputError: the cohort has no organs, or is not embedded with this network.
    """
    labelled = [entry.id for entry in reference.volumes if entry.organs]
    info = table_info(reference, checkpoint)
    if labelled and info in tables_of(reference.name):
        return open_table(info, labelled)
    raise InputError(
        f"{reference.name} is no reference yet: it needs organ labels, and "
        f"`isimed embed {reference.name} --checkpoint {checkpoint.name}`."
    )


def organ_at(
    name: str,
    volume: Prepared,
    mm: ArrayLike,
    checkpoint: Checkpoint,
    cohort: Cohort,
    reference: Table,
    *,
    progress: Progress | None = None,
) -> Organ | None:
    """Which organ lies at a place of one scan, by vote of a labelled cohort; None where most say none."""
    own = embed_prepared(name, volume, checkpoint, progress=progress)

    def opened(name: str) -> Prepared:
        entry = cohort.entry(name.removeprefix(in_reference(cohort.name, "")))
        return cache.prepared(cohort, entry, checkpoint.card.preparation)

    found = in_labelled(Joined(own, reference), code_at(checkpoint, volume, mm), name, mm)[:VOTERS]
    places = [one for one in with_notes(opened, found) if not one.note]
    votes = organ_vote({one.volume: one.mm for one in places}, {one.volume: opened(one.volume) for one in places})
    if not votes:
        return None
    label, count = votes.most_common(1)[0]
    said = cohort.organs.get(label, f"label {label}").replace("_", " ")
    return Organ(said, count, sum(votes.values())) if label else None


def in_labelled(both: Table, code: NDArray, name: str, mm: ArrayLike) -> list[Location]:
    """The same place in every scan of a joined table's reference, the likest first."""
    return from_table(both, code, name, mm, where=Filter(not_subject=name))
