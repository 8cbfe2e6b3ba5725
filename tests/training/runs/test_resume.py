"""Never lost: killed at any moment and resumed, a training gives what the one that was not killed gives."""

import signal
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from torch.utils.tensorboard import SummaryWriter

from isimed.__main__ import main
from isimed.core.errors import InputError
from isimed.data.cohorts.cohort import Cohort, register
from isimed.data.cohorts.editing import rename
from isimed.models.checkpoint import load_checkpoint
from isimed.training.optimise import loop
from isimed.training.optimise.methods import find_method
from isimed.training.runs import jobs, worker
from isimed.training.runs.device_queue import Cancelled
from isimed.training.runs.folder import Run, read_config, rename_cohort
from isimed.training.runs.resume import PROGRESS, restore
from isimed.training.runs.run_log import describe
from isimed.training.runs.status import Status
from isimed.training.runs.worker import execute
from tests.training.tiny import tiny

KILLED = """
import os, signal, sys
from isimed.training.runs import worker
from isimed.training.runs.folder import Run
worker.SAVE_EVERY_S = 0.0  # save after every step

def report(line):
    if line["number"] == int(sys.argv[2]) and "terms" in line:
        os.kill(os.getpid(), signal.SIGKILL)

worker.execute(Run(sys.argv[1]), report=report)
"""


def curve(run: Run) -> list[tuple]:
    """Everything of the metrics that is not a time."""
    found = []
    for line in run.metrics():
        values = line.get("validation") or {**line["terms"], "rate": line["learning_rate"]}
        found.append((line["number"], tuple(sorted(values.items()))))
    return found


@pytest.mark.parametrize(("method", "killed_at"), [("isimed", 3), ("dino", 2), ("isimed-dense", 3)])
@pytest.mark.slow
def test_killed_and_resumed_is_exactly_the_unbroken_run(cohort: Cohort, method: str, killed_at: int) -> None:
    config = tiny(cohort, method=method, local_views=1, crops_per_volume=2, largest_window=32)
    unbroken, broken = Run.create(config), Run.create(config)
    assert execute(unbroken).state == "finished"
    command = [sys.executable, "-c", KILLED, str(broken.folder), str(killed_at)]
    assert subprocess.run(command, check=False).returncode == -signal.SIGKILL
    assert jobs.status(broken).state == "dead"
    assert jobs.status(broken).resumable
    assert execute(broken).state == "finished"
    assert curve(broken) == curve(unbroken)
    for part in ("best", "last"):
        ones = load_checkpoint(unbroken.folder / "checkpoints" / part).encoder.state_dict()
        others = load_checkpoint(broken.folder / "checkpoints" / part).encoder.state_dict()
        assert all(torch.equal(ones[name], others[name]) for name in ones)


@pytest.mark.parametrize(("method", "chosen"), [("isimed", 2), ("barlow-twins", 4)])
def test_the_best_is_the_least_error_in_mm_and_without_millimetres_the_last(
    cohort: Cohort, monkeypatch: pytest.MonkeyPatch, method: str, chosen: int
) -> None:
    figures = iter([{"rmse_mm": 10.0, "spearman": 0.9}, {"rmse_mm": 20.0, "spearman": 0.1}])
    monkeypatch.setattr(worker, "validation_figures", lambda *_: next(figures))
    run = Run.create(tiny(cohort, method=method))
    assert execute(run).step == 4
    assert load_checkpoint(run.best).card.results["step"] == chosen


def test_run_folder_says_data_code_and_machine(cohort: Cohort) -> None:
    said: list[str] = []
    run = Run.create(tiny(cohort, epochs=1, name="mine"))
    status = execute(run, report=lambda line: said.append(describe(line)))
    assert (status.state, status.step, status.total_steps) == ("finished", 2, 2)
    assert status.device.startswith("cpu: ")
    assert {"pid", "host", "code", "device", "threads", "versions", "command"} <= set(run.job)
    assert run.job["cohort"]["fingerprint"] == cohort.fingerprint
    assert sorted(run.job["cohort"]["train"] + run.job["cohort"]["validation"]) == ["S0", "S1", "S2"]
    assert list((run.folder / "tensorboard").glob("events.*"))
    card = load_checkpoint(run.id).card
    assert card.cohort["fingerprint"] == cohort.fingerprint
    assert card.results["validation"].keys() >= {"spearman", "rankme", "code_rankme", "rmse_mm"}
    assert said[0].startswith("step 1/2, epoch 1: ")
    assert said[-1].startswith("validation after epoch 1: ")


