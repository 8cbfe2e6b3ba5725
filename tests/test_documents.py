"""What the documents tell Python to do runs, block by block, in an empty folder with a scan."""

import re
import warnings
from pathlib import Path

import numpy as np
import pytest

from tests.conftest import REPOSITORY
from tests.small import write_cohort

PAGES = ("README.md", "docs/python.md", "docs/files.md")
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
