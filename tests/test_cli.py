"""The command line: what it prints, and one clear line with exit status 2 for whatever is wrong."""

import csv
import errno
import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from isimed.__main__ import main
from isimed.cli.terminal.output import print_csv
from isimed.core import files
from isimed.data.cohorts.cohort import Cohort, register
from isimed.data.cohorts.splits import draw_split, read_split, split_path
from isimed.data.formats.volume import Volume, read_volume
from isimed.explore.one_scan import label
from isimed.explore.one_scan.label import Labelled
from isimed.explore.tables.embed import embed_cohort
from isimed.models.checkpoint import load_checkpoint
from isimed.training.runs.folder import Run
from tests.data.make import write_nifti
from tests.test_help import PARSERS

TINY = [
    "--epochs",
    "1",
    "--volumes-per-step",
    "1",
    "--crops-per-volume",
    "2",
    "--spacing-mm",
    "4",
    "--validation",
    "0.3",
]


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["nonsense"], "nonsense"),
        (["train"], "needs a cohort"),
        (["train", "nowhere"], "no cohort nowhere"),
        (["train", "COHORT", "--epochs", "none"], "--epochs"),
        (["train", "COHORT", "--learning-rate", "-1"], "--learning-rate"),
        (["train", "COHORT", "--method", "magic"], "--method"),
        (["train", "--config", "missing.yaml"], "missing.yaml"),
        (["embed", "COHORT", "--checkpoint", "nothing"], "no checkpoint nothing"),
        (["evaluate", "COHORT"], "--checkpoint"),
        (["locate", "COHORT", "--checkpoint", "untrained", "--volume", "P9", "--mm", "0", "0", "0"], "no volume P9"),
        (["runs", "stop"], "needs a run"),
        (["runs", "stop", "nothing"], "no run nothing"),
        (["evaluate", "nowhere", "--checkpoint", "untrained"], "no cohort nowhere"),
        (["evaluate", "COHORT", "--checkpoint", "untrained", "--split", "none.json"], "none.json is not a split"),
        (["evaluate", "COHORT", "--checkpoint", "untrained", "--subjects", "Z"], "no patient Z"),
        (["evaluate", "COHORT", "--checkpoint", "untrained", "--part", "half"], "--part"),
        (["evaluate", "COHORT", "--checkpoint", "untrained", "--crops", "1"], "--crops: 1 is"),
        (["evaluate", "COHORT", "--checkpoint", "untrained", "--limit", "0"], "--limit: 0 is"),
        (["evaluate", "COHORT", "--checkpoint", "nothing", "--checkpoint", "untrained"], "no checkpoint nothing"),
        (["embed", "COHORT", "--checkpoint", "untrained", "--checkpoint", "nothing"], "--checkpoint is given twice"),
        *(
            (["embed", "COHORT", "--checkpoint", "untrained", "--step-mm", step], "--step-mm")
            for step in ("nan", "inf", "-3", "0", "wide")
        ),
        (["embed", "COHORT", "--checkpoint", "untrained", "--limit", "-1"], "--limit: -1 is"),
        (["embed", "COHORT", "--checkpoint", "untrained", "--limit", "1.5"], "--limit: 1.5 is"),
        (
            ["locate", "COHORT", "--checkpoint", "untrained", "--volume", "P0", "--mm", "0", "nan", "0"],
            "--mm: nan is not a finite number",
        ),
        (
            [
                "locate",
                "COHORT",
                "--checkpoint",
                "untrained",
                "--step-mm",
                "80",
                "--volume",
                "P0",
                "--mm",
                "1000",
                "10",
                "60",
            ],
            "lies outside the scan",
        ),
        (["demo", "--seed", "-1"], "--seed: -1 is"),
        (["evaluate", "COHORT", "--checkpoint", "untrained", "--task", "magic"], "no task magic"),
        (["evaluate", "COHORT", "--checkpoint", "untrained", "--task", "compare"], "two or more"),
        (["evaluate", "COHORT", "--checkpoint", "untrained", "--protocol", "lax"], "no protocol lax"),
        (["evaluate", "COHORT", "--checkpoint", "untrained", "--json", "no/where.json"], "no/where.json"),
        (
            ["evaluate", "COHORT", "--checkpoint", "untrained", "--json", "x", "--html", "x"],
            "x would replace a file that",
        ),
        (["label", "COHORT/P0.nii.gz", "--out", "COHORT/P0.nii.gz"], "would replace a file that the command reads"),
        (["check", "nowhere"], "no cohort nowhere"),
        (["import", "/does/not/exist"], "/does/not/exist"),
    ],
)
def test_wrong_input_is_one_line(
    arguments: list[str], said: str, cohort: Cohort, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = [argument.replace("COHORT", str(cohort.root)) for argument in arguments]
    assert main(arguments) == 2
    output = capsys.readouterr()
    assert output.out == ""
    assert said in output.err
    assert len(output.err.strip().splitlines()) == 1


@pytest.mark.parametrize("command", sorted(set(PARSERS) - {"app"}))  # which asks streamlit
def test_every_command_has_help(command: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as stopped:
        main([command, "--help"])
    assert stopped.value.code == 0
    assert "usage" in capsys.readouterr().out


def test_a_split_is_drawn_once_and_never_replaced_unasked(cohort: Cohort, capsys: pytest.CaptureFixture[str]) -> None:
    drawn = ["split", str(cohort.root), "--validation", "0.34", "--test", "0.34"]
    assert main([*drawn, "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert told == {"file": str(split_path(cohort)), "train": 1, "validation": 1, "test": 1}
    before = read_split(cohort)
    assert main(drawn) == 0
    assert "1 train, 1 validation, 1 test; patients, drawn with seed 0" in capsys.readouterr().out
    seeds = (seed for seed in range(1, 9) if draw_split(cohort, validation=0.34, test=0.34, seed=seed) != before)
    other = str(next(seeds))
    assert main([*drawn, "--seed", other]) == 2
    assert "holds another split already: give --replace" in capsys.readouterr().err
    assert read_split(cohort) == before
    beside = cohort.root / "split.json"
    assert main([*drawn, "--seed", other, "--file", str(beside)]) == 0
    assert read_split(cohort) == before != read_split(cohort, beside)
    assert main([*drawn, "--seed", other, "--replace"]) == 0
    assert read_split(cohort) == read_split(cohort, beside)


def test_a_split_never_replaces_its_cohort(cohort: Cohort, capsys: pytest.CaptureFixture[str]) -> None:
    manifest = cohort.root / "dataset.json"
    before = manifest.read_bytes()
    assert main(["split", str(manifest), "--test", "0.34", "--file", str(manifest), "--replace"]) == 2
    assert "would replace a file that the command reads" in capsys.readouterr().err
    assert manifest.read_bytes() == before


@pytest.mark.parametrize(("share", "said"), [("1.5", "from 0 to below 1"), ("0.9", "too few"), ("-0.1", "from 0")])
def test_a_share_that_is_none_is_refused(
    share: str, said: str, cohort: Cohort, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["split", str(cohort.root), f"--test={share}"]) == 2
    assert said in capsys.readouterr().err
    assert not split_path(cohort).exists()


@pytest.mark.parametrize("method", ["isimed", "isimed-dense"])
def test_train_embed_locate(
    method: str, cohort: Cohort, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(cohort.root)
    options = ["--method", method, "--largest-window", "32"]
    assert main(["train", "dataset.json", "--name", "mine", *options, *TINY]) == 0
    summary = json.loads(capsys.readouterr().out)
    assert summary["state"] == "finished"
    run = Run.find(summary["run"])
    assert Path(run.config.cohort).is_absolute()
    assert main(["runs", "--json"]) == 0
    (listed,) = json.loads(capsys.readouterr().out)
    assert (listed["run"], listed["state"]) == (run.id, "finished")
    assert main(["runs"]) == 0
    assert run.id in capsys.readouterr().out
    assert main(["embed", str(cohort.root), "--checkpoint", run.id, "--step-mm", "60"]) == 0
    table = embed_cohort(cohort, load_checkpoint(run.id), step_mm=60)
    assert f"{len(table)} crops of 3 volumes" in capsys.readouterr().out
    place = [str(value) for value in table.centre_mm[0]]
    locate = ["locate", str(cohort.root), "--checkpoint", run.id, "--step-mm", "60", "--volume", "P0", "--mm", *place]
    assert main(locate) == 0
    header, *rows = capsys.readouterr().out.splitlines()
    assert header == "volume,x_mm,y_mm,z_mm,latent_distance,uncertainty_mm,round_trip_mm,note"
    assert all(len(row.split(",")) == 8 for row in rows)
    assert {row.split(",")[0] for row in rows} == {"P1", "P2"}


def test_a_run_is_reproduced_by_its_config(cohort: Cohort) -> None:
    register(cohort.root, name="named")
    assert main(["train", "named", *TINY]) == 0
    first = Run.all()[0]
    assert first.config.cohort == "named"
    assert main(["train", "--config", str(first.folder / "config.yaml"), "--name", "again"]) == 0
    second = next(run for run in Run.all() if run.id != first.id)

    def losses(run: Run) -> list[float]:
        return [line["terms"]["loss"] for line in run.metrics() if "terms" in line]

    assert losses(second) == pytest.approx(losses(first), rel=1e-4)


def test_a_list_option_takes_repeats_and_several_values(cohort: Cohort, capsys: pytest.CaptureFixture[str]) -> None:
    twice = ["--task", "distance", "--task", "position", "collapse", "--subjects", "S0", "--subjects", "S2"]
    asked = ["evaluate", str(cohort.root), "--checkpoint", "untrained", *twice, "--crops", "4", "--protocol", "paper"]
    assert main(asked) == 0
    result = json.loads(capsys.readouterr().out)
    assert result["cohort"]["subjects"] == 2
    assert {"distance", "position", "collapse"} <= set(result["checkpoints"]["untrained"])


def test_details_have_a_file_of_their_own(cohort: Cohort, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    asked = ["evaluate", str(cohort.root), "--checkpoint", "untrained", "--task", "distance", "--crops", "4"]
    assert main([*asked, "--json", str(tmp_path / "all.json")]) == 0
    files = [str(tmp_path / name) for name in ("figures.json", "details.json")]
    assert main([*asked, "--json", files[0], "--details", files[1]]) == 0
    both, figures, details = (json.loads((tmp_path / f"{n}.json").read_text()) for n in ("all", "figures", "details"))
    assert figures["checkpoints"] == both["checkpoints"]
    assert figures["details"] == {}
    assert details["details"] == both["details"]
    assert details["details"]["untrained"]["distance"]["bins"]
    assert details["cohort"] == both["cohort"]
    assert set(both) == set(figures)
    capsys.readouterr()
    assert main([*asked, "--json", files[0], "--details", str(tmp_path / "no" / "where.json")]) == 2


@pytest.mark.parametrize("name", ["rough.nii", "rough.nii.gz"])
def test_a_label_map_is_written_whole_or_not_at_all(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], name: str
) -> None:
    voxels = np.zeros((4, 5, 6), np.uint8)
    voxels[1:3, 2, 3] = 7
    made = Labelled(
        Volume(voxels, np.diag([10.0, 10, 10, 1])), Cohort(name="trunks", organs={7: "liver"}, volumes=[]), None
    )
    monkeypatch.setattr(label, "label_scan", lambda *_, **__: made)
    out = tmp_path / name
    assert main(["label", "scan.nii.gz", "--out", str(out)]) == 0
    assert "7  liver  2.0 ml" in capsys.readouterr().out
    written = read_volume(out)
    np.testing.assert_array_equal(written.voxels, voxels)
    np.testing.assert_array_equal(written.affine, made.labels.affine)

    def full(_: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    before = out.read_bytes()
    monkeypatch.setattr(files.os, "fsync", full)
    assert main(["label", "scan.nii.gz", "--out", str(out)]) == 2
    assert capsys.readouterr().err.endswith("(No space left on device): free space, or choose another place.\n")
    assert out.read_bytes() == before


def test_a_list_of_no_runs_says_so_beside_it(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["runs"]) == 0
    said = capsys.readouterr()
    assert said.out == ""
    assert said.err == "There are no runs yet: `isimed train COHORT` makes one.\n"


def command(arguments: list[str], **environment: str) -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        [sys.executable, "-m", "isimed", *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env=os.environ | {"PYTHONPATH": str(Path(__file__).resolve().parents[1])} | environment,
    )


def test_a_name_that_the_terminal_cannot_show_is_replaced(tmp_path: Path) -> None:
    for name in ("山田", "佐藤"):
        write_nifti(tmp_path / f"{name}.nii.gz")
    ran = command(
        ["import", str(tmp_path), "--name", "検査"], ISIMED_HOME=str(tmp_path / "home"), PYTHONIOENCODING="ascii"
    )
    out, error = ran.communicate()
    assert ran.returncode == 0, error.decode()
    assert b"??: 2 volumes of 2 patients" in out


def test_json_keeps_a_name_that_the_terminal_cannot_show(tmp_path: Path) -> None:
    write_nifti(tmp_path / "山田.nii.gz")
    environment = {"ISIMED_HOME": str(tmp_path / "home"), "PYTHONIOENCODING": "ascii"}
    out, error = command(
        ["import", str(tmp_path), "--name", "検査", "--dry-run", "--json"], **environment
    ).communicate()
    assert [file["patient"] for file in json.loads(out)["files"]] == ["山田"], error.decode()


def test_a_reader_that_closes_the_pipe_ends_the_command_without_a_word(tmp_path: Path) -> None:
    ran = command(["train", "--help"], ISIMED_HOME=str(tmp_path), PYTHONUNBUFFERED="1")
    assert ran.stdout is not None
    ran.stdout.close()
    assert ran.stderr is not None
    assert ran.stderr.read() == b""
    assert ran.wait() != 2


@pytest.mark.parametrize("arguments", [["demo"], ["import", "SCANS"], ["train", "COHORT", *TINY]])
def test_a_home_that_cannot_be_written_is_one_line(
    arguments: list[str],
    cohort: Cohort,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    (tmp_path / "file").write_text("no folder")
    scans = tmp_path / "scans"
    scans.mkdir()
    write_nifti(scans / "a.nii.gz")
    monkeypatch.setenv("ISIMED_HOME", str(tmp_path / "file" / "home"))
    real = {"COHORT": str(cohort.root), "SCANS": str(scans)}
    assert main([real.get(argument, argument) for argument in arguments]) == 2
    lines = [line for line in capsys.readouterr().err.strip().splitlines() if line.startswith("isimed: ")]
    assert len(lines) == 1
    assert str(tmp_path / "file" / "home") in lines[0]


def test_a_name_in_a_table_is_one_cell_and_no_formula(capsys: pytest.CaptureFixture[str]) -> None:
    names = ["Doe, Jane", 'the "second"', "=1+1", "@SUM(A1)", "-b", "plain"]
    print_csv(["volume", "x_mm", "note"], [(name, -1.5, None) for name in names])
    rows = list(csv.reader(capsys.readouterr().out.splitlines()))
    assert rows[0] == ["volume", "x_mm", "note"]
    assert [row[1:] for row in rows[1:]] == [["-1.50", ""]] * len(names)
    assert [row[0] for row in rows[1:]] == ["Doe, Jane", 'the "second"', "'=1+1", "'@SUM(A1)", "'-b", "plain"]


def test_importing_the_package_is_instant() -> None:
    code = "import sys, isimed.__main__; print([m for m in ('torch', 'streamlit', 'monai') if m in sys.modules])"
    environment = os.environ | {"PYTHONPATH": str(Path(__file__).resolve().parents[1])}
    printed = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, encoding="utf-8", check=True, env=environment
    )
    assert printed.stdout.strip() == "[]"


def test_check_exits_1_where_it_found_errors(
    cohort: Cohort, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["check", str(cohort.root)]) == 0
    (cohort.root / "P1.nii.gz").write_bytes(b"damaged")
    assert main(["check", str(cohort.root)]) == 1
    assert main(["check", str(cohort.root), "--json"]) == 1
    assert main(["check", str(cohort.root), "--exit-zero"]) == 0
    assert "P1" in capsys.readouterr().out


def test_import_says_its_plan_and_a_dry_run_writes_nothing(
    tmp_path: Path, home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write_nifti(tmp_path / "in/p1.nii.gz")
    write_nifti(tmp_path / "in/lost_mask.nii.gz")
    assert main(["import", str(tmp_path / "in"), "--dry-run"]) == 0
    said = capsys.readouterr().out
    assert "p1: p1.nii.gz as p1 (CT)" in said
    assert "1 label map, left out: lost_mask.nii.gz: it looks like a label map and has no image" in said
    assert not (home / "cohorts").exists()
    assert main(["import", str(tmp_path / "in"), "--json"]) == 0
    plan = json.loads(capsys.readouterr().out)
    assert [(one["file"], one["role"]) for one in plan["files"]] == [
        ("p1.nii.gz", "image"), ("lost_mask.nii.gz", "label map, left out"),
    ]  # fmt: skip
    assert Path(plan["manifest"]).is_file()
