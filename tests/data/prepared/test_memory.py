"""How much memory a preparation is thought to take, from its files alone."""

import gzip
from pathlib import Path

import pytest

from isimed.data.prepared.memory import WORKING_COPIES, MemoryBudget, working_bytes
from tests.eventually import LONG


def test_compressed_files_count_with_what_they_unpack_to(tmp_path: Path) -> None:
    raw = bytes(100_000)
    (tmp_path / "a.nii").write_bytes(raw)
    (tmp_path / "B.NII.GZ").write_bytes(gzip.compress(raw))
    (tmp_path / "c.nrrd").write_bytes(raw[:1000])
    (tmp_path / "empty.nii.gz").touch()
    sizes = {name: working_bytes([tmp_path / name]) for name in ("a.nii", "B.NII.GZ", "c.nrrd", "empty.nii.gz")}
    assert sizes["a.nii"] == sizes["B.NII.GZ"] == WORKING_COPIES * 100_000
    assert sizes["c.nrrd"] == 4 * WORKING_COPIES * 1000
    assert sizes["empty.nii.gz"] == 0
    assert working_bytes([tmp_path / "a.nii", tmp_path / "c.nrrd"]) == sizes["a.nii"] + sizes["c.nrrd"]


@pytest.mark.parametrize(("size", "beside"), [(30, True), (70, False), (1000, False)])
def test_what_does_not_fit_beside_the_others_waits(size: int, beside: bool) -> None:
    import threading

    budget, entered, leave = MemoryBudget(100), threading.Event(), threading.Event()

    def work() -> None:
        with budget.room_for(size):
            entered.set()
            leave.wait(LONG)

    thread = threading.Thread(target=work, daemon=True)
    with budget.room_for(60):
        thread.start()
        assert entered.wait(LONG if beside else 0.2) == beside
    assert entered.wait(LONG)
    leave.set()
    thread.join(LONG)
