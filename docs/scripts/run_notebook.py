"""Runs docs/notebook/tour.ipynb and stores what it printed: ``python -m docs.scripts.run_notebook``."""

import os
from pathlib import Path

import nbformat
from nbclient import NotebookClient

ROOT = Path(__file__).resolve().parents[2]
NOTEBOOK = ROOT / "docs" / "notebook" / "tour.ipynb"


def executed(notebook: Path = NOTEBOOK, *, seconds: int = 600) -> nbformat.NotebookNode:
    """The notebook with its outputs, in a kernel that finds this repository's package.

    Raises:
        nbclient.exceptions.CellExecutionError: a cell failed.
    """
    content = nbformat.read(notebook, as_version=4)
    environment = os.environ | {"PYTHONPATH": str(ROOT), "TQDM_DISABLE": "1"}
    NotebookClient(content, timeout=seconds, kernel_name="python3").execute(env=environment)
    for cell in content.cells:
        cell.get("metadata", {}).pop("execution", None)  # when it ran is nobody's concern
        if "outputs" in cell:
            cell["outputs"] = [one for one in cell["outputs"] if one.get("name") != "stderr"]
    content.metadata.pop("language_info", None)
    return content


if __name__ == "__main__":
    nbformat.write(executed(), NOTEBOOK)
