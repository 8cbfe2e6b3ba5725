"""A kept result is computed once, also where many ask at the same moment."""

import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from isimed.kept import kept


def test_many_who_ask_together_wait_for_one_and_other_keys_do_not_wait() -> None:
    begun: list[str] = []

    @kept(4)
    def slow(word: str) -> str:
        begun.append(word)
        time.sleep(0.3)
        return word.upper()

    with ThreadPoolExecutor(8) as pool:
        start = time.monotonic()
        assert list(pool.map(slow, ["a", "b"] * 4)) == ["A", "B"] * 4
        took = time.monotonic() - start
    assert sorted(begun) == ["a", "b"]
    assert took < 0.59  # side by side, not one after the other
    assert slow("a") == "A"
    assert len(begun) == 2


def test_a_failure_is_raised_and_tried_again() -> None:
    answers = iter([ValueError("not yet"), 7])

    @kept(4)
    def sometimes(_: int) -> int:
        answer = next(answers)
        if isinstance(answer, Exception):
            raise answer
        return answer

    with pytest.raises(ValueError, match="not yet"):
        sometimes(1)
    assert sometimes(1) == 7
    assert sometimes(1) == 7
