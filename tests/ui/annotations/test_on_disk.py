"""What is kept outlives the process and the session, and one broken file takes nothing else with it."""

from pathlib import Path

import pytest

from isimed.data.cohorts.cohort import Cohort, register
from isimed.ui.annotations import on_disk
from isimed.ui.annotations.things import Measurement, NamedPoint, Place
from tests.small import write_cohort

POINT = NamedPoint("spot", "small", Place("P0", (1.5, -2.0, 3.25)), (Place("P1", (4.0, 5.0, 6.0), "found", 7.5, 2.0),))
CIRCLE = Measurement("C", "P1", "circle", "coronal", ((0.0, 1.0, 2.0), (3.0, 1.0, 2.0)), 40.5, 3.25, 28, "HU")


@pytest.fixture
def cohort(tmp_path: Path) -> Cohort:
    register(write_cohort(tmp_path / "source", patients=2, size=8))
    return Cohort.load("small")


def test_what_is_kept_is_read_again_in_the_order_it_was_made(cohort: Cohort) -> None:
    for thing in (CIRCLE, POINT, CIRCLE):
        on_disk.keep(cohort, thing)
    kept, refused = on_disk.read(cohort)
    assert [one.thing for one in kept] == [CIRCLE, POINT, CIRCLE]
    assert refused == []


def test_what_is_forgotten_is_gone_and_nothing_else(cohort: Cohort) -> None:
    first, second = on_disk.keep(cohort, POINT), on_disk.keep(cohort, CIRCLE)
    on_disk.forget(cohort, first.id)
    on_disk.forget(cohort, first.id)
    assert on_disk.read(cohort)[0] == [second]


def test_forgetting_reaches_no_file_outside_its_folder(cohort: Cohort) -> None:
    manifest = cohort.root / "dataset.json"
    on_disk.forget(cohort, f"../../cohorts/{cohort.root.name}/dataset")
    assert manifest.is_file()


def test_a_broken_file_is_named_and_the_others_are_read(cohort: Cohort) -> None:
    kept = on_disk.keep(cohort, POINT)
    broken = on_disk.kept_folder(cohort) / "0-broken.json"
    broken.write_text('{"name": "half')
    found, refused = on_disk.read(cohort)
    assert found == [kept]
    assert len(refused) == 1
    assert str(broken) in refused[0]
