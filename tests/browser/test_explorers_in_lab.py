"""Every explorer in real JupyterLab: run by a kernel, and as a chapter brings it along before anything is run."""

import json
import os
import secrets
import shutil
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import nbformat
import pytest
from nbformat.sign import NotebookNotary
from nbformat.v4 import new_code_cell, new_notebook
from playwright.sync_api import Page

from tests.browser.conftest import Visit, VisitMaker
from tests.browser.explorer_drive import Driver
from tests.browser.explorer_oracle import saved_from, saved_in
from tests.browser.pages import ROOT, chapters, notebook_of
from tests.explorers.registry import EXPLORERS
from tools.notebook_source import METADATA

WITH_EXPLORERS = [page for page in chapters() if saved_in(notebook_of(page))]
SETTINGS = {
    "@jupyterlab/notebook-extension/tracker": {"windowingMode": "none", "autoRenderMarkdownCells": False},
    "@jupyterlab/apputils-extension/notification": {"fetchNews": "false", "checkForUpdates": False},
    "@jupyterlab/docmanager-extension/plugin": {"autosave": False},
}
ANSWER = """async (code) => {
  const kernel = window.jupyterapp.shell.currentWidget.sessionContext.session.kernel;
  const future = kernel.requestExecute({code});
  let text = "";
  future.onIOPub = (m) => { if (m.header.msg_type === "stream") text += m.content.text; };
  await future.done;
  return text;
}"""

READY = """(path) => {
  const panel = window.jupyterapp?.shell.currentWidget;
  return panel?.context?.path === path && panel.sessionContext?.session?.kernel?.status === "idle";
}"""
SHOWN = ".jp-NotebookPanel:not(.lm-mod-hidden) .course-explorer"


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory, visit: VisitMaker) -> Iterator[Visit]:
    """A JupyterLab of its own, with copies of the chapters and a notebook of all explorers, which is open."""
    home = tmp_path_factory.mktemp("lab")
    root = home / "root"
    (root / "notebooks").mkdir(parents=True)
    for page in WITH_EXPLORERS:
        shutil.copy((ROOT / page).with_suffix(".ipynb"), root / "notebooks")
    first = "from tests.explorers.registry import EXPLORERS\n\nmade = {}"
    show = [f"made[{name!r}] = EXPLORERS[{name!r}]()\nmade[{name!r}]" for name in EXPLORERS]
    gallery = new_notebook(cells=[new_code_cell(first), *map(new_code_cell, show)], metadata=METADATA)
    nbformat.write(gallery, root / "gallery.ipynb")
    (home / "data").mkdir()
    notary = NotebookNotary(data_dir=str(home / "data"))
    for path in root.rglob("*.ipynb"):
        notary.sign(nbformat.read(path, as_version=4))
    notary.store.close()
    for name, values in SETTINGS.items():
        path = home / "settings" / f"{name}.jupyterlab-settings"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(values), encoding="utf-8")

    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    token = secrets.token_hex(8)
    folders = {
        "CONFIG": "config",
        "DATA": "data",
        "RUNTIME": "runtime",
        "LAB_SETTINGS": "settings",
        "LAB_WORKSPACES": "w",
    }
    environment = os.environ | {
        **{f"JUPYTER{'' if k.startswith('LAB') else '_'}{k}_DIR": str(home / v) for k, v in folders.items()},
        "PYTHONPATH": str(ROOT), "JAX_PLATFORMS": "cpu", "IPYTHONDIR": str(home / "ipython"),
    }  # fmt: skip
    command = [
        sys.executable, "-m", "jupyterlab", "--no-browser", "--allow-root", "--ip=127.0.0.1", f"--port={port}",
        f"--IdentityProvider.token={token}", "--expose-app-in-browser", f"--ServerApp.root_dir={root}",
        "--LabApp.check_for_updates_class=jupyterlab.NeverCheckForUpdate", "--LabApp.news_url=None",
    ]  # fmt: skip
    base = f"http://127.0.0.1:{port}"
    with (home / "log").open("w") as log:
        server = subprocess.Popen(command, env=environment, stdout=log, stderr=subprocess.STDOUT)
        try:
            wait_for(f"{base}/api?token={token}", server)

            address = f"{base}/lab/tree/gallery.ipynb?token={token}&reset"
            with visit(address, viewport={"width": 1400, "height": 1100}) as seen:
                seen.page.wait_for_function(READY, arg="gallery.ipynb", timeout=60_000)
                yield seen
        finally:
            server.terminate()
            try:
                server.wait(20)
            except subprocess.TimeoutExpired:
                server.kill()


def wait_for(address: str, server: subprocess.Popen) -> None:
    for _ in range(240):
        assert server.poll() is None, "JupyterLab did not start"
        try:
            with urllib.request.urlopen(address, timeout=2):
                return
        except OSError:
            time.sleep(0.25)
    pytest.fail("JupyterLab did not answer within a minute")


def count_shown(page: Page, count: int) -> None:
    page.wait_for_function(f"() => document.querySelectorAll('{SHOWN}').length === {count}", timeout=120_000)


@pytest.fixture(scope="module")
def gallery(lab: Visit) -> Visit:
    """The notebook of all explorers, run from top to bottom by its kernel."""
    lab.page.evaluate("() => window.jupyterapp.commands.execute('notebook:run-all-cells')")
    count_shown(lab.page, len(EXPLORERS))
    return lab


@pytest.mark.parametrize("name", EXPLORERS)
def test_explorer_run_by_a_kernel(gallery: Visit, name: str):
    """Moved by mouse and keys it shows the right numbers, and the kernel knows where the sliders stand."""
    explorer = EXPLORERS[name]()
    element = gallery.page.locator(SHOWN).nth(list(EXPLORERS).index(name))
    driver = Driver(gallery.page, element, saved_from(explorer), explorer.exact)
    driver.by_hand_and_keys(sliders=2)
    control = driver.saved.spec["controls"][0]
    driver.input(control).focus()
    gallery.page.keyboard.press("End")
    code, want = f"print(made[{name!r}].values[{control['name']!r}])", driver.check()[control["name"]]
    for _ in range(50):  # messages to the kernel queue up behind each other
        told = float(gallery.page.evaluate(ANSWER, code))
        if told == want:
            break
        gallery.page.wait_for_timeout(100)
    assert told == want
    assert gallery.errors == []
    assert gallery.blocked == []


@pytest.mark.parametrize("page", WITH_EXPLORERS)
def test_chapter_explorers_before_anything_is_run(lab: Visit, page: str):
    """A chapter opened after the gallery: its explorers live by what the notebook saved."""
    path, found = str(Path(page).with_suffix(".ipynb")), saved_in(notebook_of(page))
    lab.page.evaluate("async (path) => { await window.jupyterapp.commands.execute('docmanager:open', {path}); }", path)
    lab.page.wait_for_function(READY, arg=path)
    count_shown(lab.page, len(found))
    for number, saved in enumerate(found):
        driver = Driver(lab.page, lab.page.locator(SHOWN).nth(number), saved)
        driver.assert_appears()
        for control in driver.sliders[:1]:
            driver.by_keyboard(control)
            driver.by_mouse(control, 0.3)
        driver.drag_panel()
        driver.reset()
    assert lab.errors == []
    assert lab.blocked == []
