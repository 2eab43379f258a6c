"""What CI runs finds its data: beside the course, where it is told, or (a fork has neither) by fetching them first."""

import os
import shutil
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
pytestmark = pytest.mark.skipif(os.name == "nt", reason="a shell script")


@pytest.fixture
def ci(tmp_path):
    """Runs a copy of .ci/run whose tools only say how they were called; gives those lines."""
    course, tools = tmp_path / "work" / "course", tmp_path / "tools"
    (course / ".venv" / "bin").mkdir(parents=True)
    shutil.copytree(ROOT / ".ci", course / ".ci")
    tools.mkdir()
    for path in (tools / "make", tools / "chromium", course / ".venv" / "bin" / "python"):
        path.write_text(
            f'#!/bin/sh\necho "{path.name} $* | $CI $COURSE_DATA_DIR"\nexit ${{STATUS:-0}}\n', encoding="utf-8"
        )
        path.chmod(0o755)

    def run(**more: str) -> tuple[int, list[str], Path]:
        kept = {k: v for k, v in os.environ.items() if k not in ("CI", "COURSE_DATA_DIR")}
        environment = kept | {"PATH": f"{tools}:{os.environ['PATH']}"} | more
        done = subprocess.run(["bash", course / ".ci" / "run"], env=environment, capture_output=True, encoding="utf-8")
        return done.returncode, done.stdout.splitlines(), course

    return run


def holding_mnist(folder):
    folder.mkdir(parents=True)
    (folder / "mnist.npz").touch()
    return folder


def test_data_beside_the_course_are_used(ci, tmp_path):
    shared = holding_mnist(tmp_path / "work" / "shared" / "data")
    assert ci()[:2] == (0, [f"make test | true {shared}"])


def test_a_folder_that_is_named_comes_first(ci, tmp_path):
    holding_mnist(tmp_path / "work" / "shared" / "data")
    named = holding_mnist(tmp_path / "named")
    assert ci(COURSE_DATA_DIR=str(named))[:2] == (0, [f"make test | true {named}"])


def test_a_fork_without_data_fetches_them_before_the_tests(ci):
    status, lines, course = ci()
    data = course / "build" / "data"
    assert status == 0
    assert lines[0] == f"make setup | true {data}"
    assert lines[1].startswith("python -c ")
    assert f"download=True) {data} | true" in lines[1]
    assert lines[2:] == [f"make test | true {data}"]


def test_what_fails_is_a_failure(ci):
    assert ci(STATUS="3")[0] != 0
