"""Ten things that somebody who never saw the app wants to do, from the Viewer in three clicks or fewer."""

import re
import zipfile
from pathlib import Path

import pytest

from isimed.data.cohorts.cohort import Cohort
from isimed.data.cohorts.shipped import shipped_folder

START = Cohort.load(shipped_folder("demo-flair")).start
WORDS = re.compile(r"^(fits well|unsure), ±\d+ mm$")


class Newcomer:
    """Uses the page and counts what it costs."""

    def __init__(self, page) -> None:
        self.page, self.clicks = page, 0

    def press(self, name: str | re.Pattern[str], *, role: str = "button", within=None) -> None:
        (within or self.page).get_by_role(role, name=name).first.click()
        self.clicks += 1

    def point(self, across: float, down: float) -> None:
        box = self.plane.bounding_box()
        self.plane.click(position={"x": box["width"] * across, "y": box["height"] * down})
        self.clicks += 1

    def drag(self, start: tuple[float, float], end: tuple[float, float]) -> None:
        box = self.plane.bounding_box()
        at = [(box["x"] + box["width"] * x, box["y"] + box["height"] * y) for x, y in (start, end)]
        self.page.mouse.move(*at[0])
        self.page.mouse.down()
        self.page.mouse.move(*at[1], steps=4)
        self.page.mouse.up()
        self.clicks += 1

    @property
    def plane(self):
        return self.page.locator("canvas[data-plane=axial]").first

    def download(self, name: str | re.Pattern[str], path: Path) -> Path:
        with self.page.expect_download() as waiting:
            self.press(name)
        waiting.value.save_as(path)
        return path


@pytest.fixture(scope="module")
def app(streamlit_server, tmp_path_factory: pytest.TempPathFactory) -> str:
    home = tmp_path_factory.mktemp("newcomers-home")
    (home / "tour-taken").touch()
    return streamlit_server(Path("app.py"), env={"ISIMED_HOME": str(home)})


@pytest.fixture
def user(app: str, page) -> Newcomer:
    page.set_default_timeout(60_000)
    page.goto(f"{app}/viewer")
    page.locator(".strip .picture").nth(2).wait_for()
    page.locator(".readout .mm").first.wait_for()
    page.get_by_test_id("stStatusWidget").wait_for(state="hidden")
    return Newcomer(page)


def test_say_in_which_scans_the_place_fits(user: Newcomer) -> None:
    user.page.get_by_text(WORDS).nth(6).wait_for()
    assert user.page.get_by_text(WORDS).count() == 7
    assert user.clicks == 0


def test_find_a_place_in_the_other_patients(user: Newcomer) -> None:
    address = user.page.url
    user.point(0.6, 0.4)
    user.page.wait_for_url(lambda url: url != address)
    user.page.get_by_text(WORDS).nth(3).wait_for()
    assert user.clicks == 1


def test_go_on_from_another_patient(user: Newcomer) -> None:
    user.press(re.compile("^Open: "))
    user.page.wait_for_url(lambda url: f"volume={START.volume}" not in url)
    assert user.clicks == 1


def test_look_from_the_front(user: Newcomer) -> None:
    user.press("Coronal", role="radio")
    user.page.locator("canvas[data-plane=coronal]").nth(4).wait_for()
    assert user.clicks == 1


def test_measure_a_tumour(user: Newcomer) -> None:
    user.press("Distance")
    user.drag((0.6, 0.6), (0.7, 0.75))
    user.page.get_by_role("button", name=re.compile(r"Points \([1-9]")).wait_for()
    assert user.clicks == 2


def test_print_the_result(user: Newcomer, tmp_path: Path) -> None:
    page = user.download("Print", tmp_path / "page.html").read_text(encoding="utf-8")
    assert "One place in 8 patients" in page
    assert user.clicks == 1


def test_keep_a_place(user: Newcomer) -> None:
    button = user.page.get_by_role("button", name=re.compile(r"Points \(\d"))
    count = int(re.search(r"\d+", button.inner_text())[0])
    user.press(re.compile(r"Points \("))
    user.press(re.compile("Keep it"))
    user.page.get_by_role("button", name=f"Points ({count + 1})").wait_for()
    assert user.clicks == 2


def test_take_kept_places_to_3d_slicer(user: Newcomer, tmp_path: Path) -> None:
    if "(0)" in user.page.get_by_role("button", name=re.compile(r"Points \(\d")).inner_text():
        test_keep_a_place(user)
        user.page.keyboard.press("Escape")
        user.clicks = 0
    user.press(re.compile(r"Points \("))
    found = user.download(re.compile("3D Slicer"), tmp_path / "points.zip")
    assert any(name.endswith(".mrk.json") for name in zipfile.ZipFile(found).namelist())
    assert user.clicks == 2


def test_see_the_crops_of_a_place_in_the_map(user: Newcomer) -> None:
    user.press(re.compile(r"Crops \("))
    user.press("Choose the crops in it")
    user.press("See them in the map")
    user.page.get_by_text(re.compile(r"^\d+ chosen crops?$")).wait_for()
    assert user.clicks == 3


def test_learn_whether_the_scans_are_good(user: Newcomer) -> None:
    user.press("Volumes", role="link")
    user.page.get_by_text("No problems found.").wait_for()
    assert user.clicks == 1
