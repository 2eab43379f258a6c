"""No home, one that is not there or may not be written, odd folders, a second person: the course runs all the same."""

import json
import os
import stat
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

from course_lib import places
from tests.places.people import OWN_ID, POSIX, environment, python, read_only

pytestmark = POSIX
WHERE = """
import json, os
from pathlib import Path
from course_lib import places
places.ensure_home()
folders = [str(Path.home()), str(places.cache_folder("data")), str(places.cache_folder("compiled"))]
print(json.dumps(folders + [os.environ.get("XDG_CACHE_HOME")]))
"""


@pytest.fixture
def temporary(tmp_path: Path) -> Path:
    """A folder for temporary files that this test alone uses."""
    (tmp_path / "temporary").mkdir()
    return tmp_path / "temporary"


@pytest.fixture
def elsewhere(tmp_path: Path) -> Path:
    (tmp_path / "elsewhere").mkdir()
    return tmp_path / "elsewhere"


def home(tmp_path: Path, kind: str) -> str | None:
    """One of the homes that people turn out to have."""
    folder = tmp_path / "home"
    if kind == "not writable":
        folder.mkdir(mode=0o500)
    if kind == "a file":
        folder.write_text("", encoding="utf-8")
    return {"unset": None, "empty": "", "relative": "home", "the root": "/"}.get(kind, str(folder))


@pytest.mark.parametrize("kind", ["unset", "empty", "missing", "not writable", "a file", "relative", "the root"])
def test_without_a_home_there_is_a_private_stand_in(somebody, tmp_path, temporary, elsewhere, kind):
    """For a person whom the list of users does not know, too; nothing is written where they happen to be."""
    settings = environment(HOME=home(tmp_path, kind), TMPDIR=str(temporary))
    first, second = (python("-c", WHERE, person=somebody, env=settings, cwd=elsewhere) for _ in range(2))
    assert first.returncode == 0, first.stderr
    assert first.stdout == second.stdout, "the second process finds what the first one kept"
    where = temporary / f"{places.NAME}-{OWN_ID}"
    found, data, compiled, _ = json.loads(first.stdout)
    assert found == str(where)
    assert Path(data).is_relative_to(where)
    assert Path(compiled).is_relative_to(where)
    assert stat.S_IMODE(where.stat().st_mode) == 0o700
    assert list(elsewhere.iterdir()) == []


def test_a_usable_home_is_left_alone(somebody, tmp_path, elsewhere):
    settings = environment(HOME=str(tmp_path))
    found, data, _, _ = json.loads(python("-c", WHERE, person=somebody, env=settings, cwd=elsewhere).stdout)
    assert found == str(tmp_path)
    assert Path(data).is_relative_to(tmp_path)


@pytest.mark.parametrize("kind", ["relative", "not writable"])
def test_an_odd_cache_folder_of_the_desktop_is_left_out(somebody, tmp_path, elsewhere, kind):
    (tmp_path / "cache").mkdir(mode=0o500)
    settings = environment(HOME=str(tmp_path), XDG_CACHE_HOME="cache" if kind == "relative" else f"{tmp_path}/cache")
    found, data, _, named = json.loads(python("-c", WHERE, person=somebody, env=settings, cwd=elsewhere).stdout)
    assert (found, named) == (str(tmp_path), None)
    assert Path(data).is_relative_to(tmp_path / ".cache")
    assert list(elsewhere.iterdir()) == []


def test_a_cache_that_another_person_made_is_left_to_them(somebody, tmp_path, temporary):
    """As after one `sudo make lab`: the folder is there, and not ours."""
    folder = tmp_path / ".cache" / places.NAME / "compiled"
    folder.mkdir(parents=True)
    folder.chmod(0o555)
    settings = environment(HOME=str(tmp_path), TMPDIR=str(temporary))
    _, data, compiled, _ = json.loads(python("-c", WHERE, person=somebody, env=settings).stdout)
    assert Path(data) == folder.with_name("data")
    assert Path(compiled).is_relative_to(temporary)


