"""The README's own command in an empty folder, with an empty home and no cache: served, and then offline."""

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.setup.index import BASE_PYTHON, installed_in, wanted_here
from tools.setup.common import python_of

ROOT = Path(__file__).parents[2]
NETWORK = ("PIP_", "UV_", "SSL_", "HTTP", "NO_PROXY")  # how this machine reaches its package index
pytestmark = pytest.mark.skipif(
    shutil.which("make") is None, reason="there is no make; `python course.py` does the same"
)


@dataclass
class Fresh:
    """A folder with the course as it is committed or about to be, and the environment variables of a new person."""

    course: Path
    environment: dict[str, str]
    log: Path

    def make(self, *arguments: str, **more: str) -> subprocess.CompletedProcess[str]:
        command = ["make", f"PYTHON={BASE_PYTHON}", *arguments]
        return subprocess.run(
            command, cwd=self.course, env=self.environment | more, capture_output=True, encoding="utf-8", timeout=600
        )


def commands_of_readme() -> list[str]:
    """What stands in the code block under "Start"."""
    start = (ROOT / "README.md").read_text(encoding="utf-8").partition("## Start")[2]
    return [line.partition("#")[0].strip() for line in start.split("```")[1].splitlines() if line.startswith("make")]


@pytest.fixture(scope="module")
def fresh(tmp_path_factory: pytest.TempPathFactory, package_index: None) -> Fresh:
    folder = tmp_path_factory.mktemp("new") / "é 数 course"
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT,
        capture_output=True,
        check=True,
    )
    for name in filter(None, listed.stdout.decode().split("\0")):
        if (ROOT / name).is_file():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(ROOT / name, folder / name)
    home = folder.parent / "home"
    home.mkdir()
    keep = ("PATH", "LANG", "TMPDIR", "SYSTEMROOT", "PYENV_ROOT")
    kept = {k: v for k, v in os.environ.items() if k in keep or k.upper().startswith(NETWORK)}
    for name in ("PIP_CACHE_DIR", "UV_CACHE_DIR"):
        kept.pop(name, None)
    return Fresh(folder, kept | {"HOME": str(home)}, folder.parent / "log")


@pytest.fixture(scope="module")
def served(fresh: Fresh) -> Iterator[str]:
    """The address that JupyterLab prints after `make lab`, with its token."""
    with fresh.log.open("w", encoding="utf-8") as log:
        process = subprocess.Popen(
            ["make", "lab", f"PYTHON={BASE_PYTHON}", "LAB_ARGS=--no-browser --port 0"],
            cwd=fresh.course, env=fresh.environment, stdout=log, stderr=log, stdin=subprocess.DEVNULL,
            start_new_session=True,
        )  # fmt: skip
        try:
            yield wait_for_address(fresh.log, process)
        finally:
            os.killpg(process.pid, signal.SIGTERM)
            try:
                process.wait(30)
            except subprocess.TimeoutExpired:
                os.killpg(process.pid, signal.SIGKILL)


def wait_for_address(log: Path, process: subprocess.Popen, minutes: float = 20) -> str:
    start = time.monotonic()
    while time.monotonic() - start < 60 * minutes:
        found = re.search(
            r"http://127\.0\.0\.1:\d+/lab\S*\?token=\w+", log.read_text(encoding="utf-8", errors="replace")
        )
        if found:
            print(f"served after {time.monotonic() - start:.0f} s")
            return found.group(0)
        assert process.poll() is None, log.read_text(encoding="utf-8", errors="replace")[-3000:]
        time.sleep(0.25)
    raise TimeoutError(log.read_text(encoding="utf-8", errors="replace")[-3000:])


def test_the_readme_names_these_commands():
    assert commands_of_readme() == ["make lab", "make test"]


def test_make_lab_serves_the_first_chapter(served: str, fresh: Fresh):
    assert "00_start_here.ipynb" in served
    with urllib.request.urlopen(served, timeout=30) as page:
        assert page.status == 200
    base, token = served.partition("/lab")[0], served.rpartition("=")[2]
    with urllib.request.urlopen(f"{base}/api/contents/my_notebooks?token={token}", timeout=30) as answer:
        names = {entry["name"] for entry in json.load(answer)["content"]}
    assert {path.name for path in (ROOT / "notebooks").glob("*.ipynb")} <= names


def test_the_settings_of_the_course_reach_jupyterlab(served: str):
    base, token = served.partition("/lab")[0], served.rpartition("=")[2]
    address = f"{base}/lab/api/settings/@jupyter-widgets/jupyterlab-manager:plugin?token={token}"
    with urllib.request.urlopen(address, timeout=30) as answer:
        assert json.load(answer)["schema"]["properties"]["saveState"]["default"] is True


def test_a_learner_gets_what_is_locked_and_nothing_of_what_only_tests_need(served: str, fresh: Fresh):
    lock = (fresh.course / "requirements.lock").read_text(encoding="utf-8")
    assert installed_in(fresh.course / ".venv") == wanted_here(lock)
    sizes = (p.stat().st_size for p in (fresh.course / ".venv").rglob("*") if p.is_file() and not p.is_symlink())
    size = sum(sizes) / 1e9
    print(f"the environment takes {size:.2f} GB")
    assert size <= 1.3


def test_git_sees_no_change_after_the_course_was_opened(served: str, fresh: Fresh):
    subprocess.run(["git", "init", "-q"], cwd=fresh.course, check=True, env=fresh.environment)
    command = ["git", "ls-files", "-z", "--others", "--exclude-standard"]
    listed = subprocess.run(command, cwd=fresh.course, capture_output=True, check=True, env=fresh.environment)
    new = [name for name in listed.stdout.decode().split("\0") if name and not (ROOT / name).exists()]
    assert new == []


def test_later_starts_need_no_network(served: str, fresh: Fresh):
    nowhere = {"PIP_INDEX_URL": "http://127.0.0.1:9/simple", "HTTPS_PROXY": "http://127.0.0.1:9"}
    done = fresh.make("doctor", **nowhere)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "This machine is ready." in done.stdout
    assert "Installing" not in done.stdout


def test_a_notebook_runs_with_what_a_learner_has(served: str, fresh: Fresh):
    """Chapter 0 in the learner's environment, started from another folder."""
    code = (
        "import nbformat, sys\nfrom nbconvert.preprocessors import ExecutePreprocessor\n"
        "book = nbformat.read(sys.argv[1], as_version=4)\n"
        "ExecutePreprocessor(timeout=300).preprocess(book, {'metadata': {'path': sys.argv[2]}})\n"
    )
    notebook = fresh.course / "my_notebooks" / "00_start_here.ipynb"
    command = [python_of(str(fresh.course / ".venv")), "-c", code, str(notebook), str(notebook.parent)]
    done = subprocess.run(command, env=fresh.environment, cwd="/", capture_output=True, encoding="utf-8", timeout=400)
    assert done.returncode == 0, done.stderr[-2000:]
    assert sys.version_info >= (3, 11)
