"""Names are text on every page, whoever made the files: nothing is asked of another host, nothing changes the page."""

import json
import shutil
import threading
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest

from isimed.core import paths
from isimed.core.text import JOINER
from isimed.data.cohorts.cohort import Cohort
from isimed.evaluation.reporting import report
from isimed.evaluation.run.compare import compare
from isimed.evaluation.run.evaluate import evaluate
from isimed.explore.tables.embed import checkpoint_for, embed_cohort
from isimed.training.optimise.config import TrainConfig
from isimed.training.runs.folder import Run
from isimed.training.runs.status import Status
from isimed.ui.evaluate import evaluation_job
from tests.browser.test_embeddings import lasso, wait_for_map
from tests.small import write_cohort

FOLDER = "**b** $a_b$ :red[x] :material_home:"  # a name that a folder can have
# Everything that markup could have become, beside what a page has of its own.
BECAME = """() => [...document.querySelectorAll("*")].filter((node) =>
  ["src", "href", "style"].some((name) => /^[^#].*leak/.test(node.getAttribute(name)))
  || (["STRONG", "B", "EM"].includes(node.tagName) && node.textContent.trim() === "b")
  || node.matches(".katex, .stMarkdownColoredText")).map((node) => node.outerHTML)"""


class Foreign:
    """Another host: what it was asked for, and a name that would make a page ask it."""

    def __init__(self) -> None:
        asked = self.asked = []

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                asked.append(self.path)
                self.send_response(204)
                self.end_headers()

            def log_message(self, *_: object) -> None:
                """Nothing."""

        self.server = HTTPServer(("127.0.0.1", 0), Handler)
        threading.Thread(target=self.server.serve_forever, daemon=True).start()
        self.url = f"http://127.0.0.1:{self.server.server_port}"
        self.name = (
            f"![x]({self.url}/leak.png) **b** $a_b$ :red[x] :smile: <img src='{self.url}/leak.gif'> "
            f"[y]({self.url}/leak) =1+1"
        )


@pytest.fixture(scope="module")
def foreign():
    other = Foreign()
    yield other
    other.server.shutdown()


@pytest.fixture(scope="module")
def app(streamlit_server, foreign: Foreign, tmp_path_factory: pytest.TempPathFactory) -> str:
    """The app on a cohort, a checkpoint, a run, an evaluation and a comparison full of such names."""
    home = tmp_path_factory.mktemp("hostile-home")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("ISIMED_HOME", str(home))
        cohort = hostile_cohort(home / "cohorts" / FOLDER, foreign.name)
        run = hostile_run(foreign.name)
        checkpoint = checkpoint_for(run.id, cohort)
        assert checkpoint.name == foreign.name
        embed_cohort(cohort, checkpoint)
        measured = evaluate(cohort, [run.id], tasks=["distance", "position", "collapse"], crops=8)
        evaluation_job.keep(cohort, "evaluate", measured)
        evaluation_job.keep(cohort, "compare", compare(cohort, [run.id, "untrained"], limit=3))
        report.write_html(measured, home / "report.html")
    address = streamlit_server("app.py", env={"ISIMED_HOME": str(home)})
    return f"{address}?home={home}&run={run.id}"


def hostile_cohort(folder: Path, name: str) -> Cohort:
    manifest = write_cohort(folder, patients=3, size=16)
    said = json.loads(manifest.read_text())
    said |= {"name": name, "description": name, "modality": f"MRI {name}", "frame": name, "organs": {"1": name}}
    said["synthetic"] = True  # its description is shown in the sidebar
    for volume in said["volumes"]:
        volume["name"] = f"{volume['subject']} {name}"
        volume["organs"] = volume["tumour"]
        volume["subject"] += f" {name}"
    manifest.write_text(json.dumps(said))
    return Cohort.load(manifest)


def hostile_run(name: str) -> Run:
    run = Run.create(TrainConfig(cohort=FOLDER, name="mine"))
    shutil.copytree(paths.checkpoint_dirs()[0] / "demo-brain", run.best)
    card = json.loads((run.best / "checkpoint.json").read_text())
    (run.best / "checkpoint.json").write_text(json.dumps(card | {"name": name, "description": name}))
    run.write_status(Status(state="failed", message=name))
    return run