def test_the_config_of_a_run_reproduces_it(cohort: Cohort, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(cohort.root.parent)
    (cohort.root.parent / "split.json").write_text('{"train": ["S0", "S2"], "validation": ["S1"]}')
    config = tiny(cohort, split="split.json", epochs=1, method="simclr", blur=1.0)
    first = Run.create(config.model_copy(update={"cohort": cohort.root.name}))
    execute(first)
    monkeypatch.chdir("/")
    assert main(["train", "--config", str(first.folder / "config.yaml")]) == 0
    again = Run.all()[0]
    assert again.id != first.id
    assert again.config == first.config
    assert curve(again) == curve(first)


def test_a_run_does_not_go_on_with_other_patients(cohort: Cohort, tmp_path: Path) -> None:
    split = tmp_path / "split.json"
    split.write_text('{"train": ["S0", "S2"], "validation": ["S1"]}')
    run = Run.create(tiny(cohort, split=str(split), epochs=1))
    execute(run)
    split.write_text('{"train": ["S0", "S1"], "validation": ["S2"]}')
    with pytest.raises(InputError, match="other patients than when it began"):
        execute(run)


def test_runs_follow_their_cohort_to_another_name_however_they_call_it(cohort: Cohort) -> None:
    known = register(cohort.root)
    names = ("small", str(known), str(known.parent), str(cohort.root))
    runs = [Run.create(tiny(cohort).model_copy(update={"cohort": name})) for name in names]
    rename("small", "other")
    assert rename_cohort("small", "other") == 3
    assert [run.config.cohort for run in runs] == ["other", "other", "other", str(cohort.root / "dataset.json")]


def test_a_run_does_not_go_on_with_scans_that_are_prepared_otherwise(cohort: Cohort) -> None:
    run = Run.create(tiny(cohort, epochs=1))
    execute(run)
    config = (run.folder / "config.yaml").read_text()
    (run.folder / "config.yaml").write_text(config.replace("spacing_mm: 5.0", "spacing_mm: 4.0"))
    with pytest.raises(InputError, match=r"prepared otherwise when it began \(spacing_mm 5.0, now 4.0\)"):
        execute(run)
    (run.folder / "config.yaml").write_text(config)
    manifest = cohort.root / "dataset.json"
    manifest.write_text(manifest.read_text().replace('"MRI"', '"CT"'))
    with pytest.raises(InputError, match=r"intensity percentile, now window"):
        execute(run)


def test_the_last_words_on_a_full_disk_do_not_hide_what_was_said(
    cohort: Cohort, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: Any) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(SummaryWriter, "close", full)
    monkeypatch.setattr(SummaryWriter, "add_scalar", full)
    run = Run.create(tiny(cohort))
    with pytest.raises(InputError, match="full: free space"):
        execute(run)


def test_what_is_not_finite_stops_with_step_method_and_advice(cohort: Cohort, monkeypatch: pytest.MonkeyPatch) -> None:
    run = Run.create(tiny(cohort, epochs=1))
    monkeypatch.setattr(loop, "clip_gradient", lambda module, largest: torch.tensor(float("nan")))
    with pytest.raises(InputError, match=r"gradient of isimed is not a number at step 1: lower --learning-rate"):
        execute(run)
    assert jobs.status(run).state == "failed"
    assert "--learning-rate" in jobs.status(run).message


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (OSError(28, "No space left on device"), "full: free space"),
        (torch.OutOfMemoryError("CUDA out of memory"), "fewer --volumes-per-step"),
        (RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried 9 TB"), "fewer --volumes-per-step"),
        (RuntimeError("MPS backend out of memory (MPS allocated: 18 GB)"), "fewer --volumes-per-step"),
        (RuntimeError("CUDA error: CUBLAS_STATUS_ALLOC_FAILED"), "fewer --volumes-per-step"),
    ],
)
def test_full_disk_and_memory_are_one_sentence(
    cohort: Cohort, monkeypatch: pytest.MonkeyPatch, error: Exception, said: str
) -> None:
    def fails(*_: Any, **__: Any) -> None:
        raise error

    monkeypatch.setattr(worker, "prepare_cohort", fails)
    run = Run.create(tiny(cohort))
    for kept in ("no checkpoint was saved yet, resume begins anew", "the last checkpoint is kept, resume goes on"):
        with pytest.raises(InputError, match=f"{said}.*{kept}"):
            execute(run)
        assert jobs.status(run).state == "failed"
        assert kept in jobs.status(run).message
        run.last.mkdir(parents=True, exist_ok=True)


