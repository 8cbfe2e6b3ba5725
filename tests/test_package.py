"""The wheel is the app: what a newcomer needs is inside, and `isimed app` opens it from any directory."""

import os
import socket
import subprocess
import sys
import urllib.request
import zipfile
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from tests.browser.test_first_minute import open_and_click
from tests.conftest import REPOSITORY
from tests.eventually import LONG, until
from tests.ports import free_port

pytest.importorskip("hatchling")
pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("wheel")
    command = [sys.executable, "-m", "hatchling", "build", "--target", "wheel", "--directory", str(folder)]
    subprocess.run(command, cwd=REPOSITORY, check=True, capture_output=True)
    (built,) = folder.glob("*.whl")
    return built


@pytest.fixture(scope="module")
def installed(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel unpacked, as pip does it."""
    folder = tmp_path_factory.mktemp("site")
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(folder)
    return folder


@pytest.fixture
def app(installed: Path, home: Path, tmp_path: Path) -> Iterator[str]:
    port = free_port()
    command = [sys.executable, "-m", "isimed", "app", "--server.port", str(port)]
    log = (tmp_path / "app.log").open("wb")
    process = subprocess.Popen(command, cwd=tmp_path, env=environment_of(installed, home), stdout=log, stderr=log)
    try:
        yield f"127.0.0.1:{port}"
    finally:
        process.terminate()
        process.communicate(timeout=LONG)
        log.close()


def environment_of(installed: Path, home: Path) -> dict[str, str]:
    return os.environ | {"PYTHONPATH": str(installed), "ISIMED_HOME": str(home)}


def test_it_is_small_and_holds_pages_pictures_and_checkpoints(wheel: Path, installed: Path) -> None:
    assert wheel.stat().st_size < 100e6
    inside = installed / "isimed"
    for room in ("isimed", "pages"):
        target = inside / "installed" / "pages" if room == "pages" else inside
        files = subprocess.run(["git", "ls-files", room], cwd=REPOSITORY, check=True, capture_output=True, text=True)
        for file in files.stdout.split():
            assert (target / Path(file).relative_to(room)).is_file(), file
    assert {folder.name for folder in (inside / "installed" / "checkpoints").iterdir()} == {
        "brain-flair", "demo-brain", "headneck-ct", "headneck-ct-dense",
    }  # fmt: skip
    assert (inside / "installed" / "cohorts" / "demo-flair" / "LICENSE.md").is_file()
    assert not list(installed.rglob("__pycache__"))


def test_a_left_out_network_is_named_with_the_way_to_fetch_it(installed: Path, home: Path, tmp_path: Path) -> None:
    def isimed(*arguments: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-m", "isimed", *arguments], cwd=tmp_path, env=environment_of(installed, home),
            capture_output=True, text=True, encoding="utf-8", check=False,
        )  # fmt: skip

    refused = isimed("demo", "--ct")
    assert refused.returncode == 2
    assert "isimed checkpoints get demo-ct --from" in refused.stderr
    assert isimed("checkpoints", "get", "demo-ct", "--from", str(REPOSITORY / "checkpoints")).returncode == 0
    assert "demo-ct  isimed  CT" in isimed("checkpoints").stdout


def wait_for(app: str) -> None:
    def answers() -> bool:
        with suppress(OSError):
            return urllib.request.urlopen(f"http://{app}/_stcore/health", timeout=5).read() == b"ok"
        return False

    until(answers, otherwise=lambda: "the app did not start")


def test_the_installed_app_answers_a_click(app: str, page) -> None:
    wait_for(app)
    open_and_click(f"http://{app}", page)


def test_the_app_opens_from_any_directory_and_only_for_this_machine(app: str) -> None:
    wait_for(app)
    host, port = app.split(":")
    others = {info[4][0] for info in socket.getaddrinfo(socket.gethostname(), None, socket.AF_INET)} - {host}
    for address in others:
        with socket.socket() as outside:
            outside.settimeout(1)
            assert address.startswith("127.") or outside.connect_ex((address, int(port))) != 0
