"""A kept result is computed once, also where many ask at the same moment."""

import time
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier

import pytest

from isimed.core.caching import kept


def test_many_who_ask_together_wait_for_one_and_other_keys_do_not_wait() -> None:
    begun: list[str] = []
    both_at_work = Barrier(2)

    @kept(4)
    def slow(word: str) -> str:
        begun.append(word)
        both_at_work.wait(timeout=30)  # broken if the other key had to wait, or if a key were computed twice
        time.sleep(0.2)  # long enough for the others to ask
        return word.upper()

    with ThreadPoolExecutor(8) as pool:
        assert list(pool.map(slow, ["a", "b"] * 4)) == ["A", "B"] * 4
    assert sorted(begun) == ["a", "b"]
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
