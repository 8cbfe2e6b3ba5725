"""What an embedding takes is counted before it begins."""

from pathlib import Path

import pytest
import torch

from isimed.data.cohorts.cohort import Cohort
from isimed.data.prepared.cache import is_prepared
from isimed.explore.tables import cost
from isimed.explore.tables.embed import checkpoint_for, embed_cohort
from tests.dense import write_dense
from tests.small import write_cohort


def test_crops_are_counted_as_they_are_embedded(cohort: Cohort) -> None:
    checkpoint = checkpoint_for("untrained", cohort)
    totals: list[int] = []
    found = cost.cost_of(cohort, checkpoint, cohort.volumes, step_mm=48)
    assert [is_prepared(cohort, entry, checkpoint.card.preparation) for entry in cohort.volumes] == [True, False, False]
    embed_cohort(cohort, checkpoint, step_mm=48, progress=lambda done, total: totals.append(total))
    assert found.crops == pytest.approx(totals[-1], rel=0.1)  # counted in one, where one was prepared
    assert cost.cost_of(cohort, checkpoint, cohort.volumes, step_mm=48).crops == totals[-1]


def test_many_crops_take_as_long_as_the_network_is_slow(cohort: Cohort, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cost, "crops_a_second", lambda checkpoint: 5.0)
    checkpoint = checkpoint_for("untrained", cohort)
    found = cost.cost_of(cohort, checkpoint, cohort.volumes, step_mm=16)
    assert found.crops > cost.FEW
    assert found.seconds == pytest.approx(found.crops / 5 + 3 * cost.PREPARE_S)


def test_a_few_crops_are_not_timed(cohort: Cohort, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr(cost, "crops_a_second")
    few = cost.cost_of(cohort, checkpoint_for("untrained", cohort), cohort.volumes[:1], step_mm=64)
    assert few == cost.Cost(few.crops, cost.PREPARE_S)


def test_a_dense_network_takes_one_pass_however_many_places_are_read(tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setattr(cost, "crops_a_second", lambda checkpoint: 1.0)
    monkeypatch.setattr(cost, "FEW", 0)
    cohort = Cohort.load(write_cohort(tmp_path / "small", size=24))
    coarse, fine = (cost.cost_of(cohort, write_dense(), cohort.volumes, step_mm=step) for step in (16, 8))
    assert fine.crops > 2 * coarse.crops
    assert fine.seconds == pytest.approx(coarse.seconds, abs=2 * cost.PREPARE_S)


def test_a_network_is_timed_once(cohort: Cohort, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cost, "HOLDS_S", 1e12)  # else its minutes may end between the two
    checkpoint = checkpoint_for("untrained", cohort)
    rate = cost.crops_a_second(checkpoint)
    assert 0 < rate < 1e6
    assert cost.crops_a_second(checkpoint) == rate


def test_timing_a_network_draws_nothing_from_the_generator_that_weights_are_drawn_from(cohort: Cohort) -> None:
    checkpoint = checkpoint_for("untrained", cohort)
    _ = checkpoint.encoder  # read, and so drawn, now
    before = torch.random.get_rng_state()
    cost.crops_a_second(checkpoint)
    assert torch.equal(torch.random.get_rng_state(), before)
