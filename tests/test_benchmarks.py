"""What a benchmark's figure means: turns, ratios, targets, and the page made from them."""

import json
import shutil
from datetime import datetime
from pathlib import Path
from types import SimpleNamespace

import pytest

import benchmarks.run
from benchmarks import ROWS
from benchmarks.lib.gpu_parts import told
from benchmarks.lib.race import Figure, Ratio, race
from benchmarks.lib.under_load import growth
from benchmarks.report import write_report
from benchmarks.rows.scale_out import exponent
from isimed.__main__ import main
from isimed.data.cohorts.cohort import Cohort
from tests.conftest import REPOSITORY as ROOT


def test_ways_take_turns_and_first_place() -> None:
    order: list[str] = []

    def way(name: str) -> float:
        order.append(name)
        return 1.0

    rates = race({"a": lambda: way("a"), "b": lambda: way("b")}, repeats=2)
    assert order == ["a", "b", "b", "a", "a", "b"]
    assert {name: len(values) for name, values in rates.items()} == {"a": 2, "b": 2}


def test_ratio_is_the_median_of_turns() -> None:
    ratio = Ratio("speed", ours=[2.0, 9.0, 3.0], other=[1.0, 1.0, 3.0], unit="crops/s", target=2.0)
    assert ratio.median == 2.0
    assert ratio.met
    assert not Ratio("memory", [3.0], [2.0], "MB", target=1.0, at_most=True).met
    assert Ratio("stated", [3.0], [2.0], "s").met is None


def test_page_says_what_was_missed(tmp_path: Path) -> None:
    ratio = Ratio("isimed, crops/s", [9.0, 9.0], [10.0, 10.0], "crops/s", target=0.95)
    machine = {"cpu": "a CPU", "cores": 2, "instructions": "AVX2", "threads": 2, "load_before": None}
    row = {"row": "train_limit", "cohort": "small", "ratios": [ratio.to_dict()], "facts": {"crops": 7}}
    row["figures"] = [Figure("errors", 2, "", target=0).to_dict(), Figure("a wait", 1.25, "s").to_dict()]
    row |= {"machine": machine, "seconds": 3.0, "date": "today", "curves": {}}
    folder = tmp_path / "benchmarks"
    folder.mkdir()
    (folder / "train_limit.json").write_text(json.dumps(row), encoding="utf-8")
    (folder / "log.md").write_text("## Log\n", encoding="utf-8")
    write_report(folder, plot=False)
    page = (tmp_path / "benchmarks.md").read_text(encoding="utf-8")
    assert "**0.90** (0.90-0.90) | 9 crops/s | 10 crops/s | ≥ 0.95 | **no** |" in page
    assert "errors | compute limit: same network, loss and optimiser on one constant batch in memory | **2** |" in page
    assert "| ≤ 0 | **no** |" in page
    assert "**1.25** s | | | stated |  |" in page
    assert "not measured yet: `python -m isimed bench soak`" in page
    assert "- crops: 7" in page
    assert page.endswith("## Log\n")


def test_a_leak_shows_and_the_warm_up_does_not() -> None:
    def load(values: list[float]) -> dict:
        return {"memory": [{"own_mb": value} for value in values]}

    assert growth(load([100, 400] + 8 * [500])) == 1.0
    assert growth(load([100 * step for step in range(1, 11)])) == pytest.approx(9.5 / 3.5)


def test_exponent_of_a_cost() -> None:
    assert exponent(100, 1000, 2.0, 20.0) == pytest.approx(1)
    assert exponent(100, 1000, 2.0, 200.0) == pytest.approx(2)
    assert exponent(100, 1000, 2.0, 2.0) == pytest.approx(0)


def test_every_row_has_a_file_and_the_page_is_made_of_what_was_measured(tmp_path: Path) -> None:
    assert sorted(file.stem for file in (ROOT / "benchmarks" / "rows").glob("[!_]*.py")) == sorted(ROWS)
    shutil.copytree(ROOT / "docs" / "benchmarks", tmp_path / "benchmarks")
    write_report(tmp_path / "benchmarks", plot=False)
    made = (tmp_path / "benchmarks.md").read_text(encoding="utf-8").splitlines()
    kept = (ROOT / "docs" / "benchmarks.md").read_text(encoding="utf-8").splitlines()
    assert [line for line in made if line] == [line for line in kept if line and not line.startswith("![")]


def test_unknown_row_is_one_sentence(cohort, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["bench", "nonsense", "--cohort", str(cohort.root)]) == 2
    assert f"choose from {', '.join(ROWS)}." in capsys.readouterr().err


def test_what_the_gpu_did_is_told_part_by_part(tmp_path: Path) -> None:
    begun = datetime(2026, 1, 2, 3, 4, 0).timestamp()
    seconds = [f"2026/01/02 03:04:{n:02d}.500, Fake 8, {busy} %, {used} MiB, 8000 MiB, 90 W" for n, busy, used in
               ((0, 50, 1000), (1, 100, 3000), (7, 0, 7000))]  # fmt: skip
    (tmp_path / "gpu.csv").write_text("\n".join([*seconds, "2026/01/02 03:04:02.500, Fake", "No devices were found"]))
    (tmp_path / "parts.tsv").write_text(f"small\t{begun}\t{begun + 3}\t0\nlarge\t{begun + 20}\t{begun + 25}\t124\n")
    assert told(tmp_path) == [
        "small: 3 s, 75 % busy, 3.0 of 8 GB at most",
        "large: 5 s, ended with 124, no reading of a GPU",
    ]
    assert told(tmp_path / "nothing") == []


def test_the_script_for_a_gpu_runs_rows_that_there_are() -> None:
    script = (ROOT / "benchmarks" / "gpu.sh").read_text(encoding="utf-8")
    asked = [word for line in script.splitlines() if line.startswith("bench ") for word in line.split()[4:]]
    assert {"train_limit", "train_authors", "train_cached", "embed_limit", "methods"} <= set(asked) <= set(ROWS)


def test_rows_of_crops_embed_with_a_network_of_crops(cohort: Cohort, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(benchmarks.run, "fitting_checkpoints", lambda scans: ["brain-flair-dense", "brain-flair"])
    monkeypatch.setattr(benchmarks.run, "find_checkpoint", Path)
    architectures = {"brain-flair-dense": "dense", "brain-flair": "crops"}
    monkeypatch.setattr(
        benchmarks.run, "read_card", lambda name: SimpleNamespace(architecture=architectures[str(name)])
    )
    assert benchmarks.run.default_checkpoint(cohort) == "brain-flair"
    monkeypatch.setattr(benchmarks.run, "fitting_checkpoints", lambda scans: ["brain-flair-dense"])
    assert benchmarks.run.default_checkpoint(cohort) == "untrained"
