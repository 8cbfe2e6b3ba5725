"""A training from the page, in a real browser: form, start, live curve, stop, resume, use; and one to its end."""

import re
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import psutil
import pytest

from isimed.core.errors import InputError
from isimed.data.cohorts.cohort import register
from isimed.training.optimise.config import TrainConfig
from isimed.training.runs import jobs
from isimed.training.runs.folder import Run
from isimed.training.runs.status import Status
from tests.eventually import until
from tests.small import write_cohort

PATIENCE_MS = 180_000


@pytest.fixture
def seed_run(tmp_path: Path, home: Path) -> Iterator[Run]:
    """A stopped run whose tiny options the form can be filled with."""
    register(write_cohort(tmp_path / "four", patients=4), name="four")
    config = TrainConfig(
        cohort="four",
        epochs=1,
        crops_per_volume=2,
        volumes_per_step=1,
        spacing_mm=5.0,
        validate_every=1,
        validation=0.25,
        threads=1,
        name="tiny",
    )
    run = Run.create(config)
    run.write_status(Status(state="stopped"))
    yield run
    for one in Run.all():
        if jobs.process(one):
            with suppress(InputError):  # it ended in between
                jobs.stop(one, wait_s=5)


def badge(page, state: str) -> None:
    page.locator("main, .stMain").get_by_text(state, exact=True).first.wait_for(timeout=PATIENCE_MS)


def kill_server(address: str) -> None:
    port = address.rpartition(":")[2]
    (server,) = [child for child in psutil.Process().children() if port in child.cmdline()]
    server.kill()
    server.wait(60)


def start_like(page, *, epochs: int) -> None:
    """Duplicate the shown run with another number of epochs, and start it."""
    page.get_by_role("button", name="Duplicate with changes").click()
    field = page.get_by_label("Epochs", exact=True)
    field.wait_for()
    field.fill(str(epochs))
    field.press("Enter")
    page.get_by_text(re.compile(rf"{3 * epochs} steps of 2 crops")).wait_for()
    page.get_by_role("button", name="Start training").click()


def test_from_the_form_to_a_used_checkpoint(seed_run: Run, home: Path, streamlit_server, page, foreign_hosts) -> None:
    address = streamlit_server("app.py", env={"ISIMED_HOME": str(home)})
    page.goto(f"{address}/train")
    badge(page, "stopped")

    start_like(page, epochs=1)
    badge(page, "finished")
    assert "Step 3 of 3" in page.locator(".stMain").inner_text()

    start_like(page, epochs=400)
    badge(page, "running")
    page.locator(".js-plotly-plot .scatterlayer .trace").first.wait_for(timeout=PATIENCE_MS)
    long = Run.all()[0]

    kill_server(address)
    address = streamlit_server("app.py", env={"ISIMED_HOME": str(home)})
    page.goto(f"{address}/train")
    badge(page, "running")  # found again, and still at work
    at_work = jobs.status(long).step
    until(lambda: jobs.status(long).step > at_work)
    page.get_by_role("button", name="Stop", exact=True).click()
    badge(page, "stopped")
    stopped_at = jobs.status(long).step
    assert 0 < stopped_at < 1200

    until(lambda: jobs.process(long) is None)

    page.reload()  # closing and opening the browser changes nothing
    badge(page, "stopped")
    page.get_by_role("button", name="Resume").click()
    badge(page, "running")
    page.wait_for_function(
        "step => Number((document.body.innerText.match(/Step (\\d+) of 1200/) || [])[1]) > step + 3",
        arg=stopped_at,
        timeout=PATIENCE_MS,
    )
    assert [line["number"] for line in long.metrics() if "terms" in line][:3] == [1, 2, 3]
    page.get_by_role("button", name="Use this checkpoint").click()
    page.get_by_text("The other pages use this checkpoint.").wait_for()
    assert page.get_by_text("Something unexpected").count() == 0
    assert not foreign_hosts(page)
