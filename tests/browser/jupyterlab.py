"""A JupyterLab of its own: a server in an empty home, with the notebooks that it is given."""

import json
import os
import secrets
import shutil
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

import nbformat
from nbformat.sign import NotebookNotary
from nbformat.v4 import new_code_cell, new_notebook
from playwright.sync_api import Page

from tests.browser.pages import ROOT
from tests.explorers.registry import EXPLORERS
from tools.notebook_source import METADATA

SETTINGS = {
    "@jupyterlab/notebook-extension/tracker": {"windowingMode": "none", "autoRenderMarkdownCells": False},
    "@jupyterlab/apputils-extension/notification": {"fetchNews": "false", "checkForUpdates": False},
    "@jupyterlab/docmanager-extension/plugin": {"autosave": False},
}
READY = """(path) => {
  const panel = window.jupyterapp?.shell.currentWidget;
  return panel?.context?.path === path && panel.sessionContext?.session?.kernel?.status === "idle";
}"""
SHOWN = ".jp-NotebookPanel:not(.lm-mod-hidden) .course-explorer"
TRAINED = ".jp-NotebookPanel:not(.lm-mod-hidden) .course-live"
GALLERY = "gallery.ipynb"


@contextmanager
def running_lab(home: Path, notebooks: Sequence[Path] = ()) -> Iterator[str]:
    """The address of a running JupyterLab that opens the notebook of all explorers; trusted copies of `notebooks` lie
    in its folder of that name. `home` is an empty folder. Raises: TimeoutError: it does not answer within a minute."""
    prepare(home, notebooks)
    flags = ["--LabApp.check_for_updates_class=jupyterlab.NeverCheckForUpdate", "--LabApp.news_url=None"]
    with server(home, *flags) as address:
        yield address(GALLERY)


def prepare(home: Path, notebooks: Sequence[Path] = ()) -> None:
    """Notebooks and a user's own settings in an empty folder."""
    root = home / "root"
    (root / "notebooks").mkdir(parents=True)
    for path in notebooks:
        shutil.copy(path, root / "notebooks")
    first = "from tests.explorers.registry import EXPLORERS\n\nmade = {}"
    show = [f"made[{name!r}] = EXPLORERS[{name!r}]()\nmade[{name!r}]" for name in EXPLORERS]
    gallery = new_notebook(cells=[new_code_cell(first), *map(new_code_cell, show)], metadata=METADATA)
    nbformat.write(gallery, root / GALLERY)
    (home / "data").mkdir()
    notary = NotebookNotary(data_dir=str(home / "data"))
    for path in root.rglob("*.ipynb"):
        notary.sign(nbformat.read(path, as_version=4))
    notary.store.close()
    write_settings(home, SETTINGS)


def write_settings(home: Path, settings: Mapping[str, Mapping]) -> None:
    """What a user has chosen in the menus; it counts more than what an environment ships."""
    for name, values in settings.items():
        path = home / "settings" / f"{name}.jupyterlab-settings"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(values), encoding="utf-8")


@contextmanager
def server(home: Path, *flags: str, application: Path | None = None) -> Iterator[Callable[[str], str]]:
    """A running JupyterLab in a prepared folder; gives the address of a notebook in it.

    Args:
        application: JupyterLab's application folder, where it reads the settings that an environment ships; the
            environment's own if None.
    """
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    token = secrets.token_hex(8)
    folders = {"CONFIG": "config", "DATA": "data", "RUNTIME": "runtime", "LAB_SETTINGS": "settings",
               "LAB_WORKSPACES": "w"}  # fmt: skip
    environment = os.environ | {
        **{f"JUPYTER{'' if k.startswith('LAB') else '_'}{k}_DIR": str(home / v) for k, v in folders.items()},
        "PYTHONPATH": str(ROOT), "JAX_PLATFORMS": "cpu", "IPYTHONDIR": str(home / "ipython"),
        **({"JUPYTERLAB_DIR": str(application)} if application else {}),
    }  # fmt: skip
    command = [
        sys.executable, "-m", "jupyterlab", "--no-browser", "--allow-root", "--ip=127.0.0.1", f"--port={port}",
        f"--IdentityProvider.token={token}", "--expose-app-in-browser", f"--ServerApp.root_dir={home / 'root'}", *flags,
    ]  # fmt: skip
    base = f"http://127.0.0.1:{port}"
    with (home / "log").open("w", encoding="utf-8") as log:
        running = subprocess.Popen(command, env=environment, stdout=log, stderr=subprocess.STDOUT)
        try:
            wait_for(f"{base}/api?token={token}", running)
            yield lambda path: f"{base}/lab/tree/{path}?token={token}&reset"
        finally:
            running.terminate()
            try:
                running.wait(20)
            except subprocess.TimeoutExpired:
                running.kill()


def wait_for(address: str, server: subprocess.Popen) -> None:
    for _ in range(240):
        if server.poll() is not None:
            raise ChildProcessError("JupyterLab did not start")
        try:
            with urllib.request.urlopen(address, timeout=2):
                return
        except OSError:
            time.sleep(0.25)
    raise TimeoutError("JupyterLab did not answer within a minute")


def wait_until_open(page: Page, path: str = GALLERY) -> None:
    """Until this notebook is the one in front and its kernel is idle."""
    page.wait_for_function(READY, arg=path, timeout=60_000)


def run_gallery(page: Page) -> None:
    """Run the notebook of all explorers from top to bottom."""
    page.evaluate("() => { window.jupyterapp.commands.execute('notebook:run-all-cells'); }")
    count_shown(page, len(EXPLORERS))


def count_shown(page: Page, count: int) -> None:
    page.wait_for_function(f"() => document.querySelectorAll('{SHOWN}').length === {count}", timeout=120_000)
