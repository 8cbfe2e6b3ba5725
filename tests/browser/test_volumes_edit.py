"""A cohort is renamed, called something else, and deleted on the Volumes page, as a person does it."""

import re
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from isimed.data.cohorts.cohort import Cohort, cohort_names, register
from tests.small import write_cohort

PATIENCE = 60_000  # milliseconds


@pytest.fixture(scope="module")
def address(streamlit_server, tmp_path_factory: pytest.TempPathFactory) -> tuple[str, Path]:
    home = tmp_path_factory.mktemp("edit-home")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("ISIMED_HOME", str(home))
        for name in ("small", "other"):
            register(write_cohort(home / "scans" / name, size=12, name=name))
    return streamlit_server("app.py", env={"ISIMED_HOME": str(home)}), home


@pytest.fixture
def volumes(address: tuple[str, Path], page: Page, monkeypatch: pytest.MonkeyPatch) -> Page:
    """The tab that changes "small"; Python here looks into the server's home."""
    app, home = address
    monkeypatch.setenv("ISIMED_HOME", str(home))
    page.set_default_timeout(PATIENCE)
    page.goto(f"{app}/volumes?cohort=small")
    page.get_by_role("tab", name="Change or delete").click()
    page.get_by_role("button", name="Save the changes").wait_for()
    return page


def cohorts_in_the_list(page: Page) -> str:
    """The first table's words: the browser draws it, and says it to those who do not see."""
    return page.get_by_test_id("stDataFrame").first.locator("table").inner_text()


def say(page: Page, words: str) -> None:
    expect(page.get_by_test_id("stAlert").filter(has_text=words)).to_be_visible(timeout=PATIENCE)


def test_another_modality_is_chosen_and_stands_in_the_list(volumes: Page) -> None:
    form = volumes.get_by_test_id("stForm")
    form.get_by_role("combobox", name="Modality").click()
    volumes.get_by_role("option", name="CT", exact=True).click()
    form.get_by_role("textbox", name="Sequence").fill("late")
    volumes.get_by_role("button", name="Save the changes").click()
    say(volumes, "small is changed.")
    expect(volumes.get_by_test_id("stDataFrame").first.locator("table")).to_contain_text("CT")
    cohort = Cohort.load("small")
    assert cohort.modality == "CT"
    assert {entry.sequence for entry in cohort.volumes} == {"late"}


def test_a_new_name_stands_everywhere_on_the_page_and_the_old_one_may_come_back(volumes: Page) -> None:
    for old, new in (("small", "lungs"), ("lungs", "small")):
        volumes.get_by_test_id("stForm").get_by_role("textbox", name="Name").fill(new)
        volumes.get_by_role("button", name="Save the changes").click()
        say(volumes, f"{old} is now {new}.")
        expect(volumes.get_by_role("heading", name=new, exact=True)).to_be_visible()
        expect(volumes.get_by_test_id("stSidebar").get_by_role("combobox", name="Cohort")).to_have_value(new)
        expect(volumes).to_have_url(re.compile(f"cohort={new}"))
        expect(volumes.get_by_test_id("stForm").get_by_role("textbox", name="Name")).to_have_value(new)
        assert sorted(cohort_names()) == sorted(["other", new])


def test_a_name_that_is_taken_is_refused_in_a_sentence_and_nothing_is_lost(volumes: Page) -> None:
    volumes.get_by_test_id("stForm").get_by_role("textbox", name="Name").fill("other")
    volumes.get_by_role("button", name="Save the changes").click()
    say(volumes, "other")
    assert volumes.get_by_test_id("stException").count() == 0
    assert sorted(cohort_names()) == ["other", "small"]


def test_a_deletion_is_asked_for_and_taken_back(volumes: Page) -> None:
    volumes.get_by_role("button", name="Delete this cohort…").click()
    dialog = volumes.get_by_role("dialog")
    expect(dialog).to_contain_text("small: 3 volumes of 3 patients")
    expect(dialog).to_contain_text("the scans stay where they are")
    volumes.keyboard.press("Escape")
    expect(dialog).to_be_hidden()
    assert sorted(cohort_names()) == ["other", "small"]  # looking is not deleting
    volumes.get_by_role("button", name="Delete this cohort…").click()
    dialog.get_by_role("button", name="Delete small").click()
    say(volumes, "small is deleted.")
    expect(dialog).to_be_hidden()
    expect(volumes.get_by_role("heading", name="other", exact=True)).to_be_visible()
    assert cohort_names() == ["other"]
    volumes.get_by_role("button", name="Bring it back").click()
    say(volumes, "small is back.")
    expect(volumes.get_by_role("heading", name="small", exact=True)).to_be_visible()
    assert sorted(cohort_names()) == ["other", "small"]
