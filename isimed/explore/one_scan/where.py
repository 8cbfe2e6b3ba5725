"""What is this scan, which network fits it, and what lies at a place of it."""

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

import numpy as np
from numpy.typing import ArrayLike, NDArray

from isimed.core.errors import InputError
from isimed.core.progress import Progress
from isimed.data.cohorts.cohort import Cohort, cohort_names
from isimed.data.formats.volume import Volume, read_volume
from isimed.data.prepared import cache
from isimed.data.prepared.preprocess import Prepared, prepare
from isimed.data.prepared.source import all_but, voxel_digest
from isimed.explore.one_scan.choose import is_synthetic, networks_for
from isimed.explore.one_scan.fit import Fit
from isimed.explore.one_scan.look import FLIPS, axes_by_fit, is_ct, look, turned_over
from isimed.explore.one_scan.registered import Registered, body_reference, region_of, register
from isimed.explore.search.align import PREPARATION, align
from isimed.explore.search.locate import Location, from_table, with_notes
from isimed.explore.search.retrieve import check_point, code_at
from isimed.explore.search.whereabouts import organ_vote
from isimed.explore.tables.embed import embed_prepared
from isimed.explore.tables.filters import Filter
from isimed.explore.tables.joined import Joined, in_reference
from isimed.explore.tables.store import Table, open_table, table_info, tables_of
from isimed.models.checkpoint import Checkpoint

