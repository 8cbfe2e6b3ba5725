"""The import contract fails when somebody breaks it: each forbidden import is planted in a copy of the package."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.conftest import REPOSITORY

# what is planted: file -> the imports written into it; what the contract has to name
UPWARDS = {"isimed/explore/planted.py": ["isimed.training.optimise.config"]}
SIDEWAYS = {"isimed/losses/planted.py": ["isimed.models.encoder"]}
CIRCLE = {
    "isimed/data/formats/planted.py": ["isimed.data.cohorts.planted"],
    "isimed/data/cohorts/planted.py": ["isimed.data.formats.planted"],
}
STREAMLIT = {"isimed/evaluation/planted.py": ["streamlit"]}
A_PAGE = {"isimed/ui/planted.py": ["pages.home"]}
BETWEEN_PAGES = {"pages/planted.py": ["pages.home"]}
UNLISTED = {"isimed/planted/__init__.py": []}


def lint(tree: Path, planted: dict[str, list[str]]) -> subprocess.CompletedProcess[str]:
    for name in ("isimed", "pages"):
        shutil.copytree(REPOSITORY / name, tree / name, ignore=shutil.ignore_patterns("__pycache__", "browser"))
    shutil.copy(REPOSITORY / "pyproject.toml", tree)
    for file, names in planted.items():
        (tree / file).parent.mkdir(exist_ok=True)
        (tree / file).write_text("".join(f"import {name}\n" for name in names), encoding="utf-8")
    return subprocess.run(
        [sys.executable, "-c", "from importlinter.cli import lint_imports_command; lint_imports_command()"],
        cwd=tree,
        env=os.environ | {"PYTHONPATH": str(tree), "NO_COLOR": "1", "COLUMNS": "200"},
        capture_output=True,
        text=True,
        encoding="utf-8",
        check=False,
    )


def test_the_house_keeps_its_contract(tmp_path: Path) -> None:
    done = lint(tmp_path, {})
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize(
    ("planted", "contract", "named"),
    [
        (UPWARDS, "Rooms import downwards only", "isimed.explore.planted -> isimed.training.optimise.config"),
        (SIDEWAYS, "Rooms import downwards only", "isimed.losses.planted -> isimed.models.encoder"),
        (CIRCLE, "No circles", "No cycles are allowed in isimed.data.\n"),
        (STREAMLIT, "Streamlit stays in the ui", "isimed.evaluation.planted -> streamlit"),
        (A_PAGE, "The package knows no page", "isimed.ui.planted -> pages.home"),
        (BETWEEN_PAGES, "Pages know nothing of each other", "pages.planted -> pages.home"),
        (UNLISTED, "Rooms import downwards only", "isimed.planted"),
    ],
    ids=["upwards", "sideways", "circle", "streamlit", "a page", "between pages", "a room that is not listed"],
)
def test_a_forbidden_import_fails(tmp_path: Path, planted: dict[str, list[str]], contract: str, named: str) -> None:
    done = lint(tmp_path, planted)
    assert done.returncode == 1, done.stdout + done.stderr
    summary, _, details = done.stdout.partition("Broken contracts")
    assert any(contract in line and line.endswith("BROKEN") for line in summary.splitlines()), summary
    assert named in details, done.stdout
