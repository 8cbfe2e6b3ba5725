"""Waiting for the very event that a test needs, and failing only where it never comes."""

import time
from collections.abc import Callable
from typing import Any

LONG = 300.0


def until(holds: Callable[[], Any], *, seconds: float = LONG, otherwise: Callable[[], Any] = lambda: "") -> Any:
    """Ask again and again until the answer is true, and return it.

    Args:
        holds: what is asked; it may raise to end the wait.
        seconds: how long.
        otherwise: what the failure says.
    """
    deadline = time.monotonic() + seconds
    while not (answer := holds()):
        assert time.monotonic() < deadline, otherwise()
        time.sleep(0.1)
    return answer
