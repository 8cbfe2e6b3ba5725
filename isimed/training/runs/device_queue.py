"""One training a device at a time, first come first served, by locks that the system drops when a process dies.

No server, no daemon: each waiting process looks for itself. A ticket is a file that its owner keeps locked; the
order of tickets is their names. A ticket nobody holds any more belonged to a process that died.
"""

import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from isimed.core import paths

try:
    import fcntl
except ImportError:  # Windows: no queue, trainings share the device
    fcntl = None  # type: ignore[assignment]

LOOK_EVERY_S = 0.5


class Cancelled(Exception):
    """The wait was given up."""


@contextmanager
def turn(device: str, run_id: str, *, waiting: Callable[[str], None], stop: Callable[[], bool]) -> Iterator[None]:
    """Hold a device; wait for those who came before.

    Args:
        device: name of the device.
        run_id: whose turn it is.
        waiting: called with the id of the run that is worked on, each time it changes.
        stop: asked while waiting.

    Raises:
        Cancelled: ``stop`` said yes.
    """
    if fcntl is None:
        yield
        return
    folder = paths.home() / "queue" / device
    folder.mkdir(parents=True, exist_ok=True)
    ticket = _draw_ticket(folder)
    holder = (folder / "holder").open("a+")
    told = None
    try:
        while _others_before(ticket) or not try_lock(holder.fileno()):
            if stop():
                raise Cancelled
            holder.seek(0)
            if (current := holder.read().strip()) != told:
                told = current
                waiting(current)
            time.sleep(LOOK_EVERY_S)
        holder.seek(0)
        holder.truncate()
        holder.write(run_id)
        holder.flush()
        yield
    finally:
        holder.close()
        ticket.path.unlink(missing_ok=True)
        os.close(ticket.lock)


class _Ticket:
    def __init__(self, path: Path, lock: int) -> None:
        self.path, self.lock = path, lock


def _draw_ticket(folder: Path) -> _Ticket:
    """Locked before it is visible under its name, so that a ticket without a lock is always a dead one."""
    hidden = folder / f".drawing-{os.getpid()}-{time.time_ns()}"
    lock = os.open(hidden, os.O_CREAT | os.O_RDWR)
    try_lock(lock)
    path = folder / f"{time.time_ns():020d}-{os.getpid()}.ticket"
    hidden.rename(path)
    return _Ticket(path, lock)


def _others_before(mine: _Ticket) -> bool:
    for path in sorted(mine.path.parent.glob("*.ticket")):
        if path.name >= mine.path.name:
            return False
        try:
            lock = os.open(path, os.O_RDWR)
        except FileNotFoundError:
            continue
        try:
            if not try_lock(lock):
                return True
            path.unlink(missing_ok=True)
        finally:
            os.close(lock)
    return False


def try_lock(file: int) -> bool:
    """Take the lock of an open file unless another process has it."""
    if fcntl is None:
        return True
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        return True
    except OSError:
        return False
