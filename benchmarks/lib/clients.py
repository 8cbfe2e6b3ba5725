"""People at work in the viewer: tabs of one Chromium that click, and a watcher of the server's memory and log.

A click counts from the mouse to the moment when the best matches, which come last, have changed.
"""

import asyncio
import json
import random
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from playwright.async_api import Error, Page, async_playwright

from benchmarks.lib.app_server import AppServer
from benchmarks.lib.browser import FLAGS, SIZE, chromium

SHOWN = {  # what must change after a click: selector, and what of it
    "strip": (".strip img", "(all) => all.map((one) => one.src).join()"),
    "best": (".header .note", "(all) => all.map((one) => one.textContent).join()"),
}
WRONG = ("Something unexpected", "Traceback", "broke off")
PAGES = ("", "volumes", "embeddings", "train", "evaluate", "compare")
PATIENCE_S = 60.0


@dataclass(frozen=True)
class Scenario:
    """What is done to the app.

    Attributes:
        pause_s: least and most seconds between what a click showed and the next click.
        checkpoint: by default the one that fits best.
        kill_at_s: when the server is killed, and started again two seconds later.
        visit_every: clicks after which a session looks at another page and comes back as a new one; 0 never.
    """

    home: str
    cohort: str = "demo-brain"
    checkpoint: str = ""
    sessions: int = 8
    seconds: float = 300.0
    pause_s: tuple[float, float] = (0.5, 1.5)
    kill_at_s: tuple[float, ...] = ()
    visit_every: int = 0
    train: bool = False
    sample_every_s: float = 2.0
    seed: int = 0


class Clock:
    """Seconds since all sessions had the viewer open."""

    def __init__(self) -> None:
        self.restart()

    def restart(self) -> None:
        self._began = time.perf_counter()

    @property
    def now(self) -> float:
        return round(time.perf_counter() - self._began, 3)


@dataclass
class Seen:
    """What happened, by the clock."""

    clicks: list[dict[str, float]] = field(default_factory=list)
    errors: list[dict[str, Any]] = field(default_factory=list)
    memory: list[dict[str, float]] = field(default_factory=list)
    events: list[dict[str, Any]] = field(default_factory=list)


class Client:
    """One tab: goes to the viewer and clicks until the time is over."""

    def __init__(self, number: int, page: Page, server: AppServer, scenario: Scenario, seen: Seen, clock: Clock):
        self.number, self.page, self.server = number, page, server
        self.scenario, self.seen, self.clock = scenario, seen, clock
        self.random = random.Random(scenario.seed * 1000 + number)
        self.places = places(self.random)

    async def work(self) -> None:
        """Click until the time is over; the viewer is open."""
        done = 0
        while self.clock.now < self.scenario.seconds:
            await asyncio.sleep(self.random.uniform(*self.scenario.pause_s))
            starts = self.server.starts
            try:
                await self._wait_for_server()
                taken = await self._click()
                if starts == self.server.starts:
                    self.seen.clicks.append({"at": self.clock.now, "session": self.number, **taken})
                done += 1
                await self._look_for_errors()
                if self.scenario.visit_every and done % self.scenario.visit_every == 0:
                    await self._visit()
            except (Error, TimeoutError) as error:
                if starts == self.server.starts and self.server.up:
                    self._wrong(f"{type(error).__name__}: {str(error).splitlines()[0][:200]}")
                    await self.open_viewer()
                else:
                    await self._come_back()

    async def open_viewer(self) -> None:
        try:
            await self._go("viewer")
            await self._viewer_is_ready()
        except (Error, TimeoutError) as error:
            self._wrong(f"the viewer did not open: {type(error).__name__}: {str(error).splitlines()[0][:200]}")

    async def _go(self, name: str) -> None:
        chosen = f"&checkpoint={self.scenario.checkpoint}" if self.scenario.checkpoint else ""
        address = f"{self.server.url}/{name}?cohort={self.scenario.cohort}{chosen}"
        await self.page.goto(address, timeout=PATIENCE_S * 1000)

    async def _viewer_is_ready(self) -> None:
        await self.page.locator(".strip .picture").first.wait_for(timeout=4 * PATIENCE_S * 1000)
        await self.page.locator(".readout .mm").first.wait_for(timeout=PATIENCE_S * 1000)

    async def _click(self, *, patience_s: float = PATIENCE_S) -> dict[str, float]:
        canvas = self.page.locator("canvas[data-plane=axial]").first
        box = await canvas.bounding_box()
        if box is None:
            raise TimeoutError("there is no picture to click")
        before = {name: await self._look(name) for name in SHOWN}
        x, y = next(self.places)
        start, starts = time.perf_counter(), self.server.starts
        await canvas.click(position={"x": box["width"] * x, "y": box["height"] * y}, timeout=patience_s * 1000)
        taken: dict[str, float] = {}
        while "best" not in taken:
            await asyncio.sleep(0.04)
            for name in SHOWN:
                if name not in taken and await self._look(name) not in ("", before[name]):
                    taken[name] = round(time.perf_counter() - start, 3)
            if time.perf_counter() - start > patience_s or starts != self.server.starts:
                raise TimeoutError(f"a click showed nothing new within {patience_s:g} s")
        return taken

    async def _look(self, name: str) -> str:
        selector, look = SHOWN[name]
        return await self.page.locator(selector).evaluate_all(look)

    async def _look_for_errors(self) -> None:
        for words in WRONG:
            if await self.page.get_by_text(words).count():
                self._wrong(f"the page says: {words}")
        if await self.page.get_by_test_id("stException").count():
            self._wrong("the page shows an exception")

    async def _visit(self) -> None:
        name = self.random.choice(PAGES)
        await self._go(name)
        await self.page.wait_for_function(
            "() => document.querySelector('[data-testid=stMain]')?.innerText.length > 60", timeout=PATIENCE_S * 1000
        )
        await self.page.wait_for_timeout(3000)
        await self._look_for_errors()
        await self.open_viewer()

    async def _wait_for_server(self) -> None:
        while not self.server.up:
            await asyncio.sleep(0.1)

    async def _come_back(self) -> None:
        """After a restart: click until the page, which reconnects by itself, answers; else load it again.

        A click while the page is not connected yet is lost, as any click on a page that says so.
        """
        await self._wait_for_server()
        since, how = self.clock.now, "reconnected"
        while self.clock.now - since < PATIENCE_S:
            try:
                await self._click(patience_s=PATIENCE_S / 4)
                break
            except (Error, TimeoutError):
                continue
        else:
            how = "loaded again"
            await self.open_viewer()
        seconds = round(self.clock.now - since, 1)
        self.seen.events.append({"at": self.clock.now, "what": f"session {self.number} {how}", "seconds": seconds})

    def _wrong(self, words: str) -> None:
        self.seen.errors.append({"at": self.clock.now, "session": self.number, "what": words})


