"""The set-up goes on after an interruption, keeps what a person added, and says why it stops."""

import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.setup import index as packages
from tests.setup.index import BASE_PYTHON, Handler, alone, installed_in, make_course, served, wanted_here
from tools.setup import installers, pythons
from tools.setup.common import Stopped, python_of

POSIX = pytest.mark.skipif(os.name == "nt", reason="scripts and signals of Unix")
SetUp = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Path, str]]:
    """A course of five packages and uv, and the address of its index."""
    folder = tmp_path_factory.mktemp("é 数")
    keep = ("uv", "tqdm", "pooch", "platformdirs", "traitlets", "six")
    real = packages.pinned
    packages.pinned = lambda lock: [entry for entry in real(lock) if entry[0] in (*keep, "pytest", "iniconfig")]
    try:
        make_course(folder / "course", folder / "simple")
    finally:
        packages.pinned = real
    with served(folder) as address:
        yield folder / "course", f"{address}/simple"


@pytest.fixture
def course(made: tuple[Path, str], tmp_path: Path) -> Path:
    """A copy of it for one test, in a path with a space and letters that no single code page has."""
    return Path(shutil.copytree(made[0], tmp_path / "é 数 course"))


@pytest.fixture
def set_up(made: tuple[Path, str], course: Path, tmp_path: Path) -> SetUp:
    def run(*options: str, **variables: str) -> subprocess.CompletedProcess[str]:
        python = variables.pop("python", BASE_PYTHON)
        environment = alone(tmp_path / "home", made[1]) | variables
        command = [python, str(course / "course.py"), "setup", *options]
        return subprocess.run(
            command, env=environment, capture_output=True, encoding="utf-8", timeout=200, cwd=tmp_path
        )

    return run


def locked(course: Path, lock: str = "requirements.lock") -> dict[str, str]:
    return wanted_here((course / lock).read_text(encoding="utf-8"))


def test_a_learner_gets_the_first_lock_and_tests_add_the_second(course, set_up):
    done = set_up()
    assert done.returncode == 0, done.stderr
    assert installed_in(course / ".venv") == locked(course)
    done = set_up("--dev")
    assert "Installing what tests and the website need" in done.stdout
    assert "Making" not in done.stdout
    assert installed_in(course / ".venv") == locked(course) | locked(course, "requirements-dev.lock")
    assert set_up("--dev").stdout == ""


def test_the_library_is_found_from_anywhere_under_any_locale(course, set_up, tmp_path):
    (course / "course_lib").mkdir()
    (course / "course_lib" / "__init__.py").write_text("HERE = True\n", encoding="utf-8")
    assert set_up(LC_ALL="C", LANG="C").returncode == 0
    code = "import course_lib; assert course_lib.HERE"
    environment = {"PATH": os.environ["PATH"], "LC_ALL": "C", "SYSTEMROOT": os.environ.get("SYSTEMROOT", "")}
    subprocess.run([python_of(str(course / ".venv")), "-c", code], cwd=tmp_path, env=environment, check=True)


@POSIX
def test_killed_at_any_point_it_goes_on(course, set_up, made, tmp_path):
    """Killed while one package does not arrive: not ready, and the next start completes it."""
    Handler.stall = "tqdm"
    try:
        command = [BASE_PYTHON, str(course / "course.py"), "setup"]
        log = (tmp_path / "log").open("w+", encoding="utf-8")
        process = subprocess.Popen(
            command, env=alone(tmp_path / "home", made[1]), stdout=log, stderr=log, start_new_session=True
        )
        while "Installing" not in (tmp_path / "log").read_text(encoding="utf-8"):
            assert process.poll() is None
            time.sleep(0.1)
        time.sleep(4)  # uv is there, and waits for tqdm
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        log.close()
    finally:
        Handler.stall = ""
    assert not (course / ".venv" / "course-setup" / "requirements.lock").exists()
    done = set_up()
    assert done.returncode == 0, done.stderr
    assert installed_in(course / ".venv") == locked(course)


def test_an_interrupted_addition_leaves_the_learners_part_usable_offline(course, set_up):
    assert set_up().returncode == 0
    failed = set_up(
        "--dev", PIP_INDEX_URL="http://127.0.0.1:9/simple", UV_HTTP_TIMEOUT="2", UV_HTTP_RETRIES="0", UV_NO_CACHE="1"
    )
    assert failed.returncode == 1
    assert "no package index could be reached" in failed.stderr
    assert "connect to the network" in failed.stderr
    assert set_up(PIP_INDEX_URL="http://127.0.0.1:9/simple").returncode == 0
    assert set_up("--dev").returncode == 0
    assert installed_in(course / ".venv") == locked(course) | locked(course, "requirements-dev.lock")


