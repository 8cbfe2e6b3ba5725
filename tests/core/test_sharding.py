"""Several processes write the table that one writes, and what a lost one left out is done by the next call."""

import os
import subprocess
import sys
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from isimed.core.sharding import launched, place, share
from isimed.data.cohorts.cohort import Cohort, register
from isimed.explore.tables.store import Table, open_table, table_folder, tables_of

ROOT = Path(__file__).resolve().parents[2]
EMBED = ["-m", "isimed", "embed", "small", "--checkpoint", "untrained", "--step-mm", "60"]


def embed(home: Path, *launcher: str) -> Table:
    done = subprocess.run(
        [sys.executable, *launcher, *EMBED],
        env=os.environ | {"ISIMED_HOME": str(home), "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        encoding="utf-8",
        check=False,
        cwd=ROOT,
    )
    assert done.returncode == 0, done.stderr[-2000:]
    (info,) = tables_of("small")
    return open_table(info, ["P0", "P1", "P2"])


@pytest.mark.slow
def test_two_ranks_write_the_table_of_one(
    cohort: Cohort, home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    two_ranks = ["-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2"]
    tables = []
    for name, launcher in (("one", []), ("two", two_ranks)):
        monkeypatch.setenv("ISIMED_HOME", str(tmp_path / name))
        register(cohort.root)
        tables.append(embed(tmp_path / name, *launcher))
    one, two = tables
    assert [file.name for file in one.files] == [file.name for file in two.files]
    for mine, theirs in zip(one.files, two.files, strict=True):
        assert pq.read_table(mine).equals(pq.read_table(theirs))

    folder = table_folder(two.info)
    lost, kept = folder / "P1.parquet", folder / "P0.parquet"
    before, stamp = pq.read_table(lost), kept.stat().st_mtime_ns
    lost.unlink()
    assert embed(tmp_path / "two", *two_ranks).volumes == ["P0", "P1", "P2"]
    assert pq.read_table(lost).equals(before)
    assert kept.stat().st_mtime_ns == stamp


@pytest.mark.parametrize(
    ("said", "expected"),
    [
        ({}, (0, 1)),
        ({"TORCHELASTIC_RUN_ID": "x", "RANK": "3", "WORLD_SIZE": "4"}, (3, 4)),
        ({"RANK": "3", "WORLD_SIZE": "4"}, (0, 1)),  # left over in a shell
        ({"SLURM_PROCID": "1", "SLURM_STEP_NUM_TASKS": "2", "SLURM_STEP_NUM_NODES": "1"}, (1, 2)),
        ({"SLURM_ARRAY_TASK_ID": "7", "SLURM_ARRAY_TASK_MIN": "5", "SLURM_ARRAY_TASK_COUNT": "3"}, (2, 3)),
        ({"SLURM_ARRAY_TASK_ID": "7", "SLURM_ARRAY_TASK_MIN": "7", "SLURM_ARRAY_TASK_COUNT": "1"}, (0, 1)),
    ],
)
def test_place_among_the_others(
    said: dict[str, str], expected: tuple[int, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in [name for name in os.environ if name.startswith(("SLURM_", "TORCHELASTIC_", "RANK", "WORLD_SIZE"))]:
        monkeypatch.delenv(name)
    for name, value in said.items():
        monkeypatch.setenv(name, value)
    assert place() == expected


def test_every_item_is_dealt_out_once(monkeypatch: pytest.MonkeyPatch) -> None:
    dealt = []
    array = {"SLURM_ARRAY_TASK_MIN": "0", "SLURM_ARRAY_TASK_COUNT": "2"}
    step = {"SLURM_STEP_NUM_TASKS": "2", "SLURM_STEP_NUM_NODES": "2"}
    for job in range(2):
        for task in range(2):
            for name, value in {**array, **step, "SLURM_ARRAY_TASK_ID": job, "SLURM_PROCID": task}.items():
                monkeypatch.setenv(name, str(value))
            dealt += share(range(11))
            assert launched() == (task, 2, 1)
    assert sorted(dealt) == list(range(11))
