"""Every page in four sizes of window: no figure is cut off, none lies over another, no button is out of reach."""

from itertools import pairwise
from pathlib import Path

import pytest

from isimed.data.cohorts.cohort import Cohort, register
from isimed.explore.tables.embed import checkpoint_for, embed_cohort
from isimed.explore.tables.ready_made import bring_embedded
from isimed.ui.evaluate import evaluation_job
from tests.browser.test_embeddings import wait_for_map
from tests.pages.test_evaluate import kept_result
from tests.pages.test_train import past_run
from tests.small import write_cohort

SIZES = [(1280, 720), (1440, 900), (1920, 1080), (900, 800)]
PAGES = ["home", "volumes", "viewer", "embeddings", "train", "evaluate", "compare"]
REAL = ("viewer", "train", "evaluate", "compare")  # where the words of a real cohort are longer
# Figures and buttons cut by the window or by what holds them (down one can scroll), words cut short, and figures over
# figures.
WRONG = """() => {
  const all = (root) => [...root.querySelectorAll("*")].flatMap((node) => [node, ...(node.shadowRoot ? all(node.shadowRoot) : [])]);
  const parent = (node) => node.parentElement ?? node.getRootNode().host;
  const main = document.querySelector("[data-testid=stMain]");
  const shown = all(main).filter((node) => node.checkVisibility?.({ visibilityProperty: true, opacityProperty: true }));
  const size = (node) => node.getBoundingClientRect();
  const figures = shown.filter((node) => node.matches(".planes canvas, .point-map canvas, .js-plotly-plot, .picture, "
    + "[data-testid=stDataFrame], [data-testid=stImage] img") && size(node).width > 0);
  const parts = [...figures, ...shown.filter((node) => node.matches("button, input, .readout span") && size(node).width > 8)];
  const named = (node) => `${node.tagName}.${node.className} ${node.getAttribute("aria-label") ?? node.textContent.slice(0, 30)}`;
  const wrong = [];
  for (const node of parts) {
    const box = size(node);
    let scrolls = false;
    for (let at = parent(node); at && at !== document.body; at = parent(at)) {
      const style = getComputedStyle(at), outer = size(at);
      scrolls ||= /auto|scroll/.test(style.overflowX) && at !== main && !at.matches(".panel");
      if (scrolls || style.position === "fixed") break;
      if (style.overflowX === "visible" && style.overflowY === "visible" && at !== main) continue;
      if (box.left < outer.left - 1 || box.right > outer.right + 1) wrong.push(`cut sideways: ${named(node)}`);
      if (at.matches(".stage, .planes, .panel") && box.bottom > outer.bottom + 1) wrong.push(`cut below: ${named(node)}`);
    }
  }
  for (const node of shown) {
    const style = getComputedStyle(node);
    const words = style.textOverflow === "ellipsis" ? node.innerText
      : [...node.childNodes].some((child) => child.nodeType === 3 && child.textContent.trim());
    const hides = style.overflowX !== "visible" && size(node).width > 8;
    if ((words && hides || node.matches("input[role=combobox]")) && node.scrollWidth > node.clientWidth + 1) wrong.push(`words cut: ${named(node)}`);
  }
  const pen = document.createElement("canvas").getContext("2d");
  for (const node of shown.filter((one) => one.matches("select"))) { // the chosen words beside the arrow of the list
    pen.font = getComputedStyle(node).font;
    const words = node.selectedOptions[0]?.textContent ?? "";
    if (pen.measureText(words).width > node.clientWidth - 18) wrong.push(`words cut: ${words}`);
  }
  figures.forEach((one, n) => figures.slice(n + 1).forEach((other) => {
    const a = size(one), b = size(other);
    const across = Math.min(a.right, b.right) - Math.max(a.left, b.left), down = Math.min(a.bottom, b.bottom) - Math.max(a.top, b.top);
    if (across > 1 && down > 1 && !one.contains(other) && !other.contains(one)) wrong.push(`${named(one)} over ${named(other)}`);
  }));
  return [...new Set(wrong)];
}"""  # noqa: E501

SIDEWAYS = """() => [...document.querySelectorAll("[data-testid=stMain] .dvn-scroller")]
  .filter((node) => node.checkVisibility() && node.scrollWidth > node.clientWidth + 1)
  .map((node) => `cut: ${node.closest("[data-testid=stDataFrame]").innerText.slice(0, 60)}`)"""