VOTERS = 20
NO_REFERENCE = "no labelled cohort is embedded with {0}; `isimed embed COHORT --checkpoint {0}` makes one a reference"


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
        kind: "CT" where the values say so, else what its cohort says, else "".
        size_mm: along sagittal, coronal and axial.
        registered: the labelled scans in which it was found by registration, for want of a network that fits; region
            and organ are then told by these.
    """

    fits: tuple[Fit, ...]
    region: str | None = None
    axes: str | None = None
    organ: Organ | None = None
    notes: tuple[str, ...] = field(default=())
    kind: str = ""
    size_mm: tuple[float, float, float] | None = None
    registered: tuple[str, ...] = ()

    @property
    def best(self) -> Fit | None:
        """The network that fits best, whether or not it fits."""
        return self.fits[0] if self.fits else None

    def fit_of(self, checkpoint: str) -> Fit | None:
        """How well a network fits, where that was measured."""
        return next((fit for fit in self.fits if fit.checkpoint == checkpoint), None)

    def what(self) -> str:
        """What the file alone says: "CT, 320 x 320 x 205 mm"; "" where nothing is known."""
        size = f"{' x '.join(f'{mm:.0f}' for mm in self.size_mm)} mm" if self.size_mm else ""
        return ", ".join(filter(None, [self.kind, size]))

    def headline(self) -> str:
        """Which network fits, in one or two sentences; "" where none can say."""
        if not self.best:
            return ""
        if self.best.fits or len(self.fits) == 1:
            return self.best.sentence()
        others = [f"{fit.checkpoint} ({fit.misfit / fit.limit:.1f} times its limit)" for fit in self.fits]
        return (
            f"No network here fits this scan: it shows something else than what they were trained on, "
            f"{', '.join(others)}. What they find here means nothing."
        )

    def to_json(self) -> dict[str, object]:
        """``checkpoint``, ``fits``, ``percentile``, ``region``, ``axes``, ``organ``, ``notes`` and ``registered``."""
        best = self.best
        return {
            "checkpoint": best.checkpoint if best else None,
            "fits": bool(best and best.fits),
            "percentile": best.percentile if best else None,
            "region": self.region,
            "axes": self.axes,
            "organ": vars(self.organ) if self.organ else None,
            "notes": list(self.notes),
            "registered": list(self.registered),
        }

    def lines(self) -> list[str]:
        """The same in sentences."""
        said = [line for line in (self.what(), self.headline()) if line]
        if self.region:
            said.append(f"It shows the body {self.region}.")
        if self.axes:
            said.append(f"Its axes are {self.axes}.")
        if self.organ:
            votes, of = self.organ.votes, self.organ.of
            said.append(f"At this place: {self.organ.name}, say{'s' * (votes == 1)} {votes} of {of} reference scans.")
        return [*said, *self.notes]


def where(
    path: str | Path | Volume,
    *,
    mm: ArrayLike | None = None,
    checkpoint: str | None = None,
    reference: Cohort | None = None,
    cohort: Cohort | None = None,
    progress: Progress | None = None,
) -> Description:
    """Say what a scan is, which network fits it, and what lies at a place.

    Args:
        path: any scan that ``read_volume`` reads, or one that was read.
        mm: (3,) a place in scanner mm.
        checkpoint: ask this network alone; by default every shipped or exported one that has a profile, but for those
            trained on synthetic patients, unless the cohort is synthetic too.
        reference: where organs are looked up; by default a labelled cohort that is embedded with the network.
        cohort: which the scan is of, if it is of one; see ``isimed.explore.one_scan.choose.rank``.
        progress: called with (crops done, crops in all) where a place needs the scan embedded.

    Raises:
        InputError: the scan cannot be read, the place lies outside it, or the reference is not embedded.
    """
    scan = path if isinstance(path, Volume) else read_volume(path)
    kind = "CT" if is_ct(scan) else cohort.modality if cohort and cohort.modality != "unknown" else ""
    x, y, z = map(float, np.array(scan.shape) * scan.spacing)
    about = partial(Description, kind=kind, size_mm=(x, y, z))
    seen = look(scan, [checkpoint] if checkpoint else networks_for(cohort), cohort=cohort)
    if not seen:
        if mm is not None:
            _refuse_outside(scan, mm)
        return about((), notes=("No checkpoint here can say whether it fits: see `isimed profile --help`.",))
    best = seen[0]
    card = best.checkpoint.card
    if mm is not None:
        check_point(best.volume, mm, reach_mm=card.crop_mm / 2)
    fits, notes = tuple(one.fit for one in seen), []
    if not best.fit.fits:
        if checkpoint is None and (found := registered_in(scan)):  # quicker than the network turned over
            return _by_registration(about, fits, found, mm)
        if checkpoint is None and len(fits) == 1:
            notes.append("No other network here is for such scans.")
        if over := best.fits_turned_over:
            notes.append(f"It may lie the wrong way round (reversed: {over}): check its header's orientation.")
        if mm is not None:
            notes.append("No organ is named: a network that does not fit would name a wrong one.")
        return about(fits, notes=tuple(notes))
    if is_synthetic(card) and not (cohort and cohort.synthetic):
        notes.append(f"{card.name} is a demo, trained on scans that are {card.sequence}: expect little of it.")
    elif not card.modality.upper().startswith("CT"):
        of = card.sequence or card.modality
        notes.append(f"Its training was on {of}; whether this scan is of that sequence is not measured.")
    organ = None
    if mm is not None:
        table_of = partial(reference_table, best.checkpoint, besides=scan)
        known = (reference, table_of(reference)) if reference else any_reference(best.checkpoint, besides=scan)
        if known is None:
            notes.append(f"No organ is named: {NO_REFERENCE.format(best.checkpoint.name)}.")
        else:
            organ = organ_at(scan.name, best.volume, mm, best.checkpoint, *known, progress=progress)
            if organ is None:
                notes.append("No labelled organ is near this place in the reference.")
    return about(fits, best.region, best.axes, organ, tuple(notes))


def registered_in(scan: Volume, reference: Cohort | None = None) -> list[Registered]:
    """The labelled scans in which a scan is found without a network; none for what is no CT, or not like them.

    Args:
        reference: whose labelled scans; by default the trunks that came with isimed.
    """
    if not is_ct(scan):
        return []
    with suppress(InputError):
        return register(prepare(scan, PREPARATION), reference or body_reference())
    return []


def _by_registration(
    about: Callable[..., Description], fits: tuple[Fit, ...], found: Sequence[Registered], mm: ArrayLike | None
) -> Description:
    """What the labelled scans say in which a scan was found."""
    names, organ, likest = tuple(one.volume for one in found), None, found[0]
    over = [align(turned_over(likest.scan, axes), likest.target).score for axes in FLIPS[1:]]
    axes = axes_by_fit([1 - score for score in (likest.alignment.score, *over)])
    if axes.startswith("reversed"):
        return about(fits, notes=(f"It may lie the wrong way round ({axes}): check its header's orientation.",))
    notes = [f"Found without a network, by registration, in {' and '.join(names)}: rough, look at the pictures."]
    if mm is not None:
        places = {place.volume: place.mm for one in found if not (place := one.locate(mm)).note}
        organ = named(organ_vote(places, {one.volume: one.target for one in found}), found[0].names)
        if organ is None:
            notes.append("No labelled organ is near this place in the reference.")
    return about(fits, region_of(found), axes, organ, tuple(notes), registered=names)


def _refuse_outside(scan: Volume, mm: ArrayLike) -> None:
    """Raise InputError unless a place lies within the scan's field of view; for want of a body found by a network."""
    voxel = scan.to_voxel(mm)
    if not (np.isfinite(voxel).all() and (voxel > -1).all() and (voxel < scan.shape).all()):
        place = ", ".join(f"{value:g}" for value in np.asarray(mm, dtype=float))
        raise InputError(f"({place}) lies outside {scan.name}: give a place in scanner mm inside it.")