def places(draw: random.Random) -> Iterator[tuple[float, float]]:
    """Shares of the plane's width and height, each so far from the last that another voxel is clicked."""
    last = (0.0, 0.0)
    while True:
        place = (draw.uniform(0.3, 0.7), draw.uniform(0.3, 0.7))
        if max(abs(place[0] - last[0]), abs(place[1] - last[1])) > 0.1:
            yield place
            last = place


async def play(scenario: Scenario, server: AppServer, seen: Seen, keep: Path | None = None) -> None:
    """Run the clients, the watcher and whoever kills the server, until the time is over."""
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=chromium(), args=FLAGS)
        pages = [await (await browser.new_context(viewport=SIZE)).new_page() for _ in range(scenario.sessions)]
        clock = Clock()
        clients = [Client(number, page, server, scenario, seen, clock) for number, page in enumerate(pages)]
        await asyncio.gather(*(client.open_viewer() for client in clients))
        seen.events.append({"at": 0.0, "what": "every session has the viewer open", "seconds": clock.now})
        clock.restart()
        helpers = [asyncio.create_task(_watch(scenario, server, seen, clock, keep))]
        helpers += [asyncio.create_task(_kill(server, seen, clock, at)) for at in scenario.kill_at_s]
        try:
            await asyncio.wait_for(
                asyncio.gather(*(client.work() for client in clients)), scenario.seconds + 6 * PATIENCE_S
            )
        finally:
            for helper in helpers:
                helper.cancel()
            await browser.close()


async def _watch(scenario: Scenario, server: AppServer, seen: Seen, clock: Clock, keep: Path | None) -> None:
    """Memory, threads and files of the server; every hundredth time also all so far to a file."""
    while True:
        if server.up:
            seen.memory.append({"at": clock.now, **server.memory(), **server.counts()})
        if keep and len(seen.memory) % 100 == 1:
            keep.write_text(json.dumps(told(scenario, server, seen)), encoding="utf-8")
        await asyncio.sleep(scenario.sample_every_s)


async def _kill(server: AppServer, seen: Seen, clock: Clock, at: float) -> None:
    await asyncio.sleep(at)
    server.kill()
    seen.events.append({"at": clock.now, "what": "server killed"})
    await asyncio.sleep(2)
    seconds = await asyncio.to_thread(server.start)
    seen.events.append({"at": clock.now, "what": "server up again", "seconds": round(seconds, 1)})


def told(scenario: Scenario, server: AppServer, seen: Seen) -> dict[str, Any]:
    """Everything that a page can be made from."""
    return {"scenario": asdict(scenario), **asdict(seen), "log": server.troubles()}