OVER = """() => [...document.querySelectorAll("[data-testid=stMain] .js-plotly-plot")].filter((plot) => plot.checkVisibility())
  .flatMap((plot) => {
    const words = [...plot.querySelectorAll("text")].filter((node) => node.textContent.trim() && node.checkVisibility())
      .map((node) => [node.textContent, node.getBoundingClientRect()]).filter(([, box]) => box.width);
    const whole = plot.getBoundingClientRect();
    const cut = words.filter(([, box]) => box.left < whole.left - 1 || box.right > whole.right + 1).map(([text]) => `cut: ${text}`);
    return [...cut, ...words.flatMap(([text, a], n) => words.slice(n + 1).filter(([, b]) =>
      Math.min(a.right, b.right) - Math.max(a.left, b.left) > 1 && Math.min(a.bottom, b.bottom) - Math.max(a.top, b.top) > 3)
      .map(([other]) => `${text} over ${other}`))];
  })"""  # noqa: E501
BELOW = """() => [...document.querySelectorAll("[data-testid=stBidiComponentIsolated]")]
  .flatMap((host) => [...(host.shadowRoot ?? host.firstElementChild?.shadowRoot ?? host).querySelectorAll(".picture, .stage, .reset")])
  .filter((node) => node.getBoundingClientRect().bottom > innerHeight).map((node) => `below the window: ${node.className}`)"""  # noqa: E501


@pytest.fixture(scope="module")
def app(streamlit_server, tmp_path_factory: pytest.TempPathFactory) -> str:
    home = tmp_path_factory.mktemp("layout-home")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("ISIMED_HOME", str(home))
        register(write_cohort(tmp_path_factory.mktemp("source") / "small", patients=6, size=16))
        cohort = Cohort.load("small")
        embed_cohort(cohort, checkpoint_for("demo-brain", cohort))
        past_run()
        bring_embedded("demo-flair")
        flair = Cohort.load("demo-flair")
        evaluation_job.keep(flair, "evaluate", kept_result(flair))
        (home / "tour-taken").touch()
    return streamlit_server("app.py", env={"ISIMED_HOME": str(home)})


def show_scroll_bars(page) -> None:
    """As on most desks: they take their width from the page. Playwright's Chromium hides them."""
    page.context.new_cdp_session(page).send("Emulation.setScrollbarsHidden", {"hidden": False})


@pytest.mark.parametrize("size", SIZES, ids=lambda size: f"{size[0]}x{size[1]}")
def test_nothing_is_cut_or_covered(app: str, page, size: tuple[int, int], tmp_path: Path) -> None:
    page.set_viewport_size({"width": size[0], "height": size[1]})
    show_scroll_bars(page)
    found = {}
    for name in PAGES:
        page.goto(f"{app}/{name}?{'cohort=demo-flair' if name in REAL else 'checkpoint=demo-brain&cohort=small'}")
        page.wait_for_function("() => document.querySelector('[data-testid=stMain]')?.innerText.length > 60")
        if name == "viewer":
            page.locator(".strip .picture").first.wait_for(timeout=120_000)
            page.locator(".readout .mm").first.wait_for()
        if name == "embeddings":
            wait_for_map(page, "map.count > 10")
        page.get_by_test_id("stStatusWidget").wait_for(state="hidden", timeout=120_000)
        page.wait_for_timeout(700)
        page.screenshot(path=tmp_path / f"{name}.png")
        found[name] = page.evaluate(WRONG)
        if name == "viewer" and size[0] > 900:  # all of it is seen at once
            found[name] += page.evaluate(BELOW)
    assert found == {name: [] for name in PAGES}


@pytest.mark.parametrize("size", SIZES, ids=lambda size: f"{size[0]}x{size[1]}")
def test_the_figures_of_the_axes_are_seen_whole(app: str, page, size: tuple[int, int]) -> None:
    page.set_viewport_size({"width": size[0], "height": size[1]})
    show_scroll_bars(page)
    page.goto(f"{app}/embeddings?checkpoint=demo-brain&cohort=small")
    wait_for_map(page, "map.count > 10")
    page.get_by_role("radio", name="Against the axes").click()
    page.locator(".js-plotly-plot").nth(2).wait_for(timeout=60_000)
    page.get_by_test_id("stStatusWidget").wait_for(state="hidden")
    page.wait_for_timeout(700)
    assert page.evaluate(WRONG) + page.evaluate(SIDEWAYS) == []
    titles = page.locator(".js-plotly-plot").locator(".x7title, .x8title, .x9title").all()
    boxes = sorted([box for one in titles if (box := one.bounding_box())], key=lambda box: box["x"])
    assert len(boxes) == 3
    assert all(a["x"] + a["width"] < b["x"] for a, b in pairwise(boxes))


