"""A match shows the body from side to side, all matches in one scale, and no black where there is body."""

from types import SimpleNamespace

import numpy as np
import pytest

from isimed.data.cohorts.cohort import Cohort, register
from isimed.data.prepared.preprocess import Prepared
from isimed.explore.search.locate import Location
from isimed.explore.search.query import Query
from isimed.explore.tables.embed import checkpoint_for
from isimed.ui.viewer import matches
from isimed.ui.viewer.field_of_view import field_around, widest_mm
from isimed.ui.viewer.search import Found
from tests.small import write_cohort

SPACING = 4.0
HEAD, SHOULDERS = 250.0, 50.0  # mm above the foot of the scan


def head_on_shoulders(head: float, shoulders: float, *, deep: float = 150.0) -> Prepared:
    """A box of 300 mm height: below a shoulder's width, above a head's; 40 mm off the middle of its grid."""
    shape = (160, 60, 75)
    body = np.zeros(shape, bool)
    for width, part in ((shoulders, slice(0, 40)), (head, slice(40, 75))):
        half = round(width / SPACING / 2)
        body[90 - half : 90 + half, 30 - round(deep / SPACING / 2) : 30 + round(deep / SPACING / 2), part] = True
    affine = np.diag([SPACING, SPACING, SPACING, 1.0])
    return Prepared(body.astype(np.float16), body, {}, affine, np.zeros(3), 0.0)


def found_in(*volumes: Prepared, at: float, note: str = "") -> tuple[Query, list[Found]]:
    """The first scan clicked at a height, and the place found in the others."""
    names = {f"P{n}": volume for n, volume in enumerate(volumes)}
    mm = (360.0, 120.0, at)
    query = SimpleNamespace(volume="P0", mm=mm, prepared=lambda name="P0": names[name])
    others = [Found(Location(name, name, mm, 1.0, 3.0, note=note)) for name in list(names)[1:]]
    return query, others  # type: ignore[return-value]


def test_the_widest_body_sets_the_scale_of_all() -> None:
    torsos = [head_on_shoulders(200, width) for width in (320, 400, 360)]
    assert widest_mm(*found_in(*torsos, at=SHOULDERS)) == pytest.approx(400)


def test_a_head_is_shown_as_a_head_though_it_stands_on_shoulders() -> None:
    assert widest_mm(*found_in(*[head_on_shoulders(160, 480)] * 3, at=HEAD)) == 200


def test_a_body_deeper_than_wide_is_shown_whole_too() -> None:
    assert widest_mm(*found_in(head_on_shoulders(100, 120, deep=230), at=HEAD)) >= 230


def test_one_match_at_the_shoulders_does_not_make_every_neck_small() -> None:
    necks, wrong = [head_on_shoulders(160, 480)] * 3, head_on_shoulders(480, 480)
    assert widest_mm(*found_in(*necks, wrong, at=HEAD)) == 300


def test_a_scan_without_the_place_has_no_say_in_the_scale() -> None:
    assert widest_mm(*found_in(head_on_shoulders(160, 480), head_on_shoulders(240, 480), at=HEAD, note="above")) == 200


@pytest.mark.parametrize("x", [290.0, 360.0, 430.0])
def test_a_body_that_fits_stands_whole_wherever_in_it_the_place_is(x: float) -> None:
    field = field_around(head_on_shoulders(160, 480), (x, 120.0, HEAD), 200.0)
    left, right = field.centre_mm[0] - 100, field.centre_mm[0] + 100
    assert (left, right) == pytest.approx((258, 458))  # the head is from 278 to 438 mm


@pytest.mark.parametrize(("x", "centre"), [(130.0, 218.0), (350.0, 350.0), (590.0, 498.0)])
def test_of_a_body_that_does_not_fit_no_black_beside_it_is_shown(x: float, centre: float) -> None:
    field = field_around(head_on_shoulders(160, 480), (x, 120.0, SHOULDERS), 200.0)
    assert field.centre_mm[0] == pytest.approx(centre)  # the shoulders are from 118 to 598 mm


def test_above_the_body_the_field_stays_within_the_scan() -> None:
    scan = head_on_shoulders(160, 480)
    scan.body[:, :, 60:] = False
    field = field_around(scan, (360.0, 120.0, 290.0), 200.0)
    assert field.centre_mm[2] == pytest.approx(198)
    assert np.isfinite(field.centre_mm).all()


@pytest.mark.parametrize("plane", ["axial", "coronal", "sagittal"])
def test_both_sides_of_a_torso_are_seen_in_every_match(plane: str, tmp_path) -> None:
    register(write_cohort(tmp_path / "source", size=90))  # 350 mm across
    cohort = Cohort.load("small")
    checkpoint = checkpoint_for("untrained", cohort)
    query = Query(cohort, checkpoint, "P0", (0.0, 0.0, 0.0))
    places = {name: query.prepared(name).box_centre_mm + (60, -40, 20) for name in ("P0", "P1", "P2")}
    query = Query(cohort, checkpoint, "P0", tuple(places["P0"]))
    found = [Found(Location(name, name, tuple(mm), 1.0, 3.0)) for name, mm in places.items() if name != "P0"]
    field_mm = widest_mm(query, found)
    for name, mm in places.items():
        picture = matches.picture_of(query, name, mm, plane=plane, field_mm=field_mm, width=180, letters=False)
        across = np.asarray(picture.convert("L")).max(axis=0) > 40
        assert not across[[0, -1]].any(), name  # air at both sides
        assert across.mean() > 0.85, name
