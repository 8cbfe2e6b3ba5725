"""A file or folder is old or new, never half of each and never missing."""

import errno
import os
import signal
import socket
import stat
import subprocess
import sys
import threading
import time
from contextlib import suppress
from pathlib import Path

import pytest

from isimed.core import files
from isimed.core.errors import InputError
from isimed.core.files import (
    UNFINISHED,
    DiskFullError,
    new_folder,
    read_in,
    recover_folder,
    remove_unfinished,
    write_file,
    write_json,
)
from tests.eventually import LONG

REPLACE_FOREVER = """
import sys, itertools
from pathlib import Path
from isimed.core.files import new_folder
for number in itertools.count():
    with new_folder(Path(sys.argv[1]) / "last") as unfinished:
        (unfinished / "a").write_text(str(number))
        (unfinished / "b").write_text(str(number))
    if number == 20:
        print("going", flush=True)
"""


@pytest.fixture
def replacing(tmp_path: Path):
    """A process that replaces ``last`` again and again, without a pause."""
    child = subprocess.Popen([sys.executable, "-c", REPLACE_FOREVER, str(tmp_path)], stdout=subprocess.PIPE)
    child.stdout.readline()
    yield child
    child.kill()
    child.wait()
    child.stdout.close()


@pytest.mark.parametrize("attempt", range(3))
def test_killed_at_any_moment_one_whole_folder_is_there(tmp_path: Path, replacing, attempt: int) -> None:
    time.sleep(0.05 + 0.03 * attempt)
    os.kill(replacing.pid, signal.SIGKILL)
    replacing.wait()
    folder = tmp_path / "last"
    before = read_in(folder, lambda place: (place / "a").read_text())
    recover_folder(folder)
    assert (folder / "a").read_text() == (folder / "b").read_text() == before
    remove_unfinished(tmp_path, alone=True)
    assert [path.name for path in tmp_path.iterdir()] == ["last"]


def test_a_reader_beside_a_writer_always_finds_the_folder(tmp_path: Path, replacing) -> None:
    numbers, end = [-1], time.monotonic() + LONG
    while len(numbers) < 20 and time.monotonic() < end:
        number = int(read_in(tmp_path / "last", lambda place: (place / "a").read_text()))
        if number != numbers[-1]:
            numbers.append(number)
    assert numbers == sorted(numbers)
    assert len(numbers) == 20


def test_a_reader_in_the_gap_between_two_renames_reads_the_old_folder(tmp_path: Path) -> None:
    folder = tmp_path / "last"
    for text in ("old", "new"):
        with new_folder(folder) as unfinished:
            (unfinished / "a").write_text(text)
        assert [path.name for path in tmp_path.iterdir()] == ["last"]
        assert read_in(folder, lambda place: (place / "a").read_text()) == text
    folder.rename(tmp_path / ".old-last")  # killed here
    assert read_in(folder, lambda place: (place / "a").read_text()) == "new"
    recover_folder(folder)
    assert (folder / "a").read_text() == "new"
    with pytest.raises(FileNotFoundError):
        read_in(folder, lambda place: (place / "b").read_text())


def test_every_file_is_on_the_disk_before_it_has_its_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    flushed: set[int] = set()
    named: list[bool] = []
    rename, replace = Path.rename, Path.replace

    def checked(move):
        def moved(self: Path, target: Path) -> Path:
            inside = [path for path in self.rglob("*") if path.is_file()] if self.is_dir() else [self]
            named.append({path.stat().st_ino for path in inside} <= flushed)
            return move(self, target)

        return moved

    monkeypatch.setattr(files.os, "fsync", lambda file: flushed.add(os.fstat(file).st_ino))
    monkeypatch.setattr(Path, "rename", checked(rename))
    monkeypatch.setattr(Path, "replace", checked(replace))
    write_json(tmp_path / "a.json", {"é": 1}, indent=1)
    with new_folder(tmp_path / "x") as unfinished:
        (unfinished / "deep").mkdir()
        (unfinished / "deep" / "b").write_text("b")
    assert named == [True, True]
    assert (tmp_path / "a.json").read_text(encoding="utf-8") == '{\n "é": 1\n}\n'


