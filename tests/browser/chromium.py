"""Debian's Chromium, or whichever is there, and pages in it that can reach nothing but what they were opened from."""

import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from playwright.sync_api import Browser, BrowserContext, Page, sync_playwright

FLAGS = ["--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
         "--disable-component-update", "--disable-sync"]  # fmt: skip


@dataclass
class Visit:
    """An open page and everything that it should not have done."""

    page: Page
    blocked: list[str] = field(default_factory=list)
    errors: list[str] = field(default_factory=list)
    failed: list[str] = field(default_factory=list)

    def assert_quiet(self) -> None:
        assert self.blocked == [], "the page asked another server for something"
        assert self.failed == [], "the server does not have something that the page asked for"
        assert self.errors == []


VisitMaker = Callable[..., AbstractContextManager[Visit]]


@contextmanager
def chromium() -> Iterator[Browser]:
    """A running browser. Raises: FileNotFoundError: none is installed."""
    names = ("chromium", "chromium-browser", "google-chrome")
    with sync_playwright() as playwright:
        found = [os.environ.get("COURSE_CHROMIUM"), *map(shutil.which, names), playwright.chromium.executable_path]
        path = next((p for p in found if p and Path(p).is_file()), None)
        if path is None:
            raise FileNotFoundError("no browser: install Chromium, or name one in COURSE_CHROMIUM")
        browser = playwright.chromium.launch(executable_path=path, headless=True, args=FLAGS)
        yield browser
        browser.close()


@contextmanager
def visit(browser: Browser, address: str, within: str = "", **options: Any) -> Iterator[Visit]:
    """A fresh page that may load only what lies under `within`: without it, what its own server has."""
    allowed = (within or "/".join(address.split("/")[:3]) + "/", "data:", "blob:")
    context: BrowserContext = browser.new_context(**({"viewport": {"width": 1280, "height": 900}} | options))
    context.set_default_timeout(30_000)
    page = context.new_page()
    seen = Visit(page)

    def refuse(route: Any) -> None:
        seen.blocked.append(route.request.url)
        route.abort()

    context.route(lambda url: not url.startswith(allowed), refuse)
    page.on("pageerror", lambda error: seen.errors.append(str(error)))
    page.on("console", lambda m: seen.errors.append(m.text) if m.type == "error" else None)
    page.on("response", lambda r: seen.failed.append(f"{r.status} {r.url}") if r.status >= 400 else None)
    try:
        page.goto(address)
        yield seen
    finally:
        context.close()
