"""What the documents tell Python to do runs, and what they tell a terminal to do is what isimed takes."""

import json
import re
import shlex
import warnings
from itertools import product
from pathlib import Path

import numpy as np
import pytest

from isimed.__main__ import main
from isimed.data.cohorts.cohort import Cohort
from tests.conftest import REPOSITORY
from tests.small import write_cohort
from tests.test_help import PARSERS

PAGES = ("README.md", "docs/python.md", "docs/files.md", "docs/training.md")
BLOCKS = [
    pytest.param(block, id=f"{page} {number}")
    for page in PAGES
    for number, block in enumerate(
        re.findall(r"```python\n(.*?)```", (REPOSITORY / page).read_text(encoding="utf-8"), re.DOTALL), start=1
    )
]


@pytest.fixture(scope="module")
def scans(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_cohort(tmp_path_factory.mktemp("documents") / "scans", size=24).parent


@pytest.fixture
def here(scans: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder as a reader may have it."""
    (tmp_path / "scan.nii.gz").write_bytes((scans / "P0.nii.gz").read_bytes())
    (tmp_path / "tumour.nii.gz").write_bytes((scans / "P0-tumour.nii.gz").read_bytes())
    (tmp_path / "scans").mkdir()
    for file in scans.glob("P?.nii.gz"):
        (tmp_path / "scans" / f"{file.name[:2]}_t1.nii.gz").write_bytes(file.read_bytes())
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.parametrize("block", BLOCKS)
def test_python_of_the_documents_runs(block: str, here: Path) -> None:
    if "duckdb" in block:
        pytest.importorskip("duckdb")
        pytest.importorskip("polars")
        import isimed

        isimed.embed("scan.nii.gz", checkpoint="untrained", step_mm=30).save("crops.parquet")
    before = np.random.get_state()[1][0]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)
        exec(compile(block, "document", "exec"), {"__name__": "document"})
    assert np.random.get_state()[1][0] == before


def commands() -> list[tuple[str, str]]:
    """(page, command line) of everything that isimed is told to do in a block."""
    found = []
    for file in [REPOSITORY / "README.md", REPOSITORY / "CONTRIBUTING.md", *sorted((REPOSITORY / "docs").glob("*.md"))]:
        text = file.read_text(encoding="utf-8")
        blocks = re.findall(r"^ *```\w*\n(.*?)^ *```", text, re.DOTALL | re.MULTILINE)
        for line in "\n".join(blocks).replace("\\\n", " ").splitlines():
            said = re.search(r"(?:^|[\"\s])(?:python -m )?isimed ([a-z].*)", line.partition("  #")[0])
            if said and said[1].split()[0] in PARSERS:
                command = said[1] if said[1].count('"') % 2 == 0 else said[1].rpartition('"')[0]
                found.append((file.name, command.strip()))
    return found


def test_the_documents_name_enough_commands() -> None:
    assert {line.split()[0] for _, line in commands()} >= set(PARSERS) - {"profile", "completion"}


@pytest.mark.parametrize(("page", "line"), [pytest.param(*one, id=" ".join(one)) for one in dict.fromkeys(commands())])
def test_a_command_of_the_documents_is_one_that_isimed_takes(page: str, line: str) -> None:
    name, *words = shlex.split(line)
    if words and not line.endswith("COMMAND"):
        PARSERS[name].parse_args([word for word in words if word not in ("&", ";")])


@pytest.mark.slow
def test_the_readme_runs_from_import_to_evaluation(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The README's own lines, with a small cohort in the place of theirs and an untrained network in that of a run."""
    lines = [line for page, line in commands() if page == "README.md"]
    wanted = ("import", "check", "train", "runs", "embed", "locate", "evaluate", "where")
    chosen = {name: next(line for line in lines if line.split()[0] == name) for name in wanted}
    volume = run = ""
    for name in wanted:
        line = chosen[name].replace("/data/scans", "scans").replace("scan1", volume)
        line = line.replace("RUN", "untrained" if name == "evaluate" else run)  # which saw all of these patients
        words = shlex.split(line)
        words += {
            "train": ["--epochs", "1", "--volumes-per-step", "1", "--crops-per-volume", "2", "--spacing-mm", "4"],
            "embed": ["--step-mm", "48"], "locate": ["--step-mm", "48"],
            "evaluate": ["--task", "distance", "--crops", "4", "--protocol", "paper"],
        }.get(name, [])  # fmt: skip
        if name == "train":
            at = words.index("--epochs")
            del words[at : at + 2]
        if name in ("locate", "where"):  # a place in this scan
            at = words.index("--mm") + 1
            words[at : at + 3] = ["-30", "-30", "-30"]
        assert main(words) == 0, words
        out = capsys.readouterr().out
        volume = volume or Cohort.load("mine").volumes[0].id
        run = run or (re.search(r'"run": "([^"]+)"', out)[1] if name == "train" else "")
    assert (here / "out.json").is_file()
    assert (here / "report.html").is_file()


AUTOPET = "FDG-PET-CT-Lesions/PETCT_{0}/2001-1/{1}.nii.gz", ("CT", "SUV", "SEG")
BRATS = "BraTS2021/BraTS2021_0000{0}/BraTS2021_0000{0}_{1}.nii.gz", ("t1", "flair", "seg")


@pytest.mark.slow
@pytest.mark.parametrize(("name", "tree"), [("autopet", AUTOPET), ("brats", BRATS)])
def test_the_papers_data_go_from_the_download_to_the_table(
    name: str, tree: tuple[str, tuple[str, ...]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The lines of docs/paper.md as they stand, on trees of few small volumes and for one epoch."""
    (place, kinds), scans = tree, write_cohort(tmp_path / "scans", patients=6, size=24).parent
    monkeypatch.chdir(tmp_path)
    for number, (kind, of) in product(range(6), zip(kinds, ("", "", "-tumour"), strict=True)):
        file = tmp_path / place.format(number, kind)
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes((scans / f"P{number}{of}.nii.gz").read_bytes())
    lines = [line for page, line in commands() if page == "paper.md" and name in line.split()]
    assert [line.split()[0] for line in lines] == ["import", "check", "split", *["train"] * 4, "evaluate"]
    for line in lines:
        words = shlex.split(line)
        if words[0] == "train":
            words += ["--epochs", "1", "--volumes-per-step", "2", "--crops-per-volume", "2"]
            words += [] if "--spacing-mm" in words else ["--spacing-mm", "4"]
        if words[0] == "evaluate":
            words += ["--task", "distance", "--crops", "4"]
        assert main(words) == 0, words
    table = json.loads((tmp_path / f"{name}.json").read_text(encoding="utf-8"))
    assert len(table["checkpoints"]) == 4
    split = json.loads((tmp_path / f"{name}-split.json").read_text(encoding="utf-8"))
    assert table["subjects"]["used"] == split["test"] != []
    assert (tmp_path / f"{name}.html").is_file()
