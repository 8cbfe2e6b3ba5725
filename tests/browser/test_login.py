"""With a real OpenID provider on this machine: no page and no voxel before the login, all of them after it."""

import os
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.conftest import REPOSITORY
from tests.ports import free_port

pytest.importorskip("oidc_provider_mock")
pytest.importorskip("authlib")
pytestmark = [pytest.mark.browser, pytest.mark.slow]

SECRETS = """
[auth]
redirect_uri = "http://localhost:{app}/oauth2callback"
cookie_secret = "a long random string that is not this one"
client_id = "isimed"
client_secret = "from your identity provider"
server_metadata_url = "http://localhost:{provider}/.well-known/openid-configuration"
"""


def wait_for(url: str) -> None:
    for _ in range(600):
        try:
            urllib.request.urlopen(url, timeout=5).close()
            return
        except OSError:
            time.sleep(0.1)
    pytest.fail(f"{url} does not answer")


@pytest.fixture
def app(browser, home: Path, tmp_path: Path) -> Iterator[str]:
    """The app, started from a folder whose secrets name the provider."""
    ports = {"app": free_port(), "provider": free_port()}
    (tmp_path / ".streamlit").mkdir()
    (tmp_path / ".streamlit" / "secrets.toml").write_text(SECRETS.format(**ports), encoding="utf-8")
    commands = [
        ["oidc_provider_mock", "--port", str(ports["provider"])],
        ["isimed", "app", "--server.port", str(ports["app"]), "--server.headless", "true"],
    ]
    environment = os.environ | {"PYTHONPATH": str(REPOSITORY), "ISIMED_HOME": str(home)}
    with (tmp_path / "log").open("wb") as log:
        running = [
            subprocess.Popen([sys.executable, "-m", *command], cwd=tmp_path, env=environment, stdout=log, stderr=log)
            for command in commands
        ]
        try:
            wait_for(f"http://localhost:{ports['provider']}/.well-known/openid-configuration")
            wait_for(f"http://localhost:{ports['app']}/_stcore/health")
            yield f"http://localhost:{ports['app']}"
        finally:
            for process in running:
                process.terminate()
            for process in running:
                process.wait(30)


def test_pages_and_voxels_stand_behind_the_login(app: str, page) -> None:
    page.goto(f"{app}/viewer")
    page.get_by_role("button", name="Log in").click()
    page.get_by_label("sub").or_(page.locator("input[name=sub]")).first.fill("anna")
    page.get_by_role("button", name="Authorize").click()
    page.get_by_role("button", name="Log out").wait_for(timeout=60_000)
    assert page.url.startswith(app)
    page.goto(f"{app}/viewer")
    page.locator(".readout .mm").first.wait_for(timeout=120_000)
    voxels = next(url for url in page.requested if "/isimed/voxels/" in url)
    assert page.context.request.get(voxels).status == 200
    for cookies in ({}, {"Cookie": "_streamlit_user=made-up"}):
        with pytest.raises(urllib.error.HTTPError, match="403"):
            urllib.request.urlopen(urllib.request.Request(voxels, headers=cookies), timeout=10)
    page.get_by_role("button", name="Log out").click()
    page.wait_for_url("**/end_session*")  # the provider asks whether its own session ends as well
    page.goto(app)
    page.get_by_role("button", name="Log in").wait_for(timeout=60_000)
    assert page.context.request.get(voxels).status == 403
