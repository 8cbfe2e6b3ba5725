"""The report of an evaluation in a real Chromium with the network off, and the Evaluate and Compare pages."""

from pathlib import Path

import pytest

from isimed.data.cohorts.cohort import Cohort, register
from isimed.evaluation.reporting import labels, report
from isimed.evaluation.results.result import Result
from isimed.evaluation.run import compare, evaluate
from isimed.ui.evaluate import evaluation_job
from tests.evaluation.network import known, replace_network, write_scattered


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("report-home")


@pytest.fixture(scope="module")
def result(browser, home: Path) -> Result:
    """Every task, two checkpoints, their controls; kept as the last evaluation and comparison of the cohort."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("ISIMED_HOME", str(home))
        networks = {"mine": known("mine"), "other": known("other", 2.0)}
        replace_network(patch)
        for module in (evaluate, compare):
            patch.setattr(module, "load_all", lambda cohort, names: {name: networks[name] for name in names})
        register(write_scattered(home / "scattered").root, name="scattered")
        cohort = Cohort.load("scattered")
        found = evaluate.evaluate(cohort, list(networks))
        evaluation_job.keep(cohort, "evaluate", found)
        evaluation_job.keep(cohort, "compare", compare.compare(cohort, list(networks)))
    return found


# How many charts are wider than the place they stand in.
OVERLAPPING = """() => Array.from(document.querySelectorAll('.js-plotly-plot')).filter(g => g.offsetParent &&
    g.querySelector('.main-svg').getBoundingClientRect().width > g.parentElement.clientWidth + 1).length"""


def test_the_report_needs_no_network(browser, result: Result, tmp_path: Path) -> None:
    file = report.write_html(result, tmp_path / "report.html")
    text = file.read_text(encoding="utf-8")
    context = browser.new_context(viewport={"width": 1440, "height": 900}, offline=True)
    page = context.new_page()
    asked: list[str] = []
    broken: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    page.on("websocket", lambda socket: asked.append(socket.url))
    page.on("pageerror", lambda error: broken.append(str(error)))
    page.on("console", lambda message: broken.append(message.text) if message.type == "error" else None)
    page.goto(file.as_uri())
    charts = page.locator(".js-plotly-plot")
    count = text.count("Plotly.newPlot(")
    assert count > 10
    page.wait_for_function(f"() => document.querySelectorAll('.js-plotly-plot .main-svg').length >= {count}")
    assert charts.count() == count
    drawn = page.evaluate(
        "() => Array.from(document.querySelectorAll('.js-plotly-plot')).map(g => "
        "g.querySelectorAll('.trace, .heatmaplayer image, .point, .bars path').length)"
    )
    assert all(drawn), f"a chart is empty: {drawn}"
    shown = page.locator("body").inner_text()
    for group in labels.groups(result):
        assert labels.group_label(group) in shown
    for name in ("mine", "untrained network", "position only", "affine registration", "Research use only"):
        assert name in shown
    page.wait_for_function(f"({OVERLAPPING})() === 0")
    assert "WebGL" not in shown
    assert broken == []
    assert asked == [file.as_uri()]
    context.close()


@pytest.fixture(scope="module")
def app(result: Result, home: Path, streamlit_server) -> str:
    return streamlit_server("app.py", env={"ISIMED_HOME": str(home)})


def test_evaluate_page_shows_every_task(app: str, page, foreign_hosts, result: Result) -> None:
    page.goto(f"{app}/evaluate?cohort=scattered")
    page.get_by_role("tab", name="Probe matched").wait_for()
    tabs = page.get_by_role("tab").all_inner_texts()
    assert len(tabs) == len(labels.groups(result))
    page.get_by_role("tab", name="Probe", exact=True).click()
    page.locator(".js-plotly-plot:visible .legend", has_text="position only").first.wait_for()
    assert page.get_by_text("position only 0.").first.is_visible()
    assert page.get_by_text("Something unexpected").count() == 0
    assert not foreign_hosts(page)


def test_compare_page_shows_maps_and_differences(app: str, page, foreign_hosts) -> None:
    page.goto(f"{app}/compare?cohort=scattered")
    page.get_by_role("heading", name="How alike the spaces are").wait_for()
    page.locator(".js-plotly-plot .main-svg").first.wait_for()
    assert page.get_by_text("Something unexpected").count() == 0
    assert not foreign_hosts(page)