def any_reference(checkpoint: Checkpoint, *, besides: Volume) -> tuple[Cohort, Table] | None:
    """The labelled cohort in ISIMED_HOME that is embedded with a network, the largest of several."""
    found = []
    for name in cohort_names():
        with suppress(InputError):
            cohort = Cohort.load(name)
            found.append((cohort, reference_table(checkpoint, cohort, besides=besides)))
    return max(found, key=lambda one: len(one[1].volumes), default=None)


def labelled_reference(
    checkpoint: Checkpoint, reference: Cohort | None = None, *, besides: Volume
) -> tuple[Cohort, Table]:
    """A labelled cohort and its table under a network: the given one, else any.

    Args:
        besides: the scan that is looked up, which is not looked for in itself.

    Raises:
        InputError: it is no reference of this network, or there is none.
    """
    if reference is not None:
        return reference, reference_table(checkpoint, reference, besides=besides)
    known = any_reference(checkpoint, besides=besides)
    if known is None:
        raise InputError(f"{NO_REFERENCE.format(checkpoint.name)}.")
    return known


def reference_table(checkpoint: Checkpoint, reference: Cohort, *, besides: Volume | None = None) -> Table:
    """The table of a reference's labelled volumes under a network, but for the scan that is looked up.

    Raises:
        InputError: the cohort has no organs, or is not embedded with this network.
    """
    labelled = [entry for entry in reference.volumes if entry.organs]
    info = table_info(reference, checkpoint)
    if info in tables_of(reference.name):
        others = labelled if besides is None else all_but(voxel_digest(besides), reference, labelled)
        if others:
            return open_table(info, [entry.id for entry in others])
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
    return named(votes, cohort.organs)


def named(votes: Counter[int], names: Mapping[int, str]) -> Organ | None:
    """The organ that most votes are for; None where most say that none is near."""
    if not votes:
        return None
    label, count = votes.most_common(1)[0]
    said = names.get(label, f"label {label}").replace("_", " ")
    return Organ(said, count, sum(votes.values())) if label else None


def in_labelled(both: Table, code: NDArray, name: str, mm: ArrayLike) -> list[Location]:
    """The same place in every scan of a joined table's reference, the likest first."""
    return from_table(both, code, name, mm, where=Filter(not_subject=name))
