"""A real Streamlit server and a real Chromium, for the tests that need the wire.

Fixtures: those of `tests/conftest.py`, and
`streamlit_server` (a factory: script path and environment -> base URL, stopped after the test module).
"""

import os
import subprocess
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path
from urllib.parse import urlparse

import pytest

from tests.ports import free_port

ROOT = Path(__file__).resolve().parents[2]


def other_hosts(page) -> set[str]:
    """Hosts besides this machine that the page asked for anything."""
    hosts = {urlparse(url).hostname for url in page.requested if urlparse(url).scheme in ("http", "https", "ws", "wss")}
    return hosts - {"127.0.0.1", "localhost"}


@pytest.fixture
def foreign_hosts():
    """A function: page -> the other hosts it asked for anything."""
    return other_hosts


@pytest.fixture(scope="module")
def streamlit_server(browser, tmp_path_factory):
    """A factory: ``streamlit_server("app.py", env={"ISIMED_HOME": ...})`` -> "http://127.0.0.1:port", below a base."""
    running = []
    folder = tmp_path_factory.mktemp("server")

    def start(script: str | Path, env: dict[str, str] | None = None, base: str = "") -> str:
        port = free_port()
        command = [sys.executable, "-m", "streamlit", "run", str(ROOT / script)]
        options = ["--server.port", str(port), "--server.address", "127.0.0.1", "--server.headless", "true"]
        options += ["--server.baseUrlPath", base] if base else []
        log = folder / f"server-{port}.log"
        environment = os.environ | {"PYTHONPATH": str(ROOT), "ISIMED_HOME": str(folder / "home")} | (env or {})
        with log.open("wb") as output:
            server = subprocess.Popen([*command, *options], cwd=ROOT, env=environment, stdout=output, stderr=output)
        running.append(server)
        address = f"http://127.0.0.1:{port}" + (f"/{base}" if base else "")
        _wait_until_healthy(server, address, log)
        return address

    yield start
    for server in running:
        server.terminate()
        try:
            server.wait(10)
        except subprocess.TimeoutExpired:
            server.kill()
            server.wait()


def _wait_until_healthy(server: subprocess.Popen, url: str, log: Path, seconds: float = 90) -> None:
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if server.poll() is not None:
            break
        try:
            with urllib.request.urlopen(f"{url}/_stcore/health", timeout=2):
                return
        except (urllib.error.URLError, OSError):
            time.sleep(0.2)
    raise RuntimeError(f"the server did not come up:\n{log.read_text()[-4000:]}")
