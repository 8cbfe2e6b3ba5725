"""The index rules codes out by a bound and misses none, whether they lie in memory or on disk."""

from pathlib import Path

import numpy as np
import pytest

from isimed.explore.search.index import Index, index_of
from isimed.explore.search.retrieve import nearest_crops, nearest_in_others
from isimed.explore.tables import mapped
from isimed.explore.tables.components import codes_of
from isimed.explore.tables.store import open_table, write_volume
from tests.tables import columns, info, made_table


def codes(kind: str, rows: int = 1200) -> np.ndarray:
    rng = np.random.default_rng(3)
    places, noise = rng.normal(0, 40, (rows, 3)), rng.normal(0, 1, (rows, 64))
    made = places @ np.linalg.qr(rng.normal(size=(64, 64)))[0][:3] + noise
    kinds = {"places": made + 300, "noise": 10 * noise, "alike": np.ones((rows, 64)), "few": made[:24] + 50}
    return kinds[kind].astype(np.float32)


@pytest.mark.parametrize("kind", ["places", "noise", "alike", "few"])
@pytest.mark.parametrize("dtype", [np.float32, np.float16])
def test_the_nearest_of_every_group_is_the_one_that_measuring_all_finds(kind: str, dtype: type) -> None:
    made = codes(kind).astype(dtype)
    groups = (
        [slice(start, min(start + 70, len(made))) for start in range(0, len(made), 70)]
        if len(made) > 70
        else [slice(0, 9), slice(9, 24)]
    )
    allowed = np.random.default_rng(0).random(len(made)) > 0.3
    allowed[groups[-1]] = False
    query = made[len(made) // 3].astype(np.float32) + 0.5
    squared, rows = Index(made).nearest_of_each(query, groups, allowed=allowed)
    exact = np.where(allowed, np.square(made.astype(np.float64) - query).sum(axis=1), np.inf)
    wanted = [exact[part].min() for number, part in enumerate(groups) if number != len(groups) - 1]
    np.testing.assert_allclose(exact[rows], wanted, rtol=1e-5, atol=1e-3)
    np.testing.assert_allclose(squared, wanted, rtol=1e-3, atol=1e-2)


def test_no_group_with_an_allowed_code_finds_nothing() -> None:
    squared, rows = Index(codes("places")).nearest_of_each(np.zeros(64, np.float32), [], allowed=None)
    assert (len(squared), len(rows)) == (0, 0)


def test_a_large_table_is_searched_on_disk_with_the_same_answers(monkeypatch: pytest.MonkeyPatch) -> None:
    in_memory = made_table(info("large"))
    query = in_memory.code[40].astype(np.float32)
    monkeypatch.setattr(mapped, "IN_MEMORY_BYTES", 0)
    on_disk = open_table(in_memory.info, in_memory.volumes)
    assert isinstance(codes_of(on_disk), np.memmap)
    for ask in (lambda table: nearest_crops(table, query), lambda table: nearest_in_others(table, query, subject="S0")):
        assert ask(on_disk) == ask(in_memory)
    np.testing.assert_array_equal(codes_of(on_disk), in_memory.code)


def test_codes_on_disk_are_written_again_when_a_file_of_the_table_is_another(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(mapped, "IN_MEMORY_BYTES", 0)
    about = info("changed")
    before = np.array(codes_of(made_table(about, 2)))
    write_volume(about, "P0", columns(0, 90, cohort=about.cohort, noise=3))
    now = codes_of(open_table(about, ["P0", "P1"]))
    assert now.shape == (90 + 150, 512)
    assert not np.array_equal(now[:90], before[:90])
    assert len(list((mapped.paths.home() / "codes").glob("*.npy"))) == 1


def test_what_search_keeps_in_memory_is_a_tenth_of_the_codes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(mapped, "IN_MEMORY_BYTES", 0)
    table = made_table(info("small memory"), rows=500)
    index = index_of(table)
    held = index._short.nbytes + index._components.scores.nbytes
    assert held / len(table) <= 0.1 * 4 * table.code.shape[1]
