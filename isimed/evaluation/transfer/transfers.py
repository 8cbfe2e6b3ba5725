"""Where a landmark of one patient is found in another: by the product's search, or by a map between the two bodies."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from isimed.data.prepared.preprocess import Prepared
from isimed.evaluation.context.context import Context
from isimed.evaluation.sampling.organ_places import Places
from isimed.evaluation.transfer.halves import Halves, in_halves
from isimed.explore.search.locate import locate
from isimed.explore.search.refine import sharpen
from isimed.explore.search.retrieve import code_at, nearest_in_others
from isimed.explore.tables.embed import embed_cohort
from isimed.models.checkpoint import Checkpoint

VOLUMES, SOURCES = 16, 4
NOTHING_SHARED = "left out, no two patients show one landmark."
EMBEDDING = 0.8  # share of the time, for the progress bar only
Map = Callable[[NDArray], NDArray]


@dataclass(frozen=True)
class Transfer:
    """One landmark carried from a source volume to a target volume (numbers of volumes)."""

    source: int
    target: int
    name: str


def choose_transfers(
    places: Sequence[Places], subjects: Sequence[str], *, seed: int, volumes: int = VOLUMES, sources: int = SOURCES
) -> list[Transfer]:
    """A transfer a landmark that two volumes share. Seeded volumes stand in a ring, each is looked into from the next
    few of other patients: each is source and target about equally often, and few volumes need a grid of crops."""
    rng = np.random.default_rng([seed, 99])
    ring = [int(i) for i in rng.permutation(len(places)) if places[i]][:volumes]
    found = []
    for rank, target in enumerate(ring):
        others = [i for i in ring[rank + 1 :] + ring[:rank] if subjects[i] != subjects[target]]
        for source in others[:sources]:
            found += [Transfer(source, target, name) for name in places[target] if name in places[source]]
    return found


@dataclass(frozen=True, eq=False)
class Transferred:
    """Where T transfers end, scanner mm of their targets.

    Attributes:
        refined: (T, 3) after the voxels were compared.
        before: earlier steps by name, (T, 3) each.
        cut: what is said of landmarks in halves of the targets, see ``isimed.evaluation.transfer.halves``.
    """

    refined: NDArray[np.float64]
    before: dict[str, NDArray[np.float64]]
    cut: Halves | None = None


def searched(
    context: Context, checkpoint: Checkpoint, places: Sequence[Places], transfers: Sequence[Transfer]
) -> Transferred:
    """The search of the Viewer and of ``isimed locate``, on the same embedding tables.

    ``coarse``: the nearest crop of the grid. ``agreed``: what the codes of all crops of the two volumes say, no voxel
    compared. The backbone is frozen under every protocol, as it is in the product.
    """
    ids = [entry.id for entry in context.entries]
    volumes = dict(zip(ids, context.volumes(checkpoint.card.preparation), strict=True))
    used = sorted({number for t in transfers for number in (t.source, t.target)})
    entries = [context.entries[number] for number in used]

    def embedded(done: int, total: int) -> None:
        context.advance(EMBEDDING * done / max(total, 1))

    table = embed_cohort(context.cohort, checkpoint, entries=entries, progress=embedded)
    codes: dict[tuple[int, str], NDArray] = {}
    nearest: dict[tuple[int, str], dict[str, tuple[float, float, float]]] = {}
    steps: dict[str, list[tuple[float, float, float]]] = {"coarse": [], "agreed": [], "refined": []}
    for number, t in enumerate(transfers):
        source, target, clicked = ids[t.source], ids[t.target], places[t.source][t.name]
        asked = (t.source, t.name)
        if asked not in codes:
            codes[asked] = code_at(checkpoint, volumes[source], clicked)
            matches = nearest_in_others(table, codes[asked], subject=context.entries[t.source].subject)
            nearest[asked] = {match.volume: match.centre_mm for match in matches}
        steps["coarse"].append(nearest[asked][target])
        for name, refine in (("agreed", False), ("refined", True)):
            found = locate(table, volumes.__getitem__, codes[asked], source, clicked, target, refine=refine)
            steps[name].append(found.mm)
        context.advance(EMBEDDING + (1 - EMBEDDING) * (number + 1) / len(transfers))
    by_step = {name: np.array(mm) for name, mm in steps.items()}
    cut = in_halves(table, [volumes[name] for name in ids], ids, places, [(t.source, t.target) for t in transfers])
    return Transferred(by_step.pop("refined"), by_step, cut)


def mapped(
    volumes: Sequence[Prepared],
    maps: Mapping[tuple[int, int], Map],
    places: Sequence[Places],
    transfers: Sequence[Transfer],
) -> Transferred:
    """A control: a map between two bodies, (N, 3) mm -> (N, 3) mm (``coarse``), then the search's look at voxels."""
    coarse, refined = [], []
    for t in transfers:
        carry, clicked = maps[t.source, t.target], places[t.source][t.name]
        there = carry(clicked[None])[0]
        turn = carry(clicked + np.eye(3)) - there  # where a step of 1 mm along each axis of the source goes
        coarse.append(there)
        refined.append(sharpen(volumes[t.source], clicked, volumes[t.target], there, turn).mm)
    return Transferred(np.array(refined), {"coarse": np.array(coarse)})


def box_map(source: Prepared, target: Prepared) -> Map:
    """To the same relative place in the target's body box: no network, no image."""
    sizes = [np.maximum(np.array(volume.image.shape) - 1, 1) for volume in (source, target)]
    return lambda points_mm: target.to_mm(source.to_voxel(points_mm) / sizes[0] * sizes[1])
