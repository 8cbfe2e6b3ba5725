"""How far long work is: one way to say it, whoever works and whoever listens."""

from collections.abc import Callable

Progress = Callable[[int, int], object]  # called with (done, total)
Say = Callable[[str], object]  # called with what is being done now
STEPS = 1000


def silent(*_: object) -> None:
    """Nobody listens."""


def part_of(progress: Progress | None, start: float, end: float) -> Progress:
    """The progress of a part of longer work.

    Args:
        progress: of the whole work; None where nobody listens.
        start: share of the whole that is done when the part begins, 0 to 1.
        end: share of the whole that is done when the part ends.

    >>> part_of(lambda done, total: print(done, "of", total), 0.5, 1.0)(1, 2)
    750 of 1000
    """

    def of_the_whole(done: int, total: int) -> None:
        if progress:
            progress(round(STEPS * (start + (end - start) * done / max(total, 1))), STEPS)

    return of_the_whole
