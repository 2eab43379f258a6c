"""A notebook that is alone installs the course from its repository; beside the course it does nothing."""

import shutil
import subprocess
import sys

import nbformat
import pytest
from nbclient import NotebookClient
from nbformat.v4 import new_code_cell, new_notebook

from tools.build_notebooks import check, learner_path, main, write
from tools.install_cell import install_cell
from tools.notebook_source import learner_edition, trial_edition
from tools.repository import ROOT, Repository

FOUND = Repository("https://github.com/ada/course")
SOURCE = "# %% [markdown]\n# # 97 · Small\n\n# %%\nimport course_lib\n\nprint(course_lib.__name__)\n"


@pytest.fixture
def project(tmp_path):
    (tmp_path / "notebooks" / "source").mkdir(parents=True)
    (tmp_path / "notebooks" / "source" / "97_small.py").write_text(SOURCE, encoding="utf-8")
    (tmp_path / "course_lib").mkdir()
    (tmp_path / "course_lib" / "__init__.py").write_text('"""A package."""\n', encoding="utf-8")
    (tmp_path / "requirements.lock").write_text("jax==1\n", encoding="utf-8")
    (tmp_path / "book.yml").write_text("project: {title: A course}\n", encoding="utf-8")
    return tmp_path


def source(root):
    return root / "notebooks" / "source" / "97_small.py"


def test_the_first_code_cell_installs_where_there_is_an_address_and_only_there(project):
    plain, launched = learner_edition(source(project)), learner_edition(source(project), FOUND)
    assert [cell.cell_type for cell in launched.cells] == ["markdown", "code", "code"]
    assert launched.cells[1].source == install_cell(FOUND).source
    assert [cell for cell in launched.cells if cell.id != launched.cells[1].id] == plain.cells
    assert not any("%pip" in cell.source for cell in [*plain.cells, *trial_edition(source(project)).cells])


def test_a_new_address_makes_the_notebooks_stale_and_names_itself(project):
    assert main([], project) == 0
    assert check([source(project)], project) == []
    before = learner_path(source(project), project).read_text(encoding="utf-8")
    (project / "book.yml").write_text(
        "project: {title: A course, github: 'https://github.com/ada/course'}\n", encoding="utf-8"
    )
    assert "97_small: the repository's address changed" in check([source(project)], project)
    assert main([], project) == 0
    built = nbformat.read(learner_path(source(project), project), as_version=4)
    assert '%pip install --quiet "git+https://github.com/ada/course@main"' in built.cells[1].source
    assert built.cells[1].outputs == []
    (project / "book.yml").write_text("project: {title: A course}\n", encoding="utf-8")
    assert main([], project) == 0
    assert learner_path(source(project), project).read_text(encoding="utf-8") == before


def test_a_wrong_address_stops_the_builder_with_the_mend(project, capsys):
    (project / "book.yml").write_text("project: {title: A course, github: ada/course}\n", encoding="utf-8")
    for arguments in ([], ["--check"]):
        assert main(arguments, project) == 1
        assert "expected https://github.com/OWNER/REPO" in capsys.readouterr().err


PREPARED = """
import importlib.util

answers = iter([{before}, {after}])
importlib.util.find_spec = lambda name: object() if next(answers) else None
get_ipython().register_magic_function(lambda line: print("pip", line), "line", "pip")
"""


def run(before: bool, after: bool) -> tuple[str, str]:
    """What the cell prints in a real kernel whose pip only echoes, and its error; the course is there before, after."""
    cells = [new_code_cell(PREPARED.format(before=before, after=after)), install_cell(FOUND)]
    client = NotebookClient(new_notebook(cells=cells), timeout=60, kernel_name="python3", allow_errors=True)
    outputs = client.execute().cells[1].outputs
    return "".join(o.get("text", "") for o in outputs), "".join(o.get("evalue", "") for o in outputs)


def test_beside_the_course_the_cell_does_nothing():
    assert run(True, True) == ("", "")


def test_without_the_course_the_cell_installs_it_and_says_so():
    said, error = run(False, True)
    assert 'pip install --quiet "git+https://github.com/ada/course@main"\n' in said
    assert said.startswith("Installing the course")
    assert "restart the kernel" in said
    assert error == ""


def test_when_that_fails_the_error_says_what_to_do():
    _, error = run(False, False)
    assert "could not be installed" in error
    assert "`git clone https://github.com/ada/course`, then `make lab`" in error


def test_the_cell_is_short_and_no_line_is_cut_off(project):
    lines = install_cell(FOUND).source.splitlines()
    assert len(lines) <= 15
    assert [line for line in lines if len(line) > 79] == []
    write(learner_edition(source(project), FOUND), project / "notebooks" / "97_small.ipynb")  # it is a valid notebook


def test_pip_installs_the_course_from_its_repository_with_all_its_parts(tmp_path):
    """What `git+ADDRESS@main` gives: the package with the explorers' browser code, from committed files alone."""
    repository = tmp_path / "course"
    shutil.copytree(ROOT / "course_lib", repository / "course_lib", ignore=shutil.ignore_patterns("__pycache__"))
    settings = "tools/jupyterlab/course_lib.json"
    (repository / settings).parent.mkdir(parents=True)
    for name in ("pyproject.toml", "README.md", "LICENSE", "LICENSE-TEXT", settings):
        shutil.copy(ROOT / name, repository / name)
    git = ["git", "-C", str(repository), "-c", "user.name=a", "-c", "user.email=a@example.org"]
    subprocess.run(["git", "init", "--quiet", "--initial-branch=main", str(repository)], check=True)
    for arguments in (["config", "uploadpack.allowFilter", "true"], ["add", "."], ["commit", "--quiet", "-m", "all"]):
        subprocess.run([*git, *arguments], check=True)
    command = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--no-build-isolation"]
    command += ["--target", str(tmp_path / "there"), f"git+{repository.as_uri()}@main"]
    done = subprocess.run(command, capture_output=True, encoding="utf-8", timeout=120)
    assert done.returncode == 0, done.stderr[-800:]
    wanted = {p.relative_to(ROOT) for p in (ROOT / "course_lib").rglob("*") if p.suffix in (".py", ".js", ".css")}
    assert len(wanted) > 100
    assert {p for p in wanted if not (tmp_path / "there" / p).is_file()} == set()
