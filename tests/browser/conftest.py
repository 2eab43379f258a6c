"""A built website, a server for it, and a browser that can reach nothing else."""

import json
import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser

from tests.browser.chromium import VisitMaker, chromium
from tests.browser.chromium import visit as open_page
from tests.browser.pages import ROOT
from tools.serve_book import SITE, server


def missing(reason: str) -> Any:
    """A learner's machine may lack a browser or the network that the first build needs; CI may not."""
    if os.environ.get("CI"):
        pytest.fail(reason)
    pytest.skip(reason)


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    try:
        with chromium() as running:
            yield running
    except FileNotFoundError as reason:
        missing(str(reason))


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
        done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=600, encoding="utf-8")
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


@pytest.fixture(scope="session")
def visit(browser: Browser) -> VisitMaker:
    """`with visit(address, ...) as opened`: a fresh page that may load only what lies under `within`."""
    return partial(open_page, browser)
