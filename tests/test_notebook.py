"""The notebook of the documents runs, and what it shows is what it prints today."""

from pathlib import Path

import pytest

from tests.conftest import REPOSITORY

pytestmark = pytest.mark.slow
NOTEBOOK = REPOSITORY / "docs" / "notebook" / "tour.ipynb"


@pytest.mark.filterwarnings("ignore")
def test_the_notebook_runs_and_shows_what_it_prints(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    nbformat = pytest.importorskip("nbformat")
    pytest.importorskip("ipykernel")
    from docs.scripts.run_notebook import executed

    monkeypatch.setenv("IPYTHONDIR", str(home / "ipython"))

    def printed(notebook: object) -> list[str]:
        code = [cell for cell in notebook.cells if cell["cell_type"] == "code"]  # type: ignore[attr-defined]
        return ["".join(one.get("text", "") for one in cell["outputs"]) for cell in code]

    stored, now = printed(nbformat.read(NOTEBOOK, as_version=4)), printed(executed())
    assert all(stored), "a cell was never run: python -m docs.scripts.run_notebook"
    assert now[:3] == stored[:3]  # what is no matter of rounding
    assert all(now)
