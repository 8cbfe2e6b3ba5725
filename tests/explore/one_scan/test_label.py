"""A label map carried over from labelled scans lies where the organs are."""

import numpy as np

from isimed.data.prepared.preprocess import Prepared
from isimed.explore.one_scan.label import rough_labels
from tests.explore.known import SHIFTS, known_table

SPACING, SIZE = 4.0, 37
AXIS = (np.arange(SIZE) - SIZE // 2) * SPACING
PLACE = np.stack(np.meshgrid(AXIS, AXIS, AXIS, indexing="ij"), -1)
ORGANS = {1: ((30, 10, -20), 22.0), 2: ((-30, 10, -20), 22.0), 5: ((0, -30, 35), 15.0)}


def truth() -> np.ndarray:
    organs = np.zeros((SIZE,) * 3, np.uint16)
    for label, (middle, radius) in ORGANS.items():
        organs[np.linalg.norm(PLACE - np.array(middle), axis=-1) < radius] = label
    return organs


def volume(name: str, organs: np.ndarray | None, *, jitter: float = 0.0) -> Prepared:
    """A smooth texture that is the same at the same place of every patient, moved by the patient's shift."""
    image = np.sin(PLACE[..., 0] / 17) + np.cos(PLACE[..., 1] / 23) * np.sin(PLACE[..., 2] / 19)
    image += np.random.default_rng(len(name)).normal(0, 0.02, image.shape)
    affine = np.diag([SPACING] * 3 + [1.0])
    affine[:3, 3] = PLACE[0, 0, 0] + SHIFTS[name] + jitter
    labels = {} if organs is None else {"organs": organs}
    return Prepared(
        image.astype(np.float16), np.ones(image.shape, bool), labels, affine, np.array(SHIFTS[name], float), -1.0
    )


def dice(a: np.ndarray, b: np.ndarray) -> float:
    return 2 * float((a & b).sum()) / float(a.sum() + b.sum())


def test_organs_are_carried_to_where_they_are_with_their_sides() -> None:
    volumes = {name: volume(name, None if name == "A" else truth()) for name in ("A", "B", "C")}
    found = rough_labels(known_table(), volumes.__getitem__, "A", ["B", "C"])
    for label in ORGANS:
        assert dice(found == label, truth() == label) > 0.85, label
    assert set(np.unique(found)) == {0, *ORGANS}


def test_labels_of_an_atlas_are_carried_as_they_are() -> None:
    ids = truth().astype(np.uint32) * 120_000_000
    volumes = {name: volume(name, None if name == "A" else ids) for name in ("A", "B", "C")}
    found = rough_labels(known_table(), volumes.__getitem__, "A", ["B", "C"])
    assert set(np.unique(found).tolist()) == {0, *(120_000_000 * label for label in ORGANS)}
    assert dice(found == 600_000_000, ids == 600_000_000) > 0.85


def test_an_organ_is_put_where_at_least_half_of_those_that_have_it_put_it() -> None:
    without, elsewhere = truth(), truth()
    without[without == 5] = 0
    elsewhere[elsewhere == 1] = 0
    elsewhere[:4, :4, :4] = 1
    volumes = {
        "A": volume("A", None),
        "B": volume("B", truth()),
        "C": volume("C", without),
        "C2": volume("C2", elsewhere),
    }
    found = rough_labels(known_table(), volumes.__getitem__, "A", ["B", "C", "C2"])
    assert dice(found == 5, truth() == 5) > 0.85  # two have it
    assert dice(found == 1, truth() == 1) > 0.85  # two of three put it there
    assert not (found[:6, :6, :6] == 1).any()


def test_an_organ_outside_the_scan_is_left_out() -> None:
    table = known_table()
    keep = (table.volume != "A") | (table.position[:, 2] < 10)
    part = type(table)(table.info, {name: column[keep] for name, column in table._columns.items()})
    whole = volume("A", None)
    half = Prepared(
        whole.image[..., : SIZE // 2 + 3], whole.body[..., : SIZE // 2 + 3], {}, whole.affine, whole.box_centre_mm, -1.0
    )
    volumes = {"A": half, "B": volume("B", truth())}
    found = rough_labels(part, volumes.__getitem__, "A", ["B"])
    assert set(np.unique(found)) == {0, 1, 2}
