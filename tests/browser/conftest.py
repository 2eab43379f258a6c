"""A built website, a server for it, and a browser that can reach nothing else."""

import json
import os
import shutil
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, sync_playwright

from tools.serve_book import SITE, server

ROOT = Path(__file__).resolve().parents[2]
FLAGS = ["--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
         "--disable-component-update", "--disable-sync"]  # fmt: skip


def missing(reason: str) -> Any:
    """A learner's machine may lack a browser or the network that the first build needs; CI may not."""
    if os.environ.get("CI"):
        pytest.fail(reason)
    pytest.skip(reason)


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


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    names = ("chromium", "chromium-browser", "google-chrome")
    with sync_playwright() as playwright:
        found = [os.environ.get("COURSE_CHROMIUM"), *map(shutil.which, names), playwright.chromium.executable_path]
        path = next((p for p in found if p and Path(p).is_file()), None)
        if path is None:
            missing("no browser: install Chromium, or name one in COURSE_CHROMIUM")
        browser = playwright.chromium.launch(executable_path=path, headless=True, args=FLAGS)
        yield browser
        browser.close()


@pytest.fixture(scope="session")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of the website, built as `make book` does; a second build reads only what has changed.

    Where several processes share the tests, the first that comes builds and the others wait for its result.
    """
    folder = tmp_path_factory.getbasetemp()
    result = (folder.parent if os.environ.get("PYTEST_XDIST_WORKER") else folder) / "website-built.json"
    try:
        result.with_suffix(".lock").touch(exist_ok=False)
    except FileExistsError:
        while not result.is_file():
            time.sleep(0.2)
    else:
        command = [sys.executable, "-m", "tools.build_book"]
        done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=600)
        whole = result.with_suffix(".part")
        whole.write_text(json.dumps([done.returncode, done.stderr]), encoding="utf-8")
        whole.rename(result)
    code, said = json.loads(result.read_text(encoding="utf-8"))
    if code == 3:
        missing("the website's browser libraries are not installed, and could not be fetched: " + said)
    assert code == 0, said
    return SITE


@pytest.fixture(scope="session")
def serve() -> Iterator[Callable[[Path], str]]:
    """Serve a folder on this machine; returns its address."""
    running = []

    def start(folder: Path) -> str:
        running.append(server(folder))
        threading.Thread(target=running[-1].serve_forever, daemon=True).start()
        return f"http://127.0.0.1:{running[-1].server_port}/"

    yield start
    for service in running:
        service.shutdown()
        service.server_close()


@pytest.fixture(scope="session")
def address(site: Path, serve: Callable[[Path], str]) -> str:
    return serve(site)


VisitMaker = Callable[..., AbstractContextManager[Visit]]


@pytest.fixture(scope="session")
def visit(browser: Browser) -> VisitMaker:
    """`with visit(address, ...) as opened`: a fresh page that may load only what lies under `within`."""

    @contextmanager
    def opened(address: str, within: str = "", **options: Any) -> Iterator[Visit]:
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

    return opened