def test_a_resumed_run_says_where_it_stands_while_it_prepares(cohort: Cohort, monkeypatch: pytest.MonkeyPatch) -> None:
    run = Run.create(tiny(cohort))
    run.write_status(Status(state="stopped", step=3, total_steps=4, epoch=1))
    seen: list[Status] = []

    def asked_to_stop(*_: Any, **__: Any) -> None:
        seen.append(jobs.status(run))
        raise Cancelled

    monkeypatch.setattr(worker, "prepare_cohort", asked_to_stop)
    execute(run)
    seen.append(jobs.status(run))
    assert [(said.state, said.step, said.total_steps, said.epoch) for said in seen] == [
        ("preparing", 3, 4, 1), ("stopped", 3, 4, 1),
    ]  # fmt: skip


@pytest.mark.slow
def test_a_full_disk_keeps_the_checkpoint_and_more_space_lets_it_go_on(
    cohort: Cohort, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """A real one of 250 MB: room for one checkpoint (140 MB) and not for the next beside it."""
    disk = tmp_path / "disk"
    disk.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=250m", "none", str(disk)],
        capture_output=True,
        text=True,
        encoding="utf-8",
        check=False,
    )
    if mounted.returncode:
        pytest.skip(f"a small disk cannot be mounted here: {mounted.stderr.strip()}")
    try:
        monkeypatch.setenv("ISIMED_HOME", str(disk))
        monkeypatch.setattr(worker, "SAVE_EVERY_S", 0.0)
        run = Run.create(tiny(cohort, validate_every=2))
        with pytest.raises(InputError, match=r"No space left on device.*free space"):
            execute(run)
        assert jobs.status(run).state == "failed"
        assert "free space" in jobs.status(run).message
        assert (run.last / "progress.json").read_text().startswith('{"step": 1')
        assert not list(run.last.parent.glob(".writing-*"))
        subprocess.run(["mount", "-o", "remount,size=900m", str(disk)], check=True)
        assert execute(run).state == "finished"
        assert [line["number"] for line in run.metrics() if "terms" in line] == [1, 2, 3, 4]
    finally:
        subprocess.run(["umount", "--lazy", str(disk)], check=True)


def test_split_and_cohort_are_found_from_anywhere(
    cohort: Cohort, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)  # where the cohort's folder is
    run = Run.create(tiny(cohort).model_copy(update={"split": "split.json", "cohort": cohort.root.name}))
    assert run.config.split == str(tmp_path / "split.json")
    assert run.config.cohort == str(cohort.root / "dataset.json")


def test_pairs_across_need_a_common_frame(cohort: Cohort) -> None:
    run = Run.create(tiny(cohort, pairs="across"))
    with pytest.raises(InputError, match="declares no common frame"):
        execute(run)


def test_a_run_whose_files_are_damaged_is_listed_all_the_same(cohort: Cohort) -> None:
    run = Run.create(tiny(cohort))
    (run.folder / "job.json").write_text("[]")
    (run.folder / "metrics.jsonl").write_bytes(b'{"number": 1}\n\xff\xfe\n{"number": 2}\n{"numb')
    (run.folder / "status.json").write_text('{"state": "runn')
    assert run.metrics() == [{"number": 1}, {"number": 2}]
    assert jobs.status(run).state == "failed"
    assert jobs.status(run).resumable
    assert not jobs.at_work(run)


@pytest.mark.parametrize("progress", ["{}", "[]", '{"step": null, "best": {}}', "{"])
def test_a_state_whose_progress_is_damaged_is_one_sentence(tmp_path: Path, progress: str) -> None:
    (tmp_path / PROGRESS).write_text(progress)
    with pytest.raises(InputError, match="cannot be resumed"):
        restore(tmp_path, SimpleNamespace())  # type: ignore[arg-type]


def test_days_that_are_left_are_told_in_hours() -> None:
    line = {"number": 1, "total_steps": 9, "epoch": 0, "terms": {"loss": 1.0}, "crops_per_second": 2.0}
    assert describe(line | {"seconds_left": 30 * 3600 + 61.7}).endswith(", 30:01:01 left")
    assert describe(line | {"seconds_left": 59.0}).endswith(", 00:00:59 left")


@pytest.mark.parametrize(
    "content", [b"\x1f\x8b\xff\x00", "name: Kopfstück".encode("latin-1"), b"name: 2020-13-45", b"a: ["]
)
def test_a_config_that_is_no_text_of_options_is_one_sentence(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "config.yaml"
    path.write_bytes(content)
    with pytest.raises(InputError, match=r"config\.yaml is not YAML: correct it"):
        read_config(path)


def test_config_of_older_runs_can_be_read(tmp_path: Path) -> None:
    path = tmp_path / "config.yaml"
    path.write_text("cohort: demo-train\nmethod: isimed\nname: demo-brain\nsplit: null\nnoise: 0.05\nthreads: 2\n")
    config = read_config(path)
    assert (config.scaling, config.noise) == ("auto", 0.05)
    assert find_method(config.method).full_views(config) == 1
