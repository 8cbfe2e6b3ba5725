"""What was imported is looked through for garbage once, not after every run of a page."""

import gc

import pytest

from isimed.ui import garbage


@pytest.fixture
def thawed():
    yield
    gc.unfreeze()


def test_what_was_imported_is_left_out_until_more_is(monkeypatch: pytest.MonkeyPatch, thawed: None) -> None:
    monkeypatch.setattr(garbage, "_known", 0)
    gc.unfreeze()
    garbage.settle()
    settled = gc.get_freeze_count()
    assert settled > 10_000
    later = [[] for _ in range(1000)]
    garbage.settle()
    assert gc.get_freeze_count() == settled  # what pages make stays collectable
    monkeypatch.setattr(garbage, "_known", 0)
    garbage.settle()
    assert gc.get_freeze_count() >= settled + len(later)


def test_it_is_looked_for_less_often_while_modules_are_imported() -> None:
    usual = gc.get_threshold()
    try:
        garbage.collect_seldom()
        assert gc.isenabled()
        assert gc.get_threshold()[0] > 10 * usual[0]
    finally:
        gc.set_threshold(*usual)


def test_garbage_of_pages_is_still_found(monkeypatch: pytest.MonkeyPatch, thawed: None) -> None:
    monkeypatch.setattr(garbage, "_known", 0)
    garbage.settle()
    circle: list = []
    circle.append(circle)
    del circle
    assert gc.collect() >= 1