def test_an_update_takes_away_what_the_course_no_longer_needs_and_leaves_what_a_person_added(course, set_up, made):
    assert set_up().returncode == 0
    python = python_of(str(course / ".venv"))
    add = [python, "-m", "pip", "install", "-q", "--no-deps", f"--index-url={made[1]}", "iniconfig==9999.0"]
    subprocess.run(add, check=True, timeout=100)
    lock = course / "requirements.lock"
    blocks = lock.read_text(encoding="utf-8").split("\n")
    gone = next(i for i, line in enumerate(blocks) if line.startswith("pooch=="))
    lock.write_text("\n".join(blocks[:gone] + blocks[gone + 2 :]), encoding="utf-8")
    (course / "requirements-dev.lock").write_text("", encoding="utf-8")
    done = set_up()
    assert done.returncode == 0, done.stderr
    assert "Making" not in done.stdout
    assert installed_in(course / ".venv") == locked(course) | {"iniconfig": "9999.0"}
    assert "pooch" not in locked(course)


def test_a_course_that_was_moved_gets_a_new_environment(course, set_up, tmp_path):
    assert set_up().returncode == 0
    course.rename(tmp_path / "elsewhere")
    shutil.copytree(tmp_path / "elsewhere", course, symlinks=True)
    (course / ".venv" / "course-setup" / "made").write_text(
        f"3.{sys.version_info[1]} {tmp_path / 'elsewhere'}", encoding="utf-8"
    )
    assert "Making" in set_up().stdout


def test_a_wrong_hash_is_said_and_nothing_is_ready(course, set_up):
    lock = course / "requirements.lock"
    text = lock.read_text(encoding="utf-8")
    at = text.index("tqdm==")
    start = text.index("sha256:", at) + 7
    lock.write_text(text[:start] + "0" * 64 + text[start + 64 :], encoding="utf-8")
    done = set_up()
    assert done.returncode == 1
    assert "hash" in done.stderr
    assert not (course / ".venv" / "course-setup" / "requirements.lock").exists()


def test_without_a_network_it_says_so_and_leaves_nothing_ready(course, set_up):
    done = set_up(PIP_INDEX_URL="http://127.0.0.1:9/simple")
    assert done.returncode == 1
    assert "no package index could be reached" in done.stderr
    assert not (course / ".venv" / "course-setup" / "requirements.lock").exists()


def test_a_full_disk_is_said_and_the_next_start_goes_on(course, set_up, tmp_path):
    small = tmp_path / "small"
    small.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", "size=40m", "course-test", str(small)]
    if shutil.which("mount") is None or subprocess.run(command, capture_output=True).returncode:
        pytest.skip("only root may make a small disk")
    try:
        done = set_up(COURSE_HOME=str(small), TMPDIR=str(small))
        assert done.returncode == 1
        assert "the disk is full" in done.stderr
        subprocess.run(["mount", "-o", "remount,size=600m", str(small)], check=True)
        done = set_up(COURSE_HOME=str(small), TMPDIR=str(small))
        assert done.returncode == 0, done.stderr
        assert installed_in(small / ".venv") == locked(course)
    finally:
        subprocess.run(["umount", "--lazy", str(small)], check=True)


SYSTEM_PYTHON = "/usr/bin/python3"  # one that other people may run, too


def fits(python: str) -> bool:
    found = pythons.describe([python])
    oldest, beyond = pythons.supported()
    return found is not None and oldest <= found[0][:2] < beyond and not found[2]


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() != 0, reason="only root can be another person")
@pytest.mark.skipif(not fits(SYSTEM_PYTHON), reason="this system's own Python cannot make the environment")
def test_another_person_uses_a_course_that_is_not_theirs(course, set_up, made, tmp_path):
    """The shared environment where it is ready, else one in their home; nothing is written into the course."""
    guest, home = 54321, tmp_path / "guest"
    home.mkdir()
    os.chown(home, guest, guest)
    for folder in (tmp_path, *tmp_path.parents):  # pytest's own folders are root's alone
        if folder.stat().st_mode & 0o005 != 0o005:
            folder.chmod(0o755)

    def as_guest(**more: str) -> subprocess.CompletedProcess[str]:
        command = [SYSTEM_PYTHON, str(course / "course.py"), "setup"]
        who = {"user": guest, "group": guest, "extra_groups": []}
        environment = alone(home, made[1]) | {"PATH": "/usr/bin:/bin"} | more
        return subprocess.run(command, env=environment, capture_output=True, text=True, timeout=200, **who)

    done = as_guest()
    assert done.returncode == 0, done.stdout + done.stderr
    assert f"your environment and notebooks are in {home}/deep-generative-models" in done.stdout
    assert installed_in(home / "deep-generative-models" / ".venv") == locked(course)
    assert not (course / ".venv").exists()

    assert set_up(python=SYSTEM_PYTHON).returncode == 0
    shutil.rmtree(home / "deep-generative-models")
    done = as_guest()
    assert done.returncode == 0, done.stdout + done.stderr
    assert "Making" not in done.stdout
    assert not (home / "deep-generative-models" / ".venv").exists()

    homeless = as_guest(HOME=str(tmp_path / "nowhere"))
    assert homeless.returncode == 1
    assert "name a folder that you may write to in the variable COURSE_HOME" in homeless.stderr


