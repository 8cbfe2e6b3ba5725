"""Long work gives way: its threads and processes stand behind those that answer clicks."""

import os
import subprocess
import sys
import threading

import psutil
import pytest

from isimed.core.priority import BEHIND_PAGES, TRAINING, give_way, put_behind

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="a priority a thread is Linux's")


def of_this_thread() -> int:
    return os.getpriority(os.PRIO_PROCESS, threading.get_native_id())


def test_a_thread_that_gives_way_and_those_it_starts_stand_behind_and_no_other() -> None:
    before, seen = of_this_thread(), {}

    def later() -> None:
        seen["later"] = of_this_thread()

    def work() -> None:
        give_way(before + BEHIND_PAGES)
        seen["work"] = of_this_thread()
        inner = threading.Thread(target=later)
        inner.start()
        inner.join()

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    expected = min(before + BEHIND_PAGES, 19)
    assert seen == {"work": expected, "later": expected}
    assert of_this_thread() == before


def test_a_training_stands_behind_what_people_wait_for() -> None:
    child = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    try:
        put_behind(psutil.Process(child.pid))
        assert psutil.Process(child.pid).nice() == TRAINING > BEHIND_PAGES
    finally:
        child.communicate(b"\n")
