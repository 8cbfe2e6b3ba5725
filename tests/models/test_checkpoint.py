"""A checkpoint folder is old or new, never half of each and never missing."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch

from isimed.models import checkpoint as checkpoints
from isimed.models.card import Card
from isimed.models.checkpoint import load_checkpoint, recover_folder, replace_folder, save_checkpoint
from isimed.models.encoder import Encoder

REPLACE_FOREVER = """
import sys, itertools, shutil
from pathlib import Path
from isimed.models import checkpoint
if sys.argv[2] == "renames":
    checkpoint._exchange = lambda one, other: False
folder = Path(sys.argv[1]) / "last"
for number in itertools.count():
    new = folder.with_name(".writing-x")
    shutil.rmtree(new, ignore_errors=True)
    new.mkdir()
    (new / "a").write_text(str(number))
    (new / "b").write_text(str(number))
    checkpoint.replace_folder(new, folder)
    if number == 20:
        print("going", flush=True)
"""


@pytest.mark.parametrize("way", ["exchange", "renames"])
def test_killed_at_any_moment_one_whole_folder_is_there(tmp_path: Path, way: str) -> None:
    child = subprocess.Popen([sys.executable, "-c", REPLACE_FOREVER, str(tmp_path), way], stdout=subprocess.PIPE)
    child.stdout.readline()
    time.sleep(0.3)
    os.kill(child.pid, signal.SIGKILL)
    child.communicate()
    folder = tmp_path / "last"
    if way == "exchange" and sys.platform == "linux":
        assert folder.is_dir()
    recover_folder(folder)
    assert (folder / "a").read_text() == (folder / "b").read_text()


def test_the_gap_between_two_renames_is_mended(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(checkpoints, "_exchange", lambda one, other: False)
    folder, new = tmp_path / "last", tmp_path / "new"
    for path, text in ((folder, "old"), (new, "new")):
        path.mkdir()
        (path / "a").write_text(text)
    folder.rename(tmp_path / ".old-last")  # killed here
    recover_folder(folder)
    assert (folder / "a").read_text() == "old"
    replace_folder(new, folder)
    assert (folder / "a").read_text() == "new"
    assert not (tmp_path / ".old-last").exists()


def test_every_file_is_on_the_disk_before_the_folder_has_its_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    flushed: set[int] = set()
    replace = checkpoints.replace_folder

    def replace_flushed(new: Path, folder: Path) -> None:
        assert {path.stat().st_ino for path in new.iterdir()} == flushed
        replace(new, folder)

    monkeypatch.setattr(checkpoints.os, "fsync", lambda file: flushed.add(os.fstat(file).st_ino))
    monkeypatch.setattr(checkpoints, "replace_folder", replace_flushed)
    encoder = Encoder({"distance": 3})
    save_checkpoint(
        tmp_path / "x",
        encoder,
        Card(name="x", method="isimed", heads={"distance": 3}),
        add=lambda folder: (folder / "progress.json").write_text("{}"),
    )
    assert len(flushed) == 3
    assert (tmp_path / "x" / "progress.json").is_file()


def test_checkpoints_with_other_heads_come_back_as_they_were(tmp_path: Path) -> None:
    torch.manual_seed(0)
    encoder = Encoder({"distance": 3, "barlow_twins": 2048}, mm_per_unit=7.0).eval()
    card = Card(name="x", method="isimed-bt", heads={"distance": 3, "barlow_twins": 2048}, mm_per_unit=7.0)
    found = load_checkpoint(save_checkpoint(tmp_path / "x", encoder, card))
    crops = torch.randn(2, 1, 32, 32, 32)
    with torch.inference_mode():
        before, after = encoder.outputs(crops), found.encoder.outputs(crops)
        assert set(before) == {"embedding", "distance", "barlow_twins"}
        for name, rows in before.items():
            assert torch.equal(rows, after[name])
        assert torch.equal(after["distance"], found.encoder.code(after["embedding"]))
