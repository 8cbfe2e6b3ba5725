"""Prepared volumes: kept, resumed after a kill, rebuilt where damaged, never half written."""

import errno
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from isimed.core import files, paths
from isimed.core.errors import InputError
from isimed.core.files import UNFINISHED
from isimed.data.cohorts.cohort import Cohort, Entry
from isimed.data.prepared import cache
from isimed.data.prepared.array_store import open_arrays, write_arrays
from isimed.data.prepared.cache import cache_key, cache_size, delete_cache, prepare_cohort, prepared
from isimed.data.prepared.memory import MemoryBudget
from isimed.data.prepared.preprocess import Preparation
from tests.eventually import until
from tests.small import write_cohort

HOW = Preparation(spacing_mm=4.0)
SCRIPT = """
import itertools, sys, time
from isimed.data.prepared import cache
from isimed.data.cohorts.cohort import Cohort
from isimed.data.prepared.preprocess import Preparation
real, turns = cache.prepare, itertools.count()
def until_killed(volume, *args, **options):
    print(volume.name, flush=True)
    if next(turns) >= int(sys.argv[2]):
        time.sleep(600)
    return real(volume, *args, **options)
cache.prepare = until_killed
cache.prepare_cohort(Cohort.load(sys.argv[1]), Preparation(spacing_mm=4.0), workers=2)
"""


def on_disk(cohort: Cohort, entry: Entry) -> bool:
    return (paths.prepared_dir() / cache_key(cohort, entry, HOW) / "meta.json").is_file()


def folders(home: Path) -> list[Path]:
    return sorted(path for path in (home / "prepared").iterdir() if not path.name.startswith(UNFINISHED))


def test_second_opening_prepares_nothing(cohort: Cohort, monkeypatch: pytest.MonkeyPatch) -> None:
    first = prepare_cohort(cohort, HOW)
    monkeypatch.setattr(cache, "prepare", None)  # would raise if it were called
    second = prepare_cohort(cohort, HOW)
    for before, after in zip(first, second, strict=True):
        np.testing.assert_array_equal(before.image, after.image)
        np.testing.assert_array_equal(before.labels["tumour"], after.labels["tumour"])
        np.testing.assert_array_equal(before.affine, after.affine)
    assert all(on_disk(cohort, entry) for entry in cohort.volumes)


def test_one_file_a_volume_is_mapped(cohort: Cohort) -> None:
    volume = prepared(cohort, cohort.volumes[0], HOW)
    assert isinstance(volume.image, np.memmap)
    assert not volume.image.flags.writeable
    assert volume.image.dtype == np.float16
    assert volume.body.dtype == bool


def test_killed_at_any_moment_and_resumed(tmp_path: Path, home: Path) -> None:
    """What was finished stays, nothing is done twice, nothing half made remains."""
    manifest = write_cohort(tmp_path / "cohort", patients=6)
    repository = str(Path(__file__).resolve().parents[3])
    environment = os.environ | {"PYTHONPATH": repository, "ISIMED_HOME": str(home)}
    command = [sys.executable, "-c", SCRIPT, str(manifest)]
    process = subprocess.Popen([*command, "3"], env=environment, stdout=subprocess.PIPE, text=True, encoding="utf-8")
    until(lambda: (home / "prepared").is_dir() and len(folders(home)) >= 2)
    process.send_signal(signal.SIGKILL)
    process.wait()
    finished = {folder.name: (folder / "meta.json").stat().st_mtime_ns for folder in folders(home)}
    assert 2 <= len(finished) <= 3
    again = subprocess.run(
        [*command, "6"], env=environment, stdout=subprocess.PIPE, text=True, encoding="utf-8", check=True
    )
    assert again.stdout.count(".nii.gz") == 6 - len(finished)
    assert len(folders(home)) == 6
    for name, changed in finished.items():
        assert (home / "prepared" / name / "meta.json").stat().st_mtime_ns == changed
    assert not list((home / "prepared").glob(f"{UNFINISHED}*"))


