"""One training at a time on a device: in order, and not held up by the dead."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from isimed.training.runs.device_queue import Cancelled, turn

HOLDER = """
import sys, time
from isimed.training.runs.device_queue import turn
with turn("cpu", sys.argv[1], waiting=lambda other: print("waits for", other, flush=True), stop=lambda: False):
    print("works", flush=True)
    time.sleep(600)
"""


@pytest.fixture
def process(tmp_path: Path) -> Iterator[Callable[[str], subprocess.Popen]]:
    started: list[subprocess.Popen] = []

    def start(name: str) -> subprocess.Popen:
        child = subprocess.Popen(
            [sys.executable, "-c", HOLDER, name], stdout=subprocess.PIPE, text=True, encoding="utf-8"
        )
        started.append(child)
        return child

    yield start
    for child in started:
        child.kill()
        child.communicate()


def said(child: subprocess.Popen) -> str:
    return child.stdout.readline().strip()


def test_next_starts_when_the_former_is_killed_and_in_order(process: Callable[[str], subprocess.Popen]) -> None:
    first = process("a")
    assert said(first) == "works"
    second = process("b")
    assert said(second) == "waits for a"
    third = process("c")
    assert said(third) == "waits for a"
    os.kill(first.pid, signal.SIGKILL)
    first.wait()
    assert said(second) == "works"
    os.kill(second.pid, signal.SIGKILL)
    second.wait()
    while (heard := said(third)) != "works":  # who is before it may be unknown for the moment of the change
        assert heard.startswith("waits for")


def test_other_devices_do_not_wait_and_waiting_can_be_given_up(process: Callable[[str], subprocess.Popen]) -> None:
    assert said(process("a")) == "works"
    with turn("cuda", "b", waiting=pytest.fail, stop=lambda: False):
        pass
    waits: list[str] = []
    started = time.monotonic()
    with pytest.raises(Cancelled), turn("cpu", "c", waiting=waits.append, stop=lambda: bool(waits)):
        pytest.fail("the device is taken")
    assert waits == ["a"]
    assert time.monotonic() - started < 10