@pytest.mark.parametrize("size", [SIZES[0], SIZES[3]], ids=lambda size: f"{size[0]}x{size[1]}")
@pytest.mark.parametrize("name", ["train", "evaluate"])
def test_no_words_of_a_chart_lie_over_others_or_are_cut(app: str, page, name: str, size: tuple[int, int]) -> None:
    page.set_viewport_size({"width": size[0], "height": size[1]})
    show_scroll_bars(page)
    page.goto(f"{app}/{name}?cohort=demo-flair")
    page.locator(".js-plotly-plot .main-svg text").first.wait_for(state="attached", timeout=60_000)
    page.get_by_test_id("stStatusWidget").wait_for(state="hidden")
    page.wait_for_timeout(700)
    assert page.evaluate(OVER) == []


@pytest.mark.parametrize("size", SIZES, ids=lambda size: f"{size[0]}x{size[1]}")
def test_what_opens_in_the_viewer_leaves_the_navigation_free(app: str, page, size: tuple[int, int]) -> None:
    page.set_viewport_size({"width": size[0], "height": size[1]})
    page.goto(f"{app}/viewer?cohort=demo-flair")
    page.locator(".strip .picture").first.wait_for(timeout=120_000)
    page.get_by_test_id("stStatusWidget").wait_for(state="hidden")
    sidebar = page.get_by_test_id("stSidebar").bounding_box()
    for name in ("Search", "Points", "Crops"):
        page.get_by_test_id("stPopoverButton").filter(has_text=name).click()
        body = page.get_by_test_id("stPopoverBody")
        body.wait_for()
        page.wait_for_timeout(400)
        box = body.bounding_box()
        assert box["x"] >= sidebar["x"] + sidebar["width"], name
        assert box["x"] + box["width"] <= size[0], name
        page.keyboard.press("Escape")
        body.wait_for(state="hidden")


def test_a_wide_window_shows_larger_planes_and_more_matches(app: str, page) -> None:
    canvases = page.locator(".st-key-halves canvas[data-plane]")
    planes, matches = [], []
    for size in (SIZES[0], SIZES[2]):
        page.set_viewport_size({"width": size[0], "height": size[1]})
        page.goto(f"{app}/viewer?cohort=demo-flair")
        page.locator(".strip .picture").first.wait_for(timeout=120_000)
        canvases.nth(3 + (3 if size == SIZES[0] else 5)).wait_for()  # three planes, then the matches
        page.wait_for_timeout(700)
        boxes = [box for one in canvases.all() if (box := one.bounding_box())]
        planes.append(min(box["width"] * box["height"] for box in boxes[:3]))
        matches.append([box["width"] for box in boxes[3:]])
    assert planes[1] > 1.5 * planes[0]
    assert [len(widths) for widths in matches] == [4, 6]
    assert min(matches[1]) > max(matches[0])
    page.set_viewport_size({"width": SIZES[0][0], "height": SIZES[0][1]})
    canvases.nth(7).wait_for(state="detached")


def test_the_test_sees_what_is_cut(app: str, page) -> None:
    page.goto(f"{app}/viewer?cohort=demo-flair")
    page.locator(".strip .picture").first.wait_for(timeout=120_000)
    page.locator(".planes").first.evaluate("node => { node.parentElement.style.height = '300px'; }")
    assert any("cut below" in line for line in page.evaluate(WRONG))
    page.locator(".panel select").first.evaluate("node => { node.style.width = '50px'; }")
    assert any("words cut: 1" in line for line in page.evaluate(WRONG))
    page.goto(f"{app}/embeddings?checkpoint=demo-brain&cohort=small")
    wait_for_map(page, "map.count > 10")
    page.get_by_test_id("stMain").get_by_test_id("stSelectbox").first.evaluate("node => { node.style.width = '90px'; }")
    assert any("words cut" in line for line in page.evaluate(WRONG))
