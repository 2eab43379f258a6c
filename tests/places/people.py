"""Other people and other terminals than the one who runs the tests: how a command is started as they would start it."""

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
OWN_ID = "54321"
POSIX = pytest.mark.skipif(os.name == "nt", reason="users, modes and limits of Unix")
# A person without privileges whom the list of users does not know; files of whoever runs the tests count as theirs.
SOMEBODY = ["unshare", "--user", f"--map-user={OWN_ID}", f"--map-group={OWN_ID}"]
ON_A_SMALL_DISK = ["unshare", "--user", "--map-root-user", "--mount", "sh", "-c"]


def environment(**changes: str | None) -> dict[str, str]:
    """This process's, without what says which encoding and which folders to use, and with `changes` (None: unset)."""
    drop = ("LC_", "LANG", "PYTHONUTF8", "PYTHONIOENCODING", "XDG_", "COURSE_CACHE_DIR", "MPLCONFIGDIR", "JUPYTER_")
    kept = {name: value for name, value in os.environ.items() if not name.startswith(drop)}
    kept |= {"PYTHONPATH": str(ROOT), "JAX_PLATFORMS": "cpu"}
    return {name: value for name, value in (kept | changes).items() if value is not None}


def in_ascii(**changes: str | None) -> dict[str, str]:
    """The environment of a system that knows no letter beyond ASCII."""
    plain = {"PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0", "LC_ALL": "C", "PYTHONIOENCODING": "ascii"}
    return environment(**(plain | changes))


def python(*arguments: str | Path, person: Sequence[str] = (), **options: object) -> subprocess.CompletedProcess[str]:
    """Run Python; what it prints is read byte for byte, as Latin-1 would show it unless `encoding` says otherwise."""
    settings = {"env": environment(), "cwd": ROOT, "timeout": 300, "encoding": "utf-8", "errors": "backslashreplace"}
    command = [*person, sys.executable, *map(str, arguments)]
    return subprocess.run(command, capture_output=True, **(settings | options))


def can(person: Sequence[str], command: Sequence[str]) -> bool:
    return (
        shutil.which(person[0]) is not None and subprocess.run([*person, *command], capture_output=True).returncode == 0
    )


@pytest.fixture(scope="session")
def somebody() -> list[str]:
    """How to start a command as a person without privileges and without a home."""
    if not can(SOMEBODY, ["true"]):
        pytest.skip("this system lets nobody act as another user (unshare --user)")
    return SOMEBODY


@pytest.fixture(scope="session")
def small_disk() -> list[str]:
    """How to start a shell that may mount a small disk which it alone sees."""
    if not can(ON_A_SMALL_DISK, ["mount -t tmpfs -o size=100k course-test /mnt"]):
        pytest.skip("this system lets nobody mount a disk of their own (unshare --mount)")
    return ON_A_SMALL_DISK


@contextmanager
def files_up_to(size: int) -> Iterator[None]:
    """Meanwhile no file may grow beyond `size` bytes: a write fails in the middle, as on a full disk."""
    resource = pytest.importorskip("resource")
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


@contextmanager
def read_only(folder: Path) -> Iterator[None]:
    """Meanwhile nothing below the folder may be written by anyone but the system's administrator."""
    every = [folder, *folder.rglob("*")]
    before = {path: path.stat().st_mode for path in every if not path.is_symlink()}
    for path, mode in before.items():
        path.chmod(mode & ~0o222)
    try:
        yield
    finally:
        for path, mode in before.items():
            path.chmod(mode)