def test_what_broke_off_leaves_the_old_file_and_nothing_beside_it(tmp_path: Path) -> None:
    def half(file) -> None:
        file.write(b"ha")
        raise OSError(errno.ENOSPC, "No space left on device")

    write_file(tmp_path / "a", "old")
    with pytest.raises(DiskFullError, match=r"/a cannot be written \(No space left on device\): free space, or choose"):
        write_file(tmp_path / "a", half)
    assert (tmp_path / "a").read_text() == "old"
    with new_folder(tmp_path / "b") as unfinished:
        (unfinished / "c").write_text("old")
    with suppress(RuntimeError), new_folder(tmp_path / "b") as unfinished:
        (unfinished / "c").write_text("new")
        raise RuntimeError
    assert (tmp_path / "b" / "c").read_text() == "old"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a", "b"]


def test_a_home_that_cannot_be_written_is_one_sentence(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "file").write_text("in the way")
    monkeypatch.setenv("ISIMED_HOME", str(tmp_path / "file"))
    with pytest.raises(InputError, match=r"cohorts/x/dataset.json cannot be written .* or move ISIMED_HOME\.$"):
        write_json(tmp_path / "file" / "cohorts" / "x" / "dataset.json", {})
    with (
        pytest.raises(InputError, match=r"prepared/x cannot be written .* or move ISIMED_HOME\.$"),
        new_folder(tmp_path / "file" / "prepared" / "x"),
    ):
        pass


def test_others_may_read_what_the_umask_lets_them(tmp_path: Path) -> None:
    before = os.umask(0o027)
    try:
        write_file(tmp_path / "a", b"x")
        with new_folder(tmp_path / "b"):
            pass
    finally:
        os.umask(before)
    assert stat.S_IMODE((tmp_path / "a").stat().st_mode) == 0o640
    assert stat.S_IMODE((tmp_path / "b").stat().st_mode) == 0o750


def test_leftovers_of_a_killed_process_are_removed(tmp_path: Path) -> None:
    dead = tmp_path / f"{UNFINISHED}{socket.gethostname()}-999999999-abc"
    mine = tmp_path / f"{UNFINISHED}{socket.gethostname()}-{os.getpid()}-abc"
    elsewhere = tmp_path / f"{UNFINISHED}another-host-1-abc"
    for folder in (dead, mine, elsewhere):
        folder.mkdir()
    file = dead.with_suffix(".tmp")
    file.touch()
    remove_unfinished(tmp_path)
    assert [path.exists() for path in (dead, file, mine, elsewhere)] == [False, False, True, True]


@pytest.mark.parametrize(("windows", "busy"), [(True, 2), (True, 99), (False, 1)])
def test_a_file_that_is_being_read_is_replaced_a_moment_later_on_windows(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, windows: bool, busy: int
) -> None:
    replace, asked = Path.replace, []

    def held_open(self: Path, target: Path) -> Path:
        asked.append(target)
        if len(asked) <= busy:
            raise PermissionError(errno.EACCES, "in use", str(self))
        return replace(self, target)

    monkeypatch.setattr(files, "WINDOWS", windows)
    monkeypatch.setattr(files, "READER_S", (0.0, 0.0, 0.0))
    monkeypatch.setattr(Path, "replace", held_open)
    (tmp_path / "a").write_text("old")
    if windows and busy < 3:
        write_file(tmp_path / "a", "new")
        assert (tmp_path / "a").read_text() == "new"
    else:
        with pytest.raises(InputError):
            write_file(tmp_path / "a", "new")
        assert (tmp_path / "a").read_text() == "old"
    assert len(asked) == {(True, 2): 3, (True, 99): 4, (False, 1): 1}[windows, busy]


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="this system has no named pipes")
def test_a_pipe_or_a_device_is_written_into_and_stays(tmp_path: Path) -> None:
    pipe, read = tmp_path / "pipe", []
    os.mkfifo(pipe)
    reader = threading.Thread(target=lambda: read.append(pipe.read_bytes()))
    reader.start()
    write_file(pipe, "said")
    reader.join(10)
    assert read == [b"said"]
    assert pipe.is_fifo()
    assert [file.name for file in tmp_path.iterdir()] == ["pipe"]
