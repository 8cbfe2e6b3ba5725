"""The command line: what it prints, and one clear line with exit status 2 for whatever is wrong."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from isimed.__main__ import main
from isimed.data.cohorts.cohort import Cohort, register
from isimed.explore.tables.embed import embed_cohort
from isimed.models.checkpoint import load_checkpoint
from isimed.training.runs.folder import Run

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
        (["embed", "COHORT"], "--checkpoint"),
        (["locate", "COHORT", "--checkpoint", "untrained", "--volume", "P9", "--mm", "0", "0", "0"], "no volume P9"),
        (["runs", "stop"], "needs a run"),
        (["runs", "stop", "nothing"], "no run nothing"),
        (["evaluate", "nowhere", "--checkpoint", "untrained"], "no cohort nowhere"),
        (["evaluate", "COHORT", "--checkpoint", "untrained", "--split", "none.json"], "none.json is not a split"),
        (["evaluate", "COHORT", "--checkpoint", "untrained", "--subjects", "Z"], "no patient Z"),
        (["evaluate", "COHORT", "--checkpoint", "untrained", "--part", "half"], "--part"),
        (["evaluate", "COHORT", "--checkpoint", "untrained", "--crops", "1"], "1 crops"),
        (["evaluate", "COHORT", "--checkpoint", "untrained", "--task", "magic"], "no task magic"),
        (["evaluate", "COHORT", "--checkpoint", "untrained", "--task", "compare"], "two or more"),
        (["evaluate", "COHORT", "--checkpoint", "untrained", "--protocol", "lax"], "no protocol lax"),
        (["evaluate", "COHORT", "--checkpoint", "untrained", "--json", "no/where.json"], "no/where.json"),
        (["check", "nowhere"], "no cohort nowhere"),
        (["import", "/does/not/exist"], "/does/not/exist"),
    ],
)
def test_wrong_input_is_one_line(
    arguments: list[str], said: str, cohort: Cohort, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = [str(cohort.root) if argument == "COHORT" else argument for argument in arguments]
    assert main(arguments) == 2
    output = capsys.readouterr()
    assert output.out == ""
    assert said in output.err
    assert len(output.err.strip().splitlines()) == 1


@pytest.mark.parametrize("command", ["demo", "import", "check", "train", "runs", "embed", "locate", "evaluate"])
def test_every_command_has_help(command: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as stopped:
        main([command, "--help"])
    assert stopped.value.code == 0
    assert "usage" in capsys.readouterr().out


def test_train_embed_locate(
    cohort: Cohort, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(cohort.root)
    assert main(["train", "dataset.json", "--name", "mine", *TINY]) == 0
    summary = json.loads(capsys.readouterr().out)
    assert summary["state"] == "finished"
    run = Run.find(summary["run"])
    assert Path(run.config.cohort).is_absolute()
    assert main(["runs"]) == 0
    assert run.id in capsys.readouterr().out
    assert main(["embed", str(cohort.root), "--checkpoint", run.id, "--step-mm", "60"]) == 0
    table = embed_cohort(cohort, load_checkpoint(run.id), step_mm=60)
    assert f"{len(table)} crops of 3 volumes" in capsys.readouterr().out
    place = [str(value) for value in table.centre_mm[0]]
    locate = ["locate", str(cohort.root), "--checkpoint", run.id, "--step-mm", "60", "--volume", "P0", "--mm", *place]
    assert main(locate) == 0
    header, *rows = capsys.readouterr().out.splitlines()
    assert header == "volume,x_mm,y_mm,z_mm,latent_distance,uncertainty_mm,round_trip_mm"
    assert all(len(row.split(",")) == 7 for row in rows)
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


def test_importing_the_package_is_instant() -> None:
    code = "import sys, isimed.__main__; print([m for m in ('torch', 'streamlit', 'monai') if m in sys.modules])"
    environment = os.environ | {"PYTHONPATH": str(Path(__file__).resolve().parents[1])}
    printed = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, encoding="utf-8", check=True, env=environment
    )
    assert printed.stdout.strip() == "[]"
