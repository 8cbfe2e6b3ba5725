"""Every page in both themes, for those who see little or use a screen reader: axe finds nothing serious."""

import pytest

from tests.browser.test_embeddings import wait_for_map
from tests.browser.test_layout import PAGES, app  # noqa: F401

axe = pytest.importorskip("axe_playwright_python.sync_playwright", reason="axe-playwright-python is not installed")


@pytest.mark.parametrize("theme", ["dark", "light"])
def test_axe_finds_nothing_serious(app: str, browser, theme: str) -> None:  # noqa: F811
    context = browser.new_context(viewport={"width": 1440, "height": 900}, color_scheme=theme)
    page = context.new_page()
    page.set_default_timeout(120_000)
    serious = []
    for name in PAGES:
        page.goto(f"{app}/{'' if name == 'home' else name}?cohort=demo-flair")
        page.wait_for_function("() => document.querySelector('[data-testid=stMain]')?.innerText.length > 60")
        if name == "viewer":
            page.locator(".strip .picture").first.wait_for()
        if name == "embeddings":
            wait_for_map(page, "map.count > 10")
        page.get_by_test_id("stStatusWidget").wait_for(state="hidden")
        page.wait_for_timeout(700)
        for one in axe.Axe().run(page).response["violations"]:
            if one["impact"] in ("serious", "critical"):
                serious += [f"{name}: {one['id']}: {node['html'][:120]}" for node in one["nodes"]]
    context.close()
    assert serious == []
