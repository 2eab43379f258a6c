"""A release of tomorrow changes no set-up: with newer files of every package in the index, the locked ones come."""

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.setup.index import BASE_PYTHON, LOCKS, NEWER, alone, installed_in, make_course, pinned, served, wanted_here
from tools.setup.common import python_of
from tools.setup.environment import write_note

# pip 23.0.1 itself cannot run on Python 3.12 and newer, which came with 23.2 and newer.
OLD_PIPS = [*(["23.0.1"] if sys.version_info < (3, 12) else []), "23.2.1", "24.0"]


@pytest.fixture(scope="module")
def pips(tmp_path_factory: pytest.TempPathFactory, package_index: None) -> Path:
    """Wheels of the pips that come with the Pythons that people have, and of the newest."""
    folder = tmp_path_factory.mktemp("pips")
    for wanted in [f"pip=={version}" for version in OLD_PIPS] + ["pip"]:
        command = [sys.executable, "-m", "pip", "download", "-q", "--no-deps", "-d", str(folder / wanted), wanted]
        subprocess.run(command, check=True, timeout=300)
    return folder


@pytest.fixture(scope="module")
def index(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Path, str]]:
    """A copy of the course's set-up, and the address of an index that has all its packages, old and new."""
    folder = tmp_path_factory.mktemp("index")
    make_course(folder / "course", folder / "simple")
    with served(folder) as address:
        yield folder / "course", f"{address}/simple"


def environment_with(pip: Path, venv: Path) -> None:
    """An empty environment whose pip is the one of this wheel, as a Python that brings this pip makes it."""
    subprocess.run([BASE_PYTHON, "-m", "venv", "--without-pip", str(venv)], check=True, timeout=120)
    (wheel,) = pip.glob("pip-*.whl")
    command = [python_of(str(venv)), f"{wheel}/pip", "install", "-q", "--no-index", "--disable-pip-version-check"]
    subprocess.run([*command, str(wheel)], check=True, timeout=120)  # a wheel's pip can install itself


def locked_here(*locks: str) -> dict[str, str]:
    root = Path(__file__).parents[2]
    return {k: v for lock in locks for k, v in wanted_here((root / lock).read_text(encoding="utf-8")).items()}


@pytest.mark.parametrize("version", [f"pip=={version}" for version in OLD_PIPS] + ["pip"])
def test_each_pip_brings_what_is_locked_and_nothing_else(version, pips, index, tmp_path):
    course, address = index
    venv = tmp_path / "home" / ".venv"
    environment_with(pips / version, venv)
    write_note(str(venv), "made", f"{sys.version_info[0]}.{sys.version_info[1]} {course}")
    environment = alone(tmp_path / "home", address, COURSE_HOME=str(tmp_path / "home"))
    command = [BASE_PYTHON, str(course / "course.py"), "setup", "--dev"]
    done = subprocess.run(command, env=environment, capture_output=True, encoding="utf-8", timeout=300)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "pip goes on" not in done.stdout
    assert installed_in(venv) == locked_here(*LOCKS)


@pytest.mark.parametrize("version", [f"pip=={OLD_PIPS[0]}", "pip"])
def test_without_uv_pip_does_the_same(version, pips, tmp_path):
    course, venv = tmp_path / "course", tmp_path / "home" / ".venv"
    make_course(course, tmp_path / "simple", without=("uv",))
    environment_with(pips / version, venv)
    write_note(str(venv), "made", f"{sys.version_info[0]}.{sys.version_info[1]} {course}")
    with served(tmp_path) as address:
        environment = alone(tmp_path / "home", f"{address}/simple", COURSE_HOME=str(tmp_path / "home"))
        command = [BASE_PYTHON, str(course / "course.py"), "setup", "--dev"]
        done = subprocess.run(command, env=environment, capture_output=True, encoding="utf-8", timeout=600)
    assert "There is no uv for this machine; pip goes on" in done.stdout
    assert done.returncode == 0, done.stdout + done.stderr
    assert installed_in(venv) == {k: v for k, v in locked_here(*LOCKS).items() if k != "uv"}


def test_the_index_would_break_a_set_up_that_resolves(pips, index, tmp_path):
    """Negative control: pip up to 23.2 asked to resolve the same locks stops, because newer files exist."""
    course, address = index
    venv = tmp_path / ".venv"
    environment_with(pips / "pip==23.2.1", venv)
    locks = [part for lock in LOCKS for part in ("--requirement", str(course / lock))]
    command = [python_of(str(venv)), "-m", "pip", "install", "--require-hashes", *locks]
    done = subprocess.run(
        command, env=alone(tmp_path / "home", address), capture_output=True, encoding="utf-8", timeout=300
    )
    assert done.returncode != 0
    assert "all requirements must have their versions pinned" in done.stderr + done.stdout
    assert f"-{NEWER}-" in done.stderr + done.stdout


def test_every_locked_package_is_in_the_index_twice(index):
    """Negative control: newer files are really there."""
    course, _ = index
    names = {name for lock in LOCKS for name, _, _ in pinned((course / lock).read_text(encoding="utf-8"))}
    assert len(names) > 150
    assert all(list((course.parent / "simple" / name).glob(f"*-{NEWER}-*.whl")) for name in names)
