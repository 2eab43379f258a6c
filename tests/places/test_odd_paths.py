"""A copy of the course that nobody may write, in a path with spaces and foreign letters: a chapter runs in it."""

import json
import shutil
from pathlib import Path

import pytest

from tests.places.people import POSIX, ROOT, environment, python, read_only

pytestmark = POSIX
RUN = """
import json, sys
import nbformat
from nbclient import NotebookClient
notebook = nbformat.read(sys.argv[1], as_version=4)
NotebookClient(notebook, kernel_name="python3", resources={"metadata": {"path": sys.argv[2]}}).execute()
outputs = [o for cell in notebook.cells for o in cell.get("outputs", [])]
print(json.dumps([[o["output_type"], o.get("name"), o.get("text", "")] for o in outputs]))
"""


@pytest.fixture(scope="module")
def course(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The library and one chapter, as a checkout has them."""
    folder = tmp_path_factory.mktemp("é 数") / "my course (2)"
    shutil.copytree(ROOT / "course_lib", folder / "course_lib", ignore=shutil.ignore_patterns("__pycache__"))
    (folder / "notebooks").mkdir()
    shutil.copy(ROOT / "notebooks" / "00_start_here.ipynb", folder / "notebooks")
    return folder


def test_a_chapter_runs_in_a_course_that_may_not_be_written(somebody, course, tmp_path):
    """By a person without privileges, from another working directory; nothing appears in the course or there."""
    home, elsewhere = tmp_path / "hôme 数", tmp_path / "else where"
    home.mkdir()
    elsewhere.mkdir()
    before = sorted(course.rglob("*"))
    settings = environment(HOME=str(home), PYTHONPATH=str(course), PYTHONDONTWRITEBYTECODE=None)
    chapter = course / "notebooks" / "00_start_here.ipynb"
    with read_only(course):
        done = python("-c", RUN, chapter, course / "notebooks", person=somebody, env=settings, cwd=elsewhere)
    assert done.returncode == 0, done.stderr
    outputs = json.loads(done.stdout.splitlines()[-1])
    assert len(outputs) > 10
    assert [text for kind, name, text in outputs if kind == "error" or name == "stderr"] == []
    assert sorted(course.rglob("*")) == before
    assert list(elsewhere.iterdir()) == []
    assert any(home.rglob("*-cache")), "compiled programs are kept in the person's own home"


@pytest.mark.parametrize("name", ["100% [x] & 'y' $HOME é 数", "-n"])
def test_folders_with_odd_names_keep_checkpoints_data_and_compiled_programs(tmp_path, name):
    folder = tmp_path / name
    code = """
import sys
from pathlib import Path
from flax import nnx
from course_lib import notebook
from tests.training.problems import line, same, train
notebook.start()
folder = Path(sys.argv[1])
first, second = line(), line()
train(first, epochs=2, checkpoint=folder / "run")
train(second, epochs=2, checkpoint=folder / "run")
assert same(first, second)
assert list(folder.rglob("*-cache")), "nothing was kept"
"""
    settings = environment(COURSE_CACHE_DIR=str(folder))
    done = python("-c", code, folder, env=settings)
    assert done.returncode == 0, done.stderr
    assert done.stdout == ""