@pytest.mark.parametrize("damage", ["cut", "flip", "zero", "meta", "gone"])
def test_damage_is_noticed_and_rebuilt(cohort: Cohort, home: Path, damage: str) -> None:
    entry = cohort.volumes[0]
    good = np.array(prepared(cohort, entry, HOW).image)
    file = folders(home)[0] / ("meta.json" if damage == "meta" else "arrays.bin")
    raw = bytearray(file.read_bytes())
    if damage == "gone":
        file.unlink()
    else:
        if damage == "flip":
            raw[len(raw) // 3] ^= 1
        elif damage == "zero":
            raw[1000:9000] = bytes(8000)
        file.write_bytes(raw[: len(raw) // 2] if damage in ("cut", "meta") else raw)
    np.testing.assert_array_equal(prepared(cohort, entry, HOW).image, good)
    os.utime(folders(home)[0] / "arrays.bin", ns=(1, 1))  # its checksum is compared
    assert open_arrays(folders(home)[0]) is not None


def test_a_copied_cache_is_still_good(tmp_path: Path) -> None:
    """Another time of the file, the same content: the checksum is compared once and the time noted."""
    write_arrays(tmp_path / "a", {"x": np.arange(10), "y": np.ones((3, 4), bool)}, {"name": "one"})
    os.utime(tmp_path / "a" / "arrays.bin", ns=(1, 1))
    arrays, meta = open_arrays(tmp_path / "a")
    np.testing.assert_array_equal(arrays["x"], np.arange(10))
    assert arrays["y"].all()
    assert meta["name"] == "one"
    assert json.loads((tmp_path / "a" / "meta.json").read_text())["mtime_ns"] == 1


def test_changed_source_is_prepared_again(cohort: Cohort, home: Path) -> None:
    entry = cohort.volumes[0]
    prepared(cohort, entry, HOW)
    path = cohort.path(entry.image)
    os.utime(path, ns=(1, 1))
    assert not on_disk(cohort, entry)
    prepared(cohort, entry, HOW)
    assert len(folders(home)) == 2
    assert cache_size(cohort)[0] == 2
    assert delete_cache(cohort) == 2
    assert folders(home) == []


def test_full_disk_is_one_sentence_and_leaves_nothing(
    cohort: Cohort, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(_: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(files.os, "fsync", full)
    with pytest.raises(InputError, match=r"No space left on device\): free space, or move ISIMED_HOME\."):
        prepare_cohort(cohort, HOW)
    assert list((home / "prepared").iterdir()) == []


def test_others_go_on(tmp_path: Path) -> None:
    manifest = write_cohort(tmp_path / "cohort")
    (tmp_path / "cohort/P1.nii.gz").write_bytes(b"damaged")
    cohort = Cohort.load(manifest)
    with pytest.raises(InputError, match=r"P1\.nii\.gz"):
        prepare_cohort(cohort, HOW)
    assert [on_disk(cohort, entry) for entry in cohort.volumes] == [True, False, True]
    failed: dict[str, str] = {}
    assert len(prepare_cohort(cohort, HOW, failed=failed)) == 2
    assert list(failed) == ["P1"]


def test_progress_and_order(cohort: Cohort) -> None:
    seen: list[tuple[int, int]] = []
    entries = list(reversed(cohort.volumes))
    volumes = prepare_cohort(cohort, HOW, entries=entries, progress=lambda done, total: seen.append((done, total)))
    assert seen == [(1, 3), (2, 3), (3, 3)]
    for volume, entry in zip(volumes, entries, strict=True):
        np.testing.assert_array_equal(volume.image, prepared(cohort, entry, HOW).image)


def test_budget_runs_the_largest_alone() -> None:
    import threading

    budget, running, most = MemoryBudget(100), 0, 0
    lock = threading.Lock()

    def work(size: int) -> None:
        nonlocal running, most
        with budget.room_for(size):
            with lock:
                running += min(size, 100)
                most = max(most, running)
            time.sleep(0.01)
            with lock:
                running -= min(size, 100)

    threads = [threading.Thread(target=work, args=(size,)) for size in (30, 500, 40, 40, 100, 10) * 3]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert most <= 100


def test_long_and_foreign_names(tmp_path: Path) -> None:
    manifest = write_cohort(tmp_path / "cohort", patients=1)
    about = json.loads(manifest.read_text())
    about["volumes"][0]["name"] = "扫描" * 100
    manifest.write_text(json.dumps(about))
    cohort = Cohort.load(manifest)
    assert prepared(cohort, cohort.volumes[0], HOW).image.size
