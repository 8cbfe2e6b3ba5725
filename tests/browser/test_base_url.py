"""The app below a path of its host: told to Streamlit, or cut off by a proxy that it knows nothing of."""

import shutil
import subprocess
import urllib.error
import urllib.request
from pathlib import Path
from urllib.parse import urlparse

import pytest

from isimed.data.cohorts.cohort import Cohort, register
from isimed.explore.tables.embed import checkpoint_for, embed_cohort
from tests.browser.test_embeddings import wait_for_map
from tests.eventually import until
from tests.ports import free_port
from tests.small import write_cohort

NGINX = """
daemon off; pid {folder}/nginx.pid; error_log {folder}/error.log;
events {{}}
http {{
  access_log off; client_body_temp_path {folder}/body; proxy_temp_path {folder}/proxy;
  fastcgi_temp_path {folder}/f; uwsgi_temp_path {folder}/u; scgi_temp_path {folder}/s;
  server {{
    listen 127.0.0.1:{port};
    location /lab/scans/ {{
      proxy_pass {app}/;
      proxy_http_version 1.1;
      proxy_set_header Upgrade $http_upgrade;
      proxy_set_header Connection "upgrade";
      proxy_set_header Host $http_host;
    }}
  }}
}}
"""


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    home = tmp_path_factory.mktemp("base-home")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("ISIMED_HOME", str(home))
        register(write_cohort(tmp_path_factory.mktemp("source") / "small", patients=6, size=14))
        cohort = Cohort.load("small")
        embed_cohort(cohort, checkpoint_for("demo-brain", cohort))
    return home


@pytest.fixture(scope="module")
def told(home: Path, streamlit_server) -> str:
    return streamlit_server("app.py", env={"ISIMED_HOME": str(home)}, base="lab/scans")


@pytest.fixture(scope="module")
def behind_proxy(home: Path, streamlit_server, tmp_path_factory: pytest.TempPathFactory):
    if shutil.which("nginx") is None:
        pytest.skip("nginx is not installed (Debian: nginx-light)")
    folder = tmp_path_factory.mktemp("nginx")
    port = free_port()
    app = streamlit_server("app.py", env={"ISIMED_HOME": str(home)})
    (folder / "nginx.conf").write_text(NGINX.format(folder=folder, port=port, app=app))
    proxy = subprocess.Popen(["nginx", "-c", str(folder / "nginx.conf"), "-e", str(folder / "start.log")])
    address = f"http://127.0.0.1:{port}/lab/scans"

    def answers() -> bool:
        assert proxy.poll() is None, (folder / "start.log").read_text()
        try:
            urllib.request.urlopen(f"{address}/_stcore/health", timeout=5).close()
            return True
        except OSError:
            return False

    until(answers, otherwise=lambda: f"{address} does not answer")
    yield address
    proxy.terminate()
    proxy.wait(60)


@pytest.mark.parametrize("where", ["told", "behind_proxy"])
def test_viewer_strip_and_map_load_below_a_path(where: str, request: pytest.FixtureRequest, page) -> None:
    address = request.getfixturevalue(where)
    failed = []
    page.on("response", lambda answer: failed.append(answer.url) if answer.status >= 400 else None)
    page.goto(f"{address}/viewer?checkpoint=demo-brain")
    page.locator(".readout .mm").first.wait_for(timeout=120_000)
    page.locator(".strip .picture").first.wait_for(timeout=120_000)
    page.get_by_role("link", name="Embeddings").click()
    wait_for_map(page, "map.count > 10")
    page.get_by_role("link", name="Viewer").click()
    page.locator(".readout .mm").first.wait_for(timeout=60_000)
    page.goto(f"{address}/")
    page.get_by_role("button", name="Click into a scan").click()
    page.locator(".readout .mm").first.wait_for(timeout=60_000)
    own = [url for url in page.requested if "isimed/" in url]
    assert own
    assert all(urlparse(url).path.startswith("/lab/scans/isimed/") for url in own)
    assert failed == []