def python_script(folder: Path, name: str, version: tuple[int, ...], bad: str = "") -> Path:
    """A program that says that it is this Python."""
    folder.mkdir(exist_ok=True)
    path = folder / name
    path.write_text(f"#!/bin/sh\necho \"({version}, '{path}', '{bad}')\"\n", encoding="utf-8")
    path.chmod(0o755)
    return path


@POSIX
@pytest.mark.parametrize("version", [(3, 9, 2), (3, 15, 0)])
def test_a_python_that_does_not_fit_gives_way_to_the_newest_that_does(version, tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("PATH", str(tmp_path / "bin") + ":/usr/bin:/bin")
    first = python_script(tmp_path / "bin", "python3", version)
    python_script(tmp_path / "bin", "python3.14", (3, 14, 1), "it has no venv module, or no pip to put into one")
    (tmp_path / "bin" / "python3.13").write_text(
        "#!/bin/sh\nexit 127\n", encoding="utf-8"
    )  # as pyenv's when that version is not chosen
    (tmp_path / "bin" / "python3.13").chmod(0o755)
    found = python_script(tmp_path / "bin", "python3.12", (3, 12, 1))
    assert pythons.choose_python(str(first)) == str(found)
    said = capsys.readouterr().out
    assert f"is Python {version[0]}.{version[1]}.{version[2]} and the course needs 3.11 to 3.14" in said
    assert f"taking {found}" in said


@POSIX
def test_without_a_suitable_python_it_says_what_was_found_and_what_to_install(tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", str(tmp_path))
    first = python_script(tmp_path, "python3", (3, 9, 2))
    with pytest.raises(Stopped, match=r"python3 is Python 3\.9\.2 and the course needs 3\.11 to 3\.14(.|\n)*PYTHON="):
        pythons.choose_python(str(first))
    first = python_script(tmp_path, "python3", (3, 12, 0), "it has no venv module, or no pip to put into one")
    with pytest.raises(Stopped, match="apt-get install python3-venv"):
        pythons.choose_python(str(first))


def test_the_running_python_is_described_as_it_is():
    version, path, bad = pythons.describe([sys.executable])
    assert version == sys.version_info[:3]
    assert Path(path).exists()
    assert bad == ""
    assert pythons.describe(["no-such-python"]) is None


@pytest.mark.parametrize(
    ("output", "said"),
    [
        ("WARNING: Retrying after NewConnectionError", "no package index could be reached"),
        ("error: Failed to fetch: error sending request for url", "no package index could be reached"),
        ("OSError: [Errno 28] No space left on device", "the disk is full"),
        ("failed to write: No space left on device (os error 28)", "the disk is full"),
        ("THESE PACKAGES DO NOT MATCH THE HASHES FROM THE REQUIREMENTS FILE", "does not match its hash"),
        ("Hash mismatch for `tqdm`", "does not match its hash"),
        ("ERROR: No matching distribution found for jaxlib==0.10.2", "no file of a pinned package"),
        ("ERROR: something else", "pip failed:\nERROR: something else"),
    ],
)
def test_failures_are_told_apart(monkeypatch, output, said):
    monkeypatch.setattr(installers, "run", lambda *arguments: (1, output))
    with pytest.raises(Stopped, match=said):
        installers.pip("venv", "anything==1")


def test_uv_uses_the_index_that_pip_is_set_to(tmp_path, monkeypatch):
    """A company's mirror that only pip knows of."""
    (tmp_path / "pip.conf").write_text(
        "[global]\nindex-url = http://mirror.example/simple\ntrusted-host = mirror.example\n", encoding="utf-8"
    )
    for name in ("PIP_INDEX_URL", "UV_INDEX_URL", "UV_DEFAULT_INDEX", "UV_INDEX"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("PIP_CONFIG_FILE", str(tmp_path / "pip.conf"))
    settings = installers.with_pips_settings(sys.prefix)
    assert settings["UV_DEFAULT_INDEX"] == "http://mirror.example/simple"
    assert settings["UV_INSECURE_HOST"] == "mirror.example"
    monkeypatch.setenv("UV_DEFAULT_INDEX", "http://own.example/simple")
    assert installers.with_pips_settings(sys.prefix)["UV_DEFAULT_INDEX"] == "http://own.example/simple"