@pytest.fixture
def open_page(app: str, page, foreign: Foreign):
    """A function: page's name -> the page, calm and with the hostile cohort."""
    address, _, query = app.partition("?")
    run = query.partition("run=")[2]

    def open_it(name: str):
        page.goto(f"{address}/{name}?checkpoint={run}")
        page.wait_for_function("() => document.querySelector('[data-testid=stMain]')?.innerText.length > 60")
        page.get_by_test_id("stStatusWidget").wait_for(state="hidden", timeout=120_000)
        page.wait_for_timeout(1000)
        return page

    foreign.asked.clear()
    return open_it


def said(page) -> str:
    return " ".join(page.locator("body").inner_text().replace(JOINER, "").split())


def harmless(page, foreign: Foreign) -> None:
    """Neither did the page ask the other host, nor has it anything that came out of a name."""
    assert foreign.asked == []
    assert [url for url in page.requested if url.startswith(foreign.url)] == []
    assert page.evaluate(BECAME) == []
    assert page.get_by_text("Something unexpected").count() == 0


@pytest.mark.parametrize("name", ["home", "volumes", "viewer", "embeddings", "train", "evaluate", "compare"])
def test_a_page_shows_names_letter_for_letter_and_asks_nobody(open_page, foreign: Foreign, name: str) -> None:
    page = open_page(name)
    if name != "embeddings":  # there the names are in the canvas and in what is chosen
        shown = FOLDER if name == "volumes" else foreign.name  # there they are in tables, below the cohort's own
        for _ in range(60):  # a result is drawn after the page's first words
            if shown in said(page):
                break
            page.wait_for_timeout(500)
        assert shown in said(page)
    harmless(page, foreign)


def test_what_opens_on_a_page_is_harmless_too(open_page, foreign: Foreign) -> None:
    page = open_page("viewer")
    for tip in page.get_by_test_id("stTooltipIcon").all():
        if tip.is_visible():
            tip.hover()
            page.wait_for_timeout(150)
    page.get_by_role("combobox", name="Overlay").click()
    page.get_by_role("option", name="Organs").click()
    for button in ("Search", "Points", "Crops"):
        page.get_by_role("button", name=button).first.click()
        page.wait_for_timeout(300)
        harmless(page, foreign)
        page.keyboard.press("Escape")


def test_chosen_crops_and_the_other_panels_are_harmless(open_page, foreign: Foreign) -> None:
    page = open_page("embeddings")
    wait_for_map(page, "map.count > 50")
    lasso(page, (0.05, 0.05), (0.95, 0.95))
    page.locator(".strip .picture").first.wait_for(timeout=60_000)
    assert foreign.name in said(page)
    harmless(page, foreign)
    for panel in ("Against the axes", "Compare"):
        page.get_by_role("radio", name=panel).click()
        page.wait_for_timeout(1500)
        harmless(page, foreign)


def test_the_report_is_harmless(app: str, browser, foreign: Foreign) -> None:
    home = app.partition("home=")[2].partition("&")[0]
    page = browser.new_page()
    page.requested = []
    page.on("request", lambda request: page.requested.append(request.url))
    foreign.asked.clear()
    page.goto(f"file://{home}/report.html")
    page.locator(".js-plotly-plot .main-svg").first.wait_for()
    assert foreign.name in said(page)
    harmless(page, foreign)
    page.close()


def test_even_a_hole_could_not_leak(open_page, page, foreign: Foreign) -> None:
    open_page("home")
    page.evaluate(
        """async (url) => {
          document.body.insertAdjacentHTML("beforeend", `<img src="${url}/1"><link rel=stylesheet href="${url}/2">
            <iframe src="${url}/3"></iframe><style>@import "${url}/4"; body { background: url("${url}/5") }</style>`);
          new WebSocket(url.replace("http", "ws")).onerror = () => {};
          navigator.sendBeacon(`${url}/6`);
          await fetch(`${url}/7`, { mode: "no-cors" }).catch(() => {});
          await new Promise((done) => setTimeout(done, 500));
        }""",
        foreign.url,
    )
    assert foreign.asked == []
