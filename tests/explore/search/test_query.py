"""A place of one scan is found, voted and mapped in a reference cohort of the same network."""

import dataclasses

import numpy as np
import pytest

from isimed.core.errors import InputError
from isimed.data.cohorts.cohort import Cohort, Entry
from isimed.explore.search import query
from isimed.explore.search.locate import from_table
from isimed.explore.search.query import Query
from isimed.explore.tables.store import Table
from isimed.models.checkpoint import untrained
from tests.explore.known import SHIFTS, SUBJECTS, code, known_table

CLICKED = np.array([10.0, -20, 30])


def cohort(name: str) -> Cohort:
    return Cohort(name=name, volumes=[Entry(subject=SUBJECTS[one], image=f"{one}.nii.gz") for one in SHIFTS])


def renamed(table: Table, **changes: object) -> Table:
    return Table(table.info.model_copy(update=changes), table._columns)


@pytest.fixture(autouse=True)
def all_differ(monkeypatch: pytest.MonkeyPatch) -> None:
    """These cohorts have no files: no scan is another one."""
    monkeypatch.setattr(query, "digests_of", lambda cohort, entries: dict.fromkeys((one.id for one in entries), ""))
    monkeypatch.setattr(query, "all_but", lambda digest, cohort, entries: list(entries))


@pytest.fixture(scope="module")
def table() -> Table:
    return known_table()


def test_a_place_is_found_in_the_reference_and_nowhere_else(table: Table) -> None:
    query = Query(cohort("mine"), untrained(), "A", (10.0, -20.0, 30.0), reference=cohort("atlas"))
    both = query.table(table, renamed(table, cohort="atlas"))
    found = from_table(both, code(CLICKED), query.volume, query.mm, where=query.filter)
    assert {location.volume for location in found} == {"atlas/A", "atlas/B", "atlas/C", "atlas/C2"}
    for location in found:
        _, entry = query.whose(location.volume)
        assert np.linalg.norm(np.array(location.mm) - CLICKED - SHIFTS[entry.id]) < 1.5
    assert query.whose("A")[0].name == "mine"
    assert len(both) == len(table) + len(table.volume[table.rows("A")])


def test_the_same_id_in_the_reference_is_another_patient(table: Table) -> None:
    query = Query(cohort("mine"), untrained(), "A", (10.0, -20.0, 30.0), reference=cohort("atlas"))
    both = query.table(table, renamed(table, cohort="atlas"))
    assert both.subjects == ["A", "atlas/A", "atlas/B", "atlas/C"]
    found = from_table(both, code(CLICKED), query.volume, query.mm, where=query.filter)
    assert "atlas/A" in {location.volume for location in found}


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"checkpoint_fingerprint": "other"}, "embed both with the same checkpoint"),
        ({"step_mm": 8.0}, "embed both with the same --step-mm"),
    ],
)
def test_tables_of_other_networks_or_grids_are_not_joined(table: Table, changes: dict, said: str) -> None:
    query = Query(cohort("mine"), untrained(), "A", (0.0, 0.0, 0.0), reference=cohort("atlas"))
    with pytest.raises(InputError, match=said):
        query.table(table, renamed(table, cohort="atlas", **changes))


def test_without_a_reference_the_cohort_is_searched_but_for_the_clicked_patient(table: Table) -> None:
    query = Query(cohort("known"), untrained(), "C", (110.0, 30.0, 10.0))
    assert query.table(table) is table
    found = from_table(table, code(CLICKED), query.volume, query.mm, where=query.filter)
    assert {location.volume for location in found} == {"A", "B"}
    assert dataclasses.replace(query, volume="A").subject == "A"
