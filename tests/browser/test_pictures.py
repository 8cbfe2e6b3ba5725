"""The pictures in the documents are no older than the pages that they show."""

import json
from pathlib import Path

import pytest

from docs.scripts.make_pictures import PAGES, PICTURES, SEEN, open_page, words_of

POLLS = 60
CUT = """() => [...document.querySelectorAll('[data-testid=stMetricLabel] *')]
  .filter((one) => one.scrollWidth > one.clientWidth + 1 && getComputedStyle(one).overflowX === 'hidden')
  .map((one) => one.innerText)"""


@pytest.fixture(scope="module")
def app(streamlit_server, tmp_path_factory: pytest.TempPathFactory) -> str:
    home = tmp_path_factory.mktemp("pictured-home")
    (home / "tour-taken").touch()
    return streamlit_server(Path("app.py"), env={"ISIMED_HOME": str(home)})


@pytest.mark.parametrize("name", PAGES)
def test_a_page_says_what_it_said_when_its_picture_was_taken(app: str, page, name: str) -> None:
    then = json.loads(SEEN.read_text("utf-8"))[name]
    assert (PICTURES / f"{name}.png").is_file()
    page.set_viewport_size({"width": 1440, "height": 900})
    open_page(page, app, name)
    for _ in range(POLLS):
        if words_of(page) == then:
            break
        page.wait_for_timeout(1_000)
    assert words_of(page) == then, f"take it again: python -m docs.scripts.make_pictures --only {name}"
    assert page.evaluate(CUT) == []
