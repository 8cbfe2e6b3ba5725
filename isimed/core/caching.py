"""Results that are kept for the next call, and computed once even where several people ask at the same moment."""

from collections.abc import Callable, Hashable
from functools import lru_cache, wraps
from threading import Lock
from typing import TypeVar, cast

F = TypeVar("F", bound=Callable[..., object])


def kept(size: int) -> Callable[[F], F]:
    """`functools.lru_cache` that lets others wait for a result which one already computes.

    Sessions of a server that came back ask for the same things together; computed by each, with all cores each, they
    wait for one another for minutes.

    Args:
        size: results that are kept, the last used ones.
    """

    def wrap(compute: F) -> F:
        cached, lock_of, guard = lru_cache(maxsize=size)(compute), lru_cache(maxsize=size)(_lock), Lock()

        @wraps(compute)
        def result(*key: Hashable) -> object:
            with guard:
                lock = lock_of(*key)
            with lock:
                return cached(*key)

        return cast(F, result)

    return wrap


def _lock(*_: Hashable) -> Lock:
    return Lock()
