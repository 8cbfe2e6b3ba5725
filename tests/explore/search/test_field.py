"""Fields between scans whose true deformation is known."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy import ndimage

from isimed.data.prepared.preprocess import Prepared
from isimed.explore.search import field as fields
from isimed.explore.search import locate
from isimed.explore.search.correspondence import Correspondence
from isimed.explore.search.field import Field, field_file, fit_field, kept_field

SPACING = 4.0


def scan(image: NDArray, move_mm: tuple[float, ...] = (0, 0, 0)) -> Prepared:
    affine = np.diag([SPACING, SPACING, SPACING, 1.0])
    affine[:3, 3] = np.array(move_mm)
    return Prepared(image.astype(np.float16), np.ones(image.shape, bool), {}, affine, np.zeros(3), float(image.min()))


@pytest.fixture(scope="module")
def bent() -> tuple[Prepared, Prepared, NDArray]:
    """A body of blobs, the same body bent by up to 20 mm in another scanner, and where each voxel went, mm."""
    rng = np.random.default_rng(0)
    image = ndimage.gaussian_filter(rng.normal(size=(40, 36, 44)), 2.0)
    image /= image.std()
    places = np.stack(np.indices(image.shape), axis=-1).astype(float)
    bend = np.zeros(places.shape)
    bend[..., 1] = 5.0 * np.sin(np.pi * places[..., 2] / 43)  # voxels: a neck bent forwards
    moved = ndimage.map_coordinates(image, np.moveaxis(places - bend, 3, 0), order=3, mode="nearest")
    there = scan(moved, (30, -10, 5))
    return scan(image), there, there.to_mm(places + bend)


def start(points_mm: NDArray) -> NDArray:
    """One shift for all: right at both ends of the neck, 20 mm off in its middle."""
    return points_mm + np.array([30.0, -10.0, 5.0])


def test_a_bend_that_no_affine_map_holds_is_found(bent: tuple[Prepared, Prepared, NDArray]) -> None:
    here, there, true = bent
    inner = (slice(6, -6), slice(8, -10), slice(6, -6))
    places = here.to_mm(np.stack(np.indices(here.image.shape), axis=-1))[inner]
    before = np.linalg.norm(start(places) - true[inner], axis=-1)
    after = np.linalg.norm(fit_field(here, there, start).map(places) - true[inner], axis=-1)
    assert np.median(before) > 12
    assert np.median(after) < 2.5
    assert np.quantile(after, 0.95) < 8


def test_a_field_is_looked_up_between_its_nodes_and_keeps_the_shape_of_what_is_asked() -> None:
    affine = np.diag([8.0, 8.0, 8.0, 1.0])
    nodes = np.stack(np.indices((4, 4, 4)), axis=-1) * 8.0
    doubled = Field(affine, (2 * nodes + 1).astype(np.float32))
    assert np.allclose(doubled.map((4.0, 12.0, 20.0)), (9, 25, 41))
    assert doubled.map(np.zeros((2, 5, 3))).shape == (2, 5, 3)


def test_a_field_is_made_once_and_anew_when_anything_of_it_changes(
    bent: tuple[Prepared, Prepared, NDArray], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ISIMED_HOME", str(tmp_path))
    here, there, _ = bent
    made = []

    def count(source: Prepared, target: Prepared, begin: fields.Map) -> Field:
        made.append(1)
        return Field(np.eye(4), np.zeros((2, 2, 2, 3), np.float32))

    monkeypatch.setattr(fields, "fit_field", count)
    first = kept_field(here, there, start)
    again = kept_field(here, there, start)
    assert len(made) == 1
    assert np.array_equal(first.target_mm, again.target_mm)
    kept_field(here, there, lambda points: start(points) + 1)
    kept_field(here, replace(there, image=there.image + np.float16(1)), start)
    assert len(made) == 3
    whole = field_file(here, there, start).read_bytes()
    for number, damaged in enumerate((b"damaged", b"", whole[:100], whole[:-1]), start=4):
        field_file(here, there, start).write_bytes(damaged)
        kept_field(here, there, start)
        assert len(made) == number


def test_a_place_is_looked_up_in_the_field_both_ways(
    bent: tuple[Prepared, Prepared, NDArray], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What all crops agree on is one shift here; the field finds the bend, and the way back says that it did."""
    monkeypatch.setenv("ISIMED_HOME", str(tmp_path))
    here, there, true = bent
    voxel = (20, 18, 22)
    clicked = here.to_mm(np.array(voxel))
    shift = Correspondence(np.vstack([np.eye(3), start(np.zeros(3))]), np.zeros((1, 3)), np.zeros((1, 3)))
    back = Correspondence(np.vstack([np.eye(3), -start(np.zeros(3))]), np.zeros((1, 3)), np.zeros((1, 3)))
    monkeypatch.setattr(locate, "correspondence", lambda table, a, b: shift if a == "here" else back)
    volumes = {"here": here, "there": there}
    agreed = locate.Location("S", "there", tuple(start(clicked)), 0.0, 0.0)
    found = locate.deformed(None, volumes.__getitem__, [agreed], "here", clicked)[0]  # type: ignore[arg-type]
    assert np.linalg.norm(np.array(agreed.mm) - true[voxel]) > 15
    assert np.linalg.norm(np.array(found.mm) - true[voxel]) < 4
    assert found.round_trip_mm is not None
    assert found.round_trip_mm < 6
    assert 0 < found.uncertainty_mm < 15
