"""The site of the documents builds without a warning, asks no other host, and has all that is public."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

import isimed
from tests.conftest import REPOSITORY

pytest.importorskip("mkdocs")


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("site")
    command = [sys.executable, "-m", "mkdocs", "build", "--strict", "--quiet", "--site-dir", str(folder)]
    environment = os.environ | {"NO_MKDOCS_2_WARNING": "1"}
    done = subprocess.run(command, cwd=REPOSITORY, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return folder


@pytest.mark.slow
def test_the_reference_has_all_that_is_public(site: Path) -> None:
    page = (site / "reference.html").read_text(encoding="utf-8")
    assert {name for name in isimed.__all__ if not re.search(rf'id="isimed\.[\w.]*\.{name}"', page)} == set()


@pytest.mark.slow
def test_no_page_loads_anything_from_another_host(site: Path) -> None:
    loads = re.compile(
        r"""<(?:script|img|iframe)[^>]*\ssrc=["']?(https?:)?//|<link[^>]*rel=["']?stylesheet[^>]*href=["']?https?://"""
    )
    assert {page.name for page in site.rglob("*.html") if loads.search(page.read_text(encoding="utf-8"))} == set()
