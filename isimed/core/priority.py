"""Long work gives way to clicks: the system's scheduler runs first what has the better priority."""

import os
import sys
import threading
from contextlib import suppress

import psutil

BEHIND_PAGES, TRAINING = 5, 10  # steps below usual work: who waits for a page goes before who waits for a training


def give_way(steps: int = BEHIND_PAGES) -> None:
    """Lower the priority of this thread and of those that it will start; only Linux has a priority a thread."""
    if sys.platform == "linux":
        with suppress(OSError):
            os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), steps)


def put_behind(process: psutil.Process, steps: int = TRAINING) -> None:
    """Lower the priority of a process that was just started, and of all threads that it will have."""
    with suppress(OSError, psutil.Error):
        if sys.platform == "win32":
            process.nice(psutil.BELOW_NORMAL_PRIORITY_CLASS)
        else:
            process.nice(steps)