@pytest.mark.parametrize("taken", ["by a link", "by a file", "for all to write"])
def test_a_name_that_somebody_took_is_not_used(tmp_path, monkeypatch, taken):
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    places.stand_in.cache_clear()
    trap = tmp_path / f"{places.NAME}-{os.getuid()}"
    (tmp_path / "theirs").mkdir()
    if taken == "by a link":
        trap.symlink_to(tmp_path / "theirs")
    elif taken == "by a file":
        trap.write_text("", encoding="utf-8")
    else:
        trap.mkdir()
        trap.chmod(0o777)
    try:
        folder = places.stand_in()
        assert folder not in (trap, tmp_path / "theirs")
        assert folder == places.stand_in()
        assert stat.S_IMODE(folder.stat().st_mode) == 0o700
        assert list((tmp_path / "theirs").iterdir()) == []
    finally:
        places.stand_in.cache_clear()


def test_the_named_cache_folder_may_be_relative_or_begin_with_a_tilde(monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path))
    for name in ("here", "~/here"):
        monkeypatch.setenv("COURSE_CACHE_DIR", name)
        assert places.cache_folder("data") == tmp_path / "here" / "data"


@pytest.mark.parametrize("kind", ["unset", "not writable"])
def test_the_doctor_runs_from_anywhere_without_a_home(somebody, tmp_path, temporary, elsewhere, kind):
    """The folder that the person is in may not be written; no path of the course is known to the command."""
    settings = environment(HOME=home(tmp_path, kind), TMPDIR=str(temporary))
    with read_only(elsewhere):
        done = python("-m", "course_lib.doctor", person=somebody, env=settings, cwd=elsewhere)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "missing  home          none that may be written; settings and caches go to" in done.stdout
    assert "→ Set HOME to a folder that you may write to, which lasts." in done.stdout
    assert "missing  this folder" in done.stdout
    assert f"ok       compile cache {temporary}" in done.stdout
    assert done.stderr == ""


def test_the_doctor_says_that_there_is_no_folder_for_temporary_files(somebody, tmp_path):
    """Python then takes the present folder; the present one may not be written either."""
    code = "import tempfile\ntempfile._candidate_tempdir_list = lambda: ['/proc']\n"
    code += "from course_lib import doctor\n"
    code += "print(*[f for f in doctor.report() if f.subject in ('temporary', 'python')], sep='\\n')"
    done = python("-c", code, person=somebody, env=environment(HOME=str(tmp_path)))
    assert done.returncode == 0, done.stderr
    assert "ok       python" in done.stdout
    assert "missing  temporary     [Errno 2] No usable temporary directory found" in done.stdout


TRAIN = """
import warnings, jax
from course_lib import notebook
warnings.simplefilter("error")
notebook.start()
for k in range(40):
    assert jax.jit(lambda x: x * 3 - k)(2.0) == 6 - k
print("done", jax.config.jax_compilation_cache_dir)
"""


def test_two_kernels_share_one_compile_cache(tmp_path):
    settings = environment(COURSE_CACHE_DIR=str(tmp_path))
    both = [
        subprocess.Popen([sys.executable, "-c", TRAIN], env=settings, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        for _ in range(2)
    ]
    for process in both:
        out, said = process.communicate(timeout=300)
        assert process.returncode == 0, said.decode()
        assert out.startswith(b"done")


def test_two_people_share_one_machine(somebody, temporary):
    """The same commands, the same folder for temporary files, no homes: nothing of the first is in the second's way."""
    settings = environment(HOME=None, TMPDIR=str(temporary))
    other = [part.replace(OWN_ID, "54322") for part in somebody]
    found = [python("-c", TRAIN, person=person, env=settings) for person in (somebody, other)]
    assert [done.returncode for done in found] == [0, 0], found[1].stderr
    first, second = (done.stdout.split()[1] for done in found)
    assert first != second
    assert sorted(path.name for path in temporary.iterdir()) == [f"{places.NAME}-{n}" for n in (OWN_ID, "54322")]
