"""A browser with visitors in it, and the page served to them."""

from __future__ import annotations

import re
import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

from ui import server
from ui.app import create
from ui.jobs import Jobs

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")

# What Gradio's script says when a page is left while it waits, and of a link that nobody asked about.
HARMLESS = re.compile(r"AbortError|Connection errored out|Method not implemented|404 \(Not Found\)|422")


@contextmanager
def served(folder: Path, limit: int = 1, **limits: Any) -> Iterator[str]:
    """The page, served on a free port."""
    with Jobs(folder, limit, **limits) as jobs, server.served(create(jobs)) as address:
        yield address


@contextmanager
def chromium(*more: str) -> Iterator[Any]:
    """Debian's Chromium with ``more`` arguments; the test is skipped where it is absent."""
    if CHROMIUM is None:
        pytest.skip("no Chromium here")
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=CHROMIUM,
            args=["--no-sandbox", "--disable-gpu", "--disable-background-networking", *more],
        )
        yield browser
        browser.close()


@contextmanager
def views_alone(
    results: tuple[Path, str], markup: str, loaded: str, shown: Sequence[str], width: int, script: str = ""
) -> Iterator[Any]:
    """Views of a finished song on a page of their own, which meets no errors, with the song's ``player``.

    ``markup`` is that page ({id}: the song), ``script`` runs before it; it is ready when the
    address ``loaded`` was answered and the elements ``shown`` are there.
    """
    import gradio as gr

    folder, id = results
    with (
        Jobs(folder) as jobs,
        gr.Blocks() as blocks,
        server.served(server.create(jobs, blocks)) as address,
        chromium("--autoplay-policy=no-user-gesture-required") as browser,
    ):
        page = browser.new_page(viewport={"width": width, "height": 900})
        errors: list[str] = []
        page.on("pageerror", lambda error: errors.append(str(error)))
        page.on("console", lambda told: errors.append(told.text) if told.type == "error" else None)
        page.add_init_script(script)
        html = markup.format(id=id)
        page.route("**/views", lambda route: route.fulfill(body=html, content_type="text/html"))
        with page.expect_response(loaded, timeout=60_000):
            page.goto(f"{address}/views")
        for selector in shown:
            page.wait_for_selector(selector, timeout=60_000)
        page.evaluate(
            "async id => { window.player = (await import('/fullscore/player.js')).playerOf(id);"
            " await player.ready }",
            id,
        )
        yield page
        assert errors == []


class Visitor:
    """Somebody at the page. ``wrong`` is what went wrong in the browser, or was asked of others."""

    def __init__(
        self, browser: Any, address: str, width: int = 1280, height: int = 1000, **more: Any
    ) -> None:
        self.context = browser.new_context(viewport={"width": width, "height": height}, **more)
        self.page = self.context.new_page()
        self.wrong: list[str] = []
        self._host = urlsplit(address).netloc
        self.page.set_default_timeout(30_000)
        self.page.on("pageerror", lambda error: self.wrong.append(str(error)))
        self.page.on("console", self._hear)
        self.page.on("request", self._see)
        self.page.on("dialog", lambda dialog: self.wrong.append(f"a dialog: {dialog.message}"))

    def _hear(self, message: Any) -> None:
        if message.type == "error" and not HARMLESS.search(message.text):
            self.wrong.append(message.text)

    def _see(self, request: Any) -> None:
        where = urlsplit(request.url)
        if where.scheme in ("http", "https", "ws", "wss") and where.netloc != self._host:
            self.wrong.append(f"asked elsewhere: {request.url}")

    def __enter__(self) -> Visitor:
        return self

    def __exit__(self, *_: object) -> None:
        self.context.close()

    def arrive(self, address: str) -> Any:
        """Open the page and wait until it can be used."""
        self.page.goto(address)
        self.page.locator("#start").wait_for(state="attached")
        self.page.wait_for_function("window.fullscore")
        return self.page

    def open(self, address: str, id: str) -> Any:
        """Open a finished song and wait for its score."""
        self.arrive(f"{address}/?song={id}")
        self.page.locator("fs-score g.note").first.wait_for(timeout=60_000)
        return self.page


def song_of(page: Any) -> str:
    """The id of the song that is open."""
    page.wait_for_function("new URLSearchParams(location.search).get('song')")
    return str(page.evaluate("window.fullscore.song()"))
